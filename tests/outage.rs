//! A directory that is not there, or does not let us in: never a no, and never for longer than
//! it lasts.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::support::daemon::{Daemon, LISTEN, LOCAL};
use crate::support::ldif::{READER, READER_PASSWORD};
use crate::support::slapd::{Slapd, realm};
use crate::support::until_true;

/// The number of `user000` and so on, each asked once so that no cache answers.
fn user(number: usize) -> String {
    format!("user{number:03}")
}

/// Asks after other users until one is found.
fn until_found(daemon: &Daemon) {
    let mut number = 100;
    until_true("the daemon to recover", || {
        number += 1;
        daemon.lookup(&user(number % 300)).code == 0
    });
}

#[test]
fn a_directory_that_is_down_at_the_start_is_found_when_it_comes_up() {
    let mut slapd = Slapd::stopped();
    // Ready is what `start` waits for.
    let daemon = Daemon::start(&slapd.realm());
    for reply in [daemon.lookup("alice"), daemon.authenticate("alice", "alice-secret")] {
        reply.is(3, "unavailable", "no_host");
        assert!(reply.message().contains(&slapd.host()), "no host in: {}", reply.message());
        assert!(reply.message().contains("refused"), "no cause in: {}", reply.message());
    }
    let host = &daemon.status()["realms"][0]["hosts"][0];
    assert!(host["last_error"].as_str().is_some_and(|error| error.contains("refused")), "{host}");
    slapd.restart();
    until_found(&daemon);
    daemon.authenticate("alice", "alice-secret").is_granted();
}

#[test]
fn a_directory_that_is_restarted_is_used_again() {
    let mut slapd = Slapd::start();
    let daemon = Daemon::start(&slapd.realm());
    daemon.lookup("user001").is_found();
    daemon.authenticate("user001", "user001-secret").is_granted();
    slapd.stop();
    slapd.restart();
    // The old connections are dead; one is found out by using it, and the user never learns.
    daemon.lookup("user002").is_found();
    daemon.authenticate("user003", "user003-secret").is_granted();
    slapd.kill();
    daemon.lookup("user004").is(3, "unavailable", "no_host");
    slapd.restart();
    until_found(&daemon);
}

#[test]
fn a_directory_that_hangs_costs_no_more_than_the_deadline() {
    let slapd = Slapd::start();
    let listen = format!("{LISTEN}request_timeout = \"1s\"\n");
    let daemon = Daemon::start(&format!("{}{listen}", slapd.realm()));
    daemon.lookup("user001").is_found();
    slapd.pause();
    let start = Instant::now();
    let reply = daemon.lookup("user002");
    assert_eq!((reply.code, reply.outcome()), (3, "unavailable"), "{reply:#?}");
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
    slapd.resume();
    until_found(&daemon);
}

/// One connection to search and one to bind, and a deadline that is soon over.
fn two_connections(slapd: &Slapd) -> (Daemon, BTreeSet<String>) {
    let pool = "pool = { search_lanes = 1, bind_lanes = 1 }";
    let listen = format!("{LISTEN}request_timeout = \"1s\"\n");
    let daemon = Daemon::start(&format!("{}{pool}\n{listen}", slapd.realm()));
    daemon.authenticate("user001", "user001-secret").is_granted();
    let connections = daemon.connections_to(slapd.port());
    assert_eq!(connections.len(), 2);
    (daemon, connections)
}

#[test]
fn a_connection_whose_bind_was_not_answered_is_given_up() {
    let slapd = Slapd::start();
    let (daemon, connections) = two_connections(&slapd);
    slapd.pause();
    // The user is known already, so that nothing but the bind is asked for.
    let reply = daemon.authenticate("user001", "wrong");
    assert_eq!((reply.code, reply.outcome()), (3, "unavailable"), "{reply:#?}");
    // It may still take effect when the server goes on.
    until_true("the connection to be closed", || {
        !connections.is_subset(&daemon.connections_to(slapd.port()))
    });
    slapd.resume();
    until_found(&daemon);
    daemon.authenticate("user002", "user002-secret").is_granted();
}

#[test]
fn a_connection_whose_search_was_not_answered_is_given_up() {
    let slapd = Slapd::start();
    let (daemon, connections) = two_connections(&slapd);
    slapd.pause();
    let reply = daemon.lookup("user002");
    assert_eq!((reply.code, reply.outcome()), (3, "unavailable"), "{reply:#?}");
    until_true("the connection to be closed", || {
        !connections.is_subset(&daemon.connections_to(slapd.port()))
    });
    slapd.resume();
    until_found(&daemon);
}

#[test]
fn a_wrong_password_of_the_account_is_told_once_and_is_nobodys_fault() {
    let slapd = Slapd::start();
    let realm = slapd.realm().replace(READER_PASSWORD, "not-the-readers");
    let daemon = Daemon::start(&realm);
    for number in 0..20 {
        let reply = daemon.authenticate(&user(number), "a-users-secret");
        assert_eq!((reply.code, reply.outcome()), (3, "unavailable"), "{reply:#?}");
    }
    let log = daemon.log();
    let told: Vec<&str> = log.lines().filter(|line| line.contains(READER)).collect();
    assert_eq!(told.len(), 1, "{log}");
    assert!(told[0].contains("password"), "not clear: {}", told[0]);
    for secret in ["not-the-readers", "a-users-secret"] {
        assert!(!log.contains(secret), "{secret} is in the log: {log}");
    }
    // Nor may it be tried so often that the directory locks the account.
    assert!(slapd.binds_of(READER) < 20, "{} binds", slapd.binds_of(READER));
}

#[test]
fn the_second_host_takes_over_when_the_first_is_gone() {
    let mut first = Slapd::start();
    let second = Slapd::start();
    let daemon = Daemon::start(&realm(&format!("{}, {}", first.host(), second.host())));
    daemon.lookup("user001").is_found();
    assert_eq!((first.searches_for("user001"), second.searches_for("user001")), (1, 0));
    first.kill();
    daemon.lookup("user002").is_found();
    daemon.authenticate("user003", "user003-secret").is_granted();
    assert_eq!((second.searches_for("user002"), second.searches_for("user003")), (1, 1));
}

#[test]
fn a_realm_that_is_down_does_not_touch_another() {
    let slapd = Slapd::stopped();
    let daemon = Daemon::start(&format!("default_realm = \"corp\"\n{}{LOCAL}", slapd.realm()));
    daemon.lookup("alice").is(3, "unavailable", "no_host");
    daemon.ctl_json(&["lookup", "--realm", "home", "alice"], b"").is_found();
    daemon.ctl_json(&["lookup", "--realm", "nowhere", "alice"], b"").is(
        2,
        "invalid",
        "unknown_realm",
    );
}
