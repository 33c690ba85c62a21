//! A directory that does what no server should: it costs the connection, never the daemon.

use std::fs;
use std::thread;

use crate::support::daemon::Daemon;
use crate::support::hostile::Hostile;
use crate::support::until;

/// What the daemon may take on while a server floods it, in kilobytes. The floods below come to
/// many gigabytes.
const MOST_MEMORY: usize = 64 << 10;

fn daemon(hostile: &Hostile) -> Daemon {
    Daemon::start(&format!(
        "[realm.corp]\ntype = \"ldap\"\nhost = \"{}\"\nconnection_security = \"plain\"\n\
         base_dn = \"dc=example,dc=com\"\n",
        hostile.host()
    ))
}

/// The most memory that the daemon ever had, in kilobytes.
fn peak(daemon: &Daemon) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn an_answer_that_is_too_large_is_the_end_of_that_search_and_of_nothing_else() {
    let hostile = Hostile::start();
    let daemon = daemon(&hostile);
    daemon.lookup("alice").is_found();
    for (user, told) in [
        ("huge", "a message of 104857600 bytes, more than 1048576"),
        ("endless", "more than 10000 messages for one search"),
        ("many", "more than 32768 values in a message"),
        // Less than 4 MB in all.
        ("hollow", "more than 32768 values for one search"),
    ] {
        let reply = daemon.lookup(user);
        reply.is(3, "unavailable", "no_host");
        assert!(reply.message().contains(told), "{reply:#?}");
        assert!(reply.message().contains(&hostile.host()), "{reply:#?}");
        // The host is as good as before.
        assert_eq!(daemon.status()["realms"][0]["hosts"][0]["state"], "up");
        daemon.authenticate("alice", "secret").is_granted();
    }
}

#[test]
fn entries_without_end_are_too_many_users_and_cost_their_connection_alone() {
    let hostile = Hostile::start();
    let daemon = daemon(&hostile);
    daemon.lookup("alice").is_found();
    let before = peak(&daemon);
    for number in 0..4 {
        let reply = daemon.lookup(&format!("unending{number}"));
        assert_eq!(reply.reason(), "ambiguous_user", "{reply:#?}");
        daemon.lookup(&format!("other{number}")).is_found();
    }
    let host = &daemon.status()["realms"][0]["hosts"][0];
    assert_eq!((host["state"].as_str(), host["failures"].as_u64()), (Some("up"), Some(0)));
    let grown = peak(&daemon) - before;
    assert!(grown < MOST_MEMORY, "{grown} kB");
}

#[test]
fn who_asks_beside_two_answers_that_are_too_large_is_answered() {
    let hostile = Hostile::start();
    let daemon = daemon(&hostile);
    daemon.lookup("alice").is_found();
    for round in 0..3 {
        thread::scope(|scope| {
            let daemon = &daemon;
            for number in 0..2 {
                let huge = format!("huge{round}{number}");
                scope.spawn(move || assert_eq!(daemon.lookup(&huge).outcome(), "unavailable"));
            }
            for number in 0..10 {
                let user = format!("good{round}{number}");
                scope.spawn(move || daemon.lookup(&user).is_found());
            }
        });
    }
    let host = &daemon.status()["realms"][0]["hosts"][0];
    assert_eq!((host["state"].as_str(), host["failures"].as_u64()), (Some("up"), Some(0)));
}

#[test]
fn messages_nested_ten_thousand_deep_do_not_end_the_daemon() {
    let hostile = Hostile::start();
    let daemon = daemon(&hostile);
    daemon.lookup("alice").is_found();
    let reply = daemon.lookup("deep");
    reply.is(3, "unavailable", "no_host");
    assert!(reply.message().contains("an element where another belongs"), "{reply:#?}");
    until("the host to be tried again", || (daemon.lookup("other").code == 0).then_some(()));
}

#[test]
fn floods_do_not_fill_the_memory() {
    let hostile = Hostile::start();
    let daemon = daemon(&hostile);
    daemon.lookup("alice").is_found();
    let before = peak(&daemon);
    thread::scope(|scope| {
        for number in 0..24 {
            let user = format!("{}{number}", ["huge", "endless", "many", "hollow"][number % 4]);
            let daemon = &daemon;
            scope.spawn(move || assert_eq!(daemon.lookup(&user).outcome(), "unavailable"));
        }
    });
    let grown = peak(&daemon) - before;
    assert!(grown < MOST_MEMORY, "{grown} kB");
}
