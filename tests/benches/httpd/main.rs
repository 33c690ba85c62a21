//! What it costs httpd to know who its users are, by `mod_usher` and by what it replaces: the same
//! httpd serving the same page. `make bench`, as root on Debian. Prints what was measured beside
//! what it should be; nothing fails, since machines differ.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a measurement that cannot go on panics, and reads the real clock"
)]

mod contenders;
mod site;
#[path = "../../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the tests stand on more of it")]
mod support;

use std::process::Command;

use contenders::CONTENDERS;
use site::Servers;
use support::httpd::Httpd;
use support::process;
use support::programs::installed;

/// Each is measured so many times, in turn with the others, so that all share the machine's moods.
const ROUNDS: usize = 5;
/// "bench:bench-secret"
const AUTHORIZATION: &str = "Authorization: Basic YmVuY2g6YmVuY2gtc2VjcmV0";

fn main() {
    let servers = Servers::start();
    let running: Vec<Httpd> = CONTENDERS.iter().map(|it| it.start(&servers)).collect();
    let mut rates = vec![[Vec::new(), Vec::new()]; running.len()];
    for _ in 0..ROUNDS {
        for (httpd, rates) in running.iter().zip(&mut rates) {
            rates[0].push(rate(httpd, 1));
            rates[1].push(rate(httpd, 64));
        }
    }
    let rates: Vec<[f64; 2]> = rates.into_iter().map(|both| both.map(median)).collect();
    report(&rates);
}

/// Requests a second over so many connections.
fn rate(httpd: &Httpd, connections: u32) -> f64 {
    let mut wrk = Command::new(installed("wrk", "wrk"));
    wrk.args(["-t1", "-d1s", &format!("-c{connections}"), "-H", AUTHORIZATION]);
    wrk.arg(format!("http://127.0.0.1:{}/page", httpd.port()));
    let output = process::run(&mut wrk, b"").success().stdout;
    assert!(!output.contains("Non-2xx"), "{output}");
    let rate = output.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
    rate.and_then(|rate| rate.trim().parse().ok()).unwrap_or_else(|| panic!("wrk: {output}"))
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

fn report(rates: &[[f64; 2]]) {
    println!("\nA page of httpd's whose user is looked up (requests a second; the median)");
    println!("  {:<30} {:>8}  {:>10}  {:>8}  {:>7}", "", "1 conn.", "adds", "64 conn.", "share");
    // Microseconds that a request takes longer than without a lookup, one after the other.
    let added = |of: usize| 1e6 / rates[of][0] - 1e6 / rates[0][0];
    let share = |of: usize| rates[of][1] / rates[0][1];
    for (number, contender) in CONTENDERS.iter().enumerate() {
        let [one, many] = rates[number];
        let (name, added, share) = (contender.name, added(number), share(number));
        println!("  {name:<30} {one:>8.0}  {added:>7.0} us  {many:>8.0}  {share:>7.2}");
    }
    let (usher, reused, manual, plain, not_cached) = (1, 2, 4, 5, 7);
    println!(
        "  mod_usher's share with 64 connections: {:.2} asking for each request, {:.2} with \
         UsherReuse 1s (goal: 0.85)",
        share(usher),
        share(reused)
    );
    let parts = [manual, plain].map(|python| added(python) / added(usher));
    println!(
        "  mod_python adds {:.0} times what mod_usher adds as the manual has it, by ldaps:// \
         (goal: 20), {:.0} times without TLS",
        parts[0], parts[1]
    );
    let times = [0, 1].map(|of| rates[usher][of] / rates[not_cached][of]);
    println!(
        "  mod_usher serves {:.2} and {:.2} times what mod_authnz_ldap serves, not cached (goal: 1)",
        times[0], times[1]
    );
}
