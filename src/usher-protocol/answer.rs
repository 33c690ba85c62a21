use serde::{Deserialize, Serialize};

use crate::identity::Identity;
use crate::status::Status;

/// What the daemon says to one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The request's id; 0 where no request could be read.
    pub id: u64,
    /// The answer itself.
    pub reply: Reply,
}

/// The kinds of answer. The order of the variants is part of the protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// To `Authenticate` and `Lookup`, and to what cannot be read.
    Verdict(Verdict),
    /// To `Status`.
    Status(Box<Status>),
    /// The command was carried out; the text says how.
    Done(String),
    /// The command failed; the text says why, and what holds now.
    Failed(String),
}

/// Yes, no, or cannot tell. The order of the variants is part of the protocol.
#[must_use = "a verdict that nobody reads lets everybody in"]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// The password is right and every rule holds.
    Granted(Identity),
    /// The user exists and every rule holds.
    Found(Identity),
    /// No.
    Denied(Refusal),
    /// There is no such user (lookup only).
    NotFound(Refusal),
    /// Nobody could be asked in time. This is never a "no".
    Unavailable(Refusal),
    /// This peer may not ask this.
    Forbidden(Refusal),
    /// The request makes no sense.
    Invalid(Refusal),
}

impl Verdict {
    /// The outcome's name, as in JSON and logs.
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::Granted(_) => "granted",
            Self::Found(_) => "found",
            Self::Denied(_) => "denied",
            Self::NotFound(_) => "not_found",
            Self::Unavailable(_) => "unavailable",
            Self::Forbidden(_) => "forbidden",
            Self::Invalid(_) => "invalid",
        }
    }

    /// Who it is, where the verdict is a yes.
    pub fn identity(&self) -> Option<&Identity> {
        match self {
            Self::Granted(identity) | Self::Found(identity) => Some(identity),
            Self::Denied(_)
            | Self::NotFound(_)
            | Self::Unavailable(_)
            | Self::Forbidden(_)
            | Self::Invalid(_) => None,
        }
    }

    /// Why not, where the verdict is not a yes.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Granted(_) | Self::Found(_) => None,
            Self::Denied(refusal)
            | Self::NotFound(refusal)
            | Self::Unavailable(refusal)
            | Self::Forbidden(refusal)
            | Self::Invalid(refusal) => Some(refusal),
        }
    }
}

/// Why the answer is not a yes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// For programs.
    pub reason: Reason,
    /// One line for people: what was attempted, where, and what came back.
    pub message: String,
    /// Seconds after which asking again makes sense, where that is known.
    pub retry_after_s: Option<u32>,
}

impl Refusal {
    /// A refusal without a known end.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), retry_after_s: None }
    }
}

/// Why the answer is not a yes, for programs. The numbers are part of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reason {
    /// 0: the password is wrong, or there is no such user; the two look the same.
    BadCredentials,
    /// 1: a required rule does not hold.
    Rule,
    /// 2: too many failures; nothing was tried.
    Throttled,
    /// 3: the directory has disabled the account.
    AccountDisabled,
    /// 4: the directory has locked the account.
    AccountLocked,
    /// 5: the account has expired.
    AccountExpired,
    /// 6: the password has expired.
    PasswordExpired,
    /// 7: the password must be changed first.
    PasswordMustChange,
    /// 8: lookup only.
    NoSuchUser,
    /// 9: several entries match; none is chosen.
    AmbiguousUser,
    /// 10: no host of the directory could be asked.
    NoHost,
    /// 11: the deadline passed.
    Deadline,
    /// 12: the daemon has too much to do.
    Overloaded,
    /// 13: `[access]` does not list this peer for this call, or it needs the admin socket.
    PeerNotAllowed,
    /// 14: the configuration has no such realm.
    UnknownRealm,
    /// 15: the request cannot be understood.
    BadRequest,
}

impl Reason {
    /// The name in JSON, HTTP headers and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadCredentials => "bad_credentials",
            Self::Rule => "rule",
            Self::Throttled => "throttled",
            Self::AccountDisabled => "account_disabled",
            Self::AccountLocked => "account_locked",
            Self::AccountExpired => "account_expired",
            Self::PasswordExpired => "password_expired",
            Self::PasswordMustChange => "password_must_change",
            Self::NoSuchUser => "no_such_user",
            Self::AmbiguousUser => "ambiguous_user",
            Self::NoHost => "no_host",
            Self::Deadline => "deadline",
            Self::Overloaded => "overloaded",
            Self::PeerNotAllowed => "peer_not_allowed",
            Self::UnknownRealm => "unknown_realm",
            Self::BadRequest => "bad_request",
        }
    }
}
