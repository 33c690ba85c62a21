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

/// The key, of one cache.
pub(super) struct Names([u8; 32]);

impl Names {
    pub(super) fn new() -> Result<Self, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        Ok(Self(key))
    }

    pub(super) fn of(&self, name: &str) -> Name {
        let hash = blake3::keyed_hash(&self.0, name.as_bytes());
        let (words, _) = hash.as_bytes().as_chunks();
        let word = |index: usize| words.get(index).map_or(0, |word| u64::from_le_bytes(*word));
        Name(word(0), word(1))
    }
}

impl Name {
    /// One of so many parts, the same for the same name.
    pub(super) fn part(self, parts: usize) -> usize {
        let parts = u64::try_from(parts).unwrap_or(1).max(1);
        usize::try_from(self.0 % parts).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::Names;

    #[test]
    fn a_name_stands_for_itself_under_the_key() {
        let [one, other] = [(), ()].map(|()| Names::new().expect("random"));
        assert_eq!(one.of("alice"), one.of("alice"));
        assert_ne!(one.of("alice"), one.of("alicf"));
        assert_ne!(one.of("alice").0, one.of("alice").1);
        assert_ne!(one.of("alice"), other.of("alice"));
    }
}
