use serde::{Deserialize, Serialize};

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
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 16] = [
        Self::BadCredentials,
        Self::Rule,
        Self::Throttled,
        Self::AccountDisabled,
        Self::AccountLocked,
        Self::AccountExpired,
        Self::PasswordExpired,
        Self::PasswordMustChange,
        Self::NoSuchUser,
        Self::AmbiguousUser,
        Self::NoHost,
        Self::Deadline,
        Self::Overloaded,
        Self::PeerNotAllowed,
        Self::UnknownRealm,
        Self::BadRequest,
    ];

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
