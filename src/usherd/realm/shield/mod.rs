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
use tries::Tries;

/// Names that are remembered, in rows: as good as any number for a directory, and a few megabytes
/// at most when somebody makes names up.
const USER_ROWS: u64 = 4096;
/// Client addresses that are remembered, in rows.
const CLIENT_ROWS: u64 = 2048;

/// What has failed in a realm lately.
pub(super) struct Shield {
    limits: Limits,
    begin: Instant,
    users: Mutex<Table<Tries>>,
    clients: Mutex<Table<Failures>>,
    keys: RandomState,
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
        let config::Shield { failures, window, block, per_client } = *settings;
        Arc::new(Self {
            limits: Limits { failures, window, block, per_client, negative_ttl },
            begin: now,
            users: Mutex::new(Table::new(USER_ROWS)),
            clients: Mutex::new(Table::new(CLIENT_ROWS)),
            keys: RandomState::new(),
            blocks: Count::default(),
            known_wrong: Count::default(),
        })
    }

    /// Whether this password may be tried.
    pub(super) fn gate(&self, guess: &Guess<'_>, now: Instant) -> Gate {
        let gate = match lock(&self.users).get(self.user(guess.name)) {
            Some(tries) => tries.gate(guess.tag, &self.limits, now),
            None => Gate::Open,
        };
        if gate == Gate::Wrong {
            self.known_wrong.one();
        }
        match (gate, guess.client.and_then(|client| self.client_shut(client, now))) {
            (Gate::Open, Some(left)) => Gate::Shut(left),
            (gate, _) => gate,
        }
    }

    /// Takes a place for this password, if it may be tried. Of the client only note is taken:
    /// whoever joins the same question is not to pay for where it came from.
    pub(super) fn admit(
        self: &Arc<Self>,
        guess: &Guess<'_>,
        exists: bool,
        now: Instant,
    ) -> Result<Place, Gate> {
        let user = self.user(guess.name);
        let gate = {
            let mut users = lock(&self.users);
            let tries = users.entry(user, |tries| tries.worth(&self.limits, now));
            tries.admit(guess.tag, exists, &self.limits, now)
        };
        if gate != Gate::Open {
            return Err(gate);
        }
        let client = guess.client.map(|client| self.client(client));
        if let Some(client) = client {
            let (count, _) = self.clock(now);
            let mut clients = lock(&self.clients);
            clients.entry(client, |failures| failures.worth(count)).add(count);
        }
        Ok(Place { shield: Arc::clone(self), user, client, tag: guess.tag, settled: false })
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
            blocks: self.blocks.now(),
            known_wrong: self.known_wrong.now(),
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
        let shut = {
            let mut users = lock(&self.users);
            let tries = users.entry(place.user, |tries| tries.worth(&self.limits, now));
            tries.settle(place.tag, outcome, &self.limits, now)
        };
        if shut {
            self.blocks.one();
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

/// The place of a password that is being tried. Dropped without an outcome, it is given back.
pub(super) struct Place {
    shield: Arc<Shield>,
    user: u64,
    client: Option<u64>,
    tag: u64,
    settled: bool,
}

impl Place {
    /// Tells what came of it; whether the user is shut out by it.
    pub(super) fn settle(mut self, outcome: Outcome, now: Instant) -> bool {
        self.settled = true;
        self.shield.settle(&self, outcome, now)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.settled {
            self.shield.settle(self, Outcome::Void, Instant::now());
        }
    }
}

fn lock<T>(table: &Mutex<T>) -> MutexGuard<'_, T> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
