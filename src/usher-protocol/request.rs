use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::bounded;
use crate::password::Password;

/// One question to the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Chosen by the client and repeated in the answer; 0 is for errors without a request.
    pub id: u64,
    /// Milliseconds until the answer is of no more use. It can only shorten the daemon's own limit.
    pub timeout_ms: Option<u32>,
    /// What is asked.
    pub call: Call,
}

/// What may be asked. The order of the variants is part of the protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Call {
    /// Is this the user's password, and do the rules hold?
    Authenticate(Query, Password),
    /// Who is this user, authenticated elsewhere, and do the rules hold?
    Lookup(Query),
    /// How is the daemon? (admin socket)
    Status,
    /// Read the configuration again. (admin socket)
    Reload,
    /// Forget what directories said. (admin socket)
    Flush {
        /// The realm; none: as for a lookup of the user, or all realms where there is no user.
        realm: Option<String>,
        /// The user; none: all users.
        user: Option<String>,
    },
    /// Lift the block of a user whose passwords failed too often. (admin socket)
    Unblock {
        /// The realm; none: as for a lookup of the user.
        realm: Option<String>,
        /// The user.
        user: String,
    },
    /// The daemon's metrics, as many lines as an answer holds.
    Metrics {
        /// How many lines are known already.
        skip: u32,
    },
    /// Answer as to `Authenticate`, or to `Lookup` without a password, and tell each step. What is
    /// remembered is told and not used. (admin socket)
    Explain(Query, Option<Password>),
    /// Have another configuration asked what real requests ask, and tell how its answers differ.
    /// (admin socket)
    Compare {
        /// The file, which the daemon reads.
        file: String,
        /// For how long.
        seconds: u32,
    },
}

/// Whom a request is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// The realm to ask; none: the realm that the user's domain names, else the default realm.
    pub realm: Option<String>,
    /// The name as the user gave it: `alice`, `CORP\alice`, `alice@corp.example.com`.
    pub user: String,
    /// The address that the user comes from.
    pub client: Option<IpAddr>,
    /// Rules that must hold besides the realm's own, such as `group=dev|ops`.
    #[serde(deserialize_with = "bounded::rules")]
    pub require: Vec<String>,
}
