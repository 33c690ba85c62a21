//! The connections to a directory: how many there are, who waits for them, and who is asked twice.

use std::collections::BTreeSet;
use std::thread;

use usher_protocol::{Reason, Verdict};

use crate::support::daemon::Daemon;
use crate::support::hostile::Hostile;
use crate::support::slapd::{Slapd, realm};
use crate::support::until_true;
use crate::support::wire::{Wire, authenticate, verdict};

const NO_CACHE: &str = "[realm.corp.cache]\nttl = \"0s\"\nnegative_ttl = \"0s\"\nstale = \"0s\"\n";
/// Requests have all the time that a test has.
const PATIENT: &str = "[listen]\nrequest_timeout = \"30s\"\nsocket = \"@DIR@/usher.sock\"\n\
                       admin_socket = \"@DIR@/admin.sock\"\n";
const ALICE: &str = "uid=alice,ou=people,dc=example,dc=com";

/// `[realm.corp]` for servers that do what no server should, open for more keys.
fn hostile_realm(hosts: &[&Hostile]) -> String {
    let hosts: Vec<_> = hosts.iter().map(|hostile| hostile.host()).collect();
    format!(
        "[realm.corp]\ntype = \"ldap\"\nhost = \"{}\"\nconnection_security = \"plain\"\n\
         base_dn = \"dc=example,dc=com\"\n",
        hosts.join(", ")
    )
}

/// The connections on which it was asked this.
fn connections(slapd: &Slapd, what: &str) -> BTreeSet<String> {
    let log = slapd.log();
    let lines = log.lines().filter(|line| line.contains(what));
    let connections = lines.filter_map(|line| line.split_once("conn=")?.1.split(' ').next());
    connections.map(str::to_owned).collect()
}

#[test]
fn a_refused_password_is_an_answer_and_no_other_host_is_asked() {
    let (first, second) = (Slapd::start(), Slapd::start());
    let daemon = Daemon::start(&realm(&format!("{}, {}", first.host(), second.host())));
    daemon.authenticate("alice", "wrong").is(1, "denied", "bad_credentials");
    assert_eq!((first.binds_of(ALICE), second.binds_of(ALICE)), (1, 0));
}

/// A connection that is given back while others wait for their turn is there for them.
#[test]
fn however_many_wait_no_more_connections_are_opened_than_there_may_be() {
    let slapd = Slapd::start();
    let pool = "pool = { bind_lanes = 3, hedge_after = \"60s\" }\n";
    let daemon = Daemon::start(&format!("{}{pool}{NO_CACHE}{PATIENT}", slapd.realm()));
    let mut wire = Wire::connect(&daemon.socket());
    let most = 250;
    for number in 0..most {
        let user = format!("user{number:03}");
        wire.send(number, authenticate(&user, &format!("{user}-secret")));
    }
    for _ in 0..most {
        let answer = wire.answer();
        let verdict = verdict(answer.reply);
        assert!(matches!(verdict, Verdict::Granted(_)), "{}: {verdict:?}", answer.id);
    }
    assert_eq!(connections(&slapd, " BIND dn=\"uid=user").len(), 3);
}

#[test]
fn a_bind_without_an_answer_goes_to_one_other_host_and_no_third_and_to_none_twice() {
    let hosts = [Hostile::start(), Hostile::start(), Hostile::start()];
    let pool = "pool = { operation_timeout = \"700ms\" }\n";
    let realm = hostile_realm(&hosts.each_ref());
    let daemon = Daemon::start(&format!("{realm}{pool}{NO_CACHE}"));
    daemon.lookup("alice").is_found();
    daemon.authenticate("alice", "late-secret").is(3, "unavailable", "no_host");
    assert_eq!(hosts.each_ref().map(Hostile::binds), [1, 1, 0]);
}

#[test]
fn the_only_host_is_not_left_alone_for_one_bind_without_an_answer() {
    let hostile = Hostile::start();
    let pool = "pool = { operation_timeout = \"2s\" }\n";
    let daemon = Daemon::start(&format!("{}{pool}{NO_CACHE}", hostile_realm(&[&hostile])));
    let host = || daemon.status()["realms"][0]["hosts"][0].clone();
    until_true("the host to serve", || host()["state"] == "up");
    let reply = daemon.authenticate("alice", "late-secret");
    reply.is(3, "unavailable", "no_host");
    assert!(reply.message().contains("bind: no answer in 2000 ms"), "{reply:#?}");
    assert_eq!(hostile.binds(), 1);
    assert_eq!((host()["state"].as_str(), host()["failures"].as_u64()), (Some("up"), Some(0)));
}

#[test]
fn a_bind_that_takes_long_is_never_given_to_two_hosts_at_once() {
    let hosts = [Hostile::start(), Hostile::start()];
    let pool = "pool = { hedge_after = \"1s\", operation_timeout = \"25s\" }\n";
    let realm = hostile_realm(&hosts.each_ref());
    let daemon = Daemon::start(&format!("{realm}{pool}{NO_CACHE}{PATIENT}"));
    daemon.lookup("alice").is_found();
    let up = || daemon.status()["realms"][0]["hosts"][0]["state"] == "up";
    until_true("the first host to serve", up);
    let before = hosts[0].accepted();
    thread::scope(|scope| {
        let daemon = &daemon;
        let asking = scope.spawn(|| daemon.authenticate("alice", "held-secret"));
        until_true("the bind", || hosts[0].binds() == 1);
        // It was suspected for that, and checked on a connection of its own.
        until_true("the check", || hosts[0].accepted() > before);
        assert_eq!((hosts[0].binds(), hosts[1].binds()), (1, 0));
        hosts[0].release();
        asking.join().expect("an answer").is_granted();
    });
    assert_eq!((hosts[0].binds(), hosts[1].binds()), (1, 0));
}

#[test]
fn a_search_that_takes_long_is_also_given_to_the_next_host_whose_answer_counts() {
    let (first, second) = (Slapd::start(), Slapd::start());
    let hosts = realm(&format!("{}, {}", first.host(), second.host()));
    let daemon = Daemon::start(&format!("{hosts}{NO_CACHE}"));
    let host = |place: usize| daemon.status()["realms"][0]["hosts"][place].clone();
    until_true("both hosts", || host(0)["state"] == "up" && host(1)["state"] == "up");
    let before = second.searches_for("(uid=alice)");
    first.pause();
    daemon.lookup("alice").is_found();
    assert_eq!(second.searches_for("(uid=alice)"), before + 1);
    let counts = |host: &serde_json::Value| [host["hedges"].as_u64(), host["hedges_won"].as_u64()];
    assert_eq!((counts(&host(0)), counts(&host(1))), ([Some(0); 2], [Some(1); 2]));
    first.resume();
}

#[test]
fn many_searches_share_one_connection() {
    let slapd = Slapd::start();
    let pool = "pool = { search_lanes = 1, hedge_after = \"60s\" }\n";
    let daemon = Daemon::start(&format!("{}{pool}{NO_CACHE}", slapd.realm()));
    thread::scope(|scope| {
        for number in 0..20 {
            let daemon = &daemon;
            scope.spawn(move || daemon.lookup(&format!("user{number:03}")).is_found());
        }
    });
    assert_eq!(connections(&slapd, " SRCH base=\"ou=people").len(), 1);
}

#[test]
fn binds_beyond_the_connections_wait_for_their_turn() {
    let hostile = Hostile::start();
    let pool = "pool = { operation_timeout = \"25s\" }\n";
    // It has one entry for all names.
    let realm = hostile_realm(&[&hostile]) + "shield.failures = 0\n";
    let daemon = Daemon::start(&format!("{realm}{pool}{NO_CACHE}{PATIENT}"));
    daemon.lookup("alice").is_found();
    let host = || daemon.status()["realms"][0]["hosts"][0].clone();
    thread::scope(|scope| {
        for number in 0..64 {
            let daemon = &daemon;
            let user = format!("user{number:02}");
            scope.spawn(move || daemon.authenticate(&user, "held-secret").is_granted());
        }
        until_true("all to be there", || hostile.binds() == 16 && host()["waiting"] == 48);
        assert_eq!(host()["binding"], 16);
        // With the two for searches.
        assert!(daemon.connections_to(hostile.port()).len() <= 18);
        hostile.release();
    });
    assert_eq!(hostile.binds(), 64);
}

#[test]
fn who_waits_for_a_connection_until_there_is_no_time_is_told_so() {
    let hostile = Hostile::start();
    let pool = "pool = { operation_timeout = \"25s\", bind_lanes = 1 }\n";
    let realm = hostile_realm(&[&hostile]);
    let listen = PATIENT.replace("30s", "6s");
    let daemon = Daemon::start(&format!("{realm}{pool}{NO_CACHE}{listen}"));
    daemon.lookup("alice").is_found();
    let (mut one, mut other) = (daemon.wire(), daemon.wire());
    one.send(1, authenticate("alice", "held-secret"));
    until_true("the first bind", || hostile.binds() == 1);
    match verdict(other.ask(authenticate("bob", "secret"))) {
        Verdict::Unavailable(why) => {
            assert_eq!(why.reason, Reason::Overloaded, "{why:?}");
            assert!(why.message.contains("raise bind_lanes"), "{why:?}");
        }
        other => panic!("{other:?}"),
    }
    let first = verdict(one.answer().reply);
    assert!(matches!(first, Verdict::Unavailable(_)), "{first:?}");
    // That of the other was never sent.
    assert_eq!(hostile.binds(), 1);
    hostile.release();
}
