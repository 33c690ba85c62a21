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

/// A part of a name that is shorter is in any text.
const PART: usize = 3;

impl Names {
    pub(super) fn new(shown: bool) -> Result<Self, String> {
        if shown {
            return Ok(Self::Shown);
        }
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *key).map_err(|error| {
            format!("cannot make a key: the system has no random bytes (getrandom(2)): {error}")
        })?;
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

    /// A message, unless it could tell a name that is not to be told.
    pub(super) fn message<'a>(&self, text: &'a str, name: &str, known: bool) -> Cow<'a, str> {
        match self {
            Self::Hashed(_) if !known && has_part_of(text, name) => {
                Cow::Borrowed("not told, since the user name or a part of it is in it")
            }
            Self::Hashed(_) | Self::Shown => harmless(text),
        }
    }
}

/// Whether a part of a name is in a text, however signs between the parts are escaped there. Of a
/// name without such a part nobody can tell.
fn has_part_of(text: &str, name: &str) -> bool {
    let (text, name) = (text.to_lowercase(), name.to_lowercase());
    let parts = name.split(|sign: char| !sign.is_ascii_alphanumeric());
    let mut parts = parts.filter(|part| part.len() >= PART).peekable();
    parts.peek().is_none() || parts.any(|part| text.contains(part))
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

    #[test]
    fn no_message_tells_an_unknown_name_in_any_spelling() {
        let (hashed, shown) = (Names::new(false).unwrap(), Names::new(true).unwrap());
        for (name, text) in [
            ("Tr0ub4dor*3", r"result 53 to (uid=tr0ub4dor\2a3)"),
            ("p&ss word", "no answer to /user?username=p%26ss%20word"),
            ("a*b", r"result 53 to (uid=a\2ab)"),
            ("пароль", "result 53 to (uid=пароль)"),
        ] {
            let told = |names: &Names, known| names.message(text, name, known).into_owned();
            assert!(told(&hashed, false).starts_with("not told"), "{text}");
            assert_eq!(
                (told(&hashed, true), told(&shown, false)),
                (text.to_owned(), text.to_owned())
            );
        }
        let text = "ldap://127.0.0.1: connection refused";
        assert_eq!(hashed.message(text, "Tr0ub4dor&3", false), text);
    }
}
