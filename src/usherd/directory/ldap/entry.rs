//! From what the server sent to what the directory says.

use ldap3::SearchEntry;

use crate::config;
use crate::directory::{Attributes, Entry};

/// The entry that was found for what somebody typed.
pub(super) fn read(found: SearchEntry, typed: &str, settings: &config::Ldap) -> Entry {
    let mut attributes = Attributes::default();
    for (name, values) in found.attrs {
        attributes.add(&name, values);
    }
    // ldap3 puts an attribute here as soon as one of its values is not UTF-8.
    for (name, values) in found.bin_attrs {
        attributes.add(&name, values.into_iter().filter_map(|bytes| String::from_utf8(bytes).ok()));
    }
    let username = username(&attributes, typed, settings);
    let groups = settings.groups.as_ref().map_or_else(Vec::new, |groups| {
        let values = attributes.values(&groups.attribute).iter();
        values.map(|value| group_name(value, &groups.name_attribute)).collect()
    });
    Entry { id: found.dn, username, attributes, groups, barred: None }
}

/// The directory's own spelling: of what was typed where the first login attribute has it, so
/// that nobody changes names by typing another of their logins.
fn username(attributes: &Attributes, typed: &str, settings: &config::Ldap) -> String {
    let names = settings.login_attributes.first().map_or(&[][..], |name| attributes.values(name));
    let same = |name: &&String| name.to_lowercase() == typed.to_lowercase();
    names.iter().find(same).or(names.first()).cloned().unwrap_or_else(|| typed.to_owned())
}

/// `dev` of `cn=dev,ou=groups,…`; a value that is no such DN is the name itself.
fn group_name(value: &str, name_attribute: &str) -> String {
    let first_part = || {
        let (attribute, rest) = value.split_once('=')?;
        attribute.trim().eq_ignore_ascii_case(name_attribute).then(|| unescape(rest)).flatten()
    };
    first_part().unwrap_or_else(|| value.to_owned())
}

/// The value at the front of a DN (RFC 4514 section 2.4), up to the next part of the name.
fn unescape(text: &str) -> Option<String> {
    let mut value = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b',' | b'+' => break,
            b'\\' => {
                let escaped = bytes.next()?;
                let hex = |digit: u8| char::from(digit).to_digit(16);
                match hex(escaped) {
                    Some(high) => {
                        let low = hex(bytes.next()?)?;
                        value.push(u8::try_from(high * 16 + low).ok()?);
                    }
                    None => value.push(escaped),
                }
            }
            byte => value.push(byte),
        }
    }
    String::from_utf8(value).ok()
}

#[cfg(test)]
mod tests {
    use super::group_name;

    #[test]
    fn a_group_is_named_by_the_first_part_of_its_dn() {
        for (value, name) in [
            ("cn=dev,ou=groups,dc=example,dc=com", "dev"),
            ("CN=Dev Team,ou=groups", "Dev Team"),
            (r"cn=R\2CD\, all,ou=groups", "R,D, all"),
            (r"cn=J\C3\B6rg,ou=groups", "Jörg"),
            ("cn=a+uid=b,ou=groups", "a"),
            ("ou=dev,ou=groups", "ou=dev,ou=groups"),
            ("dev", "dev"),
            ("cn=broken\\", "cn=broken\\"),
        ] {
            assert_eq!(group_name(value, "cn"), name);
        }
    }
}
