//! Values that can be written in more than one way. Each says what it expects in the words of the
//! language, and none repeats what it found: it could be a password.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer, StrDeserializer};
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;
use usher_protocol::Password;

use super::{HeaderEncoding, Span};

/// A whole number.
#[derive(Clone, Copy)]
pub(crate) struct Whole(pub(crate) i64);

/// A duration or a size: a number with a unit. A number without one is kept as its digits, so that
/// the room that knows the units can say which are missing.
pub(crate) struct Quantity(pub(crate) String);

/// A user or a group: a name, or a number with or without quotes.
pub(crate) struct Peer(pub(crate) String);

/// One of a set of words.
#[derive(Clone, Copy)]
pub(crate) struct Word<T>(pub(crate) T);

/// A string or an array of strings.
pub(crate) enum Strings {
    One(String),
    Many(Vec<Spanned<String>>),
}

/// How headers are encoded: all of them, or each that is named. usher-http reads it.
pub(crate) struct Encodings;

/// Where a password comes from.
pub(crate) enum PasswordSource {
    Text(Password),
    Elsewhere(PasswordTable),
}

/// `{ file = "..." }` or `{ credential = "..." }`
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(crate) struct PasswordTable {
    pub(crate) file: Option<Spanned<String>>,
    pub(crate) credential: Option<Spanned<String>>,
}

/// Where the value of a metadata name comes from.
pub(crate) enum MetadataSource {
    Text(String),
    Table(MetadataTable),
}

/// `{ attribute = "...", transform = "..." }` or `{ groups = true, join = "..." }`
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a table")]
pub(crate) struct MetadataTable {
    pub(crate) attribute: Option<Spanned<String>>,
    pub(crate) transform: Option<Spanned<Word<Transform>>>,
    pub(crate) groups: Option<Spanned<bool>>,
    pub(crate) join: Option<Spanned<String>>,
}

/// `transform`
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Transform {
    Lowercase,
}

impl Strings {
    /// Each string with its place; `at` is the place of the whole.
    pub(crate) fn each(&self, at: Span) -> Vec<(Span, &str)> {
        match self {
            Self::One(text) => vec![(at, text)],
            Self::Many(texts) => {
                texts.iter().map(|text| (text.span(), text.get_ref().as_str())).collect()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_i64(Expecting::new("a whole number"))
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Expecting::new("a string: a number with a unit"))
    }
}

impl<'de> Deserialize<'de> for Peer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Expecting::new("a user, a \"@group\" or a numeric id"))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Expecting::new("a string"))
    }
}

impl<'de> Deserialize<'de> for Strings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Expecting::new("a string or an array of strings"))
    }
}

impl<'de> Deserialize<'de> for Encodings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Expecting::new("a string or a table of strings"))
    }
}

impl<'de> Deserialize<'de> for PasswordSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "{ file = \"...\" }, { credential = \"...\" } or a string";
        deserializer.deserialize_any(Expecting::new(expected))
    }
}

impl<'de> Deserialize<'de> for MetadataSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "\"%username\", the name of an attribute or a table";
        deserializer.deserialize_any(Expecting::new(expected))
    }
}

/// What a value can be made of; whatever is not overridden is of the wrong type.
trait Made<'de>: Sized {
    fn of_text<E: Error>(text: &str, expected: &Expecting<Self>) -> Result<Self, E> {
        let _ = text;
        Err(E::invalid_type(serde::de::Unexpected::Other("a string"), expected))
    }

    fn of_whole<E: Error>(number: i64, expected: &Expecting<Self>) -> Result<Self, E> {
        Err(E::invalid_type(serde::de::Unexpected::Signed(number), expected))
    }

    fn of_float<E: Error>(number: f64, expected: &Expecting<Self>) -> Result<Self, E> {
        Err(E::invalid_type(serde::de::Unexpected::Float(number), expected))
    }

    fn of_list<A: SeqAccess<'de>>(list: A, expected: &Expecting<Self>) -> Result<Self, A::Error> {
        drop(list);
        Err(A::Error::invalid_type(serde::de::Unexpected::Seq, expected))
    }

    fn of_table<A: MapAccess<'de>>(table: A, expected: &Expecting<Self>) -> Result<Self, A::Error> {
        drop(table);
        Err(A::Error::invalid_type(serde::de::Unexpected::Map, expected))
    }
}

impl Made<'_> for Whole {
    fn of_whole<E: Error>(number: i64, _: &Expecting<Self>) -> Result<Self, E> {
        Ok(Self(number))
    }
}

impl Made<'_> for Quantity {
    fn of_text<E: Error>(text: &str, _: &Expecting<Self>) -> Result<Self, E> {
        Ok(Self(text.to_owned()))
    }

    fn of_whole<E: Error>(number: i64, _: &Expecting<Self>) -> Result<Self, E> {
        Ok(Self(number.to_string()))
    }

    fn of_float<E: Error>(number: f64, _: &Expecting<Self>) -> Result<Self, E> {
        Ok(Self(number.to_string()))
    }
}

impl Made<'_> for Peer {
    fn of_text<E: Error>(text: &str, _: &Expecting<Self>) -> Result<Self, E> {
        Ok(Self(text.to_owned()))
    }

    fn of_whole<E: Error>(number: i64, _: &Expecting<Self>) -> Result<Self, E> {
        Ok(Self(number.to_string()))
    }
}

impl<'de, T: Deserialize<'de>> Made<'de> for Word<T> {
    fn of_text<E: Error>(text: &str, _: &Expecting<Self>) -> Result<Self, E> {
        T::deserialize(StrDeserializer::new(text)).map(Self)
    }
}

impl<'de> Made<'de> for Strings {
    fn of_text<E: Error>(text: &str, _: &Expecting<Self>) -> Result<Self, E> {
        Ok(Self::One(text.to_owned()))
    }

    fn of_list<A: SeqAccess<'de>>(list: A, _: &Expecting<Self>) -> Result<Self, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(Self::Many)
    }
}

impl<'de> Made<'de> for Encodings {
    fn of_text<E: Error>(text: &str, _: &Expecting<Self>) -> Result<Self, E> {
        HeaderEncoding::deserialize(StrDeserializer::new(text)).map(|_| Self)
    }

    fn of_table<A: MapAccess<'de>>(table: A, _: &Expecting<Self>) -> Result<Self, A::Error> {
        let table = MapAccessDeserializer::new(table);
        BTreeMap::<String, HeaderEncoding>::deserialize(table).map(|_| Self)
    }
}

impl<'de> Made<'de> for PasswordSource {
    fn of_text<E: Error>(text: &str, _: &Expecting<Self>) -> Result<Self, E> {
        Ok(Self::Text(Password::from(text)))
    }

    fn of_table<A: MapAccess<'de>>(table: A, _: &Expecting<Self>) -> Result<Self, A::Error> {
        PasswordTable::deserialize(MapAccessDeserializer::new(table)).map(Self::Elsewhere)
    }
}

impl<'de> Made<'de> for MetadataSource {
    fn of_text<E: Error>(text: &str, _: &Expecting<Self>) -> Result<Self, E> {
        Ok(Self::Text(text.to_owned()))
    }

    fn of_table<A: MapAccess<'de>>(table: A, _: &Expecting<Self>) -> Result<Self, A::Error> {
        MetadataTable::deserialize(MapAccessDeserializer::new(table)).map(Self::Table)
    }
}

/// The visitor of all of them.
struct Expecting<T> {
    what: &'static str,
    makes: PhantomData<T>,
}

impl<T> Expecting<T> {
    fn new(what: &'static str) -> Self {
        Self { what, makes: PhantomData }
    }
}

impl<'de, T: Made<'de>> Visitor<'de> for Expecting<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        T::of_text(text, &self)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        T::of_whole(number, &self)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        T::of_float(number, &self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
        T::of_list(list, &self)
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<T, A::Error> {
        T::of_table(table, &self)
    }
}
