//! The local realm: users in a file of ours.

use std::fs;

use crate::support::ctl::Reply;
use crate::support::daemon::{Daemon, LOCAL, USERS, write_private};
use crate::support::until_true;

/// So that a test that asks again does not wait for what is remembered, should anything be.
const FORGETFUL: &str = "[realm.home.cache]\nttl = \"50ms\"\nnegative_ttl = \"50ms\"\n";

#[test]
fn a_user_of_the_file_has_metadata_groups_and_attributes() {
    let daemon = Daemon::start(LOCAL);
    let reply = daemon.authenticate("Alice", "alice-secret");
    reply.is_granted();
    let expected = serde_json::json!({
        "X_REMOTE_USER": "alice", "X_REMOTE_EMAIL": "alice@example.com",
        "X_REMOTE_FIRSTNAME": "Alice", "X_REMOTE_LASTNAME": "Archer", "X_REMOTE_GROUPS": "dev",
    });
    assert_eq!(reply.json["metadata"], expected);
    assert_eq!(reply.json["realm"], "home");
    assert_eq!(reply.json["groups"], serde_json::json!(["dev"]));
    let rules =
        ["lookup", "--require=group=dev", "--require=attribute:employeeType=staff", "alice"];
    daemon.ctl_json(&rules, b"").is_found();
}

#[test]
fn wrong_passwords_and_unknown_users_look_the_same() {
    let daemon = Daemon::start(LOCAL);
    let refused: Vec<Reply> = [("alice", "bob-secret"), ("nobody", "x"), ("alice", "")]
        .map(|(user, password)| daemon.authenticate(user, password))
        .into();
    for reply in &refused {
        reply.is(1, "denied", "bad_credentials");
    }
    assert_eq!(refused[0].message(), refused[1].message());
    daemon.lookup("nobody").is(1, "not_found", "no_such_user");
}

#[test]
fn a_disabled_account_is_told_of_only_to_who_knows_its_password() {
    let daemon = Daemon::start(LOCAL);
    daemon.authenticate("dora", "dora-secret").is(1, "denied", "account_disabled");
    daemon.authenticate("dora", "wrong").is(1, "denied", "bad_credentials");
    // Whoever was authenticated elsewhere does not get in either.
    daemon.lookup("dora").is(1, "denied", "account_disabled");
}

#[test]
fn a_changed_file_is_used_without_a_restart() {
    let daemon = Daemon::start(&format!("{LOCAL}{FORGETFUL}"));
    daemon.lookup("erin").is(1, "not_found", "no_such_user");
    let users = USERS.replace("user.bob", "user.erin");
    write_private(&daemon.path("users.toml"), &users);
    until_true("the new user", || daemon.authenticate("erin", "bob-secret").code == 0);
    daemon.lookup("bob").is(1, "not_found", "no_such_user");
    // Editors that write in place are as good.
    fs::write(daemon.path("users.toml"), USERS).expect("the users");
    until_true("the old user", || daemon.lookup("bob").code == 0);
}

#[test]
fn a_broken_file_makes_nobody_unknown_and_is_told_of() {
    let daemon = Daemon::start(&format!("{LOCAL}{FORGETFUL}"));
    daemon.lookup("bob").is_found();
    write_private(&daemon.path("users.toml"), "[user.bob\n");
    until_true("the problem in the status", || {
        daemon.status()["realms"][0]["problem"].as_str().is_some_and(|it| it.contains("users.toml"))
    });
    let reply = daemon.lookup("bob");
    assert!(matches!(reply.outcome(), "found" | "unavailable"), "{reply:#?}");
    let reply = daemon.authenticate("bob", "bob-secret");
    assert!(matches!(reply.outcome(), "granted" | "unavailable"), "{reply:#?}");
    write_private(&daemon.path("users.toml"), USERS);
    until_true("the problem to be over", || daemon.status()["realms"][0]["problem"].is_null());
    daemon.lookup("bob").is_found();
}

#[test]
fn each_scheme_that_hash_password_prints_is_understood() {
    let daemon = Daemon::start(LOCAL);
    let mut users = String::new();
    for scheme in ["argon2id", "bcrypt", "sha512-crypt"] {
        let command = ["hash-password", "--scheme", scheme];
        let hashed = daemon.ctl(&command, "pässword of all\n".as_bytes()).success();
        let hash = hashed.stdout.trim_end();
        users.push_str(&format!("[user.{scheme}]\npassword = '{hash}'\n"));
    }
    write_private(&daemon.path("users.toml"), &users);
    until_true("the new users", || daemon.lookup("bcrypt").code == 0);
    for scheme in ["argon2id", "bcrypt", "sha512-crypt"] {
        daemon.authenticate(scheme, "pässword of all").is_granted();
        daemon.authenticate(scheme, "pässword of al").is(1, "denied", "bad_credentials");
    }
}
