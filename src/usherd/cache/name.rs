//! Names as the shards know them.
//!
//! A name is known by 128 bits of keyed BLAKE3 and by nothing else: comparing them costs no look at
//! another place in memory. Two names that shared them would be taken for one user. Keyed BLAKE3 is
//! a pseudo-random function and the key is random and known to nobody, so such names cannot be
//! looked for, here or elsewhere; that any two of a million meet by chance is less likely than one
//! in 10^26. A password would not pass for the other's even so, since its digest is of the whole
//! name.

/// What stands for a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Name(u64, u64);

impl Name {
    /// By the first of the bytes.
    pub(super) fn new(hash: &[u8]) -> Self {
        let (words, _) = hash.as_chunks();
        let word = |index: usize| words.get(index).map_or(0, |word| u64::from_le_bytes(*word));
        Self(word(0), word(1))
    }

    /// One of so many parts, the same for the same name.
    pub(super) fn part(self, parts: usize) -> usize {
        let parts = u64::try_from(parts).unwrap_or(1).max(1);
        usize::try_from(self.0 % parts).unwrap_or_default()
    }
}
