//! Distinguished names (RFC 4514).

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
    use super::first_value;

    #[test]
    fn the_first_value_of_a_name_is_told_without_escapes() {
        for (dn, value) in [
            ("cn=dev,ou=groups,dc=example,dc=com", "dev"),
            ("CN=Dev Team,ou=groups", "Dev Team"),
            (r"cn=R\2CD\, all,ou=groups", "R,D, all"),
            (r"cn=J\C3\B6rg,ou=groups", "Jörg"),
            ("cn=a+uid=b,ou=groups", "a"),
        ] {
            assert_eq!(first_value(dn, "cn").as_deref(), Some(value));
        }
        for other in ["ou=dev,ou=groups", "dev", "cn=broken\\"] {
            assert_eq!(first_value(other, "cn"), None);
        }
    }
}
