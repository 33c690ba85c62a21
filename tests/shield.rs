//! The shield: no storm of wrong passwords reaches the directory, and nobody learns who exists.

use std::collections::BTreeMap;

use usher_protocol::{Call, Password, Query, Reason, Verdict};

use crate::support::daemon::Daemon;
use crate::support::slapd::Slapd;
use crate::support::until_true;
use crate::support::wire::{authenticate, query, verdict};

const ALICE: &str = "uid=alice,ou=people,dc=example,dc=com";

fn start(slapd: &Slapd, more: &str) -> Daemon {
    Daemon::start(&format!("{}{more}", slapd.realm()))
}

/// How often each reason is given when so many different passwords are tried at once.
fn storm(daemon: &Daemon, user: &str, passwords: u64) -> BTreeMap<&'static str, usize> {
    let mut wire = daemon.wire();
    for id in 1..=passwords {
        wire.send(id, authenticate(user, &format!("guess-{id}")));
    }
    let mut reasons = BTreeMap::new();
    for _ in 1..=passwords {
        let verdict = verdict(wire.answer().reply);
        let refusal = verdict.refusal().expect("no guess is right");
        *reasons.entry(refusal.reason.as_str()).or_default() += 1;
    }
    reasons
}

#[test]
fn a_storm_of_wrong_passwords_never_locks_the_account() {
    let slapd = Slapd::that_locks_after(6);
    let daemon = start(&slapd, "");
    for _ in 0..3 {
        let reasons = storm(&daemon, "alice", 200);
        assert_eq!(reasons.values().sum::<usize>(), 200, "{reasons:?}");
        assert!(reasons["throttled"] >= 195, "{reasons:?}");
    }
    assert_eq!(slapd.binds_of(ALICE), 5, "{}", slapd.log());
    assert!(slapd.accepts(ALICE, "alice-secret"));
    assert_eq!(daemon.status()["realms"][0]["shield"]["blocked_users"], 1);
}

#[test]
fn without_the_shield_the_same_storm_locks_it() {
    let slapd = Slapd::that_locks_after(6);
    let daemon = start(&slapd, "[realm.corp.shield]\nfailures = 0\n");
    storm(&daemon, "alice", 200);
    assert!(!slapd.accepts(ALICE, "alice-secret"));
}

#[test]
fn a_blocked_user_is_told_when_to_ask_again_and_what_is_known_to_be_right_still_works() {
    let slapd = Slapd::start();
    let daemon = start(&slapd, "");
    daemon.authenticate("bob", "bob-secret").is_granted();
    for user in ["alice", "bob"] {
        storm(&daemon, user, 20);
    }
    let throttled = daemon.authenticate("alice", "alice-secret");
    throttled.is(1, "denied", "throttled");
    let seconds = throttled.json["retry_after_s"].as_u64().expect("when to ask again");
    assert!((570..=601).contains(&seconds), "{throttled:#?}");
    assert_eq!(daemon.authenticate("bob", "bob-secret").json["source"], "cache");
    daemon.authenticate("bob", "another").is(1, "denied", "throttled");
    // A user who is authenticated elsewhere is not concerned.
    daemon.lookup("alice").is_found();

    let unblocked = daemon.ctl_json(&["unblock", "CORP\\Alice"], b"");
    assert_eq!((unblocked.code, unblocked.outcome()), (0, "unblocked"), "{unblocked:#?}");
    daemon.authenticate("alice", "alice-secret").is_granted();
    daemon.authenticate("bob", "another").is(1, "denied", "throttled");
    let nowhere = daemon.ctl_json(&["unblock", "--realm", "nowhere", "alice"], b"");
    assert_eq!((nowhere.code, nowhere.outcome()), (2, "failed"), "{nowhere:#?}");
}

#[test]
fn a_reload_gives_nobody_new_tries() {
    let slapd = Slapd::that_locks_after(6);
    let daemon = start(&slapd, "");
    let mut tried = 0;
    for more in ["", "first_name_attribute = \"cn\"\n", "[realm.corp.shield]\nblock = \"1m\"\n"] {
        daemon.configure(&format!("{}{more}", slapd.realm()));
        daemon.ctl(&["reload"], b"").success();
        tried += storm(&daemon, "alice", 50).get("bad_credentials").copied().unwrap_or(0);
    }
    assert_eq!((tried, slapd.binds_of(ALICE)), (5, 5), "{}", slapd.log());
    assert!(slapd.accepts(ALICE, "alice-secret"));
}

#[test]
fn where_any_number_may_fail_four_wrong_passwords_are_remembered() {
    let slapd = Slapd::start();
    let daemon = start(&slapd, "[realm.corp.shield]\nfailures = 0\n");
    let try_all = |passwords: &[&str]| {
        for password in passwords {
            daemon.authenticate("alice", password).is(1, "denied", "bad_credentials");
        }
        slapd.binds_of(ALICE)
    };
    assert_eq!(try_all(&["one", "two", "three", "four"]), 4);
    assert_eq!(try_all(&["four", "three", "two", "one"]), 4);
    assert_eq!(try_all(&["five", "two", "one"]), 6);
}

#[test]
fn the_same_wrong_password_reaches_the_directory_once_and_blocks_nobody() {
    let slapd = Slapd::start();
    let daemon = start(&slapd, "");
    let mut wire = daemon.wire();
    for _ in 0..100 {
        let verdict = verdict(wire.ask(authenticate("alice", "of-last-year")));
        let refusal = verdict.refusal().expect("a refusal");
        assert_eq!(refusal.reason.as_str(), "bad_credentials");
    }
    assert_eq!(slapd.binds_of(ALICE), 1);
    daemon.authenticate("alice", "alice-secret").is_granted();
}

#[test]
fn right_passwords_make_up_for_typing_errors() {
    let slapd = Slapd::that_locks_after(6);
    let daemon = start(&slapd, "[realm.corp.cache]\nttl = \"0s\"\n");
    for round in 0..5 {
        for typo in 0..4 {
            let password = format!("typo-{round}-{typo}");
            daemon.authenticate("alice", &password).is(1, "denied", "bad_credentials");
        }
        daemon.authenticate("alice", "alice-secret").is_granted();
    }
    assert_eq!(slapd.binds_of(ALICE), 25);
}

#[test]
fn unknown_users_are_refused_and_blocked_as_known_ones_are() {
    let slapd = Slapd::start();
    let daemon = start(&slapd, "");
    let refusals = |user: &str| -> Vec<(String, String)> {
        let passwords = ["a", "a", "b", "c", "d", "a", "e", "f", "a", "g"];
        let replies = passwords.map(|password| daemon.authenticate(user, password));
        replies
            .iter()
            .map(|reply| {
                let message: String =
                    reply.message().chars().filter(|sign| !sign.is_ascii_digit()).collect();
                (reply.reason().to_owned(), message)
            })
            .collect()
    };
    let known = refusals("alice");
    assert_eq!(known, refusals("nobody"));
    let throttled = |said: &&(String, String)| said.0 == "throttled";
    assert_eq!(known.iter().filter(throttled).count(), 2, "{known:?}");
    assert_eq!(daemon.status()["realms"][0]["shield"]["blocked_users"], 2);
}

#[test]
fn a_client_that_guesses_at_many_users_is_shut_out_and_others_are_not() {
    let slapd = Slapd::start();
    let daemon = start(&slapd, "[realm.corp.shield]\nper_client = 10\n");
    let mut wire = daemon.wire();
    let mut ask = |user: &str, password: &str, client: &str| {
        let client = Some(client.parse().expect("an address"));
        let query = Query { client, ..query(user) };
        verdict(wire.ask(Call::Authenticate(query, Password::from(password))))
    };
    let reason = |verdict: &Verdict| verdict.refusal().map(|refusal| refusal.reason.as_str());
    let outcomes: Vec<_> = (0..20)
        .map(|user| ask(&format!("user{user:03}"), "spring", &format!("2001:db8::{user}")))
        .collect();
    let tried = outcomes.iter().filter(|said| reason(said) == Some("bad_credentials")).count();
    assert_eq!((tried, reason(&outcomes[19])), (10, Some("throttled")));
    assert_eq!(reason(&ask("user050", "user050-secret", "2001:db8::99")), Some("throttled"));
    assert_eq!(reason(&ask("user050", "user050-secret", "2001:db8:1::99")), None);
    // What is known to be right is right from anywhere.
    assert_eq!(reason(&ask("user050", "user050-secret", "2001:db8::99")), None);
    assert_eq!(daemon.status()["realms"][0]["shield"]["blocked_clients"], 1);
}

/// So many wrong passwords for each of these names, no two alike.
fn guess_at(daemon: &Daemon, names: &[&str], each: usize) {
    for (number, name) in names.iter().enumerate() {
        for guess in 0..each {
            daemon.authenticate(name, &format!("guess-{number}-{guess}"));
        }
    }
}

#[test]
fn all_that_the_directory_takes_for_one_name_counts_together() {
    let logins = "login_attribute = [\"uid\", \"mail\"]\n";
    let names = ["alice", "alice@example.com", " alice", "alice ", "\u{ff41}lice", "ALICE"];
    for more in [logins.to_owned(), format!("{logins}case = \"keep\"\n")] {
        let slapd = Slapd::that_locks_after(6);
        let daemon = start(&slapd, &more);
        guess_at(&daemon, &names, 4);
        assert_eq!(slapd.binds_of(ALICE), 5, "{}", slapd.log());
        assert!(slapd.accepts(ALICE, "alice-secret"));
        // An administrator need not know by which name.
        daemon.authenticate("alice", "alice-secret").is(1, "denied", "throttled");
        daemon.ctl(&["unblock", "alice@example.com"], b"").success();
        daemon.authenticate("alice", "alice-secret").is_granted();
    }
}

#[test]
fn so_it_does_where_only_users_read_their_entries() {
    let slapd = Slapd::that_locks_after(6);
    let realm = slapd.realm().replace("base_dn = \"ou=people,", "user_dn = \"uid=%u,ou=people,");
    let lines = realm.lines().filter(|line| {
        !line.starts_with("account") && !line.starts_with("password") && !line.starts_with("filter")
    });
    let daemon = Daemon::start(&lines.map(|line| format!("{line}\n")).collect::<String>());
    guess_at(&daemon, &["alice", " alice", "alice ", "\u{ff41}lice", "Alice"], 4);
    assert!(slapd.log().contains("uid=alice"), "{}", slapd.log());
    assert!(slapd.accepts(ALICE, "alice-secret"));
}

/// The verdicts on the same password, given so often at once.
fn at_once(daemon: &Daemon, user: &str, password: &str, times: u64) -> Vec<Option<Reason>> {
    let mut wire = daemon.wire();
    (1..=times).for_each(|id| wire.send(id, authenticate(user, password)));
    let reason = |verdict: Verdict| verdict.refusal().map(|refusal| refusal.reason);
    (1..=times).map(|_| reason(verdict(wire.answer().reply))).collect()
}

#[test]
fn the_last_place_is_enough_for_a_password_that_many_give_at_once() {
    let slapd = Slapd::start();
    let daemon = start(&slapd, "");
    daemon.lookup("alice").is_found();
    guess_at(&daemon, &["alice", "nobody"], 4);
    assert_eq!(at_once(&daemon, "alice", "alice-secret", 50), [None; 50]);
    assert_eq!(slapd.binds_of(ALICE), 5);
    // The wrong one is told in the same words whether or not there is such a user.
    guess_at(&daemon, &["alice"], 4);
    for user in ["alice", "nobody"] {
        assert_eq!(at_once(&daemon, user, "wrong", 50), [Some(Reason::BadCredentials); 50]);
    }
}

#[test]
fn of_a_burst_from_one_client_no_more_are_tried_than_may_fail() {
    let slapd = Slapd::start();
    let daemon = start(&slapd, "[realm.corp.shield]\nper_client = 10\n");
    let mut wire = daemon.wire();
    let client = Some("192.0.2.7".parse().expect("an address"));
    for id in 0..50 {
        let query = Query { client, ..query(&format!("user{id:03}")) };
        wire.send(id, Call::Authenticate(query, Password::from("spring")));
    }
    (0..50).for_each(|_| drop(wire.answer()));
    let log = slapd.log();
    let tried = log.lines().filter(|it| it.contains("BIND dn=\"uid=user") && it.contains("method"));
    assert_eq!(tried.count(), 10, "{log}");
}

#[test]
fn what_never_left_does_not_count() {
    let mut slapd = Slapd::start();
    let daemon = start(&slapd, "");
    daemon.lookup("alice").is_found();
    slapd.stop();
    for guess in 0..10 {
        let refused = daemon.authenticate("alice", &format!("guess-{guess}"));
        refused.is(3, "unavailable", "no_host");
    }
    slapd.restart();
    until_true("the host is back", || daemon.authenticate("alice", "alice-secret").code == 0);
}

#[test]
fn a_wrong_password_that_nobody_answers_for_does_not_lock_the_account() {
    let slapd = Slapd::that_locks_after(6);
    // It is given up long before the server has answered.
    let daemon = start(&slapd, "pool.operation_timeout = \"100ms\"\n");
    daemon.lookup("alice").is_found();
    for _ in 0..12 {
        slapd.pause();
        daemon.authenticate("alice", "wrong");
        slapd.resume();
        until_true("the host is back", || daemon.lookup("user001").code == 0);
    }
    assert!(slapd.binds_of(ALICE) <= 5, "{}", slapd.log());
    assert!(slapd.accepts(ALICE, "alice-secret"));
}

#[test]
fn a_flush_is_for_wrong_passwords_on_their_way_too() {
    let slapd = Slapd::start();
    let daemon = start(&slapd, "");
    daemon.lookup("alice").is_found();
    slapd.pause();
    let mut wire = daemon.wire();
    wire.send(1, authenticate("alice", "of-tomorrow"));
    until_true("it is on its way", || daemon.status()["realms"][0]["questions"]["under_way"] == 1);
    daemon.ctl(&["flush", "alice"], b"").success();
    slapd.resume();
    assert!(verdict(wire.answer().reply).refusal().is_some());
    let before = slapd.binds_of(ALICE);
    daemon.authenticate("alice", "of-tomorrow").is(1, "denied", "bad_credentials");
    assert_eq!(slapd.binds_of(ALICE), before + 1);
}
