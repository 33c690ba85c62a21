//! Crowd realms, against a server that speaks Crowd's REST API.

use std::collections::BTreeSet;
use std::fs;

use crate::support::certificate::{Authority, certificate, of_this_machine};
use crate::support::crowd::{Crowd, realm};
use crate::support::daemon::{Daemon, LISTEN, folder};
use crate::support::programs::run;
use crate::support::until_true;
use crate::support::wire::{authenticate, lookup, verdict};

const FORGETFUL: &str =
    "[realm.crowd.cache]\nttl = \"50ms\"\nnegative_ttl = \"50ms\"\nstale = \"0s\"\n";

#[test]
fn crowd_tells_who_a_user_is_and_whether_the_password_is_right() {
    let crowd = Crowd::start();
    let daemon = Daemon::start(&crowd.realm());
    let reply = daemon.authenticate("Alice", "alice-secret");
    reply.is_granted();
    let expected = serde_json::json!({
        "X_REMOTE_USER": "alice", "X_REMOTE_EMAIL": "alice@example.com",
        "X_REMOTE_FIRSTNAME": "Alice", "X_REMOTE_LASTNAME": "Archer",
        "X_REMOTE_GROUPS": "dev,engineers,staff",
    });
    assert_eq!(reply.json["metadata"], expected);
    let wrong = daemon.authenticate("alice", "wrong");
    wrong.is(1, "denied", "bad_credentials");
    let unknown = daemon.authenticate("nobody", "wrong");
    unknown.is(1, "denied", "bad_credentials");
    assert_eq!(wrong.message(), unknown.message());
    assert!(crowd.requests("authentication?username=nobody").is_empty());
    daemon.authenticate("alice", "").is(1, "denied", "bad_credentials");
    daemon.lookup("bob").is_found();
    daemon.lookup("nobody").is(1, "not_found", "no_such_user");
    let rule = ["lookup", "--require=attribute:costCentre=42", "--require=group=ops", "bob"];
    daemon.ctl_json(&rule, b"").is_found();
    daemon.ctl_json(&["lookup", "--require=group=dev", "bob"], b"").is(1, "denied", "rule");
    assert_eq!(daemon.authenticate("alice", "alice-secret").json["source"], "cache");
    // Odd names and passwords arrive as they are.
    daemon.authenticate("Jörg & Co", "jörg & co-secret").is_granted();
    daemon.authenticate("alice", "a\"b\\c\u{1}ü").is(1, "denied", "bad_credentials");
}

#[test]
fn what_crowd_says_of_an_account_is_told_to_whom_it_may_be() {
    let crowd = Crowd::start();
    let daemon = Daemon::start(&crowd.realm());
    daemon.authenticate("expired", "expired-secret").is(1, "denied", "password_expired");
    daemon.authenticate("expired", "wrong").is(1, "denied", "bad_credentials");
    // Crowd says this of any password.
    daemon.authenticate("inactive", "inactive-secret").is(1, "denied", "bad_credentials");
    daemon.lookup("inactive").is(1, "denied", "account_disabled");
    let daemon = Daemon::start(&format!("{}reveal_account_state = true\n", crowd.realm()));
    daemon.authenticate("inactive", "wrong").is(1, "denied", "account_disabled");
}

#[test]
fn all_groups_are_read_however_many_answers_they_take() {
    let crowd = Crowd::start();
    let daemon = Daemon::start(&crowd.realm());
    let rule = ["lookup", "--require=group=group2499", "many"];
    daemon.ctl_json(&rule, b"").is(0, "found", "nothing");
    assert_eq!(crowd.requests("user/group/nested").len(), 3);
}

#[test]
fn connections_are_kept() {
    let crowd = Crowd::start();
    let daemon = Daemon::start(&crowd.realm());
    for user in ["alice", "bob", "alice", "bob"] {
        daemon.authenticate(user, &format!("{user}-secret")).is_granted();
        daemon.ctl(&["flush"], b"").success();
    }
    let requests = crowd.requests("/rest/");
    assert!(requests.len() >= 8, "{requests:?}");
    assert!(ports(&requests).len() <= 2, "{requests:?}");
    assert_eq!(daemon.status()["realms"][0]["hosts"][0]["state"], "up");
}

/// The connections that requests came by.
fn ports(requests: &[String]) -> BTreeSet<&str> {
    requests.iter().filter_map(|line| line.split(' ').next()).collect()
}

#[test]
fn a_connection_that_the_server_closes_without_a_word_is_replaced() {
    let crowd = Crowd::start();
    let daemon = Daemon::start(&crowd.realm());
    for _ in 0..5 {
        daemon.lookup("closing").is_found();
        daemon.authenticate("alice", "alice-secret").is_granted();
        daemon.ctl(&["flush"], b"").success();
    }
    let requests = crowd.requests("/rest/");
    assert!(ports(&requests).len() >= 5, "{requests:?}");
    assert_eq!(crowd.requests("authentication?username=alice").len(), 5);
    let host = daemon.status()["realms"][0]["hosts"][0].clone();
    assert_eq!((&host["state"], &host["failures"]), (&"up".into(), &0.into()), "{host:#}");
}

#[test]
fn no_more_connections_are_open_than_the_pool_says() {
    let crowd = Crowd::start();
    let pool = "pool = { bind_lanes = 2 }\n";
    let listen = format!("{LISTEN}request_timeout = \"20s\"\n");
    let daemon = Daemon::start(&format!("{}{pool}{listen}", crowd.realm()));
    let mut wire = daemon.wire();
    for id in 1..=40 {
        wire.send(id, lookup(&format!("slow{id}")));
    }
    for _ in 1..=40 {
        let verdict = verdict(wire.answer().reply);
        let refusal = verdict.refusal().expect("nobody has such a name");
        assert_eq!(refusal.reason.as_str(), "no_such_user", "{refusal:?}");
    }
    assert_eq!(crowd.most_connections(), 2);
}

#[test]
fn answers_that_cannot_be_used_are_no_answers() {
    let crowd = Crowd::start();
    let daemon = Daemon::start(&crowd.realm());
    for user in ["hostile-json", "hostile-large", "hostile-other", "hostile-status"] {
        let reply = daemon.lookup(user);
        reply.is(3, "unavailable", "no_host");
        assert!(!reply.message().contains("xxxx"), "{reply:#?}");
        let reply = daemon.authenticate(user, &format!("{user}-secret"));
        reply.is(3, "unavailable", "no_host");
    }
    daemon.authenticate("alice", "alice-secret").is_granted();
}

#[test]
fn an_application_that_crowd_does_not_admit_is_told_what_to_do() {
    let crowd = Crowd::start();
    for (account, password, said) in [
        ("usher", "wrong", "see account and password"),
        ("stranger", "application-secret", "remote addresses"),
    ] {
        let realm = crowd.realm().replace("\"usher\"", &format!("{account:?}"));
        let realm = realm.replace("\"application-secret\"", &format!("{password:?}"));
        let daemon = Daemon::start(&realm);
        let reply = daemon.authenticate("alice", "alice-secret");
        reply.is(3, "unavailable", "no_host");
        assert!(reply.message().contains(said), "{reply:#?}");
        assert!(!reply.message().contains(password), "{reply:#?}");
        let folder = folder(&realm);
        let file = folder.path().join("usher.toml").display().to_string();
        let checked = run("usherctl", &["check", &file]);
        assert_eq!(checked.code, 1, "{checked:#?}");
        assert!(checked.stdout.contains(said), "{checked:#?}");
    }
}

#[test]
fn the_next_host_is_asked_where_one_is_gone() {
    let (mut first, second) = (Crowd::start(), Crowd::start());
    let both = realm(&format!("{}, {}", first.url(), second.url()));
    let daemon = Daemon::start(&format!("{both}{FORGETFUL}"));
    daemon.authenticate("alice", "alice-secret").is_granted();
    assert!(second.requests("/rest/").is_empty());
    first.kill();
    daemon.authenticate("bob", "bob-secret").is_granted();
    assert_eq!(second.requests("authentication?username=bob").len(), 1);
    let hosts = daemon.status()["realms"][0]["hosts"].clone();
    assert_eq!(
        (hosts[0]["state"].as_str(), hosts[1]["state"].as_str()),
        (Some("down"), Some("up"))
    );
    let folder = folder(&both);
    let file = folder.path().join("usher.toml").display().to_string();
    let checked = run("usherctl", &["check", &file]);
    assert_eq!(checked.code, 1, "{checked:#?}");
    assert_eq!(checked.stdout.lines().count(), 2, "{checked:#?}");
    assert!(checked.stdout.contains("connection refused"), "{checked:#?}");
    assert!(checked.stdout.contains("asked as usher"), "{checked:#?}");
}

#[test]
fn a_host_that_hangs_costs_no_more_than_its_time_and_no_password_is_tried_twice() {
    let (first, second) = (Crowd::start(), Crowd::start());
    let both = realm(&format!("{}, {}", first.url(), second.url()));
    let pool = "pool = { operation_timeout = \"500ms\", connect_timeout = \"500ms\" }\n";
    let listen = format!("{LISTEN}request_timeout = \"20s\"\n");
    let daemon = Daemon::start(&format!("{both}{pool}{listen}"));
    daemon.lookup("alice").is_found();
    first.pause();
    // It may have been counted there.
    let reply = daemon.authenticate("alice", "alice-secret");
    reply.is(3, "unavailable", "no_host");
    assert!(second.requests("authentication").is_empty());
    // Now the host is known to hang; a search is asked of the next in any case.
    daemon.authenticate("bob", "bob-secret").is_granted();
    assert_eq!(second.requests("authentication?username=bob").len(), 1);
    first.resume();
    until_true("the first host", || {
        daemon.ctl(&["flush"], b"").success();
        daemon.lookup("bob");
        daemon.status()["realms"][0]["hosts"][0]["state"] == "up"
    });
}

#[test]
fn certificates_are_checked_as_for_ldap() {
    let authority = Authority::new("Test authority");
    let good = Crowd::start_with_tls(&authority.signs(&of_this_machine()));
    let wrong =
        Crowd::start_with_tls(&authority.signs(&certificate("crowd", &["crowd.example.com"])));
    let ask = |crowd: &Crowd, more: &str| {
        let folder = folder(&format!("{}ca_certificates = \"ca.pem\"\n{more}", crowd.realm()));
        fs::write(folder.path().join("ca.pem"), authority.pem()).expect("the authority");
        Daemon::start_in(folder, |command| command).authenticate("alice", "alice-secret")
    };
    ask(&good, "").is_granted();
    let reply = ask(&wrong, "");
    reply.is(3, "unavailable", "no_host");
    assert!(reply.message().contains("its certificate"), "{reply:#?}");
    ask(&wrong, "certificate_checks = \"never\"\n").is_granted();
    // What answers in plain text is no server of TLS.
    let plain = Crowd::start();
    let unchecked = "certificate_checks = \"never\"\n";
    let realm = plain.realm().replace("http:", "https:") + unchecked;
    let reply = Daemon::start(&realm).authenticate("alice", "alice-secret");
    assert!(reply.message().contains("TLS"), "{reply:#?}");
}

#[test]
fn a_storm_asks_once_for_each_question() {
    let crowd = Crowd::start();
    let daemon = Daemon::start(&format!("{}{LISTEN}request_timeout = \"20s\"\n", crowd.realm()));
    let mut wire = daemon.wire();
    for id in 1..=200 {
        wire.send(id, authenticate("alice", "alice-secret"));
    }
    for _ in 1..=200 {
        assert!(verdict(wire.answer().reply).refusal().is_none());
    }
    assert_eq!(crowd.requests("authentication").len(), 1);
}
