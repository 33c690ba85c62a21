//! usherctl: what scripts rely on.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::manual::{self, commands, options};
use crate::support::daemon::{Daemon, LOCAL};
use crate::support::process::run;
use crate::support::programs::{self, program};

fn usherctl(arguments: &[&str]) -> crate::support::process::Output {
    programs::run("usherctl", arguments)
}

#[test]
fn a_yes_in_json_is_one_line_with_all_that_is_known() {
    let daemon = Daemon::start(LOCAL);
    let output = daemon.ctl(&["--format", "json", "lookup", "alice"], b"").success();
    assert_eq!(output.stdout.matches('\n').count(), 1, "{}", output.stdout);
    assert_eq!(output.stderr, "");
    let json: Value = serde_json::from_str(&output.stdout).expect("JSON");
    let keys: BTreeSet<&str> =
        json.as_object().expect("a map").keys().map(String::as_str).collect();
    let expected = ["outcome", "user", "realm", "metadata", "groups", "source", "age_s"];
    assert_eq!(keys, BTreeSet::from(expected));
}

#[test]
fn a_no_in_json_has_a_reason_and_a_message() {
    let daemon = Daemon::start(LOCAL);
    let reply = daemon.authenticate("alice", "wrong");
    reply.is(1, "denied", "bad_credentials");
    assert!(reply.json.get("user").is_none() && !reply.message().is_empty(), "{reply:#?}");
}

#[test]
fn text_is_for_people_and_has_the_same_exit_status() {
    let daemon = Daemon::start(LOCAL);
    let yes = daemon.ctl(&["authenticate", "alice"], b"alice-secret\n").success();
    assert!(yes.stdout.contains("granted") && yes.stdout.contains("alice@example.com"), "{yes:?}");
    let no = daemon.ctl(&["lookup", "nobody"], b"");
    assert_eq!(no.code, 1, "{no:?}");
    assert!(no.stdout.contains("no_such_user"), "{no:?}");
}

#[test]
fn the_sockets_can_come_from_the_environment() {
    let daemon = Daemon::start(LOCAL);
    let command = |arguments: &[&str]| {
        let mut usherctl = Command::new(program("usherctl"));
        usherctl.env("USHER_SOCKET", daemon.socket());
        usherctl.env("USHER_ADMIN_SOCKET", daemon.admin_socket());
        run(usherctl.args(arguments), b"")
    };
    command(&["lookup", "alice"]).success();
    command(&["status"]).success();
    assert_eq!(command(&["--socket", "/nonexistent", "lookup", "alice"]).code, 3);
}

#[test]
fn a_daemon_that_cannot_be_reached_is_unavailable_with_the_cause() {
    let folder = TempDir::new().expect("temporary folder");
    let socket = folder.path().join("usher.sock");
    let socket = socket.to_string_lossy();
    let output = usherctl(&["--socket", &socket, "--format", "json", "lookup", "alice"]);
    assert_eq!(output.code, 3, "{output:#?}");
    let json: Value = serde_json::from_str(&output.stdout).expect("JSON");
    assert_eq!(json["outcome"], "unavailable");
    assert!(output.stderr.contains(&*socket), "{output:#?}");
    let output = usherctl(&["--admin-socket", &socket, "status"]);
    assert_eq!(output.code, 3, "{output:#?}");
    assert!(output.stderr.contains(&*socket), "{output:#?}");
}

#[test]
fn wrong_usage_is_told_from_every_other_failure() {
    for arguments in [&["lookup"][..], &["frobnicate"], &["lookup", "a", "b"], &["--format=x"]] {
        assert_eq!(usherctl(arguments).code, 2, "{arguments:?}");
    }
    // A password on the command line would be seen by everybody on the machine.
    assert_eq!(usherctl(&["authenticate", "alice", "alice-secret"]).code, 2);
}

#[test]
fn status_tells_of_the_daemon_its_realms_and_what_was_answered() {
    let daemon = Daemon::start(LOCAL);
    daemon.lookup("alice").is_found();
    daemon.authenticate("alice", "wrong").is(1, "denied", "bad_credentials");
    let status = daemon.status();
    assert_eq!(status["pid"], daemon.pid());
    assert_eq!(
        (&status["counters"]["found"], &status["counters"]["denied"]),
        (&1.into(), &1.into())
    );
    let realm = &status["realms"][0];
    assert_eq!((&realm["name"], &realm["kind"]), (&"home".into(), &"local".into()));
    let text = daemon.ctl(&["status"], b"").success().stdout;
    for part in ["home", &daemon.pid().to_string(), env!("CARGO_PKG_VERSION")] {
        assert!(text.contains(part), "no {part} in: {text}");
    }
}

fn is_of_a_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

#[test]
fn completions_know_every_command_and_option_in_each_shell() {
    let help = usherctl(&["--help"]).success().stdout;
    let commands = commands(&help);
    assert!(commands.len() >= 15, "{commands:?}");
    let mut options = options(&help);
    for command in &commands {
        options.extend(manual::options(&usherctl(&[command, "--help"]).success().stdout));
    }
    assert!(options.len() >= 20, "{options:?}");
    for shell in ["bash", "zsh", "fish"] {
        let script = usherctl(&["completions", shell]).success().stdout;
        let words: BTreeSet<&str> = script.split(|c: char| !is_of_a_word(c)).collect();
        for word in commands.iter().chain(&options) {
            // Fish writes `-l option`.
            let word = if shell == "fish" { word.trim_start_matches('-') } else { word };
            assert!(words.contains(word), "{shell}: no {word}");
        }
    }
    // Bash is everywhere, so its script is read by itself.
    let script = usherctl(&["completions", "bash"]).stdout;
    run(Command::new("bash").arg("-n"), script.as_bytes()).success();
}

#[test]
fn hash_password_prints_the_string_alone_and_never_the_same_twice() {
    for (scheme, prefix) in
        [("argon2id", "$argon2id$v=19$"), ("bcrypt", "$2"), ("sha512-crypt", "$6$")]
    {
        let hash = || {
            let mut usherctl = Command::new(program("usherctl"));
            run(usherctl.args(["hash-password", "--scheme", scheme]), b"s3cret\n").success()
        };
        let (first, second) = (hash(), hash());
        assert!(first.stdout.starts_with(prefix), "{first:?}");
        assert_eq!(first.stdout.lines().count(), 1, "{first:?}");
        assert_ne!(first.stdout, second.stdout);
    }
}

#[test]
fn an_empty_password_is_not_hashed() {
    let mut usherctl = Command::new(program("usherctl"));
    let refused = run(usherctl.arg("hash-password"), b"\n");
    assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{refused:?}");
}
