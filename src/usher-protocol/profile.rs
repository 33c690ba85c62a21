//! What is told of a user, packed as it travels: the daemon keeps it for very many and puts it into
//! each answer, and to write it text by text would cost more than all else that it does.

use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Error, SeqAccess, Visitor};
use serde::ser::SerializeTuple;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Who a user is: what stays the same from answer to answer. Clones share its memory.
#[derive(Clone)]
pub struct Profile {
    packed: Arc<[u8]>,
    /// From here on it is as in a message; what stands before is the owner's.
    begin: usize,
}

impl Profile {
    /// The canonical name, the realm that answers, names (such as `X_REMOTE_EMAIL`) with their
    /// values, and the names of groups.
    pub fn new(
        user: &str,
        realm: &str,
        metadata: &[(impl AsRef<str>, impl AsRef<str>)],
        groups: &[impl AsRef<str>],
    ) -> Self {
        Self::after(Vec::new(), user, realm, metadata, groups)
    }

    /// As [`Profile::new`], in one piece of memory with something that its owner keeps there too.
    pub fn after(
        mut packed: Vec<u8>,
        user: &str,
        realm: &str,
        metadata: &[(impl AsRef<str>, impl AsRef<str>)],
        groups: &[impl AsRef<str>],
    ) -> Self {
        let begin = packed.len();
        put_text(&mut packed, user);
        put_text(&mut packed, realm);
        put_number(&mut packed, metadata.len());
        for (name, value) in metadata {
            put_text(&mut packed, name.as_ref());
            put_text(&mut packed, value.as_ref());
        }
        put_number(&mut packed, groups.len());
        groups.iter().for_each(|group| put_text(&mut packed, group.as_ref()));
        Self { packed: packed.into(), begin }
    }

    /// The canonical name, in the directory's spelling.
    pub fn user(&self) -> &str {
        self.rest().text()
    }

    /// The realm that answered.
    pub fn realm(&self) -> &str {
        self.rest().after_texts(1).text()
    }

    /// Names (such as `X_REMOTE_EMAIL`) and values, in the configured order; never a control
    /// character in them. What the directory does not know is left out.
    pub fn metadata(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        let mut rest = self.rest().after_texts(2);
        (0..rest.number()).map(move |_| (rest.text(), rest.text()))
    }

    /// The names of the user's groups.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        let mut rest = self.rest().after_texts(2);
        let pairs = rest.number();
        let mut rest = rest.after_texts(2 * pairs);
        (0..rest.number()).map(move |_| rest.text())
    }

    /// Its bytes in a message.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.packed.get(self.begin..).unwrap_or_default()
    }

    /// What stands before it in its memory.
    pub fn before(&self) -> &[u8] {
        self.packed.get(..self.begin).unwrap_or_default()
    }

    /// The bytes of that memory.
    pub fn packed_bytes(&self) -> usize {
        self.packed.len()
    }

    fn rest(&self) -> Rest<'_> {
        Rest(self.as_bytes())
    }
}

/// What is not read yet. What was packed is whole; of anything else, nothing is read.
#[derive(Clone, Copy)]
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn number(&mut self) -> usize {
        match self.take(1) {
            [U16] => self.take(2).first_chunk().map_or(0, |it| u16::from_le_bytes(*it).into()),
            [U32] => self.take(4).first_chunk().map_or(0, |it| u32::from_le_bytes(*it) as usize),
            [byte] => usize::from(*byte),
            _ => 0,
        }
    }

    fn text(&mut self) -> &'a str {
        let length = self.number();
        std::str::from_utf8(self.take(length)).unwrap_or_default()
    }

    fn after_texts(mut self, texts: usize) -> Self {
        for _ in 0..texts {
            let length = self.number();
            self.take(length);
        }
        self
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at_checked(length).unwrap_or_default();
        self.0 = rest;
        taken
    }
}

/// The number is in the two bytes that follow.
const U16: u8 = 251;
/// It is in the four bytes that follow.
const U32: u8 = 252;

fn put_number(packed: &mut Vec<u8>, number: usize) {
    match (u8::try_from(number), u16::try_from(number)) {
        (Ok(byte), _) if byte < U16 => packed.push(byte),
        (_, Ok(number)) => {
            packed.push(U16);
            packed.extend_from_slice(&number.to_le_bytes());
        }
        _ => {
            packed.push(U32);
            // Nobody has more.
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            packed.extend_from_slice(&number.to_le_bytes());
        }
    }
}

fn put_text(packed: &mut Vec<u8>, text: &str) {
    put_number(packed, text.len());
    packed.extend_from_slice(text.as_bytes());
}

impl Default for Profile {
    /// Nobody's.
    fn default() -> Self {
        Self::new("", "", &[("", ""); 0], &[""; 0])
    }
}

impl PartialEq for Profile {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Profile {}

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

impl<'de> Deserialize<'de> for Profile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut packed = Vec::with_capacity(ROOM);
        deserializer.deserialize_tuple(4, Fields(&mut packed))?;
        Ok(Self { packed: packed.into(), begin: 0 })
    }
}

/// Most profiles fit.
const ROOM: usize = 512;

/// Packs a profile as it is read.
struct Fields<'a>(&'a mut Vec<u8>);

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a user, a realm, pairs of texts, and texts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let short = || A::Error::custom("a part of a profile");
        for _ in ["user", "realm"] {
            put_text(self.0, fields.next_element()?.ok_or_else(short)?);
        }
        let pair = |packed: &mut Vec<u8>, (name, value): (&str, &str)| {
            put_text(packed, name);
            put_text(packed, value);
        };
        fields.next_element_seed(Items(self.0, pair))?.ok_or_else(short)?;
        fields.next_element_seed(Items(self.0, put_text))?.ok_or_else(short)
    }
}

/// Packs a list as it is read. Its length is the sender's claim: nothing is allocated for it.
struct Items<'a, T>(&'a mut Vec<u8>, fn(&mut Vec<u8>, T));

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Items<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list that says how long it is")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self(packed, put) = self;
        let short = || A::Error::custom("a list that is shorter than it says");
        let length = items.size_hint().ok_or_else(short)?;
        put_number(packed, length);
        for _ in 0..length {
            put(packed, items.next_element()?.ok_or_else(short)?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Profile;

    #[test]
    fn what_was_packed_is_told_as_it_was() {
        let pairs = [("X_REMOTE_USER", "jörg"), ("EMPTY", "")];
        let long = ["ü".repeat(200), "x".repeat(70_000)];
        for metadata in [&pairs[..], &[]] {
            for groups in [&["dev", "", &long[0], &long[1], "Größe"][..], &[], &["many"; 300]] {
                let profile = Profile::after(b"before".to_vec(), "jörg", "corp", metadata, groups);
                assert_eq!((profile.user(), profile.realm()), ("jörg", "corp"));
                assert!(profile.metadata().eq(metadata.iter().copied()), "{profile:?}");
                assert!(profile.groups().eq(groups.iter().copied()), "{profile:?}");
                assert_eq!(profile.before(), b"before");
                assert_eq!(profile, Profile::new("jörg", "corp", metadata, groups));
            }
        }
        let nobody = Profile::default();
        assert_eq!((nobody.user(), nobody.realm()), ("", ""));
        assert_eq!((nobody.metadata().len(), nobody.groups().len()), (0, 0));
    }
}
