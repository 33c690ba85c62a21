//! The record of decisions, in a file and in a real journal.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use serde_json::Value;
use usher_protocol::{Call, Query};

use crate::support::crowd::Crowd;
use crate::support::daemon::{self, Daemon, LOCAL};
use crate::support::journal::Journal;
use crate::support::process;
use crate::support::programs::{installed, run};
use crate::support::slapd::{More, Slapd};
use crate::support::{repository, text_of, until, until_true};

const FILE: &str = "[audit]\nfile = \"@DIR@/audit.json\"\n";

const HOST_DOWN: &str = "653362ec118a476aadc62f4ffbfb0661";

fn events(daemon: &Daemon) -> Vec<Value> {
    let text = text_of(&daemon.path("audit.json"));
    let lines = text.lines().filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// The events, once there are so many.
fn await_events(daemon: &Daemon, count: usize) -> Vec<Value> {
    until("the events", || Some(events(daemon)).filter(|events| events.len() >= count))
}

#[test]
fn each_decision_is_an_object_on_a_line() {
    let slapd = Slapd::start();
    let daemon = Daemon::start(&format!("{}{FILE}", slapd.realm()));
    daemon.authenticate("CORP\\alice", "alice-secret").is_granted();
    let away = ["authenticate", "--client", "192.0.2.7", "alice"];
    daemon.ctl_json(&away, b"wrong-secret\n").is(1, "denied", "bad_credentials");
    daemon.lookup("bob").is_found();
    let events = await_events(&daemon, 3);
    let host = format!("ldap://127.0.0.1:{}", slapd.port());
    let [yes, no, found] = &events[..] else { panic!("{events:#?}") };
    for (event, name, value) in [
        (yes, "outcome", "granted"),
        (yes, "user", "CORP\\alice"),
        (yes, "is", "alice"),
        (yes, "realm", "corp"),
        (yes, "method", "authenticate"),
        (yes, "source", "directory"),
        (yes, "host", &host),
        (no, "outcome", "denied"),
        (no, "reason", "bad_credentials"),
        (no, "message", "wrong user name or password"),
        (no, "user", "alice"),
        (no, "client", "192.0.2.7"),
        (no, "host", &host),
        (found, "outcome", "found"),
        (found, "method", "lookup"),
    ] {
        assert_eq!(event[name], value, "{name} of {event:#}");
    }
    assert_eq!(yes["peer_uid"], fs::metadata("/proc/self").expect("itself").uid());
    assert!(yes["duration_us"].as_u64() > Some(0) && yes["request"].as_u64() > Some(0), "{yes:#}");
    assert!(yes["time"].as_str().is_some_and(|time| time.ends_with('Z')), "{yes:#}");
    assert!(!text_of(&daemon.path("audit.json")).contains("secret"));
    let mode = fs::metadata(daemon.path("audit.json")).expect("the file").permissions().mode();
    assert_eq!(mode & 0o137, 0, "{mode:o}");
}

#[test]
fn a_password_in_the_field_for_the_name_is_recorded_as_a_hash() {
    let daemon = Daemon::start(&format!("{LOCAL}{FILE}"));
    daemon.authenticate("Tr0ub4dor&3", "x").is(1, "denied", "bad_credentials");
    daemon.authenticate("Tr0ub4dor&3", "x").is(1, "denied", "bad_credentials");
    daemon.authenticate("alice", "x").is(1, "denied", "bad_credentials");
    let events = await_events(&daemon, 3);
    let user = |place: usize| events[place]["user"].as_str().expect("a name").to_owned();
    assert!(user(0).starts_with("unknown:") && user(0) == user(1), "{events:#?}");
    assert_eq!(user(2), "alice");
    for text in [text_of(&daemon.path("audit.json")), daemon.log()] {
        assert!(!text.contains("Tr0ub4dor"), "{text}");
    }
    let shown = Daemon::start(&format!("{LOCAL}{FILE}unknown_users = \"shown\"\n"));
    shown.authenticate("mallory", "x").is(1, "denied", "bad_credentials");
    assert_eq!(await_events(&shown, 1)[0]["user"], "mallory");
}

#[test]
fn what_a_directory_refuses_to_search_is_recorded_without_the_name() {
    // Without an index the server would have to look at everybody, which it does for nobody.
    let configuration = "limits * size.unchecked=1\n";
    let slapd = Slapd::start_with(More { configuration, ..More::default() });
    let realm = format!("{}login_attribute = \"sn\"\n{FILE}", slapd.realm());
    let daemon = Daemon::start(&realm);
    daemon.authenticate("Tr0ub4dor&3", "x").is(3, "unavailable", "no_host");
    let events = await_events(&daemon, 1);
    assert!(
        events[0]["message"].as_str().is_some_and(|it| it.contains("result 11")),
        "{events:#?}"
    );
    for text in [text_of(&daemon.path("audit.json")), daemon.log()] {
        assert!(!text.to_lowercase().contains("tr0ub4dor"), "{text}");
    }
}

#[test]
fn no_input_forges_a_line_or_steers_a_terminal() {
    let forged = "eve\n{\"outcome\":\"granted\"}\u{1b}[2K\u{9b}\u{202e}";
    let shown = format!("{LOCAL}{FILE}unknown_users = \"shown\"\n");
    let in_log = format!("{LOCAL}[audit]\nunknown_users = \"shown\"\n");
    for configuration in [&shown, &in_log] {
        let daemon = Daemon::start(configuration);
        daemon.ctl_json(&["lookup", "--", forged], b"");
        let text = until("the record", || {
            let text = text_of(&daemon.path("audit.json")) + &daemon.log();
            text.contains("eve").then_some(text)
        });
        let lines: Vec<&str> = text.lines().filter(|line| line.contains("granted")).collect();
        assert_eq!(lines.len(), 1, "{text}");
        let steering = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        assert!(!text.contains(steering), "{text:?}");
    }
}

#[test]
fn of_the_yeses_from_memory_a_part_is_recorded() {
    let daemon = Daemon::start(&format!("{LOCAL}{FILE}cached = 0.5\n"));
    for _ in 0..9 {
        daemon.lookup("alice").is_found();
    }
    daemon.lookup("mallory").is(1, "not_found", "no_such_user");
    let events = until("the last one", || {
        let events = events(&daemon);
        events.last().is_some_and(|last| last["outcome"] == "not_found").then_some(events)
    });
    let cached = events.iter().filter(|event| event["source"] == "cache");
    assert_eq!(cached.clone().count(), 4, "{events:#?}");
    assert!(cached.clone().all(|event| event["one_of"] == 2), "{events:#?}");
    let none = Daemon::start(&format!("{LOCAL}{FILE}"));
    for _ in 0..3 {
        none.lookup("alice").is_found();
    }
    none.lookup("bob").is_found();
    assert_eq!(await_events(&none, 2).len(), 2);
}

#[test]
fn logrotate_moves_the_file_and_no_event_is_lost() {
    let daemon = Daemon::start(&format!("{LOCAL}{FILE}"));
    daemon.lookup("alice").is_found();
    await_events(&daemon, 1);
    let file = daemon.path("audit.json");
    // As packaged, for this file and at once.
    let packaged = text_of(&repository().join("packaging/logrotate/usher"));
    let rules = packaged.replace("/var/log/usher/audit.json", &file.to_string_lossy());
    // The folder is of who runs this test, as it is the daemon's there.
    let rules = rules.replace("    su usher usher\n", "");
    let rules_file = daemon.path("logrotate.conf");
    daemon::write_private(&rules_file, &rules);
    let mut logrotate = Command::new(installed("logrotate", "logrotate"));
    logrotate.arg("--force").arg("--state").arg(daemon.path("state")).arg(&rules_file);
    process::run(&mut logrotate, b"").success();
    assert!(!file.exists());
    daemon.lookup("bob").is_found();
    let events = await_events(&daemon, 1);
    assert_eq!((events.len(), &events[0]["user"]), (1, &Value::from("bob")));
}

#[test]
fn a_file_that_cannot_be_written_is_told_before_anything_is_served() {
    let output = Daemon::expect_failure(&format!("{LOCAL}[audit]\nfile = \"@DIR@/no/a.json\"\n"));
    assert!(output.stderr.contains("no/a.json cannot be written: No such file"), "{output:#?}");
}

#[test]
fn a_check_tells_whether_the_file_can_be_written_and_leaves_none() {
    let check = |file: &str| {
        let folder = daemon::folder(&format!("{LOCAL}[audit]\nfile = \"{file}\"\n"));
        fs::write(folder.path().join("there.json"), "{}\n").expect("a file");
        process::run(Command::new("mkfifo").arg(folder.path().join("pipe")), b"").success();
        let config = folder.path().join("usher.toml").display().to_string();
        let checked = run("usherd", &["--config", &config, "--check"]);
        assert!(!folder.path().join("new.json").exists(), "{checked:#?}");
        assert_eq!(text_of(&folder.path().join("there.json")), "{}\n");
        checked
    };
    for file in ["new.json", "there.json"] {
        assert_eq!(check(file).code, 0, "{file}");
    }
    for file in ["no/new.json", ".", "pipe"] {
        let checked = check(file);
        assert_eq!(checked.code, 2, "{file}: {checked:#?}");
        assert!(checked.stderr.contains("cannot be written"), "{file}: {checked:#?}");
    }
}

#[test]
fn what_a_full_disk_swallows_is_told_once_and_counted() {
    let folder = daemon::folder(&format!("{LOCAL}{FILE}"));
    let daemon = Daemon::start_in(folder, |command| command);
    // From here on every write fails, as on a full disk.
    fs::remove_file(daemon.path("audit.json")).expect("removed");
    std::os::unix::fs::symlink("/dev/full", daemon.path("audit.json")).expect("a link");
    for user in ["alice", "bob", "dora"] {
        daemon.lookup(user);
    }
    let lost = || daemon.status()["counters"]["audit_events_lost"].as_u64();
    until_true("the loss to be counted", || lost() == Some(3));
    assert_eq!(daemon.log().matches("decisions go unrecorded").count(), 1, "{}", daemon.log());
    fs::remove_file(daemon.path("audit.json")).expect("removed");
    daemon.lookup("alice2");
    until_true("the file to be written again", || daemon.log().contains("written again"));
}

#[test]
fn a_disk_that_hangs_holds_nobody_up() {
    let folder = daemon::folder(&format!("{LOCAL}{FILE}"));
    let daemon = Daemon::start_in(folder, |command| command);
    fs::remove_file(daemon.path("audit.json")).expect("removed");
    // A pipe that nobody reads takes 64 KiB, and then no more.
    process::run(Command::new("mkfifo").arg(daemon.path("audit.json")), b"").success();
    let _reader = File::options().read(true).write(true).open(daemon.path("audit.json"));
    let mut wire = daemon.wire();
    for round in 0..12_000 {
        let query = Query { user: format!("u{round}"), ..Default::default() };
        let _ = wire.ask(Call::Lookup(query));
    }
    assert!(daemon.status()["counters"]["audit_events_lost"].as_u64() > Some(1000));
}

#[test]
fn the_journal_has_the_fields_and_the_ids_of_events() {
    let journal = Journal::start();
    let slapd = Slapd::start();
    let daemon = journal.daemon(&slapd.realm());
    daemon.authenticate("alice", "wrong").is(1, "denied", "bad_credentials");
    let client = ["authenticate", "--client=192.0.2.7", "alice"];
    daemon.ctl_json(&client, b"alice-secret\n").is_granted();
    let host = format!("ldap://127.0.0.1:{}", slapd.port());
    let granted = journal.until("USHER_OUTCOME", "granted");
    let own = fs::metadata("/proc/self").expect("itself").uid().to_string();
    for (field, value) in [
        ("USHER_CLIENT", "192.0.2.7"),
        ("USHER_PEER_UID", &own),
        ("USHER_HOST", &host),
        ("USHER_SOURCE", "directory"),
        ("USHER_METHOD", "authenticate"),
        ("USHER_IS", "alice"),
    ] {
        assert_eq!(granted[field], value, "{field} of {granted:#}");
    }
    let took = granted["USHER_DURATION_US"].as_str().and_then(|text| text.parse::<u64>().ok());
    assert!(took > Some(0), "{granted:#}");
    let decision = journal.until("USHER_OUTCOME", "denied");
    assert_eq!(decision["USHER_USER"], "alice", "{decision:#}");
    assert_eq!(decision["USHER_REASON"], "bad_credentials");
    assert_eq!(decision["USHER_REALM"], "corp");
    assert_eq!(decision["SYSLOG_IDENTIFIER"], "usherd");
    assert_eq!(decision["PRIORITY"], "6");
    let text = decision["MESSAGE"].as_str().expect("a message");
    assert!(text.starts_with("decided ") && text.contains("user=\"alice\""), "{text}");
    let mut slapd = slapd;
    slapd.stop();
    let down = journal.until("PRIORITY", "3");
    assert_eq!(down["USHER_HOST"], host);
    // Which is which says usherd(8).
    assert_eq!(down["MESSAGE_ID"], HOST_DOWN, "{down:#}");
    assert_eq!(decision["MESSAGE_ID"], "123e52e9685b4a40a7b1fc7a176f367b", "{decision:#}");
}

#[test]
fn hosts_of_crowd_have_the_same_ids() {
    let journal = Journal::start();
    let mut crowd = Crowd::start();
    let daemon = journal.daemon(&crowd.realm());
    daemon.authenticate("alice", "alice-secret").is_granted();
    crowd.kill();
    daemon.lookup("bob").is(3, "unavailable", "no_host");
    assert_eq!(journal.until("MESSAGE_ID", HOST_DOWN)["USHER_HOST"], crowd.url());
}

#[test]
fn a_journal_that_hangs_holds_nobody_up() {
    let journal = Journal::start();
    let daemon = journal.daemon(LOCAL);
    journal.freeze();
    let mut wire = daemon.wire();
    for round in 0..30_000 {
        let query = Query { user: format!("u{round}"), ..Default::default() };
        let _ = wire.ask(Call::Lookup(query));
    }
    assert!(daemon.status()["counters"]["log_lines_lost"].as_u64() > Some(1000));
}
