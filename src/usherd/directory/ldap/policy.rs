//! What a directory says to a bind: yes, no, and in what state password and account are.

use ldap3::controls::Control;
use ldap3::result::LdapResult;
use usher_protocol::{Reason, Warning};

use super::host::describe;
use super::{Failure, active_directory};
use crate::directory::Verification;

/// Asks for the state of password and account (draft-behera-ldap-password-policy-10 section 6).
/// Servers that do not know it pass it over.
pub(super) const CONTROL: &str = "1.3.6.1.4.1.42.2.27.8.5.1";

/// Section 6.2, `error`.
const PASSWORD_EXPIRED: u8 = 0;
const ACCOUNT_LOCKED: u8 = 1;
const CHANGE_AFTER_RESET: u8 = 2;

/// RFC 4511 4.2.2 and appendix A: which codes are the directory's "no".
pub(super) fn verification(
    result: &LdapResult,
    active_directory: bool,
) -> Result<Verification, Failure> {
    let state = result.ctrls.iter().find_map(State::of).unwrap_or_default();
    Ok(match (result.rc, state.error) {
        // A bind that may do nothing but change the password succeeds all the same.
        (0, Some(CHANGE_AFTER_RESET)) => Verification::Barred(Reason::PasswordMustChange),
        (0, _) => Verification::Right(state.warning),
        // Section 7.1 and 8: a lock is looked for before the password, its age after it.
        (19 | 49 | 53, Some(ACCOUNT_LOCKED)) => Verification::Refused(Reason::AccountLocked),
        (19 | 49 | 53, Some(PASSWORD_EXPIRED)) => Verification::Barred(Reason::PasswordExpired),
        (49, None) if active_directory => active_directory::refusal(&result.text),
        // constraintViolation, noSuchObject, invalidDNSyntax, inappropriateAuthentication,
        // invalidCredentials, insufficientAccessRights, unwillingToPerform: said of this user and
        // this password.
        (19 | 32 | 34 | 48 | 49 | 50 | 53, _) => Verification::Wrong,
        (1 | 51 | 52 | 80, _) => return Err(Failure::Host(format!("bind: {}", describe(result)))),
        _ => return Err(Failure::Answer(format!("bind: {}", describe(result)))),
    })
}

/// Section 6.2, `PasswordPolicyResponseValue`.
#[derive(Debug, Default, PartialEq, Eq)]
struct State {
    warning: Option<Warning>,
    error: Option<u8>,
}

impl State {
    fn of(Control(_, raw): &Control) -> Option<Self> {
        (raw.ctype == CONTROL).then_some(raw.val.as_deref()).flatten().and_then(Self::read)
    }

    fn read(value: &[u8]) -> Option<Self> {
        let (0x30, mut rest, _) = element(value)? else { return None };
        let mut state = Self::default();
        while !rest.is_empty() {
            let (tag, value, more) = element(rest)?;
            match tag {
                0xa0 => state.warning = warning(value),
                0x81 => state.error = u8::try_from(number(value)?).ok(),
                _ => {}
            }
            rest = more;
        }
        Some(state)
    }
}

fn warning(value: &[u8]) -> Option<Warning> {
    match element(value)? {
        (0x80, seconds, _) => number(seconds).map(Warning::PasswordExpires),
        (0x81, count, _) => u32::try_from(number(count)?).ok().map(Warning::GraceLogins),
        _ => None,
    }
}

/// The tag and the value of the first element, and what follows it (X.690 section 8.1). Lengths
/// beyond 127 are in more bytes than any of these values has.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, length], rest) = bytes.split_first_chunk()?;
    let (value, rest) = rest.split_at_checked(usize::from(length))?;
    (length < 128).then_some((tag, value, rest))
}

/// A number that is not negative.
fn number(bytes: &[u8]) -> Option<u64> {
    let fits = (1..=8).contains(&bytes.len()) && bytes.first().is_some_and(|first| *first < 128);
    fits.then(|| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use ldap3::controls::{Control, RawControl};
    use ldap3::result::LdapResult;
    use proptest::prelude::{any, proptest};
    use usher_protocol::{Reason, Warning};

    use super::{CONTROL, State, verification};
    use crate::directory::Verification;
    use crate::directory::ldap::Failure;

    fn said(rc: u32, value: Option<&[u8]>) -> Result<Verification, Failure> {
        let val = value.map(<[u8]>::to_vec);
        let control = Control(None, RawControl { ctype: CONTROL.to_owned(), crit: false, val });
        let (matched, text, refs) = (String::new(), String::new(), Vec::new());
        verification(&LdapResult { rc, matched, text, refs, ctrls: vec![control] }, false)
    }

    #[test]
    fn the_state_of_password_and_account_is_told() {
        let (locked, expired) = (Reason::AccountLocked, Reason::PasswordExpired);
        let days = Warning::PasswordExpires(86_400);
        for (rc, value, expected) in [
            (0, &b"\x30\x00"[..], Verification::Right(None)),
            (0, b"\x30\x07\xa0\x05\x80\x03\x01\x51\x80", Verification::Right(Some(days))),
            (
                0,
                b"\x30\x05\xa0\x03\x81\x01\x02",
                Verification::Right(Some(Warning::GraceLogins(2))),
            ),
            (0, b"\x30\x03\x81\x01\x02", Verification::Barred(Reason::PasswordMustChange)),
            (49, b"\x30\x00", Verification::Wrong),
            (49, b"\x30\x03\x81\x01\x00", Verification::Barred(expired)),
            (49, b"\x30\x03\x81\x01\x01", Verification::Refused(locked)),
            (19, b"\x30\x03\x81\x01\x01", Verification::Refused(locked)),
            (53, b"\x30\x03\x81\x01\x07", Verification::Wrong),
        ] {
            assert_eq!(said(rc, Some(value)), Ok(expected), "{rc} {value:?}");
        }
        assert_eq!(said(0, None), Ok(Verification::Right(None)));
    }

    #[test]
    fn a_state_that_cannot_be_read_is_none() {
        for value in [&b""[..], b"\x30", b"\x30\x05", b"\x30\x02\x81\x01", b"\x04\x00", b"\x30\x80"]
        {
            assert_eq!(State::read(value), None, "{value:?}");
            assert_eq!(said(49, Some(value)), Ok(Verification::Wrong));
        }
        let negative = b"\x30\x05\xa0\x03\x80\x01\xff";
        assert_eq!(State::read(negative), Some(State::default()));
    }

    #[test]
    fn what_is_no_answer_to_a_password_is_never_a_no() {
        for rc in [1, 2, 7, 8, 10, 13, 51, 52, 80, 118] {
            assert!(said(rc, Some(b"\x30\x03\x81\x01\x01")).is_err(), "{rc}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in any::<Vec<u8>>()) {
            let _ = State::read(&bytes);
        }
    }
}
