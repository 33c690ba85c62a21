use serde::{Deserialize, Serialize};

/// How the daemon is. On the wire the fields follow each other as they stand here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The daemon's version.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// Seconds since it started.
    pub uptime_s: u64,
    /// Seconds since the configuration was last read.
    pub configured_s: u64,
    /// Open connections for requests.
    pub connections: u64,
    /// Most connections allowed.
    pub max_connections: u64,
    /// What was answered since the start.
    pub counters: Counters,
    /// The realms, by name.
    pub realms: Vec<RealmStatus>,
}

/// What was answered since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Right passwords.
    pub granted: u64,
    /// Users found by lookup.
    pub found: u64,
    /// Refusals.
    pub denied: u64,
    /// Users not found by lookup.
    pub not_found: u64,
    /// Requests that could not be answered.
    pub unavailable: u64,
    /// Requests of peers that may not ask.
    pub forbidden: u64,
    /// Requests that made no sense.
    pub invalid: u64,
    /// Connections closed because of a frame that could not be read.
    pub malformed_frames: u64,
    /// Connections closed because the limit was reached.
    pub connections_shed: u64,
}

/// One realm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RealmStatus {
    /// Its name in the configuration.
    pub name: String,
    /// `ldap`, `local`.
    pub kind: String,
    /// The hosts, in order of preference; none for a local realm.
    pub hosts: Vec<HostStatus>,
    /// What is remembered.
    pub cache: CacheStatus,
    /// What is wrong with the realm as a whole, if anything.
    pub problem: Option<String>,
    /// Who is shut out.
    pub shield: ShieldStatus,
}

/// One host of a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostStatus {
    /// As an LDAP URL.
    pub url: String,
    /// Whether it is asked.
    pub state: HostState,
    /// Open search connections.
    pub search_lanes: u32,
    /// Open bind connections.
    pub bind_lanes: u32,
    /// What the last failure was, even if the host has recovered.
    pub last_error: Option<String>,
}

/// Whether a host is asked. The order of the variants is part of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostState {
    /// It has not been asked yet.
    Untried,
    /// Its last operation was answered.
    Up,
    /// It failed and is left alone for a while.
    Down,
    /// It answers again, and is asked where no other host can be, until it has proved stable.
    Proving,
}

impl HostState {
    /// The name in JSON and for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Untried => "untried",
            Self::Up => "up",
            Self::Down => "down",
            Self::Proving => "proving",
        }
    }
}

/// What a realm remembers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheStatus {
    /// Users known, and names known to be nobody.
    pub entries: u64,
    /// Heap bytes in use.
    pub bytes: u64,
    /// Most heap bytes allowed.
    pub max_bytes: u64,
    /// Questions answered from memory.
    pub hits: u64,
    /// Questions that went to the directory.
    pub misses: u64,
}

/// Whose passwords a realm does not try, because too many have failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShieldStatus {
    /// User names, whether or not they exist.
    pub blocked_users: u64,
    /// Client addresses.
    pub blocked_clients: u64,
}
