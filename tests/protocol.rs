//! The socket's protocol with clients of every upbringing.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Write};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use usher_protocol::client::Client;
use usher_protocol::{Answer, Call, Reason, Reply, Request, Verdict, frame};

use crate::support::daemon::{Daemon, LISTEN, LOCAL};
use crate::support::process::{self, Output};
use crate::support::programs::installed;
use crate::support::slapd::Slapd;
use crate::support::wire::{Wire, authenticate, lookup, verdict};
use crate::support::{PATIENCE, repository, until_true};

fn start() -> Daemon {
    Daemon::start(&format!("{LOCAL}{LISTEN}request_timeout = \"300ms\"\n"))
}

#[track_caller]
fn assert_found(wire: &mut Wire) {
    let verdict = verdict(wire.ask(lookup("alice")));
    assert!(matches!(verdict, Verdict::Found(_)), "{verdict:?}");
}

#[test]
fn a_hundred_requests_at_once_are_answered_by_their_ids() {
    let daemon = Daemon::start(LOCAL);
    let mut wire = daemon.wire();
    for id in 1..=100 {
        wire.send(id, lookup(if u64::is_multiple_of(id, 2) { "alice" } else { "nobody" }));
    }
    let mut ids = BTreeSet::new();
    for _ in 1..=100 {
        let answer = wire.answer();
        let found = matches!(verdict(answer.reply), Verdict::Found(_));
        assert_eq!(found, answer.id.is_multiple_of(2), "{}", answer.id);
        ids.insert(answer.id);
    }
    assert_eq!(ids, (1..=100).collect());
}

#[test]
fn a_deadline_that_is_over_is_answered_as_such() {
    let daemon = Daemon::start(LOCAL);
    let mut wire = daemon.wire();
    for call in [lookup("alice"), authenticate("alice", "alice-secret")] {
        wire.send_request(&Request { id: 9, timeout_ms: Some(0), call });
        let answer = wire.answer();
        assert_eq!(answer.id, 9);
        let verdict = verdict(answer.reply);
        assert!(matches!(&verdict, Verdict::Unavailable(why) if why.reason == Reason::Deadline));
    }
    assert_found(&mut wire);
}

#[test]
fn a_wrong_length_is_named_and_closes_that_connection_alone() {
    let daemon = start();
    let mut other = daemon.wire();
    for header in [0_u32, 1, 65_537, u32::MAX] {
        let mut wire = daemon.wire();
        wire.send_bytes(&header.to_be_bytes());
        let refusal = wire.complaint();
        assert_eq!(refusal.reason, Reason::BadRequest);
        assert!(refusal.message.contains(&header.to_string()), "{}", refusal.message);
        assert_eq!(wire.until_closed(), b"");
        assert_found(&mut other);
    }
}

#[test]
fn another_version_is_answered_with_the_versions_spoken() {
    let daemon = start();
    let mut wire = daemon.wire();
    let request = Request { id: 5, timeout_ms: None, call: lookup("alice") };
    let mut bytes = frame::encode(&request).expect("encodes").to_vec();
    bytes[frame::HEADER] = 77;
    wire.send_bytes(&bytes);
    let message = wire.complaint().message;
    assert!(message.contains("version 77") && message.contains(": 1"), "{message}");
    assert_eq!(wire.until_closed(), b"");
}

#[test]
fn what_came_before_the_garbage_is_still_answered() {
    let daemon = start();
    let mut wire = daemon.wire();
    wire.send(3, lookup("alice"));
    wire.send_bytes(b"\0\0\0\x04\x01\xff\xff\xff");
    let mut answers = [wire.answer(), wire.answer()];
    answers.sort_by_key(|answer| answer.id);
    assert_eq!(answers.map(|answer| answer.id), [0, 3]);
    assert_eq!(wire.until_closed(), b"");
}

#[test]
fn garbage_closes_that_connection_alone_and_is_counted_but_hardly_logged() {
    let daemon = start();
    let mut other = daemon.wire();
    assert_found(&mut other);
    let start = Instant::now();
    for _ in 0..25 {
        for garbage in [&b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..], b"\0\0\0\x03\x01AA"] {
            let mut wire = daemon.wire();
            wire.send_bytes(garbage);
            wire.complaint();
            assert_eq!(wire.until_closed(), b"");
        }
    }
    assert_found(&mut other);
    let status = daemon.status();
    assert_eq!(status["counters"]["malformed_frames"], 50, "{status}");
    let logged = daemon.log().lines().filter(|line| line.contains("closed a connection")).count();
    let seconds = usize::try_from(start.elapsed().as_secs()).expect("few");
    assert!((1..=seconds + 2).contains(&logged), "{logged} lines: {}", daemon.log());
}

#[test]
fn half_a_frame_is_waited_for_no_longer_than_for_a_request() {
    let daemon = start();
    let mut idle = daemon.wire();
    assert_found(&mut idle);
    let request = Request { id: 5, timeout_ms: None, call: lookup("alice") };
    let bytes = frame::encode(&request).expect("encodes");
    for half in [1, 3, frame::HEADER, bytes.len() - 1] {
        let mut wire = daemon.wire();
        let start = Instant::now();
        wire.send_bytes(&bytes[..half]);
        wire.until_closed();
        assert!(start.elapsed() >= Duration::from_millis(250), "{half}: {:?}", start.elapsed());
    }
    // Between frames a connection may be silent for as long as it likes.
    assert_found(&mut idle);
}

#[test]
fn who_never_reads_answers_is_closed_and_others_go_on() {
    let daemon = start();
    let mut other = daemon.wire();
    let mut wire = daemon.wire();
    // From now on known, so that answers come in order.
    assert_found(&mut wire);
    let mut stream = wire.stream();
    let mut ids = 1_u64..;
    let error = ids.find_map(|id| {
        let request = Request { id, timeout_ms: None, call: lookup("alice") };
        stream.write_all(&frame::encode(&request).expect("encodes")).err()
    });
    let error = error.expect("an end");
    let closed = matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset);
    assert!(closed, "not closed: {error}");
    assert_found(&mut other);
    until_true("its place to be free", || daemon.status()["connections"] == 1);
    // What it can still read are whole answers, none left out, up to where the daemon gave up.
    let bytes = wire.until_closed();
    let (mut rest, mut id) = (bytes.as_slice(), 0);
    while let Some((header, body)) = rest.split_first_chunk()
        && let Some((body, next)) =
            body.split_at_checked(frame::length(*header).expect("an answer's length"))
    {
        id += 1;
        assert_eq!(frame::decode::<Answer>(body).expect("an answer").id, id);
        rest = next;
    }
    assert!(id > 100, "{id}");
}

#[test]
fn what_is_known_is_answered_beside_what_hangs_and_no_more_is_asked_than_may_be_in_work() {
    let slapd = Slapd::start();
    let daemon = Daemon::start(&format!("{}{LISTEN}max_in_flight = 2\n", slapd.realm()));
    let mut wire = daemon.wire();
    assert_found(&mut wire);
    slapd.pause();
    wire.send(1, lookup("bob"));
    for id in 2..=50 {
        wire.send(id, lookup("alice"));
    }
    let ids: Vec<u64> = (2..=50).map(|_| wire.answer().id).collect();
    assert!(ids.into_iter().eq(2..=50));
    // The second of these is one too many, and nothing is read behind it.
    for (id, user) in [(51, "user001"), (52, "user002"), (53, "alice")] {
        wire.send(id, lookup(user));
    }
    until_true("two to be in work", || daemon.status()["realms"][0]["questions"]["under_way"] == 2);
    let asked = daemon.status()["realms"][0]["questions"]["asked"].clone();
    assert_eq!(asked, 3, "{asked}");
    slapd.resume();
    let answered: BTreeSet<u64> = (0..4).map(|_| wire.answer().id).collect();
    assert_eq!(answered, [1, 51, 52, 53].into());
}

#[test]
fn commands_are_for_the_admin_socket() {
    let daemon = Daemon::start(LOCAL);
    for call in [Call::Status, Call::Reload] {
        let refused = verdict(daemon.wire().ask(call));
        let Verdict::Forbidden(refusal) = &refused else { panic!("{refused:?}") };
        assert_eq!(refusal.reason, Reason::PeerNotAllowed);
        assert!(refusal.message.contains("admin"), "{}", refusal.message);
    }
    let status = Wire::connect(&daemon.admin_socket()).ask(Call::Status);
    let Reply::Status(status) = status else { panic!("{status:?}") };
    assert_eq!(status.pid, daemon.pid());
}

#[test]
fn the_blocking_client_asks_again_when_the_daemon_was_restarted() {
    let daemon = Daemon::start(LOCAL);
    let mut client = Client::new(daemon.socket());
    let found = |reply| matches!(verdict(reply), Verdict::Found(_));
    assert!(found(client.ask(lookup("alice"), PATIENCE).expect("an answer")));
    let folder = daemon.crash();
    let _daemon = Daemon::start_in(folder, |command| command);
    assert!(found(client.ask(lookup("alice"), PATIENCE).expect("an answer")));
}

fn python(daemon: &Daemon, arguments: &[&str], input: &[u8]) -> Output {
    let mut python = Command::new(installed("python3", "python3"));
    python.arg(repository().join("tests/usher_client.py")).arg(daemon.socket());
    process::run(python.args(arguments), input)
}

#[test]
fn a_client_written_from_the_specification_alone_is_answered_as_usherctl_is() {
    let daemon = Daemon::start(LOCAL);
    let questions: [(&[&str], &[u8]); 6] = [
        (&["lookup", "alice"], b""),
        (&["lookup", "nobody"], b""),
        (&["lookup", "alice", "--require", "group=ops"], b""),
        (&["lookup", "alice", "--realm", "nowhere"], b""),
        (&["authenticate", "alice", "--client", "192.0.2.1"], b"alice-secret\n"),
        (&["authenticate", "alice"], b"wrong\n"),
    ];
    for (question, input) in questions {
        let theirs = python(&daemon, question, input);
        let mut json: Value = serde_json::from_str(&theirs.stdout).expect("JSON");
        let mut ours = daemon.ctl_json(question, input);
        // Whoever asks second is answered from memory.
        for answer in [&mut json, &mut ours.json] {
            let answer = answer.as_object_mut().expect("an object");
            answer.remove("source");
            answer.remove("age_s");
        }
        assert_eq!((theirs.code, json), (ours.code, ours.json), "{question:?}");
    }
}
