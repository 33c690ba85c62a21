//! Names: of realms, domains, attributes, metadata, and distinguished ones.

use super::problem::Fault;

/// The name of a realm.
pub(super) fn realm(name: &str) -> Result<(), Fault> {
    let fits = (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    fits.then_some(()).ok_or_else(|| {
        Fault::new("is not the name of a realm")
            .hint("1 to 64 letters, digits, dots, underscores and hyphens")
    })
}

/// A domain of user names, in lower case.
pub(super) fn domain(name: &str) -> Result<String, Fault> {
    let fits = (1..=255).contains(&name.len())
        && !name.contains(|c: char| c.is_control() || c.is_whitespace() || "\\@/".contains(c));
    fits.then(|| name.to_lowercase()).ok_or_else(|| {
        Fault::new(format!("is not a domain: {name:?}"))
            .hint("what stands before \\ or after @ in a user name, without these signs")
    })
}

/// An attribute that is asked for. It may have underscores, as in users.toml and in the schemas of
/// some servers.
pub(super) fn attribute(name: &str) -> Result<String, Fault> {
    checked(name, is_attribute(&name.replace('_', "-")))
}

/// An attribute that will stand in a filter, where RFC 4512 counts to the letter.
pub(super) fn filtered_attribute(name: &str) -> Result<String, Fault> {
    checked(name, is_attribute(name))
}

fn checked(name: &str, fits: bool) -> Result<String, Fault> {
    fits.then(|| name.to_owned()).ok_or_else(|| {
        Fault::new(format!("is not the name of an attribute: {name:?}"))
            .hint("such as \"mail\": letters, digits and hyphens, or an object identifier")
    })
}

/// Whether this is an attribute: a descriptor or an object identifier, then options (RFC 4512 2.5).
pub(super) fn is_attribute(name: &str) -> bool {
    let mut parts = name.split(';');
    let option = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    name.len() <= 256 && parts.next().is_some_and(is_attribute_type) && parts.all(option)
}

/// Whether this is an attribute's descriptor or object identifier.
pub(super) fn is_attribute_type(name: &str) -> bool {
    let descriptor = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let number = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|b| b.is_ascii_digit())
            && (text == "0" || !text.starts_with('0'))
    };
    descriptor || (name.contains('.') && name.split('.').all(number))
}

/// A name in the environment of a program.
pub(super) fn environment(name: &str) -> Result<(), Fault> {
    let fits = (1..=128).contains(&name.len())
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    fits.then_some(()).ok_or_else(|| {
        Fault::new("is not a name for the environment")
            .hint("letters, digits and underscores, such as X_REMOTE_USER")
    })
}

/// A distinguished name (RFC 4514), as far as its form goes; its values are the server's affair.
pub(super) fn distinguished(text: &str) -> Result<String, Fault> {
    let wrong = |what: &str| {
        Fault::new(format!("is not a distinguished name: {what}"))
            .hint("for instance \"ou=people,dc=example,dc=com\"")
    };
    if text.contains('\0') {
        return Err(wrong("it contains a NUL"));
    }
    for part in parts(text) {
        let part = part.trim_start_matches(' ');
        let Some((name, value)) = part.split_once('=') else {
            return Err(wrong(&format!("{part:?} is not of the form attribute=value")));
        };
        if !is_attribute_type(name.trim_end_matches(' ')) {
            return Err(wrong(&format!("{name:?} is not an attribute")));
        }
        if value.trim_matches(' ').is_empty() {
            return Err(wrong(&format!("{name} has no value")));
        }
    }
    Ok(text.to_owned())
}

/// A distinguished name with `%u` where a user's name goes. What stands beside it could change the
/// meaning of its first signs: half an escape, `#` before hexadecimal digits, a quotation mark.
pub(super) fn template(text: &str) -> Result<String, Fault> {
    let wrong = |what: &str| {
        Fault::new(what.to_owned()).hint("for instance \"uid=%u,ou=people,dc=example,dc=com\"")
    };
    let text = distinguished(text)?;
    let mut with_name = parts(&text).into_iter().filter(|part| part.contains("%u")).peekable();
    if with_name.peek().is_none() {
        return Err(wrong("has no %u for the user's name"));
    }
    if with_name.any(|part| part.contains(['\\', '#', '"'])) {
        return Err(wrong("has \\, # or \" in the part with %u"));
    }
    Ok(text)
}

/// The parts between commas and plus signs that are not escaped.
pub(super) fn parts(text: &str) -> Vec<&str> {
    let mut escaped = false;
    text.split(|c| {
        let separates = !escaped && matches!(c, ',' | '+' | ';');
        escaped = !escaped && c == '\\';
        separates
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_descriptors_or_identifiers_with_options() {
        for name in ["mail", "userCertificate;binary", "x-1;lang-de;x", "2.5.4.3"] {
            assert!(is_attribute(name), "{name}");
        }
        for name in ["", "9a", "a b", "mail;", "2.5.", "2", "02.5", "mäil", "a=b", "a*"] {
            assert!(!is_attribute(name), "{name}");
        }
    }

    #[test]
    fn underscores_are_for_attributes_that_stand_in_no_filter() {
        assert!(attribute("employee_type").is_ok());
        assert!(filtered_attribute("employee_type").is_err());
        assert!(attribute("_a").is_err());
    }

    #[test]
    fn distinguished_names_are_pairs() {
        for text in
            ["dc=com", "ou=a+cn=b, dc=com", "cn=a\\,b=c,dc=com", "cn=Jos\\c3\\a9", "2.5.4.3=x"]
        {
            assert!(distinguished(text).is_ok(), "{text}");
        }
        for text in ["", "example.com", "dc=", "dc=a,", ",dc=a", "d c=a", "dc=a\0b"] {
            assert!(distinguished(text).is_err(), "{text}");
        }
    }

    #[test]
    fn templates_have_a_place_for_a_name() {
        for text in ["uid=%u,dc=com", "cn=a %u+uid=%u, dc=a\\,b", "uid=x-%u@y,dc=com"] {
            assert_eq!(template(text).as_deref(), Ok(text));
        }
        for text in ["dc=com", "%u", "%u=a,dc=com", "uid=#%u,dc=com", "uid=\\%u", "uid=\"%u\""] {
            assert!(template(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_of_realms_are_short_and_plain() {
        assert!(realm("break-glass_2.x").is_ok());
        for name in ["", "a b", "ä", &"x".repeat(65)] {
            assert!(realm(name).is_err(), "{name}");
        }
    }

    #[test]
    fn environment_names_do_not_begin_with_a_digit() {
        assert!(environment("_X1").is_ok());
        for name in ["", "1X", "X-A", "X A"] {
            assert!(environment(name).is_err(), "{name}");
        }
    }

    #[test]
    fn domains_are_kept_in_lower_case() {
        assert_eq!(domain("CORP.Example"), Ok("corp.example".to_owned()));
        assert!(domain("CORP\\").is_err());
    }
}
