//! The filter that finds one user. What a user typed is escaped (RFC 4515 section 3) before it
//! stands in a filter, so that it is a value and nothing else.

use std::fmt::Write;

use ldap3::ldap_escape;

use crate::config::Filter;

/// `(&FILTER(LOGIN=USER))`, with any of several login attributes.
pub(super) fn of_user(filter: Option<&Filter>, logins: &[String], user: &str) -> String {
    let value = ldap_escape(user);
    let mut login = String::new();
    for attribute in logins {
        // Writing to a String cannot fail.
        let _ = write!(login, "({attribute}={value})");
    }
    if logins.len() > 1 {
        login = format!("(|{login})");
    }
    match filter {
        None => login,
        Some(filter) => format!("(&{}{login})", filter.as_str()),
    }
}

/// Whoever could log in: the same with any value.
pub(super) fn of_anybody(filter: Option<&Filter>, logins: &[String]) -> String {
    let present: String = logins.iter().map(|attribute| format!("({attribute}=*)")).collect();
    match filter {
        None => format!("(|{present})"),
        Some(filter) => format!("(&{}(|{present}))", filter.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::of_user;
    use crate::config::Filter;

    fn uid(user: &str) -> String {
        of_user(None, &["uid".to_owned()], user)
    }

    #[test]
    fn a_name_is_a_value_and_nothing_else() {
        assert_eq!(uid("alice"), "(uid=alice)");
        assert_eq!(uid("*"), r"(uid=\2a)");
        assert_eq!(uid("a)(uid=*"), r"(uid=a\29\28uid=\2a)");
        assert_eq!(uid(r"a\2a"), r"(uid=a\5c2a)");
        assert_eq!(uid("jörg"), "(uid=jörg)");
    }

    #[test]
    fn every_composed_filter_is_one_that_ldap3_reads() {
        for user in ["*", "a)(uid=*", "\\", "((", "", "ü&|!", "a\0b"] {
            assert!(ldap3::parse_filter(uid(user)).is_ok(), "{user:?}");
        }
    }

    #[test]
    fn filter_and_logins_are_joined() {
        let filter = Filter::parse("objectClass=person").expect("a filter");
        let logins = ["uid".to_owned(), "mail".to_owned()];
        assert_eq!(
            of_user(Some(&filter), &logins, "al"),
            "(&(objectClass=person)(|(uid=al)(mail=al)))"
        );
    }
}
