//! The bytes of every message, as `vectors.txt` holds them: they change only with the protocol's
//! version.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::{Value, json};
use usher_protocol::frame::{self, HEADER, Message};
use usher_protocol::{
    Answer, Answers, CacheStatus, Call, Comparison, Counters, Difference, Explanation, Histogram,
    HostState, HostStatus, Identity, Password, Profile, Query, Questions, RealmStatus, Reason,
    Refusal, Reply, Request, ShieldStatus, Source, Sources, Status, Step, Verdict, Warning,
};

use crate::support::process;
use crate::support::programs::installed;
use crate::support::repository;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors.txt");

#[test]
fn every_request_has_the_bytes_of_the_vectors() {
    compare("request.", &requests());
}

#[test]
fn every_answer_has_the_bytes_of_the_vectors() {
    compare("answer.", &answers());
}

/// In both directions, and with nothing left over on either side.
fn compare<M: Message + PartialEq + std::fmt::Debug>(prefix: &str, messages: &[(String, M)]) {
    let mut vectors = vectors();
    vectors.retain(|name, _| name.starts_with(prefix));
    for (name, message) in messages {
        let known = vectors.remove(name).unwrap_or_else(|| panic!("{name} is not in {FILE}"));
        let encoded = frame::encode(message).expect("encodes");
        assert_eq!(hex(&encoded), hex(&known), "{name}");
        let header = *known.first_chunk::<HEADER>().expect("a header");
        assert_eq!(frame::length(header), Ok(known.len() - HEADER), "{name}");
        assert_eq!(&frame::decode::<M>(&known[HEADER..]).expect("decodes"), message, "{name}");
    }
    assert!(vectors.is_empty(), "no message for {:?}", vectors.keys());
}

#[test]
fn a_client_written_from_the_specification_alone_agrees_with_the_vectors() {
    let mut python = Command::new(installed("python3", "python3"));
    python.arg(repository().join("tests/usher_client.py")).args(["--vectors", FILE]);
    let output = process::run(&mut python, b"").success();
    let read: Vec<Value> =
        output.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let meant: Vec<Value> = answers().iter().map(|(name, answer)| as_json(name, answer)).collect();
    assert_eq!(read, meant);
}

fn vectors() -> BTreeMap<String, Vec<u8>> {
    let text = std::fs::read_to_string(FILE).expect("the vectors");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, digits) = line.split_once(" = ").expect("name = hex");
            (name.to_owned(), bytes(digits))
        })
        .collect()
}

fn bytes(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| {
            let pair = std::str::from_utf8(pair).expect("ASCII");
            u8::from_str_radix(pair, 16).expect("two hexadecimal digits")
        })
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn requests() -> Vec<(String, Request)> {
    let alice = Query { user: "alice".to_owned(), ..Query::default() };
    let full = |user: &str, client: &str| Query {
        realm: Some("corp".to_owned()),
        user: user.to_owned(),
        client: Some(client.parse().expect("an address")),
        require: vec!["group=dev|ops".to_owned(), "attribute:a=b".to_owned()],
    };
    let jörg = Call::Authenticate(full("CORP\\jörg", "192.0.2.7"), Password::from("pässword"));
    let long = Call::Lookup(full(&"a".repeat(256), "2001:db8::7"));
    let corp = || Some("corp".to_owned());
    let full_flush = Call::Flush { realm: corp(), user: Some("alice".to_owned()) };
    let full_unblock = Call::Unblock { realm: corp(), user: "jörg".to_owned() };
    let bob = Query { user: "bob".to_owned(), ..Query::default() };
    let explain = Call::Explain(full("alice", "192.0.2.7"), Some(Password::from("s3cret")));
    let compare = Call::Compare { file: "/etc/usher/new.toml".to_owned(), seconds: 600 };
    let entry = |name: &str, id, timeout_ms, call| {
        (format!("request.{name}"), Request { id, timeout_ms, call })
    };
    vec![
        entry("authenticate", 1, None, Call::Authenticate(alice.clone(), Password::from("s3cret"))),
        entry("authenticate.full", 1 << 40, Some(1500), jörg),
        entry("lookup", 250, None, Call::Lookup(alice)),
        entry("lookup.full", 65_536, Some(0), long),
        entry("status", 251, None, Call::Status),
        entry("reload", 65_535, None, Call::Reload),
        entry("flush", 1, None, Call::Flush { realm: None, user: None }),
        entry("flush.full", 2, None, full_flush),
        entry("unblock", 3, None, Call::Unblock { realm: None, user: "alice".to_owned() }),
        entry("unblock.full", 4, None, full_unblock),
        entry("metrics", 5, None, Call::Metrics { skip: 700 }),
        entry("explain", 5, None, Call::Explain(bob, None)),
        entry("explain.full", 6, None, explain),
        entry("compare", 7, None, compare),
    ]
}

fn answers() -> Vec<(String, Answer)> {
    let mut answers = verdicts();
    // Throttled is among the others, with the time after which to ask again.
    let reasons = Reason::ALL.into_iter().filter(|reason| *reason != Reason::Throttled);
    answers.extend(reasons.map(|reason| {
        verdict(&format!("denied.{}", reason.as_str()), 9, Verdict::Denied(because(reason)))
    }));
    let mut push = |name: &str, id, reply| answers.push((name.to_owned(), Answer { id, reply }));
    push("answer.status", 10, Reply::Status(Box::new(status())));
    let step = |stage: &str, text: &str, after_us| Step {
        stage: stage.to_owned(),
        text: text.to_owned(),
        after_us,
    };
    let explanation = Explanation {
        steps: vec![step("realm", "corp", 12), step("entry", "no entry matches", 70_000)],
        hints: vec!["look elsewhere".to_owned()],
    };
    let nobody = Verdict::NotFound(because(Reason::NoSuchUser));
    push("answer.explained", 13, Reply::Explained(nobody, Box::new(explanation)));
    let comparison = Comparison {
        compared: 300,
        different: 1,
        refused: 2,
        passed_over: 3,
        differences: vec![Difference {
            realm: None,
            user: "alice".to_owned(),
            now: "granted".to_owned(),
            then: "denied (rule)".to_owned(),
        }],
    };
    push("answer.compared", 14, Reply::Compared(Box::new(comparison)));
    push("answer.done", 11, Reply::Done("read /etc/usher/usher.toml".to_owned()));
    push("answer.failed", 12, Reply::Failed("usher.toml:3:1: unknown key".to_owned()));
    let text = "usher_connections 3\n".to_owned();
    push("answer.metrics", 13, Reply::Metrics { text, more: true });
    answers
}

fn verdicts() -> Vec<(String, Answer)> {
    vec![
        verdict("granted", 1, Verdict::Granted(identity(Source::Directory, 0))),
        verdict("granted.cache", 2, Verdict::Granted(identity(Source::Cache, 299))),
        verdict("found", 3, Verdict::Found(identity(Source::Stale, 70_000))),
        verdict("found.bare", 4, Verdict::Found(bare_identity())),
        verdict("granted.expires", 13, warned(Warning::PasswordExpires(86_400))),
        verdict("granted.grace", 14, warned(Warning::GraceLogins(2))),
        verdict("denied.throttled", 5, Verdict::Denied(throttled())),
        verdict("not_found", 6, Verdict::NotFound(because(Reason::NoSuchUser))),
        verdict("unavailable", 7, Verdict::Unavailable(because(Reason::NoHost))),
        verdict("forbidden", 8, Verdict::Forbidden(because(Reason::PeerNotAllowed))),
        verdict("invalid", 0, Verdict::Invalid(because(Reason::BadRequest))),
    ]
}

fn verdict(name: &str, id: u64, verdict: Verdict) -> (String, Answer) {
    (format!("answer.{name}"), Answer { id, reply: Reply::Verdict(verdict) })
}

fn because(reason: Reason) -> Refusal {
    Refusal::new(reason, format!("for people: {}", reason.as_str()))
}

fn throttled() -> Refusal {
    Refusal { retry_after_s: Some(300), ..because(Reason::Throttled) }
}

fn identity(source: Source, age_s: u64) -> Identity {
    let metadata = [
        ("X_REMOTE_USER", "jörg"),
        ("X_REMOTE_EMAIL", "joerg@example.com"),
        ("X_REMOTE_LASTNAME", "Müller"),
    ];
    Identity {
        profile: Profile::new("jörg", "corp", &metadata, &["dev", "ops"]),
        source,
        age_s,
        warning: None,
    }
}

fn warned(warning: Warning) -> Verdict {
    Verdict::Granted(Identity { warning: Some(warning), ..bare_identity() })
}

fn bare_identity() -> Identity {
    let profile = Profile::new("alice", "corp", &[("", ""); 0], &[""; 0]);
    Identity { profile, ..identity(Source::Directory, 0) }
}

fn status() -> Status {
    Status {
        version: "0.1.0".to_owned(),
        pid: 4_242,
        uptime_s: 86_400,
        configured_s: 60,
        connections: 3,
        max_connections: 4_096,
        counters: Counters {
            connections_opened: 1,
            connections_shed: 2,
            malformed_frames: 3,
            reloads: 4,
            reloads_failed: 5,
            log_lines_lost: 6,
            audit_events_lost: 5_000_000_000,
        },
        elsewhere: Answers {
            forbidden: 2,
            invalid: 1,
            reasons: vec![(Reason::PeerNotAllowed, 2), (Reason::UnknownRealm, 1)],
            ..Answers::default()
        },
        realms: vec![corp(), home()],
    }
}

fn corp() -> RealmStatus {
    RealmStatus {
        name: "corp".to_owned(),
        kind: "ldap".to_owned(),
        hosts: vec![
            host("ldap://a.example.com:389", HostState::Untried, 0, None),
            host("ldap://b.example.com:389", HostState::Up, 2, None),
            host("ldap://c.example.com:389", HostState::Down, 0, Some("connection refused")),
        ],
        cache: CacheStatus {
            entries: 1,
            bytes: 400,
            max_bytes: 1 << 26,
            hits: 251,
            misses: 5,
            evictions: 6,
        },
        problem: None,
        shield: ShieldStatus { blocked_users: 3, blocked_clients: 250, blocks: 4, known_wrong: 5 },
        answers: Answers {
            granted: Sources { directory: 1, cache: 2, stale: 3 },
            found: Sources { directory: 4, cache: 5, stale: 6 },
            denied: 7,
            not_found: 8,
            unavailable: 9,
            forbidden: 10,
            invalid: 11,
            reasons: vec![(Reason::BadCredentials, 7), (Reason::BadRequest, 11)],
        },
        last_minute: 12,
        questions: Questions { under_way: 1, asked: 2, joined: 3 },
        answer_time: histogram(1),
        find_time: histogram(2),
        verify_time: histogram(300),
    }
}

fn home() -> RealmStatus {
    RealmStatus {
        name: "home".to_owned(),
        kind: "local".to_owned(),
        hosts: Vec::new(),
        cache: CacheStatus::default(),
        problem: Some("users.toml is not there".to_owned()),
        shield: ShieldStatus::default(),
        answers: Answers::default(),
        last_minute: 0,
        questions: Questions::default(),
        answer_time: Histogram::default(),
        find_time: Histogram::default(),
        verify_time: Histogram::default(),
    }
}

fn host(url: &str, state: HostState, lanes: u32, last_error: Option<&str>) -> HostStatus {
    HostStatus {
        url: url.to_owned(),
        state,
        state_s: 7,
        failures: 8,
        search_lanes: lanes,
        bind_lanes: lanes * 8,
        searching: lanes * 2,
        binding: lanes,
        waiting: 9,
        waits: 10,
        hedges: 11,
        hedges_won: 12,
        search_time: histogram(1),
        bind_time: histogram(2),
        certificate_expires: (lanes > 0).then_some(1_800_000_000),
        last_error: last_error.map(str::to_owned),
    }
}

/// Of so many in the first class, one more in the next, and so on.
fn histogram(first: u64) -> Histogram {
    let mut histogram = Histogram { sum_us: 1_000 * first, ..Histogram::default() };
    for (count, number) in histogram.counts.iter_mut().zip(first..) {
        *count = number;
    }
    histogram
}

/// An answer as the client in Python prints it.
fn as_json(name: &str, answer: &Answer) -> Value {
    let (kind, reply) = match &answer.reply {
        Reply::Verdict(verdict) => ("verdict", verdict_as_json(verdict)),
        Reply::Status(status) => ("status", status_as_json(status)),
        Reply::Done(text) => ("done", json!(text)),
        Reply::Failed(text) => ("failed", json!(text)),
        Reply::Metrics { text, more } => ("metrics", json!({ "text": text, "more": more })),
        Reply::Explained(verdict, explanation) => {
            ("explained", explanation_as_json(verdict, explanation))
        }
        Reply::Compared(comparison) => ("compared", comparison_as_json(comparison)),
    };
    json!({ "name": name, "id": answer.id, kind: reply })
}

fn explanation_as_json(verdict: &Verdict, explanation: &Explanation) -> Value {
    let step = |step: &Step| json!([step.stage, step.text, step.after_us]);
    json!({
        "steps": explanation.steps.iter().map(step).collect::<Vec<_>>(),
        "hints": explanation.hints,
        "verdict": verdict_as_json(verdict),
    })
}

fn comparison_as_json(comparison: &Comparison) -> Value {
    let Comparison { compared, different, refused, passed_over, .. } = *comparison;
    let difference = |it: &Difference| json!([it.realm, it.user, it.now, it.then]);
    json!({
        "compared": compared, "different": different, "refused": refused,
        "passed_over": passed_over,
        "differences": comparison.differences.iter().map(difference).collect::<Vec<_>>(),
    })
}

fn verdict_as_json(verdict: &Verdict) -> Value {
    let mut json = json!({ "outcome": verdict.outcome() });
    if let Some(identity) = verdict.identity() {
        let who = &identity.profile;
        json["user"] = json!(who.user());
        json["realm"] = json!(who.realm());
        json["metadata"] = who.metadata().collect();
        json["groups"] = who.groups().collect();
        json["source"] = json!(identity.source.as_str());
        json["age_s"] = json!(identity.age_s);
        match identity.warning {
            Some(Warning::PasswordExpires(seconds)) => {
                json["warning"] = json!({ "password_expires_s": seconds });
            }
            Some(Warning::GraceLogins(count)) => json["warning"] = json!({ "grace_logins": count }),
            None => {}
        }
    }
    if let Some(refusal) = verdict.refusal() {
        json["reason"] = json!(refusal.reason.as_str());
        json["message"] = json!(refusal.message);
        if let Some(seconds) = refusal.retry_after_s {
            json["retry_after_s"] = json!(seconds);
        }
    }
    json
}

fn status_as_json(status: &Status) -> Value {
    json!({
        "version": status.version, "pid": status.pid, "uptime_s": status.uptime_s,
        "configured_s": status.configured_s, "connections": status.connections,
        "max_connections": status.max_connections, "counters": status.counters,
        "elsewhere": answers_as_json(&status.elsewhere),
        "realms": status.realms.iter().map(realm_as_json).collect::<Vec<_>>(),
    })
}

fn answers_as_json(answers: &Answers) -> Value {
    let reasons = answers.reasons.iter();
    let reasons = reasons.map(|(reason, count)| (reason.as_str().to_owned(), json!(count)));
    json!({
        "granted": answers.granted, "found": answers.found, "denied": answers.denied,
        "not_found": answers.not_found, "unavailable": answers.unavailable,
        "forbidden": answers.forbidden, "invalid": answers.invalid,
        "reasons": reasons.collect::<serde_json::Map<_, _>>(),
    })
}

fn realm_as_json(realm: &RealmStatus) -> Value {
    json!({
        "name": realm.name, "kind": realm.kind,
        "hosts": realm.hosts.iter().map(host_as_json).collect::<Vec<_>>(),
        "cache": realm.cache, "problem": realm.problem, "shield": realm.shield,
        "answers": answers_as_json(&realm.answers), "last_minute": realm.last_minute,
        "questions": realm.questions, "answer_time": realm.answer_time,
        "find_time": realm.find_time, "verify_time": realm.verify_time,
    })
}

fn host_as_json(host: &HostStatus) -> Value {
    let state = json!(host.state.as_str());
    let Value::Object(mut json) = json!(host) else { panic!("a host is an object") };
    json.insert("state".to_owned(), state);
    Value::Object(json)
}
