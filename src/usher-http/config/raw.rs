//! The tables as they are written. What is not of `[http]` is taken as it comes.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::Path;

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::{Spanned, Value};

use super::USUAL;
use crate::encoding::Encoding;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct File {
    pub(super) http: Http,
    pub(super) listen: Listen,
    pub(super) realm: BTreeMap<String, Realm>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Http {
    pub(super) listen: Option<Spanned<String>>,
    pub(super) challenge: Option<Spanned<String>>,
    pub(super) trusted_user_header: Option<Spanned<String>>,
    pub(super) password_change_url: Option<Spanned<String>>,
    pub(super) header_encoding: Option<Spanned<Encodings>>,
    pub(super) peers: Vec<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Listen {
    pub(super) socket: Option<String>,
    pub(super) socket_mode: Option<String>,
    pub(super) socket_group: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Realm {
    r#type: Option<String>,
    metadata: Option<BTreeMap<String, Value>>,
}

impl Realm {
    /// What it tells of a user, each with whether two users could be mistaken by it.
    pub(super) fn names(&self) -> Vec<(String, bool)> {
        match &self.metadata {
            // Its realms tell.
            None if self.r#type.as_deref() == Some("chain") => Vec::new(),
            None => {
                let exact = |key| ["X_REMOTE_USER", "X_REMOTE_GROUPS"].contains(&key);
                USUAL.iter().map(|key| ((*key).to_owned(), exact(*key))).collect()
            }
            Some(told) => {
                let exact = |value: &Value| {
                    value.as_str() == Some("%username") || value.get("groups").is_some()
                };
                told.iter().map(|(key, value)| (key.clone(), exact(value))).collect()
            }
        }
    }
}

/// `header_encoding`: one for all, or one for each that is named.
pub(super) enum Encodings {
    All(Encoding),
    Each(BTreeMap<String, Encoding>),
}

impl<'de> Deserialize<'de> for Encodings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordOrTable)
    }
}

struct WordOrTable;

impl<'de> Visitor<'de> for WordOrTable {
    type Value = Encodings;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an encoding, or a table of names and encodings")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Encodings, E> {
        Encoding::deserialize(StrDeserializer::new(text)).map(Encodings::All)
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<Encodings, A::Error> {
        BTreeMap::deserialize(MapAccessDeserializer::new(table)).map(Encodings::Each)
    }
}

/// What is wrong with the file, and where. It never repeats a line, which could be a password.
#[derive(Debug)]
pub(crate) struct Problem {
    what: String,
    span: Option<Range<usize>>,
}

impl Problem {
    /// Of the file as a whole.
    pub(super) fn whole(what: String) -> Self {
        Self { what, span: None }
    }

    /// The value, unless it is a fault of what stands there.
    pub(super) fn at<T, V>(
        place: &Spanned<V>,
        result: Result<T, impl Into<String>>,
    ) -> Result<T, Self> {
        result.map_err(|what| Self { what: what.into(), span: Some(place.span()) })
    }

    /// As `FILE:LINE:COLUMN: MESSAGE`.
    pub(super) fn show(&self, path: &Path, text: &str) -> String {
        let file = path.display();
        let Some(before) = self.span.as_ref().and_then(|span| text.get(..span.start)) else {
            return format!("{file}: {}", self.what);
        };
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        format!("{file}:{line}:{column}: {}", self.what)
    }
}

pub(super) fn parse(text: &str) -> Result<File, Problem> {
    toml::from_str(text).map_err(|error: toml::de::Error| Problem {
        what: error.message().to_owned(),
        span: error.span(),
    })
}
