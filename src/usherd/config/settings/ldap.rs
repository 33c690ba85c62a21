//! Servers that speak LDAP.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use usher_protocol::Password;

use super::tls::{Origin, Tls};
use crate::config::filter::Filter;

/// All but what never means anything is escaped (RFC 3986 2.3).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// `type = "ldap"`.
#[derive(Debug, Clone, PartialEq)]
pub struct Ldap {
    /// In order of preference; at least one.
    pub hosts: Vec<Host>,
    /// The servers of the DNS that know them; none: those of the system.
    pub dns: Vec<SocketAddr>,
    /// How connections are secured.
    pub security: Security,
    /// Who searches.
    pub account: Account,
    /// Whether the servers are Active Directory's domain controllers.
    pub active_directory: bool,
    /// Whether references to other hosts of the realm are followed.
    pub follow_referrals: bool,
    /// Where users are.
    pub users: Users,
    /// Which entries are users; none: all.
    pub filter: Option<Filter>,
    /// The attributes that hold a login; any may match, the first is told. At least one.
    pub login_attributes: Vec<String>,
    /// Where a user's groups stand.
    pub groups: Option<Groups>,
    /// How many connections, and how long to wait for them.
    pub pool: Pool,
}

impl Ldap {
    /// Whether nobody but the user can read the user's entry, once the password was right.
    pub fn users_read_themselves(&self) -> bool {
        let bound_first = matches!(self.users, Users::At(_) | Users::Named { .. });
        bound_first && self.account == Account::Anonymous
    }
}

/// Where the entries of users are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Users {
    /// They are searched by a login attribute.
    Below {
        /// Where.
        base_dn: String,
        /// How deep below.
        scope: Scope,
    },
    /// At this DN, with the user's name for `%u`.
    At(String),
    /// Active Directory binds them by this name, with the user's for `%u`, and they are searched.
    Named {
        /// `%u@corp.example.com` or `CORP\%u`.
        template: String,
        /// Where.
        base_dn: String,
        /// How deep below.
        scope: Scope,
    },
}

/// A server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// By name or address, and port.
    Tcp(String, u16),
    /// By the path of a Unix socket (`ldapi`).
    Unix(PathBuf),
    /// Those that the DNS names for this domain (RFC 2782).
    Srv(String),
}

impl fmt::Display for Host {
    /// As it is written in a configuration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(name, port) if name.contains(':') => write!(f, "[{name}]:{port}"),
            Self::Tcp(name, port) => write!(f, "{name}:{port}"),
            Self::Srv(domain) => write!(f, "srv:{domain}"),
            Self::Unix(path) => {
                let path = path.display().to_string();
                write!(f, "ldapi://{}", utf8_percent_encode(&path, UNRESERVED))
            }
        }
    }
}

/// `connection_security`.
#[derive(Debug, Clone, PartialEq)]
pub enum Security {
    /// Nothing is encrypted.
    Plain,
    /// TLS from the first byte on.
    Ldaps(Tls),
    /// TLS once both sides said so (RFC 4511 4.14).
    StartTls(Tls),
}

impl Security {
    /// How encryption is done, if it is.
    pub fn tls(&self) -> Option<&Tls> {
        match self {
            Self::Plain => None,
            Self::Ldaps(tls) | Self::StartTls(tls) => Some(tls),
        }
    }
}

/// Who searches.
#[derive(Debug, Clone, PartialEq)]
pub enum Account {
    /// Nobody in particular.
    Anonymous,
    /// A simple bind.
    Simple {
        /// The account's DN.
        dn: String,
        /// Its password; never empty.
        password: Password,
        /// Where the password stands.
        origin: Origin,
    },
    /// Whom our certificate names, or the user of this process where a host is a Unix socket
    /// (SASL EXTERNAL, RFC 4422 appendix A).
    External,
}

/// `search_scope`, as RFC 4511 4.5.1.2 defines it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The base itself.
    Base,
    /// Its direct children.
    OneLevel,
    /// The base and everything below it.
    Subtree,
}

/// `[realm.NAME.groups]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Groups {
    /// Where groups are known.
    pub source: GroupSource,
    /// The attribute that is a group's name.
    pub name_attribute: String,
    /// How many levels of groups that are in groups count too.
    pub nested: usize,
}

/// Where groups are known.
#[derive(Debug, Clone, PartialEq)]
pub enum GroupSource {
    /// In an attribute of whoever is in them, such as `memberOf`.
    Attribute(String),
    /// In entries of their own.
    Search {
        /// Where groups are searched, in the whole subtree.
        base_dn: String,
        /// What matches the groups of an entry: `%d` is its DN, `%u` the user's name.
        filter: Filter,
    },
}

/// `pool`.
#[derive(Debug, Clone, PartialEq)]
pub struct Pool {
    /// Search connections to a host.
    pub search_lanes: usize,
    /// Bind connections to a host.
    pub bind_lanes: usize,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for the answer to one operation.
    pub operation_timeout: Duration,
    /// When the next host is asked as well.
    pub hedge_after: Duration,
    /// How long a connection may be idle before it is asked whether it is still there.
    pub idle_probe: Duration,
    /// How old a connection may become.
    pub max_age: Duration,
}
