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
    use usher_protocol::Reason;

    use super::{range, refusal};
    use crate::directory::Verification;

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
