//! A map in the order of use that knows how many bytes of the heap it takes.

use lru::LruCache;

/// How many of the least recently used are looked at to find one that has expired.
const LOOKED_AT: usize = 8;
/// A place in the hash table: two pointers and a control byte.
const SLOT: usize = 2 * size_of::<usize>() + 1;
/// What `lru` keeps of an entry beside the name and the value: two pointers.
const LINKS: usize = 2 * size_of::<usize>();

/// Values by name.
pub(super) struct Bounded<V> {
    map: LruCache<Box<str>, Item<V>>,
    /// Of all items.
    bytes: usize,
    /// The most items that there ever were: the hash table does not shrink.
    most: usize,
}

struct Item<V> {
    value: V,
    bytes: usize,
}

/// What the allocator takes to give so many bytes: a header of eight, in steps of 16.
pub fn allocated(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { (bytes + 8).next_multiple_of(16).max(32) }
}

impl<V> Bounded<V> {
    pub(super) fn new() -> Self {
        Self { map: LruCache::unbounded(), bytes: 0, most: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.map.len()
    }

    /// Bytes of the heap in use.
    pub(super) fn bytes(&self) -> usize {
        let slots = (self.most * 8).div_ceil(7).next_power_of_two();
        self.bytes + if self.most == 0 { 0 } else { slots * SLOT }
    }

    /// What one value takes that itself holds so many bytes elsewhere.
    pub(super) fn bytes_of(name: &str, elsewhere: usize) -> usize {
        let node = size_of::<Box<str>>() + size_of::<Item<V>>() + LINKS;
        allocated(node) + allocated(name.len()) + elsewhere
    }

    /// The value, which counts as used.
    pub(super) fn get(&mut self, name: &str) -> Option<&mut V> {
        self.map.get_mut(name).map(|item| &mut item.value)
    }

    pub(super) fn insert(&mut self, name: &str, value: V, elsewhere: usize) {
        let bytes = Self::bytes_of(name, elsewhere);
        if let Some((_, old)) = self.map.push(name.into(), Item { value, bytes }) {
            self.bytes -= old.bytes;
        }
        self.bytes += bytes;
        self.most = self.most.max(self.map.len());
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<V> {
        let item = self.map.pop(name)?;
        self.bytes -= item.bytes;
        Some(item.value)
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }

    /// Takes away until `limit` holds: those of no more use first, else the least recently used.
    /// Also takes away two of no more use at the end of the order, whatever the limit, so that
    /// what nobody asks for goes in the course of time and never all at once. How many went for
    /// want of room while they were of use.
    pub(super) fn shrink(&mut self, limit: usize, expired: impl Fn(&V) -> bool) -> u64 {
        for _ in 0..2 {
            if self.map.peek_lru().is_some_and(|(_, item)| expired(&item.value)) {
                self.drop_least_recently_used();
            }
        }
        let mut evicted = 0;
        while self.bytes() > limit && !self.map.is_empty() {
            let mut oldest = self.map.iter().rev().take(LOOKED_AT);
            let expired = oldest.find(|(_, item)| expired(&item.value));
            if let Some(name) = expired.map(|(name, _)| name.clone()) {
                drop(self.remove(&name));
            } else {
                self.drop_least_recently_used();
                evicted += 1;
            }
        }
        evicted
    }

    fn drop_least_recently_used(&mut self) {
        if let Some((_, item)) = self.map.pop_lru() {
            self.bytes -= item.bytes;
        }
    }
}
