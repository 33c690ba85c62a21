//! What the road through the daemon costs where nothing is remembered: binds and searches a second
//! through it, beside those of a bare client on as many connections to the same slapd. Part of
//! `make bench`; nothing fails, since machines differ.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a measurement that cannot go on panics, and reads the real clock"
)]

#[path = "../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the tests stand on more of it")]
mod support;

use std::fmt::Write;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use usher_protocol::{Answer, Call, Reply, Request, Verdict, frame};

use support::daemon::{Daemon, folder};
use support::ldif::{PEOPLE, READER, READER_PASSWORD};
use support::slapd::{More, Slapd};
use support::wire::{authenticate, lookup};

/// Connections to slapd for each kind of operation: as many on both sides.
const LANES: usize = 16;
/// Who asks the daemon at once: as many as a busy web server has workers, so that there is always
/// somebody in front of each connection. The bare client has its next operation at hand.
const CLIENTS: usize = 64;
const USERS: usize = 3_000;
const ROUNDS: usize = 7;

fn main() {
    println!("\nUncached, on {LANES} connections to slapd (goal: 0.9 of a bare client's rate)");
    let ours = sched_getaffinity(Pid::from_raw(0)).expect("our processors");
    let processors: Vec<usize> =
        (0..CpuSet::count()).filter(|&place| ours.is_set(place).unwrap_or(false)).collect();
    match processors[..] {
        [slapds, ref rest @ ..] if !rest.is_empty() => {
            measure("slapd with a processor of its own", &[slapds], rest);
        }
        _ => println!("  not measured with a processor for slapd alone: there is one in all"),
    }
    measure("all on the same processors", &processors, &processors);
}

/// Programs run where the thread that starts them may run.
fn run_on(processors: &[usize]) {
    let mut set = CpuSet::new();
    processors.iter().for_each(|&place| set.set(place).expect("a processor"));
    sched_setaffinity(Pid::from_raw(0), &set).expect("processors");
}

fn measure(how: &str, slapds: &[usize], others: &[usize]) {
    run_on(slapds);
    let slapd = Slapd::start_with(More {
        // The log of every operation would make slapd slower than it is.
        log: "none",
        ldif: &users(),
        ..More::default()
    });
    run_on(others);
    let pool = format!("pool = {{ search_lanes = {LANES}, bind_lanes = {LANES} }}\n");
    let none = "shield = { failures = 0, per_client = 0 }\ncache = { refresh_ahead = 0 }\n";
    let files = folder(&format!("{}{pool}{none}", slapd.realm()));
    // It logs as little as slapd does.
    let daemon = Daemon::start_in(files, |mut command| {
        command.env("RUST_LOG", "warn");
        command
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        println!("  {how}");
        let (mut binds, mut searches) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            assert_eq!(daemon.ctl(&["flush"], b"").code, 0);
            let through = through(&daemon, |user| lookup(&user)).await;
            searches.push((through, direct(&slapd, search).await));
            // Now each is known, and nobody's password.
            let through = self::through(&daemon, |user| authenticate(&user, &secret(&user))).await;
            binds.push((through, direct(&slapd, bind).await));
        }
        tell("searches", searches);
        tell("binds", binds);
    });
}

fn tell(what: &str, mut rates: Vec<(f64, f64)>) {
    let ratio = |rates: &(f64, f64)| rates.0 / rates.1;
    rates.sort_by(|one, other| ratio(one).total_cmp(&ratio(other)));
    let (through, direct) = rates[ROUNDS / 2];
    println!(
        "    {what:8} {through:6.0}/s through usherd, {direct:6.0}/s direct, ratio {:.2} ({:.2} to \
         {:.2})",
        through / direct,
        ratio(&rates[0]),
        ratio(&rates[ROUNDS - 1])
    );
}

fn name(number: usize) -> String {
    format!("bench{number:04}")
}

fn dn(user: &str) -> String {
    format!("uid={user},{PEOPLE}")
}

fn secret(user: &str) -> String {
    format!("{user}-secret")
}

fn users() -> String {
    (0..USERS).fold(String::new(), |mut ldif, number| {
        let user = name(number);
        write!(
            ldif,
            "dn: {}\nobjectClass: inetOrgPerson\nuid: {user}\ncn: {user}\nsn: {number}\n\
             givenName: Bench\nmail: {user}@example.com\nuserPassword: {}\n\n",
            dn(&user),
            secret(&user)
        )
        .expect("a String");
        ldif
    })
}

/// Users a second, each asked for once by whichever of these is free.
async fn rate<F: Future<Output = ()>>(
    askers: usize,
    ask: impl Fn(&'static AtomicUsize) -> F,
) -> f64 {
    let next: &'static AtomicUsize = Box::leak(Box::new(AtomicUsize::new(0)));
    let begin = Instant::now();
    futures_util::future::join_all((0..askers).map(|_| ask(next))).await;
    USERS as f64 / begin.elapsed().as_secs_f64()
}

fn turn(next: &AtomicUsize) -> Option<String> {
    let number = next.fetch_add(1, Ordering::Relaxed);
    (number < USERS).then(|| name(number))
}

/// Through the daemon.
async fn through(daemon: &Daemon, call: impl Fn(String) -> Call) -> f64 {
    rate(CLIENTS, async |next| {
        let mut stream = UnixStream::connect(daemon.socket()).await.expect("the daemon");
        while let Some(user) = turn(next) {
            let request = Request { id: 1, timeout_ms: None, call: call(user) };
            let request = frame::encode(&request).expect("a request");
            stream.write_all(&request).await.expect("written");
            let mut header = [0; frame::HEADER];
            stream.read_exact(&mut header).await.expect("a header");
            let mut body = vec![0; frame::length(header).expect("a length")];
            stream.read_exact(&mut body).await.expect("an answer");
            let answer: Answer = frame::decode(&body).expect("an answer");
            let Reply::Verdict(Verdict::Found(_) | Verdict::Granted(_)) = answer.reply else {
                panic!("{answer:?}")
            };
        }
    })
    .await
}

/// Straight to slapd, one operation at a time on each connection.
async fn direct(slapd: &Slapd, request: impl Fn(&str) -> (u8, Vec<u8>)) -> f64 {
    rate(LANES, async |next| {
        let mut stream = TcpStream::connect(("127.0.0.1", slapd.port())).await.expect("slapd");
        stream.set_nodelay(true).expect("a socket");
        operate(&mut stream, &bind_as(READER, READER_PASSWORD)).await;
        while let Some(user) = turn(next) {
            operate(&mut stream, &request(&user)).await;
        }
    })
    .await
}

/// Sends a request and reads to the end of its answer, which must be a success.
async fn operate(stream: &mut TcpStream, (last, request): &(u8, Vec<u8>)) {
    stream.write_all(request).await.expect("written");
    loop {
        let mut head = [0; 2];
        stream.read_exact(&mut head).await.expect("an answer");
        let mut length = usize::from(head[1]);
        if length > 0x80 {
            let mut digits = vec![0; length - 0x80];
            stream.read_exact(&mut digits).await.expect("a length");
            length = digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit));
        }
        let mut content = vec![0; length];
        stream.read_exact(&mut content).await.expect("an answer");
        if content[3] == *last {
            assert_eq!(content[5..8], [0x0a, 1, 0], "{content:?}");
            return;
        }
    }
}

/// The kind of the last answer, and the request.
fn bind(user: &str) -> (u8, Vec<u8>) {
    bind_as(&dn(user), &secret(user))
}

fn bind_as(dn: &str, password: &str) -> (u8, Vec<u8>) {
    let content =
        [vec![2, 1, 3], element(4, dn.as_bytes()), element(0x80, password.as_bytes())].concat();
    (0x61, message(0x60, &content))
}

/// As the daemon searches.
fn search(user: &str) -> (u8, Vec<u8>) {
    let equal = |name: &str, value: &str| {
        element(0xa3, &[element(4, name.as_bytes()), element(4, value.as_bytes())].concat())
    };
    let filter = [equal("objectClass", "inetOrgPerson"), equal("uid", user)].concat();
    let attributes = ["uid", "mail", "givenName", "sn"].map(|name| element(4, name.as_bytes()));
    let content = [
        element(4, PEOPLE.as_bytes()),
        vec![0x0a, 1, 2, 0x0a, 1, 0, 2, 1, 2, 2, 1, 0, 1, 1, 0],
        element(0xa0, &filter),
        element(0x30, &attributes.concat()),
    ];
    (0x65, message(0x63, &content.concat()))
}

fn message(op: u8, content: &[u8]) -> Vec<u8> {
    element(0x30, &[vec![2, 1, 1], element(op, content)].concat())
}

/// An element of BER; none here has more than 255 bytes.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).expect("short");
    let head = if length < 0x80 { vec![tag, length] } else { vec![tag, 0x81, length] };
    [&head[..], content].concat()
}
