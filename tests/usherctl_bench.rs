//! usherctl bench: load on the socket, and what is told of it.

use std::fs;

use crate::support::daemon::{Daemon, LOCAL};

#[test]
fn every_question_is_answered_and_counted() {
    let daemon = Daemon::start(LOCAL);
    let asked = ["bench", "--connections=3", "--in-flight=8", "--requests=500", "--user=alice"];
    let reply = daemon.ctl_json(&asked, b"alice-secret\n");
    assert_eq!(reply.code, 0, "{reply:#?}");
    assert_eq!(reply.json["answers"], 500);
    assert_eq!(reply.json["outcomes"], serde_json::json!({"granted": 500}));
    let buckets = reply.json["histogram"].as_array().expect("buckets");
    let counted: u64 = buckets.iter().filter_map(|bucket| bucket["answers"].as_u64()).sum();
    assert_eq!(counted, 500);
    assert!(reply.json["latency_us"]["p50"].as_f64() > Some(0.0), "{reply:#?}");
    assert!(reply.json["answers_per_second"].as_f64() > Some(0.0), "{reply:#?}");
}

#[test]
fn users_of_a_file_are_asked_about_in_turn() {
    let daemon = Daemon::start(LOCAL);
    let users = daemon.folder().join("people");
    fs::write(&users, "alice alice-secret\nnobody a password of several words\n").expect("written");
    let users = users.to_string_lossy().into_owned();
    let asked = ["bench", "--connections=1", "--requests=10", "--users", &users];
    let reply = daemon.ctl_json(&asked, b"");
    assert_eq!(reply.code, 1, "{reply:#?}");
    assert_eq!(reply.json["outcomes"], serde_json::json!({"granted": 5, "denied": 5}));
    let lookup = ["bench", "--lookup", "--connections=1", "--requests=10", "--users=-"];
    let reply = daemon.ctl_json(&lookup, b"alice\nnobody\n");
    assert_eq!(reply.json["outcomes"], serde_json::json!({"found": 5, "not_found": 5}));
}

#[test]
fn a_user_or_a_file_is_needed_and_no_password_fits_on_the_command_line() {
    let daemon = Daemon::start(LOCAL);
    for asked in [&["bench"][..], &["bench", "--user=a", "--users=b"], &["bench", "--user=a", "b"]]
    {
        assert_eq!(daemon.ctl(asked, b"").code, 2, "{asked:?}");
    }
    let output = daemon.ctl(&["bench", "--users=-"], b"alice alice-secret\nsecret\n");
    assert_eq!(output.code, 2, "{output:#?}");
    assert!(output.stderr.contains("line 2") && !output.stderr.contains("secret"), "{output:#?}");
}

#[test]
fn without_a_daemon_there_is_nothing_to_measure() {
    let asked = ["--socket=/nonexistent/usher.sock", "bench", "--lookup", "--user=alice"];
    let output = crate::support::programs::run("usherctl", &asked);
    assert_eq!((output.code, output.stdout.as_str()), (3, ""), "{output:#?}");
    assert!(output.stderr.contains("is it running?"), "{output:#?}");
}
