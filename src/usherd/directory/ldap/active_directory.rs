//! What Active Directory does in its own way.

use ldap3::SearchEntry;
use usher_protocol::Reason;

use crate::directory::{Attributes, Verification};

/// Where the state of an account stands.
pub(super) const ACCOUNT_CONTROL: &str = "userAccountControl";
/// MS-ADTS 2.2.16, ADS_UF_ACCOUNTDISABLE.
const DISABLED: u32 = 2;

/// Why the account may not be used, where its entry says so.
pub(super) fn barred(attributes: &Attributes) -> Option<Reason> {
    let flags: u32 = attributes.first(ACCOUNT_CONTROL)?.parse().ok()?;
    (flags & DISABLED != 0).then_some(Reason::AccountDisabled)
}

/// LDAP_MATCHING_RULE_TRANSITIVE_EVAL (MS-ADTS 3.1.1.3.4.4.3), in a filter.
pub(super) const IN_CHAIN: &str = ":1.2.840.113556.1.4.1941:=";

/// Where the number of a user's primary group stands, and the user's own SID.
pub(super) const PRIMARY_GROUP: [&str; 2] = ["primaryGroupID", "objectSid"];

/// Whether this can be the name of an account, so that it means nothing else in the name of a bind:
/// these signs are in no `sAMAccountName` (MS-SAMR 3.1.1.6), and divide names of other forms.
pub(super) fn is_account_name(name: &str) -> bool {
    let foreign = |c: char| c.is_control() || r#""/\[]:;|=,+*?<>@{}"#.contains(c);
    !name.is_empty() && !name.contains(foreign)
}

/// By which attributes the entry is found whose bind is by this name: no other entry than the one
/// that Active Directory takes it for, else there are two.
pub(super) fn logins_of_a_bind<'a>(user: &'a str, name: &'a str) -> Vec<(&'static str, &'a str)> {
    let account = ("sAMAccountName", user);
    if name.contains('\\') { vec![account] } else { vec![account, ("userPrincipalName", name)] }
}

/// The security identifier of a group (MS-DTYP 2.4.2).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sid(Vec<u8>);

impl Sid {
    /// As a value in a filter.
    pub(super) fn escaped(&self) -> String {
        self.0.iter().map(|byte| format!("\\{byte:02x}")).collect()
    }

    /// As a DN (MS-ADTS 3.1.1.3.1.2.4).
    pub(super) fn dn(&self) -> String {
        format!("<SID={}>", self.0.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    }
}

/// The group that a user is in without being its member: its SID is the user's but for the last
/// number (MS-SAMR 3.1.1.8.2).
pub(super) fn primary_group(found: &SearchEntry) -> Option<Sid> {
    let [number, own] = PRIMARY_GROUP.map(|name| first(found, name));
    let number: u32 = std::str::from_utf8(number?).ok()?.parse().ok()?;
    let own = own?;
    let (domain, _) = own.split_last_chunk::<4>()?;
    let [1, count, ..] = own else { return None };
    let whole = own.len() == 8 + 4 * usize::from(*count);
    whole.then(|| Sid([domain, &number.to_le_bytes()].concat()))
}

/// The first value of an attribute. ldap3 sorts values by whether they happen to be UTF-8.
fn first<'a>(found: &'a SearchEntry, name: &str) -> Option<&'a [u8]> {
    let is_it = |key: &&String| key.eq_ignore_ascii_case(name);
    let text = || {
        let key = found.attrs.keys().find(is_it)?;
        found.attrs.get(key)?.first().map(String::as_bytes)
    };
    let binary = || {
        let key = found.bin_attrs.keys().find(is_it)?;
        found.bin_attrs.get(key)?.first().map(Vec::as_slice)
    };
    text().or_else(binary)
}

/// A part of an attribute that has more values than the server sends at once
/// (MS-ADTS 3.1.1.3.1.3.3): `member;range=0-1499`.
pub(super) struct Part {
    /// The attribute.
    pub(super) name: String,
    pub(super) values: Vec<String>,
    /// Where the values begin that are still to come.
    pub(super) next: Option<u64>,
}

/// Takes the parts out of an entry.
pub(super) fn parts(found: &mut SearchEntry) -> Vec<Part> {
    let keys: Vec<String> = found.attrs.keys().filter(|key| key.contains(';')).cloned().collect();
    let part = |key: String| {
        let (name, next) = range(&key)?;
        Some(Part { name: name.to_owned(), values: found.attrs.remove(&key)?, next })
    };
    keys.into_iter().filter_map(part).collect()
}

/// The attribute that this is a part of, and where the next part begins.
fn range(key: &str) -> Option<(&str, Option<u64>)> {
    let (name, option) = key.rsplit_once(';')?;
    let (range, bounds) = option.split_once('=')?;
    let (_, last) = bounds.split_once('-').filter(|_| range.eq_ignore_ascii_case("range"))?;
    let next = match last {
        "*" => None,
        last => Some(last.parse::<u64>().ok()?.checked_add(1)?),
    };
    Some((name, next))
}

/// Why a bind was refused with invalidCredentials: the diagnostic holds a Windows error code, as in
/// `80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data 52e, v2580`
/// (MS-ADTS 5.1.1.1.1, MS-ERREF 2.2). All but the lock are found after the password was right.
pub(super) fn refusal(diagnostic: &str) -> Verification {
    let code = diagnostic.split_once(", data ").map(|(_, rest)| rest);
    let code = code.and_then(|rest| rest.split([',', ' ', '\0']).next());
    match code {
        // ERROR_INVALID_LOGON_HOURS, ERROR_INVALID_WORKSTATION, ERROR_ACCOUNT_DISABLED.
        Some("530" | "531" | "533") => Verification::Barred(Reason::AccountDisabled),
        // ERROR_PASSWORD_EXPIRED.
        Some("532") => Verification::Barred(Reason::PasswordExpired),
        // ERROR_ACCOUNT_EXPIRED.
        Some("701") => Verification::Barred(Reason::AccountExpired),
        // ERROR_PASSWORD_MUST_CHANGE.
        Some("773") => Verification::Barred(Reason::PasswordMustChange),
        // ERROR_ACCOUNT_LOCKED_OUT.
        Some("775") => Verification::Refused(Reason::AccountLocked),
        // ERROR_NO_SUCH_USER, ERROR_LOGON_FAILURE, and whatever else there may be.
        _ => Verification::Wrong,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use ldap3::SearchEntry;
    use usher_protocol::Reason;

    use super::{Sid, is_account_name, primary_group, range, refusal};
    use crate::directory::Verification;

    fn user(number: &str, sid: &[u8]) -> SearchEntry {
        SearchEntry {
            dn: "cn=a".to_owned(),
            attrs: HashMap::from([("primarygroupid".to_owned(), vec![number.to_owned()])]),
            bin_attrs: HashMap::from([("objectSid".to_owned(), vec![sid.to_vec()])]),
        }
    }

    #[test]
    fn the_primary_group_has_the_users_sid_but_for_the_last_number() {
        let own = [1, 2, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 0xf4, 1, 0, 0];
        let group = [1, 2, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 1, 2, 0, 0];
        assert_eq!(primary_group(&user("513", &own)), Some(Sid(group.to_vec())));
        let sid = Sid(vec![1, 0xab]);
        assert_eq!((sid.escaped(), sid.dn()), (r"\01\ab".to_owned(), "<SID=01ab>".to_owned()));
        for (number, sid) in [
            ("", &own[..]),
            ("-1", &own),
            ("513", &own[..15]),
            ("513", &[]),
            ("513", &[2, 0, 0, 0]),
        ] {
            assert_eq!(primary_group(&user(number, sid)), None, "{number} {sid:?}");
        }
    }

    #[test]
    fn a_name_of_another_form_is_no_account() {
        for name in ["alice", "jörg", "o'neil", "a b", "DC1$"] {
            assert!(is_account_name(name), "{name}");
        }
        for name in ["", "a@b", "CORP\\a", "corp/a", "cn=a", "{1}", "<SID=1>", "a\0", "*"] {
            assert!(!is_account_name(name), "{name}");
        }
    }

    #[test]
    fn a_part_tells_where_the_next_begins() {
        assert_eq!(range("member;range=0-1499"), Some(("member", Some(1500))));
        assert_eq!(range("memberOf;Range=1500-*"), Some(("memberOf", None)));
        for other in ["member", "cn;lang-de", "member;range=0", "member;range=0-x", "a;rang=0-1"] {
            assert_eq!(range(other), None, "{other}");
        }
        assert_eq!(range(&format!("a;range=0-{}", u64::MAX)), None);
    }

    #[test]
    fn the_code_in_the_diagnostic_says_why() {
        for (code, expected) in [
            ("52e", Verification::Wrong),
            ("525", Verification::Wrong),
            ("530", Verification::Barred(Reason::AccountDisabled)),
            ("531", Verification::Barred(Reason::AccountDisabled)),
            ("532", Verification::Barred(Reason::PasswordExpired)),
            ("533", Verification::Barred(Reason::AccountDisabled)),
            ("701", Verification::Barred(Reason::AccountExpired)),
            ("773", Verification::Barred(Reason::PasswordMustChange)),
            ("775", Verification::Refused(Reason::AccountLocked)),
            ("57", Verification::Wrong),
            ("5330", Verification::Wrong),
        ] {
            let windows = format!(
                "80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data \
                 {code}, v2580\0"
            );
            assert_eq!(refusal(&windows), expected, "{code}");
        }
        let samba = "80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data \
                     775, v1db1";
        assert_eq!(refusal(samba), Verification::Refused(Reason::AccountLocked));
        for other in ["", "data 775", "Invalid Credentials"] {
            assert_eq!(refusal(other), Verification::Wrong);
        }
    }
}
