//! A map that knows how many bytes of the heap it takes, and which of its values were of use last.
//!
//! To use a value touches that value alone. Moving it to the front of the order would touch its
//! neighbours there too, which stand anywhere in memory, so only looking for room does it.

use lru::LruCache;

use super::name::Name;

/// How many at the end of the order are looked at to find the one that makes room.
const LOOKED_AT: usize = 16;
/// How many that were of use come to the front for one that makes room. It takes no longer than the
/// directory took to answer.
const MOVED: usize = 256;
/// A place in the hash table: two pointers and a control byte.
const SLOT: usize = 2 * size_of::<usize>() + 1;
/// What `lru` keeps of an entry beside the name and the value: two pointers.
const LINKS: usize = 2 * size_of::<usize>();

/// Values by name.
pub(super) struct Bounded<V> {
    map: LruCache<Name, Item<V>>,
    /// Of all items.
    bytes: usize,
    /// The most items that there ever were: the hash table does not shrink.
    most: usize,
    /// How often values were of use.
    uses: u64,
}

struct Item<V> {
    value: V,
    bytes: usize,
    /// Which use was its last.
    used: u64,
    /// Which one was that when it came to the front of the order.
    moved: u64,
}

/// What mimalloc takes to give so many bytes: it has four sizes between each power of two and the
/// next, none closer together than 16.
pub fn allocated(bytes: usize) -> usize {
    let power = bytes.saturating_sub(1).checked_ilog2().map_or(0, |power| 1 << power);
    bytes.next_multiple_of((power / 4).max(16))
}

impl<V> Bounded<V> {
    pub(super) fn new() -> Self {
        Self { map: LruCache::unbounded(), bytes: 0, most: 0, uses: 0 }
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
    fn bytes_of(elsewhere: usize) -> usize {
        allocated(size_of::<Name>() + size_of::<Item<V>>() + LINKS) + elsewhere
    }

    /// The value, which counts as used.
    pub(super) fn get(&mut self, name: Name) -> Option<&mut V> {
        let item = self.map.peek_mut(&name)?;
        self.uses += 1;
        item.used = self.uses;
        Some(&mut item.value)
    }

    pub(super) fn insert(&mut self, name: Name, value: V, elsewhere: usize) {
        let bytes = Self::bytes_of(elsewhere);
        self.uses += 1;
        let (used, moved) = (self.uses, self.uses);
        if let Some((_, old)) = self.map.push(name, Item { value, bytes, used, moved }) {
            self.bytes -= old.bytes;
        }
        self.bytes += bytes;
        self.most = self.most.max(self.map.len());
    }

    pub(super) fn remove(&mut self, name: Name) -> Option<V> {
        let item = self.map.pop(&name)?;
        self.bytes -= item.bytes;
        Some(item.value)
    }

    /// Whether any was to go.
    pub(super) fn remove_if(&mut self, gone: impl Fn(&V) -> bool) -> bool {
        let (before, bytes) = (self.map.len(), &mut self.bytes);
        self.map.retain(|_, item| {
            let gone = gone(&item.value);
            *bytes -= if gone { item.bytes } else { 0 };
            !gone
        });
        self.map.len() < before
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new();
    }

    /// Takes away until `limit` holds. Also takes away two of no more use at the end of the order,
    /// whatever the limit, so that what nobody asks for goes in the course of time and never all
    /// at once. How many went for want of room while they were of use.
    pub(super) fn shrink(&mut self, limit: usize, expired: impl Fn(&V) -> bool) -> u64 {
        for _ in 0..2 {
            let last = self.map.peek_lru().filter(|(_, item)| expired(&item.value));
            if let Some(name) = last.map(|(name, _)| *name) {
                self.remove(name);
            }
        }
        let mut evicted = 0;
        while self.bytes() > limit && !self.map.is_empty() {
            evicted += u64::from(self.make_room(&expired));
        }
        evicted
    }

    /// Those at the end of the order that were of use meanwhile come to the front. Of a few that
    /// are there then, one of no more use goes, else the least recently used. Whether it was of
    /// use.
    fn make_room(&mut self, expired: impl Fn(&V) -> bool) -> bool {
        for _ in 0..MOVED {
            let last = self.map.peek_lru().filter(|(_, item)| item.used > item.moved);
            let Some(name) = last.map(|(name, _)| *name) else {
                break;
            };
            if let Some(item) = self.map.get_mut(&name) {
                item.moved = item.used;
            }
        }
        let last = self.map.iter().rev().take(LOOKED_AT);
        let least = last.min_by_key(|(_, item)| (!expired(&item.value), item.used));
        let gone = least.map(|(name, _)| *name).and_then(|name| self.remove(name));
        gone.is_some_and(|value| !expired(&value))
    }
}
