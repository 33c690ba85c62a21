//! What a valid configuration says. Only `config` makes these; whatever stands here was checked.

mod directory;
mod ldap;
mod realm;
mod tls;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

pub use directory::*;
pub use ldap::*;
pub use realm::*;
pub use tls::*;

/// The whole configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The realm of requests that name none; the only realm where there is just one.
    pub default_realm: Option<String>,
    /// Sockets and limits.
    pub listen: Listen,
    /// Who may ask.
    pub access: Access,
    /// Where decisions are recorded.
    pub audit: Audit,
    /// Where the clients of saslauthd ask, if they do.
    pub saslauthd: Option<Saslauthd>,
    /// The realms by name.
    pub realms: BTreeMap<String, Arc<Realm>>,
    /// The chains of realms by name. There is at least one realm.
    pub chains: BTreeMap<String, Arc<Chain>>,
}

/// `[listen]`: sockets and limits.
#[derive(Debug, Clone, PartialEq)]
pub struct Listen {
    /// Where requests come in.
    pub socket: PathBuf,
    /// Permission bits of the socket.
    pub socket_mode: u32,
    /// The group that owns the socket, with its id; none: the daemon's own.
    pub socket_group: Option<(String, u32)>,
    /// Where `usherctl` gives commands.
    pub admin_socket: PathBuf,
    /// Most connections at once, beside those to the admin socket.
    pub max_connections: usize,
    /// Most requests in work for one connection.
    pub max_in_flight: usize,
    /// The deadline of a request that brings none; no request can have a longer one.
    pub request_timeout: Duration,
}

/// `[audit]`: where decisions are recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Audit {
    /// As JSON lines; none: in the log.
    pub file: Option<PathBuf>,
    /// The part of the yeses from memory that is recorded, from 0 to 1.
    pub cached: f64,
    /// What becomes of names that nobody has.
    pub unknown_users: UnknownUsers,
}

/// What becomes of names that nobody has: one may be a password, typed into the wrong field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownUsers {
    /// A hash is recorded.
    Hashed,
    /// The name is recorded.
    Shown,
}

/// `[access]`: who may ask.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Access {
    /// For `authenticate`; none: whoever the socket's mode lets in.
    pub authenticate: Option<Peers>,
    /// For `lookup`; none: whoever the socket's mode lets in.
    pub lookup: Option<Peers>,
    /// For the metrics; none: whoever the socket's mode lets in.
    pub metrics: Option<Peers>,
}

/// Users and groups of this machine.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Peers {
    /// As they were written.
    pub names: Vec<String>,
    /// The users, and the members of the groups when the configuration was read.
    pub uids: BTreeSet<u32>,
    /// The groups, for peers whose primary group it is.
    pub gids: BTreeSet<u32>,
}

/// `[saslauthd]`: the socket of saslauthd, and what its clients' words mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Saslauthd {
    /// Where requests come in.
    pub socket: PathBuf,
    /// Permission bits of the socket.
    pub socket_mode: u32,
    /// The group that owns the socket, with its id; none: the daemon's own.
    pub socket_group: Option<(String, u32)>,
    /// Most connections at once; each is one request.
    pub max_connections: usize,
    /// Whether a request's realm is the domain of its user.
    pub combine_realm: bool,
    /// Realms of ours for those that requests name, in lower case.
    pub realms: BTreeMap<String, String>,
    /// Realms of ours for services, where the request's realm does not say.
    pub services: BTreeMap<String, String>,
}

impl Default for Saslauthd {
    fn default() -> Self {
        Self {
            socket: "/run/saslauthd/mux".into(),
            socket_mode: 0o660,
            socket_group: None,
            max_connections: 256,
            combine_realm: true,
            realms: BTreeMap::new(),
            services: BTreeMap::new(),
        }
    }
}
