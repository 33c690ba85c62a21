//! What Active Directory does in its own way.

use usher_protocol::Reason;

use crate::directory::Verification;

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

    use super::refusal;
    use crate::directory::Verification;

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
