//! Whether the time of a refusal tells who exists: through the whole daemon, with slapd behind it.
//! Part of `make bench`; nothing fails, since machines differ.
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

use std::time::{Duration, Instant};

use usher_protocol::Verdict;

use support::daemon::Daemon;
use support::slapd::Slapd;
use support::wire::{Wire, authenticate, verdict};

const TRIES: usize = 1000;

fn main() {
    println!(
        "\nRefusals with slapd behind, {TRIES} of each in turn (goal: 50 % cannot be told apart)"
    );
    let slapd = Slapd::start();
    let daemon = |failures: u32| {
        let shield = format!("shield = {{ failures = {failures}, per_client = 0 }}\n");
        Daemon::start(&format!("{}{shield}", slapd.realm()))
    };
    let guesses = |number: usize| format!("guess-{number}");
    let open = daemon(0);
    compare("a wrong password", &open, guesses);
    compare("the same again", &open, |_| "guess-0".to_owned());
    compare("throttled", &daemon(1), guesses);
}

fn compare(what: &str, daemon: &Daemon, password: impl Fn(usize) -> String) {
    let mut wire = daemon.wire();
    let mut refused = |user, number| refused(&mut wire, user, &password(number));
    // Who comes first is not measured: it finds nothing open yet.
    refused("alice", TRIES);
    refused("nobody", TRIES);
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for number in 0..TRIES {
        if number % 2 == 0 {
            known.push(refused("alice", number));
            unknown.push(refused("nobody", number));
        } else {
            unknown.push(refused("nobody", number));
            known.push(refused("alice", number));
        }
    }
    // A guesser who is shown one of each and says that the faster is nobody.
    let faster = unknown.iter().flat_map(|nobody| known.iter().map(move |alice| nobody < alice));
    let told = faster.filter(|faster| *faster).count() as f64 / (TRIES * TRIES) as f64;
    let median = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        (times[TRIES / 2], times[TRIES * 95 / 100])
    };
    let (alice, nobody) = (median(&mut known), median(&mut unknown));
    println!(
        "  {what:<17} alice {:?} (95 in 100 below {:?}), nobody {:?} ({:?}); nobody is faster in \
         {:.0} % of pairs",
        alice.0,
        alice.1,
        nobody.0,
        nobody.1,
        told * 100.0
    );
}

fn refused(wire: &mut Wire, user: &str, password: &str) -> Duration {
    let begin = Instant::now();
    let verdict = verdict(wire.ask(authenticate(user, password)));
    let took = begin.elapsed();
    assert!(matches!(verdict, Verdict::Denied(_)), "{verdict:?}");
    took
}
