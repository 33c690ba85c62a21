use serde::{Deserialize, Serialize};

use crate::profile::Profile;

/// Who somebody is, as far as the application behind the proxy should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// What is the same in each answer.
    pub profile: Profile,
    /// Where the facts come from.
    pub source: Source,
    /// Seconds since the directory said the oldest part of it.
    pub age_s: u64,
    /// What the directory had to say about the password, when it was asked for this very answer.
    pub warning: Option<Warning>,
}

/// What a directory says about a password that is right. The order of the variants is part of
/// the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Warning {
    /// It expires in so many seconds.
    PasswordExpires(u64),
    /// It has expired, and is taken only so many times more.
    GraceLogins(u32),
}

/// Where an identity comes from. The order of the variants is part of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// The directory was asked for this very answer, for a part of it at least.
    Directory,
    /// All of it known, and fresh.
    Cache,
    /// A part of it known, past its time, and served because no host answers.
    Stale,
}

impl Source {
    /// The name in JSON and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::Cache => "cache",
            Self::Stale => "stale",
        }
    }
}
