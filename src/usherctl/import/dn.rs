//! Distinguished names (RFC 4514), as far as finding the way to a group takes it.

/// The parts of a name, from the entry up.
pub(super) fn parts(dn: &str) -> Vec<String> {
    let (mut parts, mut part, mut escaped, mut quoted) = (Vec::new(), String::new(), false, false);
    for c in dn.chars() {
        if c == ',' && !escaped && !quoted {
            parts.push(part.trim().to_owned());
            part.clear();
            continue;
        }
        quoted ^= c == '"' && !escaped;
        escaped = !escaped && c == '\\';
        part.push(c);
    }
    parts.push(part.trim().to_owned());
    parts.retain(|part| !part.is_empty());
    parts
}

/// The attribute and the unescaped value of a name's first part.
pub(super) fn first(dn: &str) -> Option<(String, String)> {
    let parts = parts(dn);
    let (attribute, value) = parts.first()?.split_once('=')?;
    let mut bytes = Vec::new();
    let mut rest = value.trim().trim_matches('"').bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let next = rest.next()?;
        let digits =
            [Some(next), rest.clone().next()].map(|b| b.and_then(|b| char::from(b).to_digit(16)));
        match digits {
            [Some(high), Some(low)] => {
                rest.next();
                bytes.push(u8::try_from(high * 16 + low).ok()?);
            }
            _ => bytes.push(next),
        }
    }
    Some((attribute.trim().to_owned(), String::from_utf8(bytes).ok()?))
}

/// What is above an entry.
pub(super) fn parent(dn: &str) -> Option<String> {
    let parts = parts(dn);
    let above = parts.get(1..)?;
    (!above.is_empty()).then(|| above.join(","))
}

/// The lowest entry that all of these are below, or that they are.
pub(super) fn common<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let mut common: Option<Vec<String>> = None;
    for name in names {
        let mut up = parts(name);
        up.reverse();
        common = Some(match common {
            None => up,
            Some(so_far) => {
                let same = |(a, b): &(String, String)| a.eq_ignore_ascii_case(b);
                so_far.into_iter().zip(up).take_while(same).map(|(a, _)| a).collect()
            }
        });
    }
    let mut down = common?;
    down.reverse();
    (!down.is_empty()).then(|| down.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_part_is_a_name_with_its_escapes_undone() {
        let first = first(r"cn=Smith\, J\c3\b6,ou=people,dc=com").expect("a part");
        assert_eq!(first, ("cn".to_owned(), "Smith, Jö".to_owned()));
        assert_eq!(parent("cn=a,dc=com").as_deref(), Some("dc=com"));
        assert_eq!(parent("dc=com"), None);
    }

    #[test]
    fn what_is_common_is_found_from_the_top() {
        let names = ["cn=a,ou=groups,dc=com", "cn=b, OU=groups, dc=com"];
        assert_eq!(common(names).as_deref(), Some("ou=groups,dc=com"));
        assert_eq!(common(["cn=a,dc=com", "cn=b,dc=org"]), None);
    }
}
