//! What is told of a user: names and values that are safe in a header.

use super::person::Person;
use crate::config::{Metadata, MetadataValue};
use crate::telemetry::trace;

/// Names and values in the configured order; a name without a value is left out.
pub(super) fn shape(wanted: &[Metadata], user: &str, person: &Person) -> Vec<(String, String)> {
    let told = |item: &Metadata| {
        let value = value(item, user, person);
        trace::step("metadata", || match &value {
            Some(value) => format!("{} = {value}", item.name),
            None => format!("{} has no value", item.name),
        });
        Some((item.name.clone(), value?))
    };
    let mut all = Vec::with_capacity(wanted.len());
    all.extend(wanted.iter().filter_map(told));
    all
}

fn value(item: &Metadata, user: &str, person: &Person) -> Option<String> {
    match &item.value {
        MetadataValue::Username => Some(user.to_owned()),
        MetadataValue::Attribute { name, lowercase } => {
            let value = person.values(name).next();
            let cased = |it: &str| if *lowercase { it.to_lowercase() } else { it.to_owned() };
            value.map(|value| harmless(cased(value)))
        }
        MetadataValue::Groups { join } => {
            let groups: Vec<&str> = person.groups().collect();
            (!groups.is_empty()).then(|| harmless(groups.join(join)))
        }
    }
}

/// No control character leaves: one could end a header and begin another.
pub(super) fn harmless(value: String) -> String {
    // Hardly any value has one. Beyond ASCII they begin with C2 in UTF-8.
    let suspect = |byte: u8| byte < b' ' || byte == 0x7f || byte == 0xc2;
    if value.bytes().fold(false, |found, byte| found | suspect(byte)) {
        value.chars().map(|it| if it.is_control() { ' ' } else { it }).collect()
    } else {
        value
    }
}

#[cfg(test)]
mod tests {
    use super::{Person, shape};
    use crate::config::{Metadata, MetadataValue};
    use crate::directory::{Attributes, Entry};

    #[test]
    fn values_are_shaped_as_configured_and_cannot_break_a_header() {
        let attribute =
            |name: &str, lowercase| MetadataValue::Attribute { name: name.to_owned(), lowercase };
        let wanted = [
            ("USER", MetadataValue::Username),
            ("MAIL", attribute("mail", true)),
            ("NAME", attribute("cn", false)),
            ("ABSENT", attribute("sn", false)),
            ("GROUPS", MetadataValue::Groups { join: ",".to_owned() }),
        ]
        .map(|(name, value)| Metadata { name: name.to_owned(), value });
        let mut attributes = Attributes::default();
        attributes.add("mail", ["Alice@Example.COM".to_owned(), "second@x".to_owned()]);
        attributes.add("cn", ["Al\r\nX-Admin: 1\u{85}\u{7f}ice".to_owned()]);
        let groups = vec!["dev".to_owned(), "ops".to_owned()];
        let entry = Entry { attributes, groups, ..Entry::default() };
        let told = shape(&wanted, "alice", &Person::new(&entry, &[]));
        let told: Vec<_> =
            told.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            told,
            [
                ("USER", "alice"),
                ("MAIL", "alice@example.com"),
                ("NAME", "Al  X-Admin: 1  ice"),
                ("GROUPS", "dev,ops"),
            ]
        );
    }
}
