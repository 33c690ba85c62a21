//! What is told of a user: names and values that are safe in a header.

use usher_protocol::Profile;

use super::person::Person;
use super::username::in_case;
use crate::config::{Metadata, MetadataValue, Realm};

/// What a realm tells of a user, the metadata in the configured order; a name without a value is
/// left out. `before` is to stand in front of it in its memory.
pub(super) fn profile(realm: &Realm, person: &Person, before: Vec<u8>) -> Profile {
    let user = harmless(in_case(person.username(), realm.usernames.case).into_owned());
    let named = realm.metadata.iter().map(|item| (&item.name, value(item, &user, person)));
    let metadata: Vec<_> = named.filter_map(|(name, value)| Some((name, value?))).collect();
    let groups: Vec<_> = person.groups().map(|group| harmless(group.to_owned())).collect();
    Profile::after(before, &user, &realm.name, &metadata, &groups)
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
fn harmless(value: String) -> String {
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
    use super::{Person, profile};
    use crate::directory::{Attributes, Entry};
    use crate::realm::tests::settings;

    #[test]
    fn values_are_shaped_as_configured_and_cannot_break_a_header() {
        let metadata = "metadata = { USER = \"%username\", MAIL = { attribute = \"mail\", \
                        transform = \"lowercase\" }, NAME = \"cn\", ABSENT = \"sn\", GROUPS = \
                        { groups = true, join = \",\" } }";
        let mut attributes = Attributes::default();
        attributes.add("mail", ["Alice@Example.COM".to_owned(), "second@x".to_owned()]);
        attributes.add("cn", ["Al\r\nX-Admin: 1\u{85}\u{7f}ice".to_owned()]);
        let groups = vec!["dev".to_owned(), "o\nps".to_owned()];
        let username = "Ali\tce".to_owned();
        let entry = Entry { username, attributes, groups, ..Entry::default() };
        let realm = settings(metadata);
        let told = profile(&realm, &Person::new(&entry, &[], &realm), Vec::new());
        assert_eq!((told.user(), told.realm()), ("ali ce", "corp"));
        assert!(told.groups().eq(["dev", "o ps"]), "{told:?}");
        let metadata: Vec<_> = told.metadata().collect();
        assert_eq!(
            metadata,
            [
                ("USER", "ali ce"),
                ("MAIL", "alice@example.com"),
                ("NAME", "Al  X-Admin: 1  ice"),
                ("GROUPS", "dev,o ps"),
            ]
        );
    }
}
