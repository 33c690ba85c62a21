//! What the daemon remembers: it asks the directory once, and tells what it knew when nobody
//! answers.

use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use usher_protocol::{Call, Verdict};

use crate::support::daemon::{Daemon, LISTEN, LOCAL, folder};
use crate::support::slapd::Slapd;
use crate::support::wire::{Wire, authenticate, verdict};
use crate::support::{text_of, until_true};

const ALICE: &str = "uid=alice,ou=people,dc=example,dc=com";

/// What the daemon asked of Alice: searches, and binds.
fn asked(slapd: &Slapd) -> (usize, usize) {
    (slapd.searches_for("uid=alice"), slapd.binds_of(ALICE))
}

fn start(cache: &str) -> (Slapd, Daemon) {
    let slapd = Slapd::start();
    let daemon = Daemon::start(&format!("{}[realm.corp.cache]\n{cache}", slapd.realm()));
    (slapd, daemon)
}

/// Asks so many times at once over each of these connections, and gives what is answered.
fn at_once(wires: &mut [Wire], each: u64, call: impl Fn(u64) -> Call) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for (number, wire) in (0..).zip(wires.iter_mut()) {
        (1..=each).for_each(|id| wire.send(id, call(number * each + id)));
    }
    for wire in wires {
        verdicts.extend((0..each).map(|_| verdict(wire.answer().reply)));
    }
    verdicts
}

#[test]
fn a_thousand_same_questions_at_once_make_one_search_and_one_bind() {
    let slapd = Slapd::start();
    // However slow this machine is now, nothing is given up and sent again.
    let pool = "pool = { hedge_after = \"1m\", operation_timeout = \"1m\" }\n";
    let listen = format!("{LISTEN}request_timeout = \"1m\"\n");
    let daemon = Daemon::start(&format!("{}{pool}{listen}", slapd.realm()));
    daemon.lookup("bob").is_found();
    // All of them are there before the first is answered.
    slapd.pause();
    let mut wires: Vec<Wire> = (0..5).map(|_| daemon.wire()).collect();
    let asking = std::thread::scope(|scope| {
        let asking =
            scope.spawn(|| at_once(&mut wires, 200, |_| authenticate("alice", "alice-secret")));
        until_true("all to join the first", || {
            daemon.status()["realms"][0]["questions"]["joined"] == 999
        });
        slapd.resume();
        asking.join().expect("answers")
    });
    assert_eq!(asking.len(), 1000);
    assert!(asking.iter().all(|verdict| matches!(verdict, Verdict::Granted(_))));
    assert_eq!(asked(&slapd), (1, 1));
}

#[test]
fn a_lookup_warms_an_authenticate_and_a_changed_password_works_at_once() {
    let (slapd, daemon) = start("");
    assert_eq!(daemon.source("alice"), "directory");
    assert_eq!(daemon.authenticate("alice", "alice-secret").json["source"], "directory");
    assert_eq!(asked(&slapd), (1, 1));
    // One that does not match is always asked for, and leaves the right one right.
    daemon.authenticate("alice", "typo").is(1, "denied", "bad_credentials");
    assert_eq!(daemon.authenticate("alice", "alice-secret").json["source"], "cache");
    assert_eq!(asked(&slapd), (1, 2));
}

#[test]
fn what_is_flushed_is_asked_for_again() {
    let (slapd, daemon) = start("");
    let known = || {
        daemon.authenticate("alice", "alice-secret").is_granted();
        daemon.lookup("bob").is_found();
        (asked(&slapd), slapd.searches_for("uid=bob"))
    };
    assert_eq!((known(), known()), (((1, 1), 1), ((1, 1), 1)));
    let flush = |arguments: &[&str]| {
        let reply = daemon.ctl_json(&[&["flush"], arguments].concat(), b"");
        assert_eq!((reply.code, reply.outcome()), (0, "flushed"), "{reply:#?}");
    };
    flush(&["CORP\\Alice"]);
    assert_eq!(known(), ((2, 2), 1));
    flush(&["--realm", "corp"]);
    assert_eq!(known(), ((3, 3), 2));
    flush(&[]);
    assert_eq!(known(), ((4, 4), 3));
    // A wrong password is forgotten too.
    daemon.authenticate("alice", "wrong").is(1, "denied", "bad_credentials");
    daemon.authenticate("alice", "wrong").is(1, "denied", "bad_credentials");
    assert_eq!(slapd.binds_of(ALICE), 5);
    flush(&["alice"]);
    daemon.authenticate("alice", "wrong").is(1, "denied", "bad_credentials");
    assert_eq!(slapd.binds_of(ALICE), 6);
    let nowhere = daemon.ctl_json(&["flush", "--realm", "nowhere"], b"");
    assert_eq!((nowhere.code, nowhere.outcome()), (2, "failed"), "{nowhere:#?}");
}

#[test]
fn that_a_name_is_nobodys_is_remembered_for_its_time() {
    for (negative_ttl, searches) in [("1h", 1), ("0s", 3)] {
        let (slapd, daemon) = start(&format!("negative_ttl = \"{negative_ttl}\"\n"));
        for password in ["one", "two"] {
            daemon.authenticate("nobody", password).is(1, "denied", "bad_credentials");
        }
        daemon.lookup("nobody").is(1, "not_found", "no_such_user");
        assert_eq!(slapd.searches_for("uid=nobody"), searches, "{negative_ttl}");
    }
}

#[test]
fn a_user_in_use_is_read_again_before_the_time_is_over_and_nobody_waits() {
    let (slapd, daemon) = start("ttl = \"1h\"\nrefresh_ahead = 0.0001\n");
    assert_eq!(daemon.source("alice"), "directory");
    until_true("a refresh", || {
        assert_eq!(daemon.source("alice"), "cache");
        slapd.searches_for("uid=alice") == 2
    });
}

#[test]
fn identities_are_told_while_no_host_answers_and_passwords_only_where_that_is_allowed() {
    let times = "ttl = \"1ms\"\nstale = \"1h\"\n";
    let offline = format!("{times}offline_authentication = \"1h\"\n");
    for (cache, offline) in [(times, false), (&offline, true)] {
        let (mut slapd, daemon) = start(cache);
        daemon.authenticate("alice", "alice-secret").is_granted();
        slapd.kill();
        let found = daemon.lookup("alice");
        found.is_found();
        assert_eq!(found.json["source"], "stale");
        daemon.lookup("bob").is(3, "unavailable", "no_host");
        let granted = daemon.authenticate("alice", "alice-secret");
        if offline {
            granted.is_granted();
            assert_eq!(granted.json["source"], "stale");
        } else {
            granted.is(3, "unavailable", "no_host");
        }
        daemon.authenticate("alice", "wrong").is(3, "unavailable", "no_host");
        slapd.restart();
        until_true("the directory to be asked", || daemon.source("alice") == "directory");
        daemon.authenticate("alice", "alice-secret").is_granted();
    }
}

#[test]
fn a_fresh_password_is_right_while_no_host_answers() {
    let (mut slapd, daemon) = start("");
    daemon.authenticate("alice", "alice-secret").is_granted();
    slapd.kill();
    let granted = daemon.authenticate("alice", "alice-secret");
    granted.is_granted();
    assert_eq!(granted.json["source"], "cache");
}

#[test]
fn a_hanging_host_is_waited_for_and_what_was_known_is_told_before_the_time_is_up() {
    let slapd = Slapd::start();
    let cache = "[realm.corp.cache]\nttl = \"1ms\"\noffline_authentication = \"1h\"\n";
    let realm = slapd.realm();
    let daemon = Daemon::start(&format!("{realm}{cache}{LISTEN}request_timeout = \"1s\"\n"));
    daemon.authenticate("alice", "alice-secret").is_granted();
    slapd.pause();
    let granted = daemon.authenticate("alice", "alice-secret");
    granted.is_granted();
    assert_eq!(granted.json["source"], "stale");
    slapd.resume();
}

#[test]
fn a_reload_empties_only_the_realms_that_mean_something_else() {
    let slapd = Slapd::start();
    let corp = format!("default_realm = \"corp\"\n{}", slapd.realm());
    let daemon = Daemon::start(&corp);
    assert_eq!(daemon.source("alice"), "directory");
    daemon.configure(&format!("{corp}{LOCAL}"));
    daemon.ctl(&["reload"], b"").success();
    assert_eq!(daemon.source("alice"), "cache");
    // How long a request may take is no realm's affair, yet counts from now on.
    daemon.configure(&format!("{corp}{LOCAL}{LISTEN}request_timeout = \"700ms\"\n"));
    daemon.ctl(&["reload"], b"").success();
    assert_eq!(daemon.source("alice"), "cache");
    slapd.pause();
    let late = daemon.lookup("bob");
    assert_eq!((late.code, late.outcome()), (3, "unavailable"), "{late:#?}");
    slapd.resume();
    daemon.configure(&format!("{corp}first_name_attribute = \"cn\"\n{LOCAL}"));
    daemon.ctl(&["reload"], b"").success();
    let reply = daemon.lookup("alice");
    assert_eq!(reply.json["source"], "directory");
    assert_eq!(reply.metadata("X_REMOTE_FIRSTNAME"), Some("Alice Archer"));
}

/// What belongs to a process that may be traced belongs to its user, else to root (proc(5)).
#[test]
fn no_other_process_of_its_user_can_read_its_memory() {
    const NOBODY: u32 = 65_534;
    let folder = folder(LOCAL);
    let daemon = Daemon::start_in(folder, |usherd| {
        let own = std::fs::metadata("/proc/self").expect("itself").uid();
        if own != 0 {
            return usherd;
        }
        // Where it is built others may not look.
        let home = Path::new(usherd.get_envs().find_map(|(_, value)| value).expect("a socket"));
        let home = home.parent().expect("its folder");
        let program = home.join("usherd");
        std::fs::copy(usherd.get_program(), &program).expect("a copy");
        let files =
            std::fs::read_dir(home).expect("its files").map(|file| file.expect("one").path());
        for path in files.chain([home.to_path_buf()]) {
            chown(path, Some(NOBODY), Some(NOBODY)).expect("given away");
        }
        let mut command = Command::new(program);
        command.args(usherd.get_args()).uid(NOBODY).gid(NOBODY);
        command.envs(usherd.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command
    });
    let of = |what: &str| PathBuf::from(format!("/proc/{}/{what}", daemon.pid()));
    let user = text_of(&of("status"));
    let user = user.lines().find_map(|line| line.strip_prefix("Uid:\t")).expect("a user");
    assert!(!user.starts_with("0\t"), "{user}");
    for what in ["environ", "mem"] {
        assert_eq!(std::fs::metadata(of(what)).expect(what).uid(), 0, "{what}");
    }
}

#[test]
fn the_key_of_each_realms_digests_is_locked_in_memory_and_no_core_can_be_left() {
    let realms = format!("default_realm = \"home\"\n{LOCAL}{}", LOCAL.replace("home", "away"));
    let daemon = Daemon::start(&realms);
    let told = |file: &str, line: &str| {
        let text = text_of(&PathBuf::from(format!("/proc/{}/{file}", daemon.pid())));
        let found = text.lines().find_map(|text| text.strip_prefix(line));
        let words: Vec<_> = found.expect(line).split_whitespace().map(str::to_owned).collect();
        words
    };
    assert_eq!(told("status", "VmLck:"), ["8", "kB"]);
    assert_eq!(told("limits", "Max core file size"), ["0", "0", "bytes"]);
}
