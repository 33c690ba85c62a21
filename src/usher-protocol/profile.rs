//! What is told of a user, packed: the daemon keeps it for very many and puts it into each answer,
//! and a text of its own for each name and value would cost more than all else that it does.

use std::fmt;
use std::sync::Arc;

use serde::ser::SerializeTuple;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Who a user is: what stays the same from answer to answer. All of it is in one allocation, which
/// clones share.
#[derive(Clone, PartialEq, Eq)]
pub struct Profile {
    /// Where each text ends, then the texts: the user, the realm, the names and the values of the
    /// metadata in turn, the groups. The ends are written in ASCII, so that all of it is text and
    /// no part need be checked again.
    packed: Arc<str>,
    texts: usize,
    pairs: usize,
}

/// Characters that say where a text ends, of seven bits each.
const END: usize = 4;

impl Profile {
    /// The canonical name, the realm that answers, names (such as `X_REMOTE_EMAIL`) with their
    /// values, and the names of groups.
    pub fn new(
        user: &str,
        realm: &str,
        metadata: &[(impl AsRef<str>, impl AsRef<str>)],
        groups: &[impl AsRef<str>],
    ) -> Self {
        let pairs = metadata.iter().flat_map(|(name, value)| [name.as_ref(), value.as_ref()]);
        let groups = groups.iter().map(AsRef::as_ref);
        let texts: Vec<&str> = [user, realm].into_iter().chain(pairs).chain(groups).collect();
        let bytes = texts.iter().map(|text| END + text.len()).sum();
        let mut packed = String::with_capacity(bytes);
        let mut end = 0;
        for text in &texts {
            end += text.len();
            let digit = |place: usize| char::from((end >> (7 * place) & 0x7f) as u8);
            packed.extend((0..END).map(digit));
        }
        packed.extend(texts.iter().copied());
        Self { packed: packed.into(), texts: texts.len(), pairs: metadata.len() }
    }

    /// The canonical name, in the directory's spelling.
    pub fn user(&self) -> &str {
        self.texts(0, 1).next().unwrap_or_default()
    }

    /// The realm that answered.
    pub fn realm(&self) -> &str {
        self.texts(1, 2).next().unwrap_or_default()
    }

    /// Names (such as `X_REMOTE_EMAIL`) and values, in the configured order; never a control
    /// character in them. What the directory does not know is left out.
    pub fn metadata(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        let mut texts = self.texts(2, 2 + 2 * self.pairs);
        (0..self.pairs)
            .map(move |_| (texts.next().unwrap_or_default(), texts.next().unwrap_or_default()))
    }

    /// The names of the user's groups.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.texts(2 + 2 * self.pairs, self.texts)
    }

    /// The bytes that it takes beside itself.
    pub fn packed_bytes(&self) -> usize {
        self.packed.len()
    }

    /// The texts from this one on, before that one.
    fn texts(&self, from: usize, to: usize) -> impl ExactSizeIterator<Item = &str> + Clone {
        let (ends, texts) = self.packed.split_at_checked(self.texts * END).unwrap_or_default();
        let (ends, _) = ends.as_bytes().as_chunks();
        let end = |digits: &[u8; END]| {
            digits.iter().rev().fold(0, |end, digit| end << 7 | usize::from(*digit))
        };
        let mut begin = from.checked_sub(1).and_then(|before| ends.get(before)).map_or(0, end);
        ends.get(from..to).unwrap_or_default().iter().map(move |digits| {
            let text = begin..end(digits);
            begin = text.end;
            texts.get(text).unwrap_or_default()
        })
    }
}

impl Default for Profile {
    /// Nobody's.
    fn default() -> Self {
        Self::new("", "", &[("", ""); 0], &[""; 0])
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile")
            .field("user", &self.user())
            .field("realm", &self.realm())
            .field("metadata", &self.metadata().collect::<Vec<_>>())
            .field("groups", &self.groups().collect::<Vec<_>>())
            .finish()
    }
}

/// As a sequence.
struct Each<I>(I);

impl<I: Iterator<Item: Serialize> + Clone> Serialize for Each<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.clone())
    }
}

impl Serialize for Profile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_tuple(4)?;
        fields.serialize_element(self.user())?;
        fields.serialize_element(self.realm())?;
        fields.serialize_element(&Each(self.metadata()))?;
        fields.serialize_element(&Each(self.groups()))?;
        fields.end()
    }
}

/// In the bytes of a message; see the documentation of the crate.
type Read<'a> = (&'a str, &'a str, Vec<(&'a str, &'a str)>, Vec<&'a str>);

impl<'de> Deserialize<'de> for Profile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (user, realm, metadata, groups) = Read::deserialize(deserializer)?;
        Ok(Self::new(user, realm, &metadata, &groups))
    }
}

#[cfg(test)]
mod tests {
    use super::Profile;

    #[test]
    fn what_was_packed_is_told_as_it_was() {
        let pairs = [("X_REMOTE_USER", "jörg"), ("EMPTY", "")];
        for metadata in [&pairs[..], &[]] {
            for groups in [&["dev", "", "Größe"][..], &[]] {
                let profile = Profile::new("jörg", "corp", metadata, groups);
                assert_eq!((profile.user(), profile.realm()), ("jörg", "corp"));
                assert!(profile.metadata().eq(metadata.iter().copied()), "{profile:?}");
                assert!(profile.groups().eq(groups.iter().copied()), "{profile:?}");
            }
        }
        let nobody = Profile::default();
        assert_eq!((nobody.user(), nobody.realm()), ("", ""));
        assert_eq!((nobody.metadata().len(), nobody.groups().len()), (0, 0));
    }
}
