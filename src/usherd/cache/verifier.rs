//! Passwords as keyed digests.
//!
//! The key is random, lives as long as its cache, and stands alone in a page of memory that is
//! never swapped out. Digests without it tell nothing, so it does not matter where they are. It is
//! overwritten when the daemon ends, whoever still holds the cache.
//! Whoever reads the memory of the running process has both, and can try guesses as fast as the
//! digest computes.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use usher_protocol::Password;
use zeroize::{Zeroize, Zeroizing};

use super::name::Name;

/// Makes of names what stands for them, and of passwords digests.
pub(super) struct Digester {
    // Declared before the page: it is unlocked before it is freed.
    _lock: Option<region::LockGuard>,
    page: Box<Page>,
}

/// A page of its own, since locks of pages do not nest: with a neighbour, the first of the two to
/// be dropped would unlock both.
#[repr(align(4096))]
struct Page {
    key: [AtomicU64; 4],
}

/// What a password leaves behind. Comparison takes constant time; it is overwritten when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Digest(blake3::Hash);

impl Digester {
    /// With a new random key. Where the system lets nothing be locked (`RLIMIT_MEMLOCK` of 0), it
    /// works all the same.
    ///
    /// # Errors
    /// If the system has no random bytes.
    pub(super) fn new() -> Result<Self, getrandom::Error> {
        let page = Box::new(Page { key: Default::default() });
        let lock = region::lock(&raw const *page, size_of::<Page>()).ok();
        let mut random = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *random)?;
        for (word, bytes) in page.key.iter().zip(random.as_chunks().0) {
            word.store(u64::from_ne_bytes(*bytes), Ordering::Relaxed);
        }
        Ok(Self { _lock: lock, page })
    }

    /// What is of this name.
    pub(super) fn of(&self, name: &str) -> Own {
        Own(Zeroizing::new(blake3::keyed_hash(&self.key(), name.as_bytes())))
    }

    /// Overwrites the key. No digest from before is of use to anybody then; what is still digested
    /// matches nothing.
    pub(super) fn wipe(&self) {
        self.page.key.iter().for_each(|word| word.store(0, Ordering::SeqCst));
    }

    /// Whether nothing is left of the key.
    pub(super) fn is_wiped(&self) -> bool {
        *self.key() == [0; 32]
    }

    fn key(&self) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        for (bytes, word) in key.as_chunks_mut().0.iter_mut().zip(&self.page.key) {
            *bytes = word.load(Ordering::Relaxed).to_ne_bytes();
        }
        key
    }
}

impl Drop for Digester {
    fn drop(&mut self) {
        self.wipe();
    }
}

/// A user's own key. Its first half is what the shards know the name by, so it is no secret from
/// whoever reads them; the other 128 bits are.
pub(super) struct Own(Zeroizing<blake3::Hash>);

impl Own {
    pub(super) fn name(&self) -> Name {
        Name::new(self.0.as_bytes())
    }

    /// The digest of the user's password; the same password of another user has another one. No
    /// copy of name and password together is made, and none need be wiped.
    pub(super) fn digest(&self, password: &Password) -> Digest {
        Digest(blake3::keyed_hash(self.0.as_bytes(), password.as_bytes()))
    }
}

impl Digest {
    /// A few bits, to tell a user's passwords apart.
    pub fn tag(&self) -> u64 {
        self.0.as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }
}

impl Drop for Digest {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::hash::Hash for Digest {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.as_bytes().hash(state);
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(…)")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use usher_protocol::Password;

    use super::Digester;

    #[test]
    fn a_name_stands_for_itself_under_the_key() {
        let [one, other] = [(), ()].map(|()| Digester::new().expect("random"));
        assert_eq!(one.of("alice").name(), one.of("alice").name());
        assert_ne!(one.of("alice").name(), one.of("alicf").name());
        assert_ne!(one.of("alice").name(), other.of("alice").name());
    }

    #[test]
    fn a_digest_is_of_the_name_and_the_password_under_the_key() {
        let [one, other] = [(), ()].map(|()| Digester::new().expect("random"));
        let digest = |by: &Digester, name: &str, password: &str| {
            by.of(name).digest(&Password::from(password))
        };
        assert_eq!(digest(&one, "alice", "pw"), digest(&one, "alice", "pw"));
        assert_ne!(digest(&one, "alice", "pw"), digest(&one, "alicep", "w"));
        assert_ne!(digest(&one, "alice", "pw"), digest(&one, "bob", "pw"));
        assert_ne!(digest(&one, "alice", "pw"), digest(&other, "alice", "pw"));
        assert_ne!(digest(&one, "alice", "pw").tag(), digest(&one, "alice", "qw").tag());
    }

    #[test]
    fn a_key_that_is_wiped_is_gone_whoever_holds_it() {
        let digester = Arc::new(Digester::new().expect("random"));
        let holder = Arc::clone(&digester);
        let before = holder.of("alice").digest(&Password::from("pw"));
        assert!(!holder.is_wiped());
        digester.wipe();
        assert!(holder.is_wiped());
        assert_ne!(before, holder.of("alice").digest(&Password::from("pw")));
    }

    #[test]
    fn the_key_is_in_memory_that_is_never_swapped_out() {
        let digester = Digester::new().expect("random");
        assert!(digester._lock.is_some());
    }
}
