//! The local realm: users in files that htpasswd(1) and openssl-passwd(1) write.

use std::fs;
use std::process::Command;

use usher_protocol::{Source, Verdict};

use crate::support::daemon::{Daemon, LISTEN, expect_failure_in, folder, write_private};
use crate::support::process;
use crate::support::programs::{installed, run};
use crate::support::until_true;
use crate::support::wire::{authenticate, verdict};

const REALM: &str =
    "[realm.web]\ntype = \"local\"\nfile = \"@DIR@/htpasswd\"\nformat = \"htpasswd\"\n";

/// The line that htpasswd prints for a user whose password is the name and `-secret`.
fn line(options: &[&str], user: &str) -> String {
    let mut htpasswd = Command::new(installed("htpasswd", "apache2-utils"));
    let secret = format!("{user}-secret\n");
    let output = process::run(htpasswd.arg("-ni").args(options).arg(user), secret.as_bytes());
    output.success().stdout.trim_end().to_owned()
}

/// What openssl makes of such a password.
fn openssl(kind: &str, user: &str) -> String {
    let mut openssl = Command::new(installed("openssl", "openssl"));
    let secret = format!("{user}-secret\n");
    let output = process::run(openssl.args(["passwd", kind, "-stdin"]), secret.as_bytes());
    format!("{user}:{}", output.success().stdout.trim_end())
}

fn start(lines: &[String]) -> Daemon {
    start_with("", lines)
}

fn start_with(more: &str, lines: &[String]) -> Daemon {
    let folder = folder(&format!("{REALM}{more}"));
    write_private(&folder.path().join("htpasswd"), &(lines.join("\n") + "\n"));
    Daemon::start_in(folder, |command| command)
}

#[test]
fn whatever_htpasswd_and_openssl_write_is_understood() {
    let lines = [
        "# the team".to_owned(),
        line(&["-B", "-C", "5"], "bcrypt"),
        line(&["-m"], "apr1"),
        line(&["-2"], "sha256"),
        line(&["-5", "-r", "20000"], "sha512"),
        line(&["-s"], "sha1"),
        String::new(),
        openssl("-apr1", "oapr1"),
        openssl("-1", "omd5"),
        openssl("-5", "osha256"),
        openssl("-6", "osha512") + ":and a comment",
    ];
    let daemon = start(&lines);
    let names = lines.iter().filter_map(|line| line.split_once(':')).map(|(name, _)| name);
    for name in names {
        let reply = daemon.authenticate(name, &format!("{name}-secret"));
        reply.is_granted();
        assert_eq!(reply.metadata("X_REMOTE_USER"), Some(name));
        daemon.authenticate(name, "wrong-secret").is(1, "denied", "bad_credentials");
    }
    let unknown = daemon.authenticate("nobody", "wrong-secret");
    unknown.is(1, "denied", "bad_credentials");
    let log = daemon.log();
    assert!(log.contains("4 passwords are kept by MD5 or SHA-1"), "{log}");
    assert!(log.contains("apr1, oapr1, omd5, sha1"), "{log}");
}

#[test]
fn a_line_that_protects_nothing_is_refused_with_its_place_and_without_its_secret() {
    let lines = [line(&["-m"], "alice"), line(&["-d"], "bob"), line(&["-p"], "carol")];
    let folder = folder(REALM);
    write_private(&folder.path().join("htpasswd"), &lines.join("\n"));
    let output = expect_failure_in(folder.path());
    for part in ["line 2: the password of bob", "DES", "line 3: the password of carol"] {
        assert!(output.stderr.contains(part), "no {part:?} in {output:#?}");
    }
    assert!(!output.stderr.contains("carol-secret"), "{output:#?}");
    let config = folder.path().join("usher.toml");
    let checked = run("usherctl", &["check", &config.to_string_lossy()]);
    assert_ne!(checked.code, 0, "{checked:#?}");
}

#[test]
fn a_check_tells_of_weak_passwords() {
    let folder = folder(REALM);
    write_private(&folder.path().join("htpasswd"), &line(&["-m"], "alice"));
    let config = folder.path().join("usher.toml");
    let checked = run("usherctl", &["check", &config.to_string_lossy()]);
    assert_eq!(checked.code, 0, "{checked:#?}");
    for part in ["read 1 users", "MD5", "alice"] {
        assert!(checked.stdout.contains(part), "no {part:?} in {checked:#?}");
    }
}

#[test]
fn what_htpasswd_changes_counts_at_once() {
    let forgetful = "[realm.web.cache]\nnegative_ttl = \"50ms\"\n";
    let daemon = start_with(forgetful, &[line(&["-B", "-C", "4"], "alice")]);
    daemon.authenticate("alice", "alice-secret").is_granted();
    let file = daemon.path("htpasswd");
    let change = |arguments: &[&str], input: &str| {
        let mut htpasswd = Command::new(installed("htpasswd", "apache2-utils"));
        process::run(htpasswd.args(arguments).arg(&file).arg("alice"), input.as_bytes()).success();
    };
    change(&["-iB"], "another-secret\n");
    until_true("the new password", || daemon.authenticate("alice", "another-secret").code == 0);
    daemon.authenticate("alice", "alice-secret").is(1, "denied", "bad_credentials");
    change(&["-D"], "");
    until_true("nobody of the name", || daemon.lookup("alice").code == 1);
    assert_eq!(fs::read_to_string(&file).expect("the file"), "");
}

#[test]
fn a_flood_of_slow_hashes_does_not_hold_up_who_is_known() {
    const FLOOD: u64 = 60;
    const KNOWN: u64 = 60;
    let listen = format!("{LISTEN}request_timeout = \"1m\"\n");
    let daemon = start_with(&listen, &[line(&["-B", "-C", "12"], "alice")]);
    daemon.authenticate("alice", "alice-secret").is_granted();
    let mut wire = daemon.wire();
    for id in 1..=FLOOD {
        wire.send(id, authenticate(&format!("nobody{id}"), "x"));
    }
    for id in FLOOD + 1..=FLOOD + KNOWN {
        wire.send(id, authenticate("alice", "alice-secret"));
    }
    let mut hashed = 0;
    for _ in 0..KNOWN {
        let answer = loop {
            let answer = wire.answer();
            if answer.id > FLOOD {
                break answer;
            }
            hashed += 1;
        };
        match verdict(answer.reply) {
            Verdict::Granted(identity) => assert_eq!(identity.source, Source::Cache),
            other => panic!("{other:?}"),
        }
    }
    // A hash takes a good part of a second; what is remembered does not wait for one.
    assert!(hashed <= FLOOD / 10, "{hashed} hashes came first");
    // Nor does a newcomer on another connection.
    assert_eq!(daemon.source("alice"), "cache");
}
