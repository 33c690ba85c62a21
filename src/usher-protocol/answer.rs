use serde::{Deserialize, Serialize};

use crate::comparison::Comparison;
use crate::explanation::Explanation;
use crate::identity::Identity;
use crate::reason::Reason;
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
    /// To `Metrics`.
    Metrics {
        /// Whole lines in the text format of Prometheus.
        text: String,
        /// Whether there are more.
        more: bool,
    },
    /// To `Explain`.
    Explained(Verdict, Box<Explanation>),
    /// To `Compare`.
    Compared(Box<Comparison>),
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
