//! What it costs to ask usher-http about each request: `make bench`.
//!
//! The same page behind nginx that asks nobody's answer (a fixed 204 over a socket), behind nginx
//! that asks usher-http, behind nginx that asks a small daemon in Python, and behind Apache's
//! `mod_authnz_ldap` with its cache; all of them know the user already. In turn, so that whatever
//! else the machine does concerns all.
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

mod load;
mod plot;
mod servers;
#[path = "../../support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the tests stand on more of it")]
mod support;

use std::fs;
use std::path::Path;

use load::Run;

const ROUNDS: usize = 11;
/// The goal, of what nginx reaches that asks for a fixed 204.
const GOAL: f64 = 0.7;

fn main() {
    let servers = servers::start();
    let mut runs: Vec<Vec<Run>> = servers.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for (server, runs) in servers.iter().zip(&mut runs) {
            runs.push(load::run(server.port));
        }
    }
    let rows: Vec<(&str, Run)> =
        servers.iter().zip(runs).map(|(server, runs)| (server.name, load::median(runs))).collect();
    println!(
        "\nRequests through a proxy that asks who the user is, {} at a time (goal: usher-http at \
         least {GOAL} of the fixed 204)",
        load::CONNECTIONS
    );
    print!("{}", table(&rows));
    let picture = Path::new(env!("CARGO_TARGET_TMPDIR")).join("http-bench.svg");
    fs::write(&picture, plot::picture(&rows)).expect("a file");
    println!("  as a picture: {}", picture.display());
}

fn table(rows: &[(&str, Run)]) -> String {
    let first = rows[0].1.rate;
    let mut text = format!(
        "  {:<34} {:>9} {:>6} {:>9} {:>9}  processor time\n",
        "", "a second", "ratio", "p50", "p99"
    );
    for (name, run) in rows {
        let shares = run.shares().into_iter().map(|(who, share)| format!("{who} {share:.0} %"));
        let shares = shares.collect::<Vec<_>>().join(", ");
        text.push_str(&format!(
            "  {name:<34} {:>9.0} {:>6.2} {:>6.2} ms {:>6.2} ms  {shares}\n",
            run.rate,
            run.rate / first,
            run.p50_ms,
            run.p99_ms
        ));
    }
    text
}
