//! Passwords as keyed digests.
//!
//! The key is random and lives as long as the process, in memory alone. Whoever reads that memory
//! has the key as well and can try guesses as fast as the digest computes, so nothing of this is
//! ever written anywhere.

use std::fmt;

use usher_protocol::Password;
use zeroize::Zeroizing;

/// Makes digests.
pub struct Digester(Zeroizing<[u8; 32]>);

/// What a password leaves behind. Comparison takes constant time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest(blake3::Hash);

impl Digester {
    /// With a new random key.
    ///
    /// # Errors
    /// If the system has no random bytes.
    pub fn new() -> Result<Self, getrandom::Error> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(key.as_mut())?;
        Ok(Self(key))
    }

    /// The digest of a user's password; the same password of another user has another one.
    pub fn digest(&self, name: &str, password: &Password) -> Digest {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        let length = u64::try_from(name.len()).unwrap_or(u64::MAX);
        hasher.update(&length.to_le_bytes());
        hasher.update(name.as_bytes());
        hasher.update(password.as_bytes());
        Digest(hasher.finalize())
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
