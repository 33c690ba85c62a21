use std::borrow::Cow;

use zeroize::Zeroizing;

use crate::telemetry::harmless;

/// What is told of names that nobody has: one may be a password, typed into the wrong field.
#[derive(Debug)]
pub(super) enum Names {
    /// The name.
    Shown,
    /// What is the same for the same name, until the daemon is started again.
    Hashed(Zeroizing<[u8; 32]>),
}

impl Names {
    pub(super) fn new(shown: bool) -> Result<Self, String> {
        if shown {
            return Ok(Self::Shown);
        }
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *key).map_err(|error| format!("no random bytes: {error}"))?;
        Ok(Self::Hashed(key))
    }

    pub(super) fn told<'a>(&self, name: &'a str, known: bool) -> Cow<'a, str> {
        match self {
            Self::Hashed(key) if !known => {
                let hash = blake3::keyed_hash(key, name.as_bytes()).to_hex();
                Cow::Owned(format!("unknown:{}", hash.get(..16).unwrap_or_default()))
            }
            Self::Hashed(_) | Self::Shown => harmless(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Names;

    #[test]
    fn the_same_unknown_name_looks_the_same_and_never_like_itself() {
        let names = Names::new(false).unwrap();
        let [one, same, other] = ["s3cret", "s3cret", "else"].map(|name| names.told(name, false));
        assert_eq!(one, same);
        assert!(one != other && !one.contains("s3cret"));
        assert_eq!(names.told("alice", true), "alice");
        assert_ne!(one, Names::new(false).unwrap().told("s3cret", false));
        assert_eq!(Names::new(true).unwrap().told("s3cret", false), "s3cret");
    }
}
