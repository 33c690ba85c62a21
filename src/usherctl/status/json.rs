//! The daemon's status, with everything in it.

use serde::Serialize;
use usher_protocol::{CacheStatus, Counters, HostStatus, RealmStatus, ShieldStatus, Status};

/// The protocol's fields under the protocol's names. Each is named twice here, so that a field
/// that the protocol gains cannot be forgotten.
#[derive(Serialize)]
pub(crate) struct Json<'a> {
    version: &'a str,
    pid: u32,
    uptime_s: u64,
    configured_s: u64,
    connections: u64,
    max_connections: u64,
    counters: &'a Counters,
    realms: Vec<Realm<'a>>,
}

#[derive(Serialize)]
struct Realm<'a> {
    name: &'a str,
    kind: &'a str,
    hosts: Vec<Host<'a>>,
    cache: &'a CacheStatus,
    problem: Option<&'a str>,
    shield: &'a ShieldStatus,
}

#[derive(Serialize)]
struct Host<'a> {
    url: &'a str,
    state: &'static str,
    search_lanes: u32,
    bind_lanes: u32,
    last_error: Option<&'a str>,
}

impl<'a> From<&'a Status> for Json<'a> {
    fn from(status: &'a Status) -> Self {
        let Status {
            version,
            pid,
            uptime_s,
            configured_s,
            connections,
            max_connections,
            counters,
            realms,
        } = status;
        Self {
            version,
            pid: *pid,
            uptime_s: *uptime_s,
            configured_s: *configured_s,
            connections: *connections,
            max_connections: *max_connections,
            counters,
            realms: realms.iter().map(Realm::from).collect(),
        }
    }
}

impl<'a> From<&'a RealmStatus> for Realm<'a> {
    fn from(realm: &'a RealmStatus) -> Self {
        let RealmStatus { name, kind, hosts, cache, problem, shield } = realm;
        let hosts = hosts.iter().map(Host::from).collect();
        Self { name, kind, hosts, cache, problem: problem.as_deref(), shield }
    }
}

impl<'a> From<&'a HostStatus> for Host<'a> {
    fn from(host: &'a HostStatus) -> Self {
        let HostStatus { url, state, search_lanes, bind_lanes, last_error } = host;
        Self {
            url,
            state: state.as_str(),
            search_lanes: *search_lanes,
            bind_lanes: *bind_lanes,
            last_error: last_error.as_deref(),
        }
    }
}
