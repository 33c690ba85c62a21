use serde::{Deserialize, Serialize};

use crate::histogram::Histogram;
use crate::reason::Reason;

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
    /// What happened since the start, beside answers.
    pub counters: Counters,
    /// Answers to requests that mean no realm of the configuration.
    pub elsewhere: Answers,
    /// The realms, by name.
    pub realms: Vec<RealmStatus>,
}

/// What happened since the start, beside answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Connections opened for requests.
    pub connections_opened: u64,
    /// Connections closed because the limit was reached.
    pub connections_shed: u64,
    /// Connections closed because of a frame that could not be read.
    pub malformed_frames: u64,
    /// Times that the configuration was read again and put in force.
    pub reloads: u64,
    /// Times that it was read again and could not be.
    pub reloads_failed: u64,
    /// Log lines that were lost, since nobody took them in time.
    pub log_lines_lost: u64,
    /// Audit events that were lost, since nobody took them in time.
    pub audit_events_lost: u64,
}

/// Answers since the start, by outcome; those that are a yes, by source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answers {
    /// Right passwords.
    pub granted: Sources,
    /// Users found by lookup.
    pub found: Sources,
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
    /// Why those that are not a yes are not, as far as there were any.
    pub reasons: Vec<(Reason, u64)>,
}

impl Answers {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.granted.total()
            + self.found.total()
            + self.denied
            + self.not_found
            + self.unavailable
            + self.forbidden
            + self.invalid
    }
}

/// A number for each [`Source`](crate::Source).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sources {
    /// The directory was asked.
    pub directory: u64,
    /// It was known.
    pub cache: u64,
    /// It was known once, and no host answers.
    pub stale: u64,
}

impl Sources {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.directory + self.cache + self.stale
    }
}

/// One realm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RealmStatus {
    /// Its name in the configuration.
    pub name: String,
    /// `ldap`, `local`, `pam`, `crowd` or `chain`.
    pub kind: String,
    /// The hosts, in order of preference; none for a local realm.
    pub hosts: Vec<HostStatus>,
    /// What is remembered.
    pub cache: CacheStatus,
    /// What is wrong with the realm as a whole, if anything.
    pub problem: Option<String>,
    /// Who is shut out.
    pub shield: ShieldStatus,
    /// What was answered.
    pub answers: Answers,
    /// How many answers there were in the last minute.
    pub last_minute: u64,
    /// What was asked of the directory.
    pub questions: Questions,
    /// How long answers took, from the last byte of the request.
    pub answer_time: Histogram,
    /// How long the directory took to say who somebody is.
    pub find_time: Histogram,
    /// How long the directory took to say whether a password is right.
    pub verify_time: Histogram,
}

/// What a realm asked its directory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Questions {
    /// Under way now.
    pub under_way: u64,
    /// Put to the directory.
    pub asked: u64,
    /// Not put, since the same question was under way.
    pub joined: u64,
}

/// One host of a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostStatus {
    /// As an LDAP URL.
    pub url: String,
    /// Whether it is asked.
    pub state: HostState,
    /// For how many seconds it has been so.
    pub state_s: u64,
    /// Times that it failed after it had answered, or at first.
    pub failures: u64,
    /// Open search connections.
    pub search_lanes: u32,
    /// Open bind connections.
    pub bind_lanes: u32,
    /// Searches under way.
    pub searching: u32,
    /// Bind connections in use.
    pub binding: u32,
    /// Operations that wait for a connection to be free.
    pub waiting: u32,
    /// Operations that had to wait for one.
    pub waits: u64,
    /// Searches that it was sent because another host took long.
    pub hedges: u64,
    /// Those of them that it answered first.
    pub hedges_won: u64,
    /// How long searches took.
    pub search_time: Histogram,
    /// How long binds of users took.
    pub bind_time: Histogram,
    /// When the certificate that it shows expires, in seconds since 1970, if that is known.
    pub certificate_expires: Option<u64>,
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
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Untried, Self::Up, Self::Down, Self::Proving];

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
    /// Entries taken away for want of room.
    pub evictions: u64,
}

/// Whose passwords a realm does not try, because too many have failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShieldStatus {
    /// User names, whether or not they exist.
    pub blocked_users: u64,
    /// Client addresses.
    pub blocked_clients: u64,
    /// Times that a user name was blocked.
    pub blocks: u64,
    /// Passwords that were not tried, since the directory had refused them before.
    pub known_wrong: u64,
}
