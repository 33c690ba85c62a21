//! A part of the names and what is known of them.

use std::time::Duration;

use tokio::time::Instant;

use super::bounded::Bounded;
use super::name::Name;
use super::{Digest, Identity, Memory, RETRY, Times, Who};

/// The part of the bytes that names of nobody may take. It is theirs alone, so that no number of
/// them ever pushes a user out.
const NOBODY_PART: usize = 16;

pub(super) struct Shard<T> {
    known: Bounded<Known<T>>,
    nobody: Bounded<Instant>,
    hits: u64,
    misses: u64,
    evictions: u64,
}

struct Known<T> {
    identity: T,
    since: Instant,
    /// When it is to be read again, if it is in use.
    refresh: Option<Instant>,
    right: Option<(Digest, Instant)>,
}

impl<T: Identity> Shard<T> {
    pub(super) fn new() -> Self {
        Self { known: Bounded::new(), nobody: Bounded::new(), hits: 0, misses: 0, evictions: 0 }
    }

    /// Who the name is and, where one was given, whether the password is right.
    pub(super) fn recall(
        &mut self,
        name: Name,
        digest: Option<&Digest>,
        times: &Times,
        now: Instant,
    ) -> (Who<T>, Memory) {
        let (who, memory) = match self.known.get(name) {
            Some(known) => {
                let memory = digest.map_or(Memory::Unknown, |it| known.memory(it, times, now));
                (known.who(times, now), memory)
            }
            None => (self.nobody(name, times, now), Memory::Unknown),
        };
        self.count(matches!(who, Who::Fresh { .. } | Who::Nobody));
        if digest.is_some() {
            self.count(matches!(memory, Memory::Right(_)));
        }
        (who, memory)
    }

    pub(super) fn who(&mut self, name: Name, times: &Times, now: Instant) -> Who<T> {
        match self.known.get(name) {
            Some(known) => known.who(times, now),
            None => self.nobody(name, times, now),
        }
    }

    /// Whose entry is under the name, for as long as there is anything to tell of it.
    pub(super) fn identity(&mut self, name: Name, times: &Times, now: Instant) -> Option<T> {
        let known = self.known.get(name).filter(|known| known.is_of_use(times, now));
        known.map(|known| known.identity.clone())
    }

    pub(super) fn password(
        &mut self,
        name: Name,
        whose: impl Fn(&T) -> bool,
        digest: &Digest,
        times: &Times,
        now: Instant,
    ) -> Memory {
        let known = self.known.get(name).filter(|known| whose(&known.identity));
        known.map_or(Memory::Unknown, |known| known.memory(digest, times, now))
    }

    pub(super) fn learn_identity(&mut self, name: Name, identity: &T, times: &Times, now: Instant) {
        self.nobody.remove(name);
        let old = self.known.remove(name).filter(|old| old.identity.is_same_as(identity));
        // However old that identity is: its password counts by its own time.
        let right = old.filter(|old| old.has_password(times, now)).and_then(|old| old.right);
        let refresh = times.refresh.map(|after| now + after);
        let known = Known { identity: identity.clone(), since: now, refresh, right };
        self.known.insert(name, known, identity.heap_bytes());
    }

    pub(super) fn learn_nobody(&mut self, name: Name, now: Instant) {
        self.known.remove(name);
        self.nobody.insert(name, now, 0);
    }

    /// Of a user who is not known any more, or is somebody else meanwhile, nothing is learned.
    pub(super) fn learn_password(
        &mut self,
        name: Name,
        identity: &T,
        (digest, right): (Digest, bool),
        times: &Times,
        now: Instant,
    ) {
        let known = self.known.get(name).filter(|known| known.is_of_use(times, now));
        let Some(known) = known.filter(|known| known.identity.is_same_as(identity)) else {
            return;
        };
        if right {
            known.right = Some((digest, now));
        } else {
            known.refuse(&digest);
        }
    }

    /// Whoever has the name: what is forgotten lets nobody in.
    pub(super) fn refuse(&mut self, name: Name, digest: &Digest) {
        if let Some(known) = self.known.get(name) {
            known.refuse(digest);
        }
    }

    pub(super) fn forget(&mut self, name: Name) -> bool {
        self.known.remove(name).is_some() | self.nobody.remove(name).is_some()
    }

    /// Forgets whoever is the same, under any name.
    pub(super) fn forget_if(&mut self, same: impl Fn(&T) -> bool) -> bool {
        self.known.remove_if(|known| same(&known.identity))
    }

    pub(super) fn clear(&mut self) -> usize {
        let names = self.len();
        self.known.clear();
        self.nobody.clear();
        names
    }

    pub(super) fn shrink(&mut self, limit: usize, times: &Times, now: Instant) {
        let nobody = |since: &Instant| !within(times.negative_ttl, *since, now);
        let part = limit / NOBODY_PART;
        self.evictions += self.nobody.shrink(part, nobody);
        self.evictions += self.known.shrink(limit - part, |known| !known.is_of_use(times, now));
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

    fn nobody(&mut self, name: Name, times: &Times, now: Instant) -> Who<T> {
        match self.nobody.get(name) {
            Some(since) if within(times.negative_ttl, *since, now) => Who::Nobody,
            _ => Who::Unknown,
        }
    }

    fn count(&mut self, hit: bool) {
        let counter = if hit { &mut self.hits } else { &mut self.misses };
        *counter += 1;
    }
}

impl<T: Clone> Known<T> {
    fn who(&mut self, times: &Times, now: Instant) -> Who<T> {
        let since = self.since;
        let age = now.saturating_duration_since(since);
        if age >= times.served {
            return Who::Unknown;
        }
        let identity = self.identity.clone();
        if age >= times.ttl {
            return Who::Stale { identity, since };
        }
        let refresh = self.refresh.is_some_and(|due| due <= now);
        if refresh {
            self.refresh = Some(now + RETRY);
        }
        Who::Fresh { identity, since, refresh }
    }

    /// By the password's own time. Whose it is must be known or have been read just now.
    fn memory(&self, digest: &Digest, times: &Times, now: Instant) -> Memory {
        match &self.right {
            Some((right, since)) if right == digest => {
                let age = now.saturating_duration_since(*since);
                if age < times.ttl {
                    Memory::Right(*since)
                } else if age < times.accepted {
                    Memory::Offline(*since)
                } else {
                    Memory::Unknown
                }
            }
            _ => Memory::Unknown,
        }
    }

    fn refuse(&mut self, digest: &Digest) {
        self.right.take_if(|(right, _)| right == digest);
    }

    /// Whether there is anything left to tell. Else it is as good as not there.
    fn is_of_use(&self, times: &Times, now: Instant) -> bool {
        within(times.served, self.since, now) || self.has_password(times, now)
    }

    /// Whether there is a password that may still be accepted.
    fn has_password(&self, times: &Times, now: Instant) -> bool {
        self.right.as_ref().is_some_and(|(_, since)| within(times.accepted, *since, now))
    }
}

fn within(time: Duration, since: Instant, now: Instant) -> bool {
    now.saturating_duration_since(since) < time
}
