//! The hosts of directories.

use std::fmt;

use usher_protocol::{Histogram, HostState, HostStatus, RealmStatus};

use super::{Families, Labels};

pub(super) fn encode(realms: &[RealmStatus], to: &mut Families<'_>) -> fmt::Result {
    let hosts = || {
        realms.iter().flat_map(|realm| realm.hosts.iter().map(|host| (realm.name.as_str(), host)))
    };
    let one = |read: fn(&HostStatus) -> u64| {
        hosts().map(move |(realm, host)| (of(realm, host), read(host)))
    };
    let kinds = |read: fn(&HostStatus) -> [u32; 2]| {
        hosts().flat_map(move |(realm, host)| {
            let [search, bind] = read(host).map(u64::from);
            [("search", search), ("bind", bind)]
                .map(|(kind, count)| (with(of(realm, host), "kind", kind), count))
        })
    };
    to.gauge(
        "host_state",
        "1 for the state that a host is in, 0 for the others.",
        hosts().flat_map(|(realm, host)| {
            HostState::ALL.map(|state| {
                let labels = with(of(realm, host), "state", state.as_str());
                (labels, u64::from(state == host.state))
            })
        }),
    )?;
    to.gauge("host_state_seconds", "How long a host has been so.", one(|host| host.state_s))?;
    to.counter("host_failures", "Times that a host was left alone.", one(|host| host.failures))?;
    to.gauge(
        "host_lanes",
        "Open connections to a host.",
        kinds(|host| [host.search_lanes, host.bind_lanes]),
    )?;
    to.gauge(
        "host_operations",
        "Searches under way, and bind connections in use.",
        kinds(|host| [host.searching, host.binding]),
    )?;
    to.gauge(
        "pool_waiting",
        "Operations that wait for a connection to be free.",
        one(|host| u64::from(host.waiting)),
    )?;
    to.counter("pool_waits", "Operations that had to wait for one.", one(|host| host.waits))?;
    to.counter(
        "hedges",
        "Searches also sent to this host because another took long.",
        one(|host| host.hedges),
    )?;
    to.counter("hedges_won", "Those that it answered first.", one(|host| host.hedges_won))?;
    to.histogram(
        "host_operation_duration_seconds",
        "How long a host takes, waiting for a connection included.",
        hosts().flat_map(|(realm, host)| times(realm, host)),
    )?;
    to.gauge(
        "host_certificate_expiry_timestamp_seconds",
        "When the certificate that a host shows expires, where that is known.",
        hosts().filter_map(|(realm, host)| Some((of(realm, host), host.certificate_expires?))),
    )
}

fn of<'a>(realm: &'a str, host: &'a HostStatus) -> Labels<'a> {
    vec![("realm", realm), ("host", &host.url)]
}

fn with<'a>(mut labels: Labels<'a>, name: &'static str, value: &'a str) -> Labels<'a> {
    labels.push((name, value));
    labels
}

fn times<'a>(realm: &'a str, host: &'a HostStatus) -> [(Labels<'a>, &'a Histogram); 2] {
    [("search", &host.search_time), ("bind", &host.bind_time)]
        .map(|(operation, time)| (with(of(realm, host), "operation", operation), time))
}
