//! usherctl compare: another configuration beside the one in force.

use std::fs;
use std::thread;

use crate::support::ctl::Reply;
use crate::support::daemon::{Daemon, write_private};
use crate::support::slapd::Slapd;
use crate::support::until;

/// Compares with this configuration while `traffic` asks the daemon, again and again.
fn compared(daemon: &Daemon, new: &str, traffic: impl Fn()) -> Reply {
    let file = daemon.path("new.toml");
    write_private(&file, new);
    let file = file.to_string_lossy().into_owned();
    thread::scope(|scope| {
        let comparing = scope.spawn(|| daemon.ctl_json(&["compare", "--for=2s", &file], b""));
        while !comparing.is_finished() {
            traffic();
        }
        comparing.join().expect("compared")
    })
}

#[test]
fn the_same_configuration_answers_alike() {
    let slapd = Slapd::start();
    let daemon = Daemon::start(&slapd.realm());
    let reply = compared(&daemon, &slapd.realm(), || {
        daemon.authenticate("alice", "alice-secret").is_granted();
        daemon.lookup("nobody");
    });
    assert_eq!(reply.code, 0, "{reply:#?}");
    assert!(reply.json["compared"].as_u64() > Some(0), "{reply:#?}");
    assert_eq!(reply.json["different"], 0, "{reply:#?}");
}

#[test]
fn what_differs_is_told_once_and_answers_stay_what_they_were() {
    let slapd = Slapd::start();
    let daemon = Daemon::start(&slapd.realm());
    let rules =
        "email_attribute = \"cn\"\n[realm.corp.rules]\nrequire = [\"attribute:sn=Archer\"]\n";
    let reply = compared(&daemon, &(slapd.realm() + rules), || {
        daemon.authenticate("alice", "alice-secret").is_granted();
        daemon.lookup("bob").is_found();
    });
    assert_eq!(reply.code, 1, "{reply:#?}");
    let differences = reply.json["differences"].as_array().expect("differences");
    let of = |user: &str| {
        let found: Vec<_> = differences.iter().filter(|it| it["user"] == user).collect();
        assert_eq!(found.len(), 1, "{reply:#?}");
        (found[0]["now"].clone(), found[0]["then"].clone())
    };
    let mail = |value: &str| serde_json::json!(format!("X_REMOTE_EMAIL is \"{value}\""));
    assert_eq!(of("alice"), (mail("alice@example.com"), mail("alice archer")));
    assert_eq!(of("bob"), ("found".into(), "denied (rule)".into()));
}

#[test]
fn a_wrong_password_is_tried_at_one_directory_only() {
    let (ours, theirs) = (Slapd::start(), Slapd::start());
    let daemon = Daemon::start(&ours.realm());
    let reply = compared(&daemon, &theirs.realm(), || {
        daemon.authenticate("alice", "alice-wrong").is(1, "denied", "bad_credentials");
    });
    assert!(reply.json["refused"].as_u64() > Some(0), "{reply:#?}");
    assert_eq!(theirs.binds_of("uid=alice,ou=people,dc=example,dc=com"), 0);
}

#[test]
fn a_configuration_that_is_wrong_is_not_compared_nor_two_at_once() {
    let slapd = Slapd::start();
    let daemon = Daemon::start(&slapd.realm());
    let wrong = daemon.path("wrong.toml");
    fs::write(&wrong, "[realm.corp]\ntype = \"ldpa\"\n").expect("written");
    let output = daemon.ctl(&["compare", "--for=1s", &wrong.to_string_lossy()], b"");
    assert_eq!(output.code, 2, "{output:#?}");
    assert!(output.stderr.contains("wrong.toml:2:8"), "{output:#?}");
    let file = daemon.path("new.toml");
    write_private(&file, &slapd.realm());
    let compare = || daemon.ctl(&["compare", "--for=3s", &file.to_string_lossy()], b"");
    thread::scope(|scope| {
        let first = scope.spawn(compare);
        let second = scope.spawn(compare);
        let codes = [first, second].map(|it| it.join().expect("compared").code);
        assert!(codes == [0, 2] || codes == [2, 0], "{codes:?}");
    });
    until("the daemon to go on", || (daemon.lookup("alice").code == 0).then_some(()));
}
