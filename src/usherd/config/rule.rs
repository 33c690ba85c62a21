//! Rules: what must hold of a user. They stand in the configuration, and requests bring more.

use super::{Filter, name, suggest};

/// Longest rule, in bytes.
const MAX_LENGTH: usize = 1024;
/// The kinds of rule, for hints.
const KINDS: [&str; 3] = ["group", "attribute", "filter"];

/// A rule that a user must satisfy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// As it was written, for messages.
    pub text: String,
    /// What must hold.
    pub test: Test,
}

/// What a rule asks. Any of the alternatives will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// `group=dev|ops`: the user is in one of these groups.
    Group(Vec<String>),
    /// `attribute:NAME=VALUE|VALUE`: the attribute has one of these values.
    Attribute {
        /// The attribute's name.
        name: String,
        /// The values that satisfy the rule.
        values: Vec<String>,
    },
    /// `filter=(...)`: the directory says that the filter matches the user's entry.
    Filter(Filter),
}

impl Rule {
    /// Reads a rule.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_LENGTH {
            return Err(format!("the rule is longer than {MAX_LENGTH} bytes"));
        }
        if text.contains(char::is_control) {
            return Err("the rule contains a control character".to_owned());
        }
        let Some((subject, values)) = text.split_once('=') else {
            return Err("the rule has no =: write group=dev|ops or attribute:NAME=VALUE".to_owned());
        };
        let test = match subject.split_once(':') {
            None if subject == "group" => Test::Group(alternatives(values)?),
            Some(("attribute", name)) if name::attribute(name).is_ok() => {
                Test::Attribute { name: name.to_owned(), values: alternatives(values)? }
            }
            Some(("attribute", name)) => {
                return Err(format!("not the name of an attribute: {name:?}"));
            }
            None if subject == "filter" => Test::Filter(
                Filter::parse(values)
                    .map_err(|what| format!("the filter does not follow RFC 4515: {what}"))?,
            ),
            _ => return Err(unknown(subject)),
        };
        Ok(Self { text: text.to_owned(), test })
    }
}

/// The alternatives between bars. Names and values have no space around them in any directory,
/// so one there is a slip that would lock everybody out.
fn alternatives(values: &str) -> Result<Vec<String>, String> {
    let values: Vec<_> = values.split('|').map(str::to_owned).collect();
    if values.iter().any(String::is_empty) {
        return Err("an alternative is empty".to_owned());
    }
    if values.iter().any(|value| value.trim() != value) {
        return Err("an alternative begins or ends with a space".to_owned());
    }
    Ok(values)
}

fn unknown(subject: &str) -> String {
    match suggest::nearest(subject, &KINDS) {
        Some(meant) => format!("unknown kind of rule: {subject:?}; did you mean `{meant}`?"),
        None => format!(
            "unknown kind of rule: {subject:?}; known are group=, attribute:NAME= and filter="
        ),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;

    fn test_of(text: &str) -> Result<Test, String> {
        Rule::parse(text).map(|rule| rule.test)
    }

    fn owned(values: &[&str]) -> Vec<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    #[test]
    fn a_group_rule_lists_groups() {
        assert_eq!(test_of("group=dev|ops"), Ok(Test::Group(owned(&["dev", "ops"]))));
        assert_eq!(test_of("group=Domain Admins"), Ok(Test::Group(owned(&["Domain Admins"]))));
    }

    #[test]
    fn an_attribute_rule_names_the_attribute_and_values() {
        assert_eq!(
            test_of("attribute:employeeType=staff|a=b"),
            Ok(Test::Attribute {
                name: "employeeType".to_owned(),
                values: owned(&["staff", "a=b"])
            })
        );
    }

    #[test]
    fn a_filter_rule_is_a_filter_with_or_without_parentheses() {
        for text in ["filter=(|(a=b)(c=d))", "filter=|(a=b)(c=d)"] {
            let Ok(Test::Filter(filter)) = test_of(text) else { panic!("{text}") };
            assert_eq!(filter.as_str(), "(|(a=b)(c=d))");
        }
    }

    #[test]
    fn the_text_is_kept_for_messages() {
        assert_eq!(Rule::parse("group=dev").unwrap().text, "group=dev");
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (text, what) in [
            ("", "the rule has no =: write group=dev|ops or attribute:NAME=VALUE"),
            ("group", "the rule has no =: write group=dev|ops or attribute:NAME=VALUE"),
            ("group=", "an alternative is empty"),
            ("group=a||b", "an alternative is empty"),
            ("group=a | b", "an alternative begins or ends with a space"),
            ("group=a\n", "the rule contains a control character"),
            ("gruop=a", "unknown kind of rule: \"gruop\"; did you mean `group`?"),
            (
                "role=a",
                "unknown kind of rule: \"role\"; known are group=, attribute:NAME= and filter=",
            ),
            ("attribute:=a", "not the name of an attribute: \"\""),
            ("attribute:a b=a", "not the name of an attribute: \"a b\""),
            ("filter=", "the filter does not follow RFC 4515: expected attribute=value at the end"),
            ("filter=(a=b", "the filter does not follow RFC 4515: expected ) at the end"),
        ] {
            assert_eq!(Rule::parse(text), Err(what.to_owned()), "{text}");
        }
        assert!(Rule::parse(&format!("group={}", "x".repeat(2000))).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            let _ = Rule::parse(&text);
        }
    }
}
