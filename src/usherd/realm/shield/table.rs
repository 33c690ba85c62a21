//! A table of a bounded size, for what strangers can make up names for.

use std::collections::{BTreeMap, HashMap};

/// Entries of one row.
const WAYS: usize = 8;

/// Values by a keyed hash, in rows. Where a row is full, the entry that is worth least makes room,
/// so that a flood of names with one failure each never drives out a name with several.
pub(super) struct Table<V> {
    rows: HashMap<u64, BTreeMap<u64, V>>,
    most: u64,
}

impl<V: Default> Table<V> {
    pub(super) fn new(rows: u64) -> Self {
        Self { rows: HashMap::new(), most: rows }
    }

    pub(super) fn get(&mut self, key: u64) -> Option<&mut V> {
        self.rows.get_mut(&(key % self.most))?.get_mut(&key)
    }

    /// The value of the key, a new one if there is none. Nothing where all that could make room is
    /// worth more than `most`.
    pub(super) fn entry(
        &mut self,
        key: u64,
        worth: impl Fn(&V) -> usize,
        most: usize,
    ) -> Option<&mut V> {
        let row = self.rows.entry(key % self.most).or_default();
        if row.len() >= WAYS && !row.contains_key(&key) {
            let least = row.iter().map(|(other, value)| (worth(value), *other)).min();
            let (_, least) = least.filter(|(worth, _)| *worth <= most)?;
            row.remove(&least);
        }
        Some(row.entry(key).or_default())
    }

    /// Whether any was removed.
    pub(super) fn remove(&mut self, which: impl Fn(u64, &V) -> bool) -> bool {
        let before = self.values().count();
        for row in self.rows.values_mut() {
            row.retain(|key, value| !which(*key, value));
        }
        self.values().count() < before
    }

    pub(super) fn values(&mut self) -> impl Iterator<Item = (u64, &mut V)> {
        self.rows.values_mut().flatten().map(|(key, value)| (*key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::{Table, WAYS};

    #[test]
    fn who_is_worth_least_makes_room_and_there_is_never_more() {
        let mut table: Table<usize> = Table::new(16);
        *table.entry(7, |worth| *worth, 0).expect("room") = 5;
        for key in 1000..100_000 {
            *table.entry(key, |worth| *worth, 1).expect("room") += 1;
        }
        assert_eq!(table.get(7), Some(&mut 5));
        assert_eq!(table.values().count(), 16 * WAYS);
        assert!(table.remove(|key, _| key == 7) && !table.remove(|key, _| key == 7));
    }

    #[test]
    fn who_is_worth_too_much_makes_no_room() {
        let mut table: Table<usize> = Table::new(1);
        for key in 0..8 {
            *table.entry(key, |worth| *worth, 0).expect("room") = 5;
        }
        assert_eq!(table.entry(8, |worth| *worth, 4), None);
        assert!(table.entry(8, |worth| *worth, 5).is_some());
        assert_eq!(table.values().count(), WAYS);
    }
}
