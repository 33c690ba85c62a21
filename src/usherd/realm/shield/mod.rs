//! The shield: how often passwords may fail before no more of them reach the directory, so that
//! nobody guesses through us and no storm of wrong ones locks an account there.
//!
//! A password takes a place before it is tried, and gives it back if it was right. So also of a
//! thousand passwords at once no more than `failures` reach the directory within `window`.
//! Known and unknown users are counted alike: what is told gives no name away.

mod clients;
mod table;
mod tries;

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use usher_protocol::ShieldStatus;

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

/// A password about to be tried.
#[derive(Debug, Clone)]
pub(super) struct Guess<'a> {
    pub(super) name: &'a str,
    pub(super) tag: u64,
    pub(super) client: Option<IpAddr>,
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

    /// Whether this password may be tried.
    pub(super) fn gate(&self, guess: &Guess<'_>, now: Instant) -> Gate {
        let gate = match lock(&self.users).get(self.user(guess.name)) {
            Some(tries) => tries.gate(guess.tag, &self.limits, now),
            None => Gate::Open,
        };
        if gate == Gate::Wrong {
            self.counts.known_wrong.one();
        }
        match (gate, guess.client.and_then(|client| self.client_shut(client, now))) {
            (Gate::Open, Some(left)) => Gate::Shut(left),
            (gate, _) => gate,
        }
    }

    /// Takes a place for this password, if it may be tried. Of the client only note is taken:
    /// whoever joins the same question is not to pay for where it came from. Where its failure
    /// could not be remembered it is not tried.
    pub(super) fn admit(
        self: &Arc<Self>,
        guess: &Guess<'_>,
        exists: bool,
        now: Instant,
    ) -> Result<Place, Gate> {
        let user = self.user(guess.name);
        let gate = {
            let mut users = lock(&self.users);
            let worth = |tries: &Tries| tries.worth(&self.limits, now);
            let tries = users.entry(user, worth, Tries::room_for(exists));
            tries.map_or(Gate::Shut(MOMENT), |tries| {
                tries.admit(guess.tag, exists, &self.limits, now)
            })
        };
        if gate != Gate::Open {
            return Err(gate);
        }
        let client = guess.client.map(|client| self.client(client));
        if let Some(client) = client {
            let (count, _) = self.clock(now);
            let mut clients = lock(&self.clients);
            let worth = |failures: &Failures| failures.worth(count);
            if let Some(failures) = clients.entry(client, worth, usize::MAX) {
                failures.add(count);
            }
        }
        Ok(Place {
            shield: Arc::clone(self),
            user,
            client,
            tag: guess.tag,
            exists,
            end: Some(Outcome::Void),
        })
    }

    /// Lifts a user's block and forgets their failures; whether there were any.
    pub(super) fn unblock(&self, name: &str) -> bool {
        lock(&self.users).remove(self.user(name))
    }

    /// Forgets which passwords of a user were refused, but not how many.
    pub(super) fn forget(&self, name: &str) {
        if let Some(tries) = lock(&self.users).get(self.user(name)) {
            tries.forget();
        }
    }

    /// Forgets which passwords were refused, but not how many.
    pub(super) fn forget_all(&self) {
        lock(&self.users).values().for_each(Tries::forget);
    }

    /// Who is shut out now.
    pub(super) fn status(&self, now: Instant) -> ShieldStatus {
        let (count, part) = self.clock(now);
        let most = self.limits.per_client;
        ShieldStatus {
            blocks: self.counts.blocks.now(),
            known_wrong: self.counts.known_wrong.now(),
            blocked_users: lock(&self.users)
                .values()
                .map(|tries| u64::from(tries.shut(&self.limits, now)))
                .sum(),
            blocked_clients: lock(&self.clients)
                .values()
                .map(|failures| u64::from(failures.wait(count, part, most).is_some()))
                .sum(),
        }
    }

    /// What is held against a name, and against a client.
    pub(super) fn standing(&self, name: &str, client: Option<IpAddr>, now: Instant) -> Standing {
        let mut users = lock(&self.users);
        let tries = users.get(self.user(name));
        let (failures, shut) = tries.map_or((0, None), |tries| tries.standing(&self.limits, now));
        let client_shut = client.and_then(|client| self.client_shut(client, now));
        Standing { failures, most: self.limits.failures, shut, client_shut }
    }

    fn client_shut(&self, client: IpAddr, now: Instant) -> Option<Duration> {
        let (count, part) = self.clock(now);
        let mut clients = lock(&self.clients);
        let wait = clients.get(self.client(client))?.wait(count, part, self.limits.per_client)?;
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

    fn user(&self, name: &str) -> u64 {
        self.keys.hash_one(name)
    }

    /// A network of IPv6 is one client: whoever has one has all of its addresses.
    fn client(&self, client: IpAddr) -> u64 {
        match client.to_canonical() {
            IpAddr::V4(address) => self.keys.hash_one(address),
            IpAddr::V6(address) => self.keys.hash_one(address.to_bits() >> 64),
        }
    }

    fn settle(&self, place: &Place, outcome: Outcome, now: Instant) -> bool {
        let Place { user, tag, exists, .. } = *place;
        let shut = {
            let mut users = lock(&self.users);
            let tries = match outcome {
                Outcome::Right | Outcome::Void => users.get(user),
                Outcome::Refused | Outcome::Unknown => {
                    let worth = |tries: &Tries| tries.worth(&self.limits, now);
                    users.entry(user, worth, Tries::room_for(exists))
                }
            };
            tries.is_some_and(|tries| tries.settle(tag, exists, outcome, &self.limits, now))
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
    tag: u64,
    exists: bool,
    /// What came of it if nobody says anything else.
    end: Option<Outcome>,
}

impl Place {
    /// The password is on its way: from here on the directory may count it, whatever happens.
    pub(super) fn send(&mut self) {
        self.end = Some(Outcome::Unknown);
    }

    /// Tells what came of it; whether the user is shut out by it.
    pub(super) fn settle(mut self, outcome: Outcome, now: Instant) -> bool {
        self.end = None;
        self.shield.settle(&self, outcome, now)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(outcome) = self.end {
            self.shield.settle(self, outcome, Instant::now());
        }
    }
}

fn lock<T>(table: &Mutex<T>) -> MutexGuard<'_, T> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
