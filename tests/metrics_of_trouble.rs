//! What the metrics say when something happens: each number is seen to grow by what it counts.

use usher_protocol::{Request, Verdict};

use crate::support::certificate::{Authority, of_this_machine};
use crate::support::crowd::Crowd;
use crate::support::daemon::{Daemon, LISTEN, LOCAL, folder, write_private};
use crate::support::slapd::{Slapd, realm};
use crate::support::until_true;
use crate::support::wire::{authenticate, lookup, verdict};

/// Nothing is given up however slow this machine is, nor sent again.
const PATIENT: &str = "pool.operation_timeout = \"1m\"\n";
const PATIENT_TOO: &str = "request_timeout = \"1m\"\n";
/// 2120-01-01, when the tests' certificates expire.
const EXPIRY: f64 = 4_733_510_400.0;

/// The value of the one line of this metric that has these labels.
fn value(daemon: &Daemon, name: &str, labels: &[(&str, &str)]) -> f64 {
    let text = daemon.ctl(&["metrics"], b"").success().stdout;
    let labels = labels.iter().map(|(label, value)| format!("{label}=\"{value}\""));
    let labels: Vec<String> = labels.collect();
    let is_it = |line: &&str| {
        line.split(['{', ' ']).next() == Some(name)
            && labels.iter().all(|label| line.contains(label.as_str()))
    };
    let lines: Vec<&str> = text.lines().filter(is_it).collect();
    let [line] = lines[..] else { panic!("{name} {labels:?}: {lines:#?}") };
    line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a number")
}

#[test]
fn followers_and_waiting_operations() {
    let slapd = Slapd::start();
    let pool = "pool.hedge_after = \"1m\"\npool.bind_lanes = 1\n";
    let more = format!("{PATIENT}{pool}{LISTEN}{PATIENT_TOO}");
    let daemon = Daemon::start(&(slapd.realm() + &more));
    for user in ["alice", "bob"] {
        daemon.lookup(user).is_found();
    }
    let questions = |how| value(&daemon, "usher_questions_total", &[("how", how)]);
    assert_eq!((questions("asked"), questions("joined")), (2.0, 0.0));
    slapd.pause();
    let mut wire = daemon.wire();
    for id in 1..=5 {
        wire.send(id, lookup("carol"));
    }
    wire.send(6, authenticate("alice", "alice-secret"));
    wire.send(7, authenticate("bob", "bob-secret"));
    until_true("one to wait for the other", || value(&daemon, "usher_pool_waiting", &[]) == 1.0);
    assert_eq!((questions("asked"), questions("joined")), (5.0, 4.0));
    assert_eq!(value(&daemon, "usher_questions_under_way", &[]), 3.0);
    slapd.resume();
    for _ in 1..=7 {
        let verdict = verdict(wire.answer().reply);
        assert!(matches!(verdict, Verdict::Granted(_) | Verdict::Found(_)), "{verdict:?}");
    }
    assert_eq!(value(&daemon, "usher_pool_waits_total", &[]), 1.0);
    assert_eq!(value(&daemon, "usher_pool_waiting", &[]), 0.0);
    assert_eq!(value(&daemon, "usher_questions_under_way", &[]), 0.0);
}

#[test]
fn a_search_that_another_host_answered_first() {
    let (first, second) = (Slapd::start(), Slapd::start());
    let hosts = realm(&format!("{}, {}", first.host(), second.host()));
    let more = format!("{PATIENT}pool.hedge_after = \"50ms\"\n{LISTEN}{PATIENT_TOO}");
    let daemon = Daemon::start(&(hosts + &more));
    let urls = [first.url(), second.url()];
    let of = |name: &str, host: usize| value(&daemon, name, &[("host", &urls[host])]);
    daemon.lookup("alice").is_found();
    let up =
        |host: usize| value(&daemon, "usher_host_state", &[("host", &urls[host]), ("state", "up")]);
    until_true("both hosts", || up(0) == 1.0 && up(1) == 1.0);
    // A busy machine may have been slow before.
    let numbers = || {
        let [sent, won] = ["usher_hedges_total", "usher_hedges_won_total"];
        [of(sent, 0), of(won, 0), of(sent, 1), of(won, 1)]
    };
    let before = numbers();
    first.pause();
    daemon.lookup("bob").is_found();
    let after = numbers();
    assert_eq!([0, 1, 2, 3].map(|place| after[place] - before[place]), [0.0, 0.0, 1.0, 1.0]);
    first.resume();
}

#[test]
fn names_that_had_to_go() {
    let slapd = Slapd::start();
    let daemon = Daemon::start(&(slapd.realm() + "cache.max_bytes = \"16KiB\"\n"));
    let (mut wire, mut users) = (daemon.wire(), 0);
    until_true("the cache to be full", || {
        let _ = wire.ask(lookup(&format!("user{users:03}")));
        users += 1;
        value(&daemon, "usher_cache_evictions_total", &[]) > 0.0
    });
    let of = |name: &str| value(&daemon, name, &[]);
    assert_eq!(of("usher_cache_entries") + of("usher_cache_evictions_total"), f64::from(users));
    assert_eq!(of("usher_cache_limit_bytes"), 16_384.0);
    assert!(
        (10_000.0..=16_384.0).contains(&of("usher_cache_bytes")),
        "{}",
        of("usher_cache_bytes")
    );
    assert_eq!(
        (of("usher_cache_misses_total"), of("usher_cache_hits_total")),
        (f64::from(users), 0.0)
    );
}

#[test]
fn blocks_and_passwords_that_were_known_to_be_wrong() {
    let daemon = Daemon::start(&format!("{LOCAL}shield.failures = 2\nshield.per_client = 3\n"));
    let wrong = |user: &str, password: &str| {
        let arguments = ["authenticate", "--client=192.0.2.7", user];
        daemon.ctl_json(&arguments, format!("{password}\n").as_bytes());
    };
    for password in ["one", "one", "one", "two", "three"] {
        wrong("alice", password);
    }
    wrong("bob", "one");
    let blocked = |what| value(&daemon, "usher_shield_blocked", &[("what", what)]);
    assert_eq!((blocked("user"), blocked("client")), (1.0, 1.0));
    assert_eq!(value(&daemon, "usher_shield_blocks_total", &[]), 1.0);
    assert_eq!(value(&daemon, "usher_shield_known_wrong_total", &[]), 2.0);
    let throttled = [("realm", "home"), ("reason", "throttled")];
    assert_eq!(value(&daemon, "usher_refusals_total", &throttled), 1.0);
}

#[test]
fn connections_that_were_closed_and_requests_that_came_too_late() {
    let daemon = Daemon::start(&format!("{LOCAL}{LISTEN}max_connections = 4\n"));
    let mut wire = daemon.wire();
    wire.send_bytes(&[0, 0, 0, 2, 9, 9]);
    wire.complaint();
    wire.until_closed();
    assert_eq!(value(&daemon, "usher_malformed_frames_total", &[]), 1.0);
    let opened = value(&daemon, "usher_connections_opened_total", &[]);
    let idle: Vec<_> = (0..6).map(|_| daemon.wire()).collect();
    until_true("two to be closed", || value(&daemon, "usher_connections_shed_total", &[]) == 2.0);
    assert_eq!(value(&daemon, "usher_connections_opened_total", &[]), opened + 6.0);
    assert_eq!(value(&daemon, "usher_connections_limit", &[]), 4.0);
    drop(idle);
    let mut wire = daemon.wire();
    wire.send_request(&Request { id: 1, timeout_ms: Some(0), call: lookup("alice") });
    assert_eq!(verdict(wire.answer().reply).outcome(), "unavailable");
    let late = [("realm", ""), ("outcome", "unavailable")];
    assert_eq!(value(&daemon, "usher_requests_total", &late), 1.0);
    let why = [("realm", ""), ("reason", "deadline")];
    assert_eq!(value(&daemon, "usher_refusals_total", &why), 1.0);
}

#[test]
fn when_certificates_expire() {
    let authority = Authority::new("ours");
    let certificate = authority.signs(&of_this_machine());
    let (slapd, crowd) = (Slapd::start_with_tls(&certificate), Crowd::start_with_tls(&certificate));
    let corp = realm(&slapd.tls_host()).replace("plain", "ldaps");
    let trusted = "ca_certificates = \"@DIR@/ca.pem\"\n";
    let folder =
        folder(&format!("default_realm = \"corp\"\n{corp}{trusted}{}{trusted}", crowd.realm()));
    write_private(&folder.path().join("ca.pem"), &authority.pem());
    let daemon = Daemon::start_in(folder, |command| command);
    for realm in ["corp", "crowd"] {
        daemon.ctl_json(&["lookup", "--realm", realm, "alice"], b"").is_found();
        let name = "usher_host_certificate_expiry_timestamp_seconds";
        assert_eq!(value(&daemon, name, &[("realm", realm)]), EXPIRY, "{realm}");
    }
}
