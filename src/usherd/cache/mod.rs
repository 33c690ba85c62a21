//! What we know: what directories said, for as long as it is fresh. Pure in `now`; it knows no
//! directory and no request.
//!
//! An identity and a password are separate facts with times of their own. A password is kept as a
//! keyed digest only. A password that does not match says nothing: the user may have changed it,
//! so the directory is asked; only one that the directory itself refused is known to be wrong,
//! and for a shorter time.

mod verifier;

use std::mem::size_of;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;
use tokio::time::Instant;
use usher_protocol::CacheStatus;

pub use verifier::{Digest, Digester};

use crate::config;

/// Wrong passwords remembered for a user: a phone and a script with an old one, and some typing.
const MAX_WRONG: usize = 4;
/// The part of the bytes that names of nobody may take, so that they never push a user out.
const NOBODY_PART: usize = 16;
/// What the map, its list and the allocator need beside an entry's own bytes.
const OVERHEAD: usize = 96;

/// What can be remembered of somebody.
pub trait Identity {
    /// Heap bytes in use.
    fn heap_bytes(&self) -> usize;
    /// Whether the password of the one is that of the other.
    fn is_same_as(&self, other: &Self) -> bool;
}

/// What a directory said of users, and when.
pub struct Cache<T> {
    settings: config::Cache,
    facts: Mutex<Facts<T>>,
    hits: AtomicU64,
    misses: AtomicU64,
}

struct Facts<T> {
    known: LruCache<Box<str>, Known<T>>,
    known_bytes: usize,
    nobody: LruCache<Box<str>, Instant>,
    nobody_bytes: usize,
}

struct Known<T> {
    identity: Arc<T>,
    since: Instant,
    right: Option<(Digest, Instant)>,
    wrong: Vec<(Digest, Instant)>,
    bytes: usize,
}

/// What is known of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who<T> {
    /// A user, and when the directory said so.
    Known(Arc<T>, Instant),
    /// Nobody has this name.
    Nobody,
}

/// What is known of a password.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// The directory accepted it then.
    Right(Instant),
    /// The directory refused it a short while ago.
    Wrong,
    /// Nothing; the directory must be asked.
    Unknown,
}

impl<T: Identity> Cache<T> {
    /// Empty.
    pub fn new(settings: &config::Cache) -> Self {
        let facts = Facts {
            known: LruCache::unbounded(),
            known_bytes: 0,
            nobody: LruCache::unbounded(),
            nobody_bytes: 0,
        };
        Self {
            settings: settings.clone(),
            facts: Mutex::new(facts),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// Who the name is, if that is known and fresh.
    pub fn identity(&self, name: &str, now: Instant) -> Option<Who<T>> {
        let mut facts = self.facts();
        let known = facts.known.get(name).map(|known| (Arc::clone(&known.identity), known.since));
        let who = match known {
            Some((identity, since)) if fresh(since, self.settings.ttl, now) => {
                Some(Who::Known(identity, since))
            }
            _ => facts
                .nobody
                .get(name)
                .filter(|since| fresh(**since, self.settings.negative_ttl, now))
                .map(|_| Who::Nobody),
        };
        drop(facts);
        self.count(who.is_some());
        who
    }

    /// What is known of a password of this name.
    pub fn password(&self, name: &str, digest: &Digest, now: Instant) -> Memory {
        let mut facts = self.facts();
        let memory = facts.known.get(name).map_or(Memory::Unknown, |known| {
            let right = known.right.as_ref().filter(|(right, _)| right == digest);
            if let Some((_, since)) = right.filter(|(_, it)| fresh(*it, self.settings.ttl, now)) {
                return Memory::Right(*since);
            }
            let ttl = self.settings.negative_ttl;
            let refused =
                |(wrong, since): &(Digest, Instant)| wrong == digest && fresh(*since, ttl, now);
            if known.wrong.iter().any(refused) { Memory::Wrong } else { Memory::Unknown }
        });
        drop(facts);
        self.count(memory != Memory::Unknown);
        memory
    }

    /// The directory said who the name is.
    pub fn learn_identity(&self, name: &str, identity: &Arc<T>, now: Instant) {
        let bytes = OVERHEAD
            + size_of::<Known<T>>()
            + size_of::<T>()
            + name.len()
            + identity.heap_bytes()
            + MAX_WRONG * size_of::<(Digest, Instant)>();
        let mut facts = self.facts();
        facts.forget_nobody(name);
        let (right, wrong) = match facts.forget(name) {
            Some(old) if old.identity.is_same_as(identity) => (old.right, old.wrong),
            _ => (None, Vec::new()),
        };
        let known = Known { identity: Arc::clone(identity), since: now, right, wrong, bytes };
        facts.known.push(name.into(), known);
        facts.known_bytes += bytes;
        while facts.known_bytes > self.settings.max_bytes {
            let Some((_, oldest)) = facts.known.pop_lru() else {
                break;
            };
            facts.known_bytes -= oldest.bytes;
        }
    }

    /// The directory said that nobody has this name.
    pub fn learn_nobody(&self, name: &str, now: Instant) {
        let mut facts = self.facts();
        facts.forget(name);
        facts.forget_nobody(name);
        facts.nobody.push(name.into(), now);
        facts.nobody_bytes += nobody_bytes(name);
        while facts.nobody_bytes > self.settings.max_bytes / NOBODY_PART {
            let Some((oldest, _)) = facts.nobody.pop_lru() else {
                break;
            };
            facts.nobody_bytes -= nobody_bytes(&oldest);
        }
    }

    /// The directory accepted or refused a password.
    pub fn learn_password(&self, name: &str, digest: Digest, right: bool, now: Instant) {
        let mut facts = self.facts();
        let Some(known) = facts.known.get_mut(name) else {
            return;
        };
        known.wrong.retain(|(wrong, _)| *wrong != digest);
        if right {
            known.right = Some((digest, now));
            return;
        }
        if known.right.as_ref().is_some_and(|(right, _)| *right == digest) {
            known.right = None;
        }
        if known.wrong.len() >= MAX_WRONG {
            known.wrong.remove(0);
        }
        known.wrong.push((digest, now));
    }

    /// Forgets everything.
    pub fn clear(&self) {
        let mut facts = self.facts();
        facts.known.clear();
        facts.nobody.clear();
        facts.known_bytes = 0;
        facts.nobody_bytes = 0;
    }

    /// Fill and use.
    pub fn status(&self) -> CacheStatus {
        let facts = self.facts();
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        CacheStatus {
            entries: number(facts.known.len() + facts.nobody.len()),
            bytes: number(facts.known_bytes + facts.nobody_bytes),
            max_bytes: number(self.settings.max_bytes),
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
        }
    }

    fn count(&self, hit: bool) {
        let counter = if hit { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn facts(&self) -> MutexGuard<'_, Facts<T>> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Facts<T> {
    fn forget(&mut self, name: &str) -> Option<Known<T>> {
        let known = self.known.pop(name)?;
        self.known_bytes -= known.bytes;
        Some(known)
    }

    fn forget_nobody(&mut self, name: &str) {
        if self.nobody.pop(name).is_some() {
            self.nobody_bytes -= nobody_bytes(name);
        }
    }
}

fn nobody_bytes(name: &str) -> usize {
    OVERHEAD + name.len() + size_of::<Instant>()
}

fn fresh(since: Instant, ttl: Duration, now: Instant) -> bool {
    now.saturating_duration_since(since) < ttl
}

#[cfg(test)]
mod tests;
