//! A part of the names and what is known of them.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::bounded::{Bounded, allocated};
use super::{Digest, Identity, Memory, RETRY, Times, Who};

/// The part of the bytes that names of nobody may take, so that they never push a user out.
const NOBODY_PART: usize = 16;
/// The counters in front of what an `Arc` holds.
const COUNTERS: usize = 2 * size_of::<usize>();

pub(super) struct Shard<T> {
    known: Bounded<Known<T>>,
    nobody: Bounded<Instant>,
    hits: u64,
    misses: u64,
    evictions: u64,
}

struct Known<T> {
    identity: Arc<T>,
    since: Instant,
    /// When it is to be read again, if it is in use.
    refresh: Option<Instant>,
    right: Option<(Digest, Instant)>,
}

impl<T: Identity> Shard<T> {
    pub(super) fn new() -> Self {
        Self { known: Bounded::new(), nobody: Bounded::new(), hits: 0, misses: 0, evictions: 0 }
    }

    pub(super) fn identity(&mut self, name: &str, times: &Times, now: Instant) -> Who<T> {
        let who = match (self.known.get(name), self.nobody.get(name)) {
            (Some(known), _) => known.who(times, now),
            (None, Some(since)) if within(times.negative_ttl, *since, now) => Who::Nobody,
            (None, _) => Who::Unknown,
        };
        self.count(matches!(who, Who::Fresh { .. } | Who::Nobody));
        who
    }

    pub(super) fn password(
        &mut self,
        name: &str,
        digest: &Digest,
        times: &Times,
        now: Instant,
    ) -> Memory {
        let memory = self.remember(name, digest, times, now);
        self.count(matches!(memory, Memory::Right(_)));
        memory
    }

    pub(super) fn remember(
        &mut self,
        name: &str,
        digest: &Digest,
        times: &Times,
        now: Instant,
    ) -> Memory {
        match self.known(name, times, now).and_then(|known| known.right.as_ref()) {
            Some((right, since)) if right == digest => match *since {
                since if within(times.ttl, since, now) => Memory::Right(since),
                since if within(times.accepted, since, now) => Memory::Offline(since),
                _ => Memory::Unknown,
            },
            _ => Memory::Unknown,
        }
    }

    pub(super) fn learn_identity(
        &mut self,
        name: &str,
        identity: &Arc<T>,
        times: &Times,
        now: Instant,
    ) {
        self.nobody.remove(name);
        let old = self.known.remove(name).filter(|old| old.is_of_use(times, now));
        let right = old.filter(|old| old.identity.is_same_as(identity)).and_then(|old| old.right);
        let elsewhere = allocated(COUNTERS + size_of::<T>()) + identity.heap_bytes();
        let refresh = times.refresh.map(|after| now + after);
        let known = Known { identity: Arc::clone(identity), since: now, refresh, right };
        self.known.insert(name, known, elsewhere);
    }

    pub(super) fn learn_nobody(&mut self, name: &str, now: Instant) {
        self.known.remove(name);
        self.nobody.insert(name, now, 0);
    }

    /// Of a user who is not known any more, or is somebody else meanwhile, nothing is learned.
    pub(super) fn learn_password(
        &mut self,
        name: &str,
        identity: &T,
        (digest, right): (Digest, bool),
        times: &Times,
        now: Instant,
    ) {
        let known = self.known(name, times, now);
        let Some(known) = known.filter(|known| known.identity.is_same_as(identity)) else {
            return;
        };
        if right {
            known.right = Some((digest, now));
        } else if known.right.as_ref().is_some_and(|(right, _)| *right == digest) {
            known.right = None;
        }
    }

    pub(super) fn forget(&mut self, name: &str) -> bool {
        self.known.remove(name).is_some() | self.nobody.remove(name).is_some()
    }

    pub(super) fn clear(&mut self) -> usize {
        let names = self.len();
        self.known.clear();
        self.nobody.clear();
        names
    }

    pub(super) fn shrink(&mut self, limit: usize, times: &Times, now: Instant) {
        let nobody = |since: &Instant| !within(times.negative_ttl, *since, now);
        self.evictions += self.nobody.shrink(limit / NOBODY_PART, nobody);
        let left = limit.saturating_sub(self.nobody.bytes());
        self.evictions += self.known.shrink(left, |known| !known.is_of_use(times, now));
    }

    pub(super) fn len(&self) -> usize {
        self.known.len() + self.nobody.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.known.bytes() + self.nobody.bytes()
    }

    pub(super) fn hits(&self) -> u64 {
        self.hits
    }

    pub(super) fn evictions(&self) -> u64 {
        self.evictions
    }

    pub(super) fn misses(&self) -> u64 {
        self.misses
    }

    /// Whoever is past all service is as good as not there.
    fn known(&mut self, name: &str, times: &Times, now: Instant) -> Option<&mut Known<T>> {
        self.known.get(name).filter(|known| known.is_of_use(times, now))
    }

    fn count(&mut self, hit: bool) {
        let counter = if hit { &mut self.hits } else { &mut self.misses };
        *counter += 1;
    }
}

impl<T> Known<T> {
    fn who(&mut self, times: &Times, now: Instant) -> Who<T> {
        let (identity, since) = (Arc::clone(&self.identity), self.since);
        if within(times.ttl, since, now) {
            let refresh = self.refresh.is_some_and(|due| due <= now);
            if refresh {
                self.refresh = Some(now + RETRY);
            }
            Who::Fresh { identity, since, refresh }
        } else if within(times.served, since, now) {
            Who::Stale { identity, since }
        } else {
            Who::Unknown
        }
    }

    fn is_of_use(&self, times: &Times, now: Instant) -> bool {
        within(times.served, self.since, now)
    }
}

fn within(time: Duration, since: Instant, now: Instant) -> bool {
    now.saturating_duration_since(since) < time
}
