//! What Crowd says, in JSON. What a server may leave out is optional; all else must be there.

use serde::{Deserialize, Serialize};
use usher_protocol::Reason;
use zeroize::Zeroizing;

use crate::directory::{Attributes, Entry};

/// A user.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct User {
    name: String,
    active: Option<bool>,
    first_name: Option<String>,
    last_name: Option<String>,
    display_name: Option<String>,
    email: Option<String>,
    attributes: Option<OfUser>,
}

#[derive(Debug, Deserialize)]
struct OfUser {
    #[serde(default)]
    attributes: Vec<Attribute>,
}

#[derive(Debug, Deserialize)]
struct Attribute {
    name: String,
    #[serde(default)]
    values: Vec<String>,
}

/// The groups of a user.
#[derive(Debug, Deserialize)]
pub(super) struct Groups {
    pub(super) groups: Vec<Group>,
}

/// One of them.
#[derive(Debug, Deserialize)]
pub(super) struct Group {
    pub(super) name: String,
}

/// Why Crowd refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Wrong,
    NoUser,
    Inactive,
    Expired,
    /// Another reason, or none that can be read.
    Other,
}

impl User {
    /// Whether it is the one that was asked for; Crowd compares names without case.
    pub(super) fn is(&self, user: &str) -> Result<(), String> {
        if self.name.to_lowercase() == user.to_lowercase() {
            Ok(())
        } else {
            Err("it is about somebody else".to_owned())
        }
    }

    /// The entry, without groups. Crowd's own words, and the names that LDAP has for them.
    pub(super) fn into_entry(self) -> Entry {
        let mut attributes = Attributes::default();
        for (ours, ldap, value) in [
            ("email", "mail", self.email),
            ("first-name", "givenName", self.first_name),
            ("last-name", "sn", self.last_name),
            ("display-name", "cn", self.display_name),
        ] {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                attributes.add(ours, [value.clone()]);
                attributes.add(ldap, [value]);
            }
        }
        for Attribute { name, values } in
            self.attributes.map(|it| it.attributes).unwrap_or_default()
        {
            // An attribute of somebody's making must not stand in for one of Crowd's own.
            if attributes.values(&name).is_empty() {
                attributes.add(&name, values);
            }
        }
        let barred = (self.active == Some(false)).then_some(Reason::AccountDisabled);
        let (id, username) = (self.name.clone(), self.name);
        Entry { id, username, attributes, barred, ..Entry::default() }
    }
}

/// The body of an answer.
pub(super) fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, String> {
    // Only where: the text could be anybody's.
    serde_json::from_slice(body)
        .map_err(|error| format!("not the JSON that it should be, at column {}", error.column()))
}

/// The reason in the body of a refusal.
pub(super) fn reason(body: &[u8]) -> Refusal {
    #[derive(Deserialize)]
    struct Body {
        reason: String,
    }
    match read::<Body>(body).as_ref().map(|body| body.reason.as_str()) {
        Ok("INVALID_USER_AUTHENTICATION") => Refusal::Wrong,
        Ok("USER_NOT_FOUND") => Refusal::NoUser,
        Ok("INACTIVE_ACCOUNT") => Refusal::Inactive,
        Ok("EXPIRED_CREDENTIAL") => Refusal::Expired,
        _ => Refusal::Other,
    }
}

/// The body of the question whether a password is right.
pub(super) fn password(password: &str) -> Zeroizing<Vec<u8>> {
    #[derive(Serialize)]
    struct Body<'a> {
        value: &'a str,
    }
    // As large as it can become, so that no piece is left behind.
    let mut body = Zeroizing::new(Vec::with_capacity(16 + 6 * password.len()));
    // Writing a string to memory cannot fail.
    let _ = serde_json::to_writer(&mut *body, &Body { value: password });
    body
}

#[cfg(test)]
mod tests {
    use usher_protocol::Reason;

    use super::{Groups, Refusal, User, password, read, reason};

    #[test]
    fn a_user_becomes_an_entry_with_crowds_words_and_ldaps() {
        let body = br#"{"expand":"attributes","link":{},"name":"Alice","active":false,
            "first-name":"Alice","last-name":"Archer","display-name":"","email":"a@x",
            "attributes":{"attributes":[{"name":"team","values":["one","two"]},
            {"name":"mail","values":["forged@x"]}]}}"#;
        let user: User = read(body).expect("reads");
        assert!(user.is("alice").is_ok() && user.is("bob").is_err());
        let entry = user.into_entry();
        assert_eq!(
            (entry.username.as_str(), entry.barred),
            ("Alice", Some(Reason::AccountDisabled))
        );
        assert_eq!(entry.attributes.values("mail"), ["a@x"]);
        assert_eq!(entry.attributes.first("givenname"), Some("Alice"));
        assert_eq!(entry.attributes.values("team"), ["one", "two"]);
        assert_eq!(entry.attributes.first("cn"), None);
    }

    #[test]
    fn what_is_not_as_expected_is_an_error_that_quotes_nothing() {
        for body in [
            &b""[..],
            b"[]",
            b"{}",
            b"{\"name\":7}",
            b"{\"name\":\"a\",\"active\":\"s3cret\"}",
            b"\xff",
            b"<user/>",
            b"{\"name\":\"a\"} trailing",
        ] {
            let error = read::<User>(body).expect_err("no user");
            assert!(!error.contains("s3cret"), "{error}");
        }
        assert!(read::<Groups>(b"{\"groups\":null}").is_err());
        // Nesting without end is refused and not followed.
        assert!(read::<User>("[".repeat(100_000).as_bytes()).is_err());
    }

    #[test]
    fn reasons_are_known_or_not() {
        let body = |reason: &str| format!("{{\"reason\":\"{reason}\",\"message\":\"m\"}}");
        assert_eq!(reason(body("INVALID_USER_AUTHENTICATION").as_bytes()), Refusal::Wrong);
        assert_eq!(reason(body("EXPIRED_CREDENTIAL").as_bytes()), Refusal::Expired);
        assert_eq!(reason(body("APPLICATION_ACCESS_DENIED").as_bytes()), Refusal::Other);
        assert_eq!(reason(b"<html>"), Refusal::Other);
    }

    #[test]
    fn a_password_is_escaped_as_json_has_it() {
        assert_eq!(
            password("p\"\\\u{1}ä").as_slice(),
            "{\"value\":\"p\\\"\\\\\\u0001ä\"}".as_bytes()
        );
    }
}
