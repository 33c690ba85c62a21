//! What is answered.

use std::fmt::{self, Display, Formatter};

use pam_client2::ErrorCode;

use crate::conversation::Conversation;

/// The parts of a PAM transaction that are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Is the password right?
    Authentication,
    /// May the account be used?
    Account,
}

/// The answer. Its text is a word, and where more is to be said a space and a text of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Right,
    Wrong,
    /// The password is right, and the account may not be used.
    Barred(&'static str),
    /// Nobody knows whether the password is right: the account may not be used in any case.
    Refused(&'static str),
    Unavailable(String),
}

impl Verdict {
    pub(crate) fn unavailable(text: impl Into<String>) -> Self {
        Self::Unavailable(text.into())
    }

    /// What a code means where it came.
    pub(crate) fn of(phase: Phase, code: ErrorCode, conversation: &Conversation<'_>) -> Self {
        if let Some(prompt) = &conversation.unanswered {
            return Self::Unavailable(format!(
                "a module asks for more than a password: {prompt:?}"
            ));
        }
        match (phase, code) {
            (Phase::Authentication, ErrorCode::AUTH_ERR | ErrorCode::USER_UNKNOWN) => Self::Wrong,
            (Phase::Authentication, ErrorCode::PERM_DENIED | ErrorCode::CRED_INSUFFICIENT) => {
                Self::Wrong
            }
            (Phase::Authentication, ErrorCode::MAXTRIES) => Self::Refused("account_locked"),
            (Phase::Authentication, ErrorCode::ACCT_EXPIRED) => Self::Refused("account_expired"),
            (_, ErrorCode::NEW_AUTHTOK_REQD) => Self::Barred("password_must_change"),
            (_, ErrorCode::AUTHTOK_EXPIRED | ErrorCode::CRED_EXPIRED) => {
                Self::Barred("password_expired")
            }
            (Phase::Account, ErrorCode::ACCT_EXPIRED) => Self::Barred("account_expired"),
            (Phase::Account, ErrorCode::MAXTRIES) => Self::Barred("account_locked"),
            (
                Phase::Account,
                ErrorCode::PERM_DENIED | ErrorCode::AUTH_ERR | ErrorCode::USER_UNKNOWN,
            ) => Self::Barred("account_disabled"),
            (phase, code) => Self::Unavailable(failure(phase, code, conversation)),
        }
    }
}

fn failure(phase: Phase, code: ErrorCode, conversation: &Conversation<'_>) -> String {
    let phase = match phase {
        Phase::Authentication => "authentication",
        Phase::Account => "account management",
    };
    let told = conversation.told.as_ref().map(|told| format!(" ({told})")).unwrap_or_default();
    format!("PAM's {phase} failed: {code:?}{told}")
}

impl Display for Verdict {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Right => f.write_str("right"),
            Self::Wrong => f.write_str("wrong"),
            Self::Barred(reason) => write!(f, "barred {reason}"),
            Self::Refused(reason) => write!(f, "refused {reason}"),
            Self::Unavailable(text) => {
                f.write_str("unavailable ")?;
                text.chars()
                    .take(500)
                    .try_for_each(|it| write!(f, "{}", if it.is_control() { ' ' } else { it }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use pam_client2::ErrorCode;

    use super::{Phase, Verdict};
    use crate::conversation::Conversation;

    #[test]
    fn codes_become_words_of_one_line() {
        let mut conversation = Conversation::new(b"s3cret");
        let said = |phase, code, conversation: &Conversation<'_>| {
            Verdict::of(phase, code, conversation).to_string()
        };
        let authentication = |code| said(Phase::Authentication, code, &conversation);
        let account = |code| said(Phase::Account, code, &conversation);
        assert_eq!(authentication(ErrorCode::AUTH_ERR), "wrong");
        assert_eq!(authentication(ErrorCode::USER_UNKNOWN), "wrong");
        assert_eq!(authentication(ErrorCode::MAXTRIES), "refused account_locked");
        assert_eq!(account(ErrorCode::ACCT_EXPIRED), "barred account_expired");
        assert_eq!(account(ErrorCode::NEW_AUTHTOK_REQD), "barred password_must_change");
        assert_eq!(account(ErrorCode::AUTHTOK_EXPIRED), "barred password_expired");
        assert_eq!(account(ErrorCode::PERM_DENIED), "barred account_disabled");
        assert!(authentication(ErrorCode::AUTHINFO_UNAVAIL).starts_with("unavailable PAM's"));
        conversation.told = Some("a\nb".to_owned());
        let text = said(Phase::Account, ErrorCode::SYSTEM_ERR, &conversation);
        assert!(text.ends_with("(a b)"), "{text}");
        // A wrong answer to a question that could not be answered is no wrong password.
        conversation.unanswered = Some("Code: ".to_owned());
        let text = said(Phase::Authentication, ErrorCode::AUTH_ERR, &conversation);
        assert_eq!(text, "unavailable a module asks for more than a password: \"Code: \"");
    }
}
