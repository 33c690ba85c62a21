//! Counts in messages are the sender's claim; nothing is allocated on the strength of one.

use std::fmt;

use serde::Deserializer;
use serde::de::{Error, SeqAccess, Visitor};

use crate::MAX_RULES;

/// At most [`MAX_RULES`] strings.
pub(crate) fn rules<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    deserializer.deserialize_seq(Rules)
}

struct Rules;

impl<'de> Visitor<'de> for Rules {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {MAX_RULES} rules")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<String>, A::Error> {
        let claimed = items.size_hint().unwrap_or(0);
        if claimed > MAX_RULES {
            return Err(A::Error::invalid_length(claimed, &self));
        }
        let mut rules = Vec::with_capacity(claimed);
        while let Some(rule) = items.next_element()? {
            rules.push(rule);
        }
        Ok(rules)
    }
}
