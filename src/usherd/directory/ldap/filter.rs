//! The filter that finds one user. What a user typed is escaped (RFC 4515 section 3) before it
//! stands in a filter, so that it is a value and nothing else.

use std::fmt::Write;

use ldap3::ldap_escape;

use crate::config::Filter;

/// Matches every entry (RFC 4512 section 3.3).
pub(super) const ANY: &str = "(objectClass=*)";

/// `(&FILTER(LOGIN=USER))`, with any of several login attributes.
pub(super) fn of_user(filter: Option<&Filter>, logins: &[String], user: &str) -> String {
    let logins: Vec<_> = logins.iter().map(|attribute| (attribute.as_str(), user)).collect();
    of_logins(filter, &logins)
}

/// The same with a value for each attribute.
pub(super) fn of_logins(filter: Option<&Filter>, logins: &[(&str, &str)]) -> String {
    let mut login = String::new();
    for (attribute, value) in logins {
        // Writing to a String cannot fail.
        let _ = write!(login, "({attribute}={})", ldap_escape(*value));
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

/// What matches the groups of any of these entries: `%d` is its DN, `%u` the user's name. Where
/// they stand in a filter is a value's place (`config` has seen to that), so escaped they are a
/// value there.
pub(super) fn of_groups(filter: &Filter, dns: &[&str], user: &str) -> String {
    let user = ldap_escape(user);
    let of = |dn: &&str| fill(filter.as_str(), &ldap_escape(*dn), &user);
    match dns {
        [one] => of(one),
        several => format!("(|{})", several.iter().map(of).collect::<String>()),
    }
}

/// In one pass, so that a `%u` inside a DN stays what it is.
fn fill(template: &str, dn: &str, user: &str) -> String {
    let mut filled = String::with_capacity(template.len() + dn.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('%') {
        filled.push_str(before);
        let (value, after) = match after.split_at_checked(1) {
            Some(("d", after)) => (dn, after),
            Some(("u", after)) => (user, after),
            _ => ("%", after),
        };
        filled.push_str(value);
        rest = after;
    }
    filled + rest
}

#[cfg(test)]
mod tests {
    use super::{of_groups, of_user};
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
    fn groups_are_asked_for_by_escaped_values() {
        let of = |filter: &str, dns: &[&str], user: &str| {
            of_groups(&Filter::parse(filter).expect("a filter"), dns, user)
        };
        assert_eq!(of("(member=%d)", &["cn=a,dc=b"], "al"), "(member=cn=a,dc=b)");
        assert_eq!(of("(member=%d)", &[r"cn=*\2c(x)"], ""), r"(member=cn=\2a\5c2c\28x\29)");
        assert_eq!(of("(member=%d)", &["cn=%u%d"], "al"), "(member=cn=%u%d)");
        assert_eq!(
            of("(|(member=%d)(memberUid=%u)(x=100%))", &["cn=a"], "a*)(uid="),
            r"(|(member=cn=a)(memberUid=a\2a\29\28uid=)(x=100%))"
        );
        assert_eq!(of("(member=%d)", &["cn=a", "cn=b"], ""), "(|(member=cn=a)(member=cn=b))");
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
