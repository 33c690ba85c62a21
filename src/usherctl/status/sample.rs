//! A status with something in it.

use usher_protocol::{
    Answers, CacheStatus, Counters, Histogram, HostState, HostStatus, Questions, RealmStatus,
    Reason, ShieldStatus, Sources, Status,
};

/// The time at which it is read, in seconds since 1970.
pub(crate) const NOW: u64 = 1_800_000_000;

pub(crate) fn status() -> Status {
    Status {
        version: "0.1.0".to_owned(),
        pid: 42,
        uptime_s: 90_000,
        configured_s: 61,
        connections: 3,
        max_connections: 4096,
        counters: Counters {
            connections_opened: 80,
            malformed_frames: 1,
            reloads: 2,
            reloads_failed: 1,
            ..Counters::default()
        },
        elsewhere: Answers {
            forbidden: 4,
            reasons: vec![(Reason::PeerNotAllowed, 4)],
            ..Answers::default()
        },
        realms: vec![corp(), local()],
    }
}

fn corp() -> RealmStatus {
    let first = HostStatus {
        searching: 3,
        binding: 1,
        waiting: 2,
        certificate_expires: Some(NOW + 30 * 86_400 + 5),
        ..host("ldaps://ldap1.example.com:636", HostState::Up, 3_600, None)
    };
    RealmStatus {
        name: "corp".to_owned(),
        kind: "ldap".to_owned(),
        hosts: vec![first, host("ldaps://ldap2:636", HostState::Down, 5, Some("refused\u{1b}[1m"))],
        cache: CacheStatus {
            entries: 7,
            bytes: 1_300_000,
            max_bytes: 64 << 20,
            hits: 9,
            misses: 3,
            evictions: 8,
        },
        problem: None,
        shield: ShieldStatus { blocked_users: 2, blocked_clients: 1, blocks: 3, known_wrong: 12 },
        answers: Answers {
            granted: Sources { directory: 1, cache: 3, stale: 1 },
            denied: 2,
            reasons: vec![(Reason::BadCredentials, 1), (Reason::Throttled, 1)],
            ..Answers::default()
        },
        last_minute: 60,
        questions: Questions { under_way: 1, asked: 9, joined: 6 },
        answer_time: times(&[(0, 6), (6, 1)]),
        find_time: times(&[(7, 1), (7, 1)]),
        verify_time: Histogram::default(),
    }
}

fn local() -> RealmStatus {
    RealmStatus {
        name: "break-glass".to_owned(),
        kind: "local".to_owned(),
        hosts: Vec::new(),
        cache: CacheStatus::default(),
        problem: Some("users.toml cannot be read".to_owned()),
        shield: ShieldStatus::default(),
        answers: Answers::default(),
        last_minute: 0,
        questions: Questions::default(),
        answer_time: Histogram::default(),
        find_time: Histogram::default(),
        verify_time: Histogram::default(),
    }
}

fn host(url: &str, state: HostState, state_s: u64, last_error: Option<&str>) -> HostStatus {
    HostStatus {
        url: url.to_owned(),
        state,
        state_s,
        failures: 0,
        search_lanes: 2,
        bind_lanes: 4,
        searching: 0,
        binding: 0,
        waiting: 0,
        waits: 0,
        hedges: 0,
        hedges_won: 0,
        search_time: Histogram::default(),
        bind_time: Histogram::default(),
        certificate_expires: None,
        last_error: last_error.map(str::to_owned),
    }
}

fn times(classes: &[(usize, u64)]) -> Histogram {
    let mut histogram = Histogram::default();
    for (class, count) in classes {
        histogram.counts[*class] += count;
    }
    histogram
}
