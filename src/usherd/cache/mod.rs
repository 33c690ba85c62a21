//! What we know: what directories said, for as long as it is fresh. Pure in `now`; it knows no
//! directory and no request.
//!
//! An identity and a password are separate facts with times of their own. A password is kept as a
//! keyed digest only. One that does not match says nothing: the user may have changed it, so the
//! directory is asked. What is past its time is kept for when no host answers.

mod bounded;
mod name;
mod shard;
mod verifier;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use usher_protocol::{CacheStatus, Password};

pub use bounded::allocated;
pub use verifier::Digest;

use crate::config;
use name::Name;
use shard::Shard;
use verifier::Digester;

/// More than threads, so that they hardly ever wait for each other.
const MOST_SHARDS: usize = 16;
/// A shard must hold some entries to be of use.
const SHARD_BYTES: usize = 1 << 20;
/// A refresh that failed is tried again no sooner.
const RETRY: Duration = Duration::from_secs(1);

/// What can be remembered of somebody. A clone shares what is on the heap.
pub trait Identity: Clone {
    /// Heap bytes in use beside the value itself, as [`allocated`] counts them.
    fn heap_bytes(&self) -> usize;
    /// Whether the password of the one is that of the other.
    fn is_same_as(&self, other: &Self) -> bool;
}

/// What a directory said of users, and when.
pub struct Cache<T> {
    times: Times,
    max_bytes: usize,
    shards: Box<[Mutex<Shard<T>>]>,
    digester: Digester,
    flushes: AtomicU64,
}

/// How long what is of use.
#[derive(Debug, Clone)]
struct Times {
    ttl: Duration,
    negative_ttl: Duration,
    /// How long an identity may be told at all.
    served: Duration,
    /// How long a right password may be accepted at all.
    accepted: Duration,
    /// When an identity in use is read again.
    refresh: Option<Duration>,
}

/// What is known of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who<T> {
    /// A user.
    Fresh {
        /// What the directory said.
        identity: T,
        /// When.
        since: Instant,
        /// Whether the directory should be asked again, without waiting for it.
        refresh: bool,
    },
    /// A user, for when no host answers.
    Stale {
        /// What the directory said.
        identity: T,
        /// When.
        since: Instant,
    },
    /// Nobody has this name.
    Nobody,
    /// Nothing; the directory must be asked.
    Unknown,
}

impl<T> Who<T> {
    /// What the directory said of a user, be it fresh or not.
    pub fn identity(&self) -> Option<&T> {
        match self {
            Self::Fresh { identity, .. } | Self::Stale { identity, .. } => Some(identity),
            Self::Nobody | Self::Unknown => None,
        }
    }
}

/// What is known of a password.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// The directory accepted it then.
    Right(Instant),
    /// The directory accepted it then; this counts when no host answers.
    Offline(Instant),
    /// Nothing; the directory must be asked.
    Unknown,
}

/// When a question began. What is forgotten while it is under way stays forgotten: an answer may
/// be older than the command to forget it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Asked(u64);

impl<T: Identity> Cache<T> {
    /// Empty.
    ///
    /// # Errors
    /// If the system has no random bytes.
    pub fn new(settings: &config::Cache) -> Result<Self, getrandom::Error> {
        let shards = (settings.max_bytes / SHARD_BYTES).clamp(1, MOST_SHARDS);
        Ok(Self {
            times: Times::new(settings),
            max_bytes: settings.max_bytes,
            shards: (0..shards).map(|_| Mutex::new(Shard::new())).collect(),
            digester: Digester::new()?,
            flushes: AtomicU64::new(0),
        })
    }

    /// A question to the directory begins.
    pub fn asking(&self) -> Asked {
        Asked(self.flushes.load(Ordering::Acquire))
    }

    /// What is kept of a password of this name.
    pub fn digest(&self, name: &str, password: &Password) -> Digest {
        self.digester.of(name).digest(password)
    }

    /// Who the name is.
    pub fn recall(&self, name: &str, now: Instant) -> Who<T> {
        let recall =
            |(mut shard, name): (Locked<'_, T>, Name)| shard.recall(name, None, &self.times, now).0;
        self.shard(name).map_or(Who::Unknown, recall)
    }

    /// Who the name is, and what is known of the password, with what is kept of it.
    pub fn recall_both(
        &self,
        name: &str,
        password: &Password,
        now: Instant,
    ) -> (Who<T>, Memory, Digest) {
        let own = self.digester.of(name);
        let digest = own.digest(password);
        let (who, memory) = match self.part(own.name()) {
            Some((mut shard, name)) => shard.recall(name, Some(&digest), &self.times, now),
            None => (Who::Unknown, Memory::Unknown),
        };
        (who, memory, digest)
    }

    /// Who the name is by now: who asks again is not counted again.
    pub fn look(&self, name: &str, now: Instant) -> Who<T> {
        self.shard(name).map_or(Who::Unknown, |(mut shard, name)| shard.who(name, &self.times, now))
    }

    /// What is known of a password of this name by now: who asks again is not counted again.
    pub fn password(&self, name: &str, digest: &Digest, now: Instant) -> Memory {
        self.shard(name).map_or(Memory::Unknown, |(mut shard, name)| {
            shard.password(name, |_| true, digest, &self.times, now)
        })
    }

    /// As `password`, where the name must mean this identity: it may be somebody else's by now, or
    /// have been when the password was learned.
    pub fn password_of(&self, name: &str, identity: &T, digest: &Digest, now: Instant) -> Memory {
        self.shard(name).map_or(Memory::Unknown, |(mut shard, name)| {
            shard.password(name, |one| one.is_same_as(identity), digest, &self.times, now)
        })
    }

    /// The directory said who the name is.
    pub fn learn_identity(&self, name: &str, identity: &T, asked: Asked, now: Instant) {
        self.learn(name, asked, now, |shard, name| {
            shard.learn_identity(name, identity, &self.times, now);
        });
    }

    /// The directory said that nobody has this name.
    pub fn learn_nobody(&self, name: &str, asked: Asked, now: Instant) {
        self.learn(name, asked, now, |shard, name| shard.learn_nobody(name, now));
    }

    /// The directory accepted or refused a password of this identity.
    pub fn learn_password(
        &self,
        name: &str,
        identity: &T,
        said: (Digest, bool),
        asked: Asked,
        now: Instant,
    ) {
        self.learn(name, asked, now, |shard, name| {
            shard.learn_password(name, identity, said, &self.times, now);
        });
    }

    /// The directory refused a password of this name, and said not whose the name is.
    pub fn refuse(&self, name: &str, digest: &Digest, asked: Asked, now: Instant) {
        self.learn(name, asked, now, |shard, name| shard.refuse(name, digest));
    }

    /// Forgets a name and whoever has it, under all their names: who is the same as is known of
    /// this one, and who is `also` meant. Whether anything was known.
    pub fn forget(&self, name: &str, also: impl Fn(&T) -> bool, now: Instant) -> bool {
        // Before a lock is taken: whoever learns after this sees that it was too early.
        self.flushes.fetch_add(1, Ordering::AcqRel);
        let name = self.digester.of(name).name();
        let known = self.part(name).and_then(|(mut it, name)| it.identity(name, &self.times, now));
        let same = |one: &T| known.as_ref().is_some_and(|it| it.is_same_as(one)) || also(one);
        self.shards.iter().fold(false, |any, shard| {
            let mut shard = lock(shard);
            shard.forget(name) | shard.forget_if(same) | any
        })
    }

    /// Forgets everything; how many names that were.
    pub fn clear(&self) -> usize {
        self.flushes.fetch_add(1, Ordering::AcqRel);
        self.shards.iter().map(|shard| lock(shard).clear()).sum()
    }

    /// Overwrites the key of all digests, then forgets them. Nothing is learned any more.
    pub fn wipe(&self) {
        self.digester.wipe();
        self.clear();
    }

    /// Whether nothing is left of the key.
    pub(crate) fn is_wiped(&self) -> bool {
        self.digester.is_wiped()
    }

    /// Fill and use.
    pub fn status(&self) -> CacheStatus {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let empty = CacheStatus { max_bytes: number(self.max_bytes), ..CacheStatus::default() };
        self.shards.iter().fold(empty, |sum, shard| {
            let shard = lock(shard);
            CacheStatus {
                entries: sum.entries + number(shard.len()),
                bytes: sum.bytes + number(shard.bytes()),
                hits: sum.hits + shard.hits(),
                misses: sum.misses + shard.misses(),
                evictions: sum.evictions + shard.evictions(),
                ..sum
            }
        })
    }

    fn learn(
        &self,
        name: &str,
        asked: Asked,
        now: Instant,
        fact: impl FnOnce(&mut Shard<T>, Name),
    ) {
        let Some((mut shard, name)) = self.shard(name) else { return };
        if asked == self.asking() && !self.is_wiped() {
            fact(&mut shard, name);
            shard.shrink(self.max_bytes / self.shards.len(), &self.times, now);
        } else {
            // Too late to be remembered; still it may be that what is known is not so any more.
            shard.forget(name);
        }
    }

    fn shard(&self, name: &str) -> Option<(Locked<'_, T>, Name)> {
        self.part(self.digester.of(name).name())
    }

    /// The name and its part of the names; there always is one.
    fn part(&self, name: Name) -> Option<(Locked<'_, T>, Name)> {
        let shard = self.shards.get(name.part(self.shards.len()))?;
        Some((lock(shard), name))
    }
}

type Locked<'a, T> = MutexGuard<'a, Shard<T>>;

fn lock<T>(shard: &Mutex<Shard<T>>) -> Locked<'_, T> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Times {
    fn new(settings: &config::Cache) -> Self {
        let ahead = settings.refresh_ahead;
        Self {
            ttl: settings.ttl,
            negative_ttl: settings.negative_ttl,
            served: settings.ttl + settings.stale,
            accepted: settings.ttl + settings.offline_authentication,
            refresh: (ahead > 0.0).then(|| settings.ttl.mul_f64(ahead)),
        }
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
