//! The daemon's status, with everything in it.

use std::collections::BTreeMap;

use serde::Serialize;
use usher_protocol::{
    Answers, CacheStatus, Counters, Histogram, HostStatus, Questions, RealmStatus, ShieldStatus,
    Sources, Status,
};

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
    counters: Counted<'a>,
    elsewhere: Answered<'a>,
    realms: Vec<Realm<'a>>,
}

/// The daemon's counters, and the answers of all realms together.
#[derive(Serialize)]
struct Counted<'a> {
    granted: u64,
    found: u64,
    denied: u64,
    not_found: u64,
    unavailable: u64,
    forbidden: u64,
    invalid: u64,
    #[serde(flatten)]
    daemon: &'a Counters,
}

impl<'a> Counted<'a> {
    fn of(status: &Status, daemon: &'a Counters) -> Self {
        let all = || status.realms.iter().map(|realm| &realm.answers).chain([&status.elsewhere]);
        let sum = |number: fn(&Answers) -> u64| all().map(number).sum();
        Self {
            granted: sum(|answers| answers.granted.total()),
            found: sum(|answers| answers.found.total()),
            denied: sum(|answers| answers.denied),
            not_found: sum(|answers| answers.not_found),
            unavailable: sum(|answers| answers.unavailable),
            forbidden: sum(|answers| answers.forbidden),
            invalid: sum(|answers| answers.invalid),
            daemon,
        }
    }
}

#[derive(Serialize)]
struct Realm<'a> {
    name: &'a str,
    kind: &'a str,
    hosts: Vec<Host<'a>>,
    cache: &'a CacheStatus,
    problem: Option<&'a str>,
    shield: &'a ShieldStatus,
    answers: Answered<'a>,
    last_minute: u64,
    questions: &'a Questions,
    answer_time: Time,
    find_time: Time,
    verify_time: Time,
}

#[derive(Serialize)]
struct Host<'a> {
    url: &'a str,
    state: &'static str,
    state_s: u64,
    failures: u64,
    search_lanes: u32,
    bind_lanes: u32,
    searching: u32,
    binding: u32,
    waiting: u32,
    waits: u64,
    hedges: u64,
    hedges_won: u64,
    search_time: Time,
    bind_time: Time,
    certificate_expires: Option<u64>,
    last_error: Option<&'a str>,
}

#[derive(Serialize)]
struct Answered<'a> {
    granted: &'a Sources,
    found: &'a Sources,
    denied: u64,
    not_found: u64,
    unavailable: u64,
    forbidden: u64,
    invalid: u64,
    reasons: BTreeMap<&'static str, u64>,
}

/// Quantiles say more than classes of time; those are in the metrics.
#[derive(Serialize)]
struct Time {
    count: u64,
    sum_us: u64,
    p50_us: Option<u64>,
    p90_us: Option<u64>,
    p99_us: Option<u64>,
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
            elsewhere,
            realms,
        } = status;
        Self {
            version,
            pid: *pid,
            uptime_s: *uptime_s,
            configured_s: *configured_s,
            connections: *connections,
            max_connections: *max_connections,
            counters: Counted::of(status, counters),
            elsewhere: Answered::from(elsewhere),
            realms: realms.iter().map(Realm::from).collect(),
        }
    }
}

impl<'a> From<&'a RealmStatus> for Realm<'a> {
    fn from(realm: &'a RealmStatus) -> Self {
        let RealmStatus {
            name,
            kind,
            hosts,
            cache,
            problem,
            shield,
            answers,
            last_minute,
            questions,
            answer_time,
            find_time,
            verify_time,
        } = realm;
        Self {
            name,
            kind,
            hosts: hosts.iter().map(Host::from).collect(),
            cache,
            problem: problem.as_deref(),
            shield,
            answers: Answered::from(answers),
            last_minute: *last_minute,
            questions,
            answer_time: Time::from(answer_time),
            find_time: Time::from(find_time),
            verify_time: Time::from(verify_time),
        }
    }
}

impl<'a> From<&'a HostStatus> for Host<'a> {
    fn from(host: &'a HostStatus) -> Self {
        let HostStatus {
            url,
            state,
            state_s,
            failures,
            search_lanes,
            bind_lanes,
            searching,
            binding,
            waiting,
            waits,
            hedges,
            hedges_won,
            search_time,
            bind_time,
            certificate_expires,
            last_error,
        } = host;
        Self {
            url,
            state: state.as_str(),
            state_s: *state_s,
            failures: *failures,
            search_lanes: *search_lanes,
            bind_lanes: *bind_lanes,
            searching: *searching,
            binding: *binding,
            waiting: *waiting,
            waits: *waits,
            hedges: *hedges,
            hedges_won: *hedges_won,
            search_time: Time::from(search_time),
            bind_time: Time::from(bind_time),
            certificate_expires: *certificate_expires,
            last_error: last_error.as_deref(),
        }
    }
}

impl<'a> From<&'a Answers> for Answered<'a> {
    fn from(answers: &'a Answers) -> Self {
        let Answers { granted, found, denied, not_found, unavailable, forbidden, invalid, reasons } =
            answers;
        Self {
            granted,
            found,
            denied: *denied,
            not_found: *not_found,
            unavailable: *unavailable,
            forbidden: *forbidden,
            invalid: *invalid,
            reasons: reasons.iter().map(|(reason, count)| (reason.as_str(), *count)).collect(),
        }
    }
}

impl From<&Histogram> for Time {
    fn from(time: &Histogram) -> Self {
        let [p50_us, p90_us, p99_us] = [0.5, 0.9, 0.99].map(|part| time.quantile_us(part));
        Self { count: time.count(), sum_us: time.sum_us, p50_us, p90_us, p99_us }
    }
}
