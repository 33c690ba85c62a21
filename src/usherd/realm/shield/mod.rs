//! The shield: how often passwords may fail before no more of them reach the directory, so that
//! nobody guesses through us and no storm of wrong ones locks an account there.
//!
//! A password takes a place each time before it is sent, and gives it back if it was right. So also
//! of a thousand passwords at once no more than `failures` reach the directory within `window`.
//! Users are counted by what the directory knows them by, since it may take many names for one.
//! Known and unknown users are counted alike: what is told gives no name away.

mod clients;
mod table;
mod tries;

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use usher_protocol::ShieldStatus;

use super::username::folded;
use crate::config;
use crate::telemetry::Count;
use clients::Failures;
use table::Table;
use tries::{MOMENT, Tries};

/// Names that are remembered, in rows: as good as any number for a directory, and a few megabytes
/// at most when somebody makes names up.
const USER_ROWS: u64 = 4096;
/// Client addresses that are remembered, in rows.
const CLIENT_ROWS: u64 = 2048;

/// What has failed in a realm lately. One with other limits may stand on the same.
pub(super) struct Shield {
    limits: Limits,
    begin: Instant,
    users: Arc<Mutex<Table<Tries>>>,
    clients: Arc<Mutex<Table<Failures>>>,
    keys: RandomState,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    blocks: Count,
    known_wrong: Count,
    /// Places that were taken, to tell them apart.
    places: AtomicU64,
}

/// How much is allowed.
#[derive(Debug, Clone)]
struct Limits {
    failures: usize,
    window: Duration,
    block: Duration,
    per_client: usize,
    /// How long a refused password is not tried again.
    negative_ttl: Duration,
}

impl Limits {
    fn new(settings: &config::Shield, negative_ttl: Duration) -> Self {
        let config::Shield { failures, window, block, per_client } = *settings;
        Self { failures, window, block, per_client, negative_ttl }
    }
}

/// What is held against somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    /// Passwords that failed lately, or are being tried.
    pub(super) failures: usize,
    /// As many as may; 0: any number.
    pub(super) most: usize,
    /// How long none of the name is tried, if so.
    pub(super) shut: Option<Duration>,
    /// How long none from the client is, if so.
    pub(super) client_shut: Option<Duration>,
}

/// Whether a password may be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    /// It may.
    Open,
    /// The directory has refused this very password a short while ago.
    Wrong,
    /// Too many have failed; for so long.
    Shut(Duration),
}

/// What came of a password that was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was right.
    Right,
    /// It was refused.
    Refused,
    /// Nobody knows: it may have reached the directory and been counted there.
    Unknown,
    /// It has not been tried, or what was said does not count as a failure.
    Void,
}

/// Whose failures these are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whose<'a> {
    /// As the directory is asked for them, or as it spells them.
    pub(super) name: &'a str,
    /// What it knows them by: one user may have many names. None where that is not known before a
    /// password is right, or nobody has the name.
    pub(super) id: Option<&'a str>,
    /// Whether the directory has such a user.
    pub(super) exists: Exists,
}

/// Whether the directory has a user of some name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Exists {
    /// It says that it has none.
    #[default]
    No,
    /// That would only show by a right password.
    Unknown,
    /// It has.
    Yes,
}

/// A password about to be tried.
#[derive(Debug, Clone)]
pub(super) struct Guess<'a> {
    pub(super) whose: Whose<'a>,
    pub(super) tag: u64,
    pub(super) client: Option<IpAddr>,
    /// It is known to be right: it is tried all the same, and counts if it is not any more.
    pub(super) sure: bool,
}

impl Shield {
    pub(super) fn new(
        settings: &config::Shield,
        negative_ttl: Duration,
        now: Instant,
    ) -> Arc<Self> {
        Arc::new(Self {
            limits: Limits::new(settings, negative_ttl),
            begin: now,
            users: Arc::new(Mutex::new(Table::new(USER_ROWS))),
            clients: Arc::new(Mutex::new(Table::new(CLIENT_ROWS))),
            keys: RandomState::new(),
            counts: Arc::default(),
        })
    }

    /// The same failures under other limits: who changes a realm gives nobody new tries. Clients
    /// are counted in windows, so those of another length begin anew.
    pub(super) fn with(&self, settings: &config::Shield, negative_ttl: Duration) -> Arc<Self> {
        let limits = Limits::new(settings, negative_ttl);
        let same = limits.window == self.limits.window;
        let none = || Arc::new(Mutex::new(Table::new(CLIENT_ROWS)));
        Arc::new(Self {
            begin: self.begin,
            users: Arc::clone(&self.users),
            clients: if same { Arc::clone(&self.clients) } else { none() },
            keys: self.keys.clone(),
            counts: Arc::clone(&self.counts),
            limits,
        })
    }

    /// Whether it is worth while to ask for this password to be tried.
    pub(super) fn gate(&self, guess: &Guess<'_>, now: Instant) -> Gate {
        let (gate, joins) = match lock(&self.users).get(self.user(guess.whose)) {
            Some(tries) => (tries.gate(guess.tag, &self.limits, now), tries.is_trying(guess.tag)),
            None => (Gate::Open, false),
        };
        if gate == Gate::Wrong {
            self.counts.known_wrong.one();
        }
        match gate {
            // It is no failure more, wherever it comes from.
            Gate::Open if !joins => self.client_gate(guess.client, now),
            gate => gate,
        }
    }

    /// Whether any password from this client may be tried.
    pub(super) fn client_gate(&self, client: Option<IpAddr>, now: Instant) -> Gate {
        client.and_then(|client| self.client_shut(client, now)).map_or(Gate::Open, Gate::Shut)
    }

    /// Takes a place for this password, if it may be tried. Where its failure could not be
    /// remembered it is not.
    pub(super) fn admit(self: &Arc<Self>, guess: &Guess<'_>, now: Instant) -> Result<Place, Gate> {
        let number = self.counts.places.fetch_add(1, Ordering::Relaxed);
        let (user, exists) = (self.user(guess.whose), guess.whose.exists);
        let client = guess.client.map(|client| self.client(client));
        // Held until the failure is noted: of many at once no more are tried than may fail. Nobody
        // else takes one of the two locks while they hold the other.
        let mut clients = lock(&self.clients);
        if !guess.sure
            && let Some(left) = client.and_then(|client| self.wait_of(&mut clients, client, now))
        {
            return Err(Gate::Shut(left));
        }
        let gate = {
            let mut users = lock(&self.users);
            let worth = |tries: &Tries| tries.worth(&self.limits, now);
            let tries = users.entry(user, worth, Tries::room_for(exists));
            tries.map_or(Gate::Shut(MOMENT), |tries| {
                tries.name = self.name(guess.whose.name);
                match guess.sure && !tries.is_unanswered(guess.tag) {
                    true => tries.take(number, guess.tag, exists, now),
                    false => tries.admit(number, guess.tag, exists, &self.limits, now),
                }
            })
        };
        if gate != Gate::Open {
            if gate == Gate::Wrong {
                self.counts.known_wrong.one();
            }
            return Err(gate);
        }
        let (count, _) = self.clock(now);
        let worth = |failures: &Failures| failures.worth(count);
        if let Some(failures) = client.and_then(|client| clients.entry(client, worth, usize::MAX)) {
            failures.add(count);
        }
        drop(clients);
        let (shield, tag) = (Arc::clone(self), guess.tag);
        let (sent, settled) = (AtomicBool::new(false), false);
        Ok(Place { shield, user, client, number, tag, exists, sent, settled })
    }

    /// Lifts a user's block and forgets their failures; whether there were any.
    pub(super) fn unblock(&self, whose: Whose<'_>) -> bool {
        let (key, name) = (self.user(whose), self.name(whose.name));
        lock(&self.users).remove(|user, tries| user == key || tries.name == name)
    }

    /// Forgets which passwords of a user were refused, but not how many.
    pub(super) fn forget(&self, whose: Whose<'_>) {
        self.of(&mut lock(&self.users), whose).for_each(Tries::forget);
    }

    /// Forgets which passwords were refused, but not how many.
    pub(super) fn forget_all(&self) {
        lock(&self.users).values().for_each(|(_, tries)| tries.forget());
    }

    /// Who is shut out now.
    pub(super) fn status(&self, now: Instant) -> ShieldStatus {
        let (count, part) = self.clock(now);
        let most = self.limits.per_client;
        let blocked_users = {
            let mut users = lock(&self.users);
            users.values().map(|(_, tries)| u64::from(tries.shut(&self.limits, now))).sum()
        };
        let blocked_clients = {
            let mut clients = lock(&self.clients);
            let shut = |failures: &mut Failures| failures.wait(count, part, most).is_some();
            clients.values().map(|(_, failures)| u64::from(shut(failures))).sum()
        };
        ShieldStatus {
            blocks: self.counts.blocks.now(),
            known_wrong: self.counts.known_wrong.now(),
            blocked_users,
            blocked_clients,
        }
    }

    /// What is held against a user, and against a client.
    pub(super) fn standing(
        &self,
        whose: Whose<'_>,
        client: Option<IpAddr>,
        now: Instant,
    ) -> Standing {
        let (failures, shut) = {
            let mut users = lock(&self.users);
            let tries = self.of(&mut users, whose);
            tries.map(|tries| tries.standing(&self.limits, now)).max().unwrap_or_default()
        };
        let client_shut = client.and_then(|client| self.client_shut(client, now));
        Standing { failures, most: self.limits.failures, shut, client_shut }
    }

    /// What was tried for a user, under whichever name.
    fn of<'a>(
        &self,
        users: &'a mut Table<Tries>,
        whose: Whose<'_>,
    ) -> impl Iterator<Item = &'a mut Tries> + use<'a> {
        let (key, name) = (self.user(whose), self.name(whose.name));
        let of = users.values().filter(move |(user, tries)| *user == key || tries.name == name);
        of.map(|(_, tries)| tries)
    }

    fn client_shut(&self, client: IpAddr, now: Instant) -> Option<Duration> {
        self.wait_of(&mut lock(&self.clients), self.client(client), now)
    }

    fn wait_of(
        &self,
        clients: &mut Table<Failures>,
        client: u64,
        now: Instant,
    ) -> Option<Duration> {
        let (count, part) = self.clock(now);
        let wait = clients.get(client)?.wait(count, part, self.limits.per_client)?;
        Some(self.limits.window.mul_f64(wait))
    }

    /// The number of the window that `now` is in, and which part of it has passed.
    fn clock(&self, now: Instant) -> (u64, f64) {
        let windows =
            now.saturating_duration_since(self.begin).div_duration_f64(self.limits.window);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative")]
        let count = windows as u64;
        (count, windows.fract())
    }

    fn user(&self, whose: Whose<'_>) -> u64 {
        match whose.id {
            Some(id) => self.keys.hash_one(("id", id.to_lowercase())),
            None => self.name(whose.name),
        }
    }

    fn name(&self, name: &str) -> u64 {
        self.keys.hash_one(folded(name))
    }

    /// A network of IPv6 is one client: whoever has one has all of its addresses.
    fn client(&self, client: IpAddr) -> u64 {
        match client.to_canonical() {
            IpAddr::V4(address) => self.keys.hash_one(address),
            IpAddr::V6(address) => self.keys.hash_one(address.to_bits() >> 64),
        }
    }

    /// Takes one more place for a password that has one and may have been counted already.
    fn again(&self, place: &Place, now: Instant) -> bool {
        let mut users = lock(&self.users);
        let worth = |tries: &Tries| tries.worth(&self.limits, now);
        let tries = users.entry(place.user, worth, Tries::room_for(place.exists));
        tries.is_some_and(|tries| tries.again(place.number, &self.limits, now))
    }

    fn settle(&self, place: &Place, outcome: Outcome, now: Instant) -> bool {
        let Place { user, number, tag, exists, .. } = *place;
        let shut = {
            let mut users = lock(&self.users);
            let tries = match outcome {
                Outcome::Right | Outcome::Void => users.get(user),
                Outcome::Refused | Outcome::Unknown => {
                    let worth = |tries: &Tries| tries.worth(&self.limits, now);
                    users.entry(user, worth, Tries::room_for(exists))
                }
            };
            tries.is_some_and(|tries| {
                tries.settle((number, tag), exists, outcome, &self.limits, now)
            })
        };
        if shut {
            self.counts.blocks.one();
        }
        if let Some(client) = place.client
            && matches!(outcome, Outcome::Right | Outcome::Void)
            && let Some(failures) = lock(&self.clients).get(client)
        {
            failures.take_back(self.clock(now).0);
        }
        shut
    }
}

/// The place of a password that is being tried. Dropped without an outcome, it is given back if the
/// password has not been sent, else it stays taken.
pub(super) struct Place {
    shield: Arc<Shield>,
    user: u64,
    client: Option<u64>,
    number: u64,
    tag: u64,
    exists: Exists,
    sent: AtomicBool,
    settled: bool,
}

impl Place {
    /// The password is about to be sent: from then on the directory may count it, whatever
    /// happens, and so it may each time that it is sent again. Whether there is room for that.
    pub(super) fn send(&self) -> bool {
        !self.sent.swap(true, Ordering::Relaxed) || self.shield.again(self, Instant::now())
    }

    /// Tells what came of it; whether the user is shut out by it. What was never sent has not been
    /// counted by anybody.
    pub(super) fn settle(mut self, outcome: Outcome, now: Instant) -> bool {
        self.settled = true;
        let outcome = match outcome {
            Outcome::Unknown => self.unsettled(),
            known => known,
        };
        self.shield.settle(&self, outcome, now)
    }

    fn unsettled(&self) -> Outcome {
        if self.sent.load(Ordering::Relaxed) { Outcome::Unknown } else { Outcome::Void }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.settled {
            self.shield.settle(self, self.unsettled(), Instant::now());
        }
    }
}

fn lock<T>(table: &Mutex<T>) -> MutexGuard<'_, T> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
