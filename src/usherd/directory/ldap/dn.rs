//! Distinguished names (RFC 4514).

use ldap3::dn_escape;

/// The DN of a user, by a template with `%u` for the name. Escaped (section 2.4), a name is one
/// value and nothing else; `config` has seen to what stands beside it.
pub(super) fn of_user(template: &str, user: &str) -> String {
    template.replace("%u", &dn_escape(user))
}

/// The value at the front of a DN, if it is of this attribute: `dev` of `cn=dev,ou=groups,…`.
pub(super) fn first_value(dn: &str, attribute: &str) -> Option<String> {
    let (name, rest) = dn.split_once('=')?;
    name.trim().eq_ignore_ascii_case(attribute).then(|| unescape(rest)).flatten()
}

/// The value at the front of the text (RFC 4514 section 2.4), up to the next part of the name.
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
    use super::{first_value, of_user};

    #[test]
    fn a_name_in_a_template_is_a_value_and_nothing_else() {
        for (user, dn) in [
            ("alice", "uid=alice,ou=people"),
            ("jörg", "uid=jörg,ou=people"),
            ("a,ou=admins", r"uid=a\2cou\3dadmins,ou=people"),
            ("a+cn=b", r"uid=a\2bcn\3db,ou=people"),
            (r#"\"<>;"#, r"uid=\5c\22\3c\3e\3b,ou=people"),
            ("#04", r"uid=\2304,ou=people"),
            (" a ", r"uid=\20a\20,ou=people"),
            ("%u", "uid=%u,ou=people"),
        ] {
            assert_eq!(of_user("uid=%u,ou=people", user), dn);
        }
    }

    #[test]
    fn the_first_value_of_a_name_is_told_without_escapes() {
        for (dn, value) in [
            ("cn=dev,ou=groups,dc=example,dc=com", "dev"),
            ("CN=Dev Team,ou=groups", "Dev Team"),
            (r"cn=R\2CD\, all,ou=groups", "R,D, all"),
            (r"cn=J\C3\B6rg,ou=groups", "Jörg"),
            ("cn=a+uid=b,ou=groups", "a"),
            (r"cn=\20padded\20,ou=groups", " padded "),
            (r"cn=\ padded\ ,ou=groups", " padded "),
            (r#"cn=\#1 \"a\\b\" \<c\>\;,ou=groups"#, r#"#1 "a\b" <c>;"#),
        ] {
            assert_eq!(first_value(dn, "cn").as_deref(), Some(value));
        }
        for other in ["ou=dev,ou=groups", "dev", "cn=broken\\"] {
            assert_eq!(first_value(other, "cn"), None);
        }
    }
}
