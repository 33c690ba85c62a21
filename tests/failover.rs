//! No request is lost while one host lives. Each test asks without cease, as a busy web server
//! does, breaks something, and counts every answer.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::support::certificate::{Authority, of_this_machine};
use crate::support::daemon::{Daemon, folder};
use crate::support::load::Load;
use crate::support::programs::program;
use crate::support::proxy::Proxy;
use crate::support::slapd::{More, Slapd, realm};
use crate::support::until_true;

/// Nothing is remembered: each request goes to a directory.
const NO_CACHE: &str = "[realm.corp.cache]\nttl = \"0s\"\nnegative_ttl = \"0s\"\nstale = \"0s\"\n";
/// What a person does not mind.
const AT_ONCE: Duration = Duration::from_secs(1);

/// What an answer may take where `limit` is the promise. A machine that is busy with other tests
/// takes its time even where all is well; a multiple of that is all that it can be held to. On a
/// quiet one, where the slowest is far below a tenth of a second, the promise counts.
fn at_most(limit: Duration, slowest_where_all_is_well: Duration) -> Duration {
    limit.max(slowest_where_all_is_well * 10)
}

fn two_hosts(first: &str, second: &str) -> Daemon {
    Daemon::start(&format!("{}{NO_CACHE}", realm(&format!("{first}, {second}"))))
}

fn host_state(daemon: &Daemon, place: usize) -> String {
    let status = daemon.status();
    status["realms"][0]["hosts"][place]["state"].as_str().expect("a state").to_owned()
}

fn until_state(daemon: &Daemon, place: usize, state: &str) {
    until_true(state, || host_state(daemon, place) == state);
}

fn no_failure(load: Load) {
    let failed = load.end();
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Two hosts that speak TLS from the first byte on, and a daemon with a realm of them.
fn two_hosts_with_tls(more: &str) -> (Slapd, Slapd, Daemon) {
    let authority = Authority::new("ours");
    let [first, second] =
        [(); 2].map(|()| Slapd::start_with_tls(&authority.signs(&of_this_machine())));
    let hosts = format!("{}, {}", first.tls_host(), second.tls_host());
    let realm = realm(&hosts).replace("\"plain\"", "\"ldaps\"");
    let folder = folder(&format!("{realm}ca_certificates = \"@DIR@/ca.pem\"\n{more}{NO_CACHE}"));
    std::fs::write(folder.path().join("ca.pem"), authority.pem()).expect("a file");
    (first, second, Daemon::start_in(folder, |command| command))
}

#[test]
fn a_host_that_is_killed_and_comes_back_costs_no_request() {
    let (mut first, second) = (Slapd::start(), Slapd::start());
    let daemon = two_hosts(&first.host(), &second.host());
    let load = Load::start(&daemon.socket());
    load.answers(200);
    first.kill();
    load.answers(400);
    assert_eq!(host_state(&daemon, 0), "down");
    first.restart();
    until_state(&daemon, 0, "up");
    let before = first.operations();
    load.answers(200);
    assert_ne!(first.operations(), before, "the first host is preferred again");
    no_failure(load);
}

#[test]
fn a_host_that_hangs_costs_no_request_and_less_than_a_second() {
    let (first, second) = (Slapd::start(), Slapd::start());
    let daemon = two_hosts(&first.host(), &second.host());
    assert_costs_nothing_while_it_hangs(&first, &daemon);
}

#[test]
fn a_host_that_hangs_before_tls_is_agreed_on_costs_no_more() {
    let (first, _second, daemon) = two_hosts_with_tls("");
    assert_costs_nothing_while_it_hangs(&first, &daemon);
}

#[test]
fn who_waits_for_a_connection_to_a_host_that_hangs_goes_on_to_the_next() {
    let (first, _second, daemon) = two_hosts_with_tls("pool = { bind_lanes = 2 }\n");
    assert_costs_nothing_while_it_hangs(&first, &daemon);
}

fn assert_costs_nothing_while_it_hangs(first: &Slapd, daemon: &Daemon) {
    let load = Load::start(&daemon.socket());
    until_state(daemon, 0, "up");
    load.answers(100);
    load.slowest();
    load.answers(400);
    let well = load.slowest();
    first.pause();
    load.answers(400);
    until_state(daemon, 0, "down");
    load.answers(200);
    let slowest = load.slowest();
    assert!(slowest < at_most(AT_ONCE, well), "{slowest:?}, and {well:?} where all is well");
    // However many were on their way, and however often it was tried since.
    let log = daemon.log();
    assert_eq!(log.matches("the host is left alone").count(), 1, "{log}");
    first.resume();
    until_state(daemon, 0, "up");
    load.answers(200);
    let slowest = load.slowest();
    assert!(slowest < at_most(AT_ONCE, well), "{slowest:?}, and {well:?} where all is well");
    no_failure(load);
}

#[test]
fn the_only_host_hangs_and_nobody_is_told_that_there_is_too_much_to_do() {
    let slapd = Slapd::start();
    slapd.pause();
    let daemon = Daemon::start(&format!("{}{NO_CACHE}", realm(&slapd.host())));
    let load = Load::start(&daemon.socket());
    load.answers(64);
    for failed in load.failures() {
        assert!(!failed.text.contains("Overloaded"), "{failed:?}");
    }
    slapd.resume();
    until_state(&daemon, 0, "up");
    load.failures();
    load.answers(100);
    no_failure(load);
}

#[test]
fn a_first_host_that_was_never_there_costs_nothing() {
    let (first, second) = (Slapd::stopped(), Slapd::start());
    let daemon = two_hosts(&first.host(), &second.host());
    // Beside one that does not know of the first.
    let without = Daemon::start(&format!("{}{NO_CACHE}", realm(&second.host())));
    let load = Load::start(&daemon.socket());
    until_state(&daemon, 0, "down");
    let well = Load::start(&without.socket());
    load.answers(100);
    load.slowest();
    well.slowest();
    load.answers(300);
    let (slowest, well_slowest) = (load.slowest(), well.slowest());
    let most = at_most(AT_ONCE / 2, well_slowest);
    assert!(slowest < most, "{slowest:?}, and {well_slowest:?} without the first host");
    no_failure(load);
    no_failure(well);
}

#[test]
fn no_request_tries_a_host_that_is_known_to_be_down() {
    // It takes connections and ends them: so they can be counted.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let first = listener.local_addr().expect("bound").to_string();
    let tried = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&tried);
    thread::spawn(move || {
        for connection in listener.incoming() {
            count.fetch_add(1, Ordering::AcqRel);
            drop(connection);
        }
    });
    let second = Slapd::start();
    let daemon = two_hosts(&first, &second.host());
    until_state(&daemon, 0, "down");
    let (before, began) = (tried.load(Ordering::Acquire), Instant::now());
    let load = Load::start(&daemon.socket());
    load.answers(600);
    let more = tried.load(Ordering::Acquire) - before;
    // The keeper does: after 250 ms, and then ever more seldom.
    let most = 4 + 2 * usize::try_from(began.elapsed().as_secs()).expect("few");
    assert!(more <= most, "{more} connections, {most} at most");
    no_failure(load);
}

#[test]
fn connections_that_a_server_closes_when_idle_cost_no_request() {
    let server = Slapd::start_with(More { head: "idletimeout 1\n", ..More::default() });
    let pool = "pool = { idle_probe = \"10m\", bind_lanes = 4 }\n";
    let daemon = Daemon::start(&format!("{}{pool}{NO_CACHE}", server.realm()));
    let closed = || server.log().matches("closed (idletimeout)").count();
    for round in 0..3 {
        let before = closed();
        daemon.lookup("user001").is_found();
        daemon.authenticate("user002", "user002-secret").is_granted();
        until_true("the server to close idle connections", || closed() > before);
        daemon.lookup(&format!("user01{round}")).is_found();
        daemon.authenticate("user003", "user003-secret").is_granted();
    }
    // And those that many requests find closed at once.
    let before = closed();
    until_true("the server to close idle connections", || closed() > before);
    let load = Load::start(&daemon.socket());
    load.answers(500);
    no_failure(load);
}

#[test]
fn a_certificate_that_expires_takes_its_host_out_and_costs_no_request() {
    // Built before the time runs, of which there is enough to start on a busy machine.
    program("usherd");
    let authority = Authority::new("ours");
    let mut short = of_this_machine();
    short.not_after = (SystemTime::now() + Duration::from_secs(15)).into();
    let mut first = Slapd::start_with_tls(&authority.signs(&short));
    let second = Slapd::start_with_tls(&authority.signs(&of_this_machine()));
    let hosts = format!("{}, {}", first.tls_host(), second.tls_host());
    let realm = realm(&hosts).replace("\"plain\"", "\"ldaps\"");
    let more =
        "ca_certificates = \"@DIR@/ca.pem\"\npool = { max_age = \"1s\", idle_probe = \"1s\" }\n";
    let folder = folder(&format!("{realm}{more}{NO_CACHE}"));
    std::fs::write(folder.path().join("ca.pem"), authority.pem()).expect("a file");
    let daemon = Daemon::start_in(folder, |command| command);
    let load = Load::start(&daemon.socket());
    until_state(&daemon, 0, "up");
    load.answers(100);
    let told = || daemon.log().matches("its certificate expired on").count();
    until_true("the certificate to expire", || told() > 0);
    load.answers(600);
    assert_eq!(told(), 1, "{}", daemon.log());
    assert_eq!((host_state(&daemon, 0), host_state(&daemon, 1)), ("down".into(), "up".into()));
    // With a new one it is in again.
    first.stop();
    first.show(&authority.signs(&of_this_machine()));
    first.restart();
    until_state(&daemon, 0, "up");
    load.answers(100);
    no_failure(load);
}

#[test]
fn connections_that_a_firewall_forgets_cost_no_request() {
    let server = Slapd::start();
    let proxy = Proxy::start(server.port());
    let daemon = Daemon::start(&format!("{}{NO_CACHE}", realm(&proxy.host())));
    let load = Load::start(&daemon.socket());
    load.answers(200);
    proxy.forget_connections();
    load.answers(500);
    no_failure(load);
}

#[test]
fn idle_connections_that_a_firewall_forgets_are_found_out_before_anybody_needs_them() {
    let server = Slapd::start();
    let proxy = Proxy::start(server.port());
    let pool = "pool = { idle_probe = \"200ms\", operation_timeout = \"2s\" }\n";
    let daemon = Daemon::start(&format!("{}{pool}{NO_CACHE}", realm(&proxy.host())));
    daemon.authenticate("user001", "user001-secret").is_granted();
    let forgotten = daemon.connections_to(proxy.port());
    let accepted = proxy.accepted();
    proxy.forget_connections();
    // Two search lanes and one to bind on, and nothing is left on which a request would hang.
    until_true("new connections", || {
        proxy.accepted() >= accepted + 3
            && daemon.connections_to(proxy.port()).is_disjoint(&forgotten)
    });
    daemon.authenticate("user002", "user002-secret").is_granted();
}

#[test]
fn while_all_hosts_are_down_the_answer_comes_in_time_and_says_so() {
    let (mut first, mut second) = (Slapd::start(), Slapd::start());
    let daemon = two_hosts(&first.host(), &second.host());
    let load = Load::start(&daemon.socket());
    until_state(&daemon, 0, "up");
    load.slowest();
    load.answers(200);
    let well = load.slowest();
    first.kill();
    second.kill();
    let down = Instant::now();
    until_state(&daemon, 0, "down");
    until_state(&daemon, 1, "down");
    load.slowest();
    load.failures();
    load.answers(300);
    let (slowest, failures) = (load.slowest(), load.failures());
    assert!(slowest < at_most(AT_ONCE, well), "{slowest:?}, and {well:?} where all is well");
    assert!(failures.len() >= 250, "{failures:#?}");
    for failure in failures {
        let said = &failure.text;
        assert!(said.contains("Unavailable") && said.contains("NoHost"), "{said}");
    }
    // However long it lasts, the hosts are tried again soon.
    until_true("ten seconds", || down.elapsed() > Duration::from_secs(10));
    first.restart();
    second.restart();
    let back = Instant::now() + at_most(2 * AT_ONCE, well);
    until_true("service", || daemon.lookup("user001").code == 0);
    until_true("two seconds", || Instant::now() > back);
    load.answers(200);
    let late: Vec<_> = load.end().into_iter().filter(|failed| failed.at > back).collect();
    assert!(late.is_empty(), "{late:#?}");
}

#[test]
fn the_only_host_serves_on_the_connections_that_it_has_while_it_takes_no_new_ones() {
    let server = Slapd::start();
    let proxy = Proxy::start(server.port());
    let pool = "pool = { max_age = \"1s\", idle_probe = \"200ms\" }\n";
    let daemon = Daemon::start(&format!("{}{pool}{NO_CACHE}", realm(&proxy.host())));
    until_state(&daemon, 0, "up");
    proxy.refuse_connections();
    let before = proxy.accepted();
    until_true("renewals in vain", || proxy.accepted() > before + 6);
    daemon.lookup("user001").is_found();
    daemon.authenticate("user002", "user002-secret").is_granted();
    assert_eq!(host_state(&daemon, 0), "up", "{}", daemon.log());
}

#[test]
fn connections_are_renewed_by_age_and_no_request_notices() {
    let server = Slapd::start();
    let pool = "pool = { max_age = \"1s\", idle_probe = \"1s\" }\n";
    let daemon = Daemon::start(&format!("{}{pool}{NO_CACHE}", server.realm()));
    let load = Load::start(&daemon.socket());
    load.answers(100);
    let before = daemon.connections_to(server.port());
    assert!(!before.is_empty());
    until_true("new connections", || daemon.connections_to(server.port()).is_disjoint(&before));
    load.answers(100);
    no_failure(load);
}

#[test]
fn a_host_that_is_restarted_again_and_again_costs_no_request() {
    let (mut first, second) = (Slapd::start(), Slapd::start());
    let daemon = two_hosts(&first.host(), &second.host());
    let load = Load::start(&daemon.socket());
    for round in 0..20 {
        // In service again, so that it is missed.
        until_state(&daemon, 0, "up");
        load.answers(30);
        if round % 2 == 0 {
            first.stop();
        } else {
            first.kill();
        }
        load.answers(20);
        first.restart();
    }
    no_failure(load);
}
