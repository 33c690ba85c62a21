//! What an answer from memory costs: `make bench`. Prints what was measured beside what it should
//! be; nothing fails, since machines differ.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a measurement that cannot go on panics, and reads the real clock"
)]

mod answer;
mod clock;
mod refusal;
mod road;
mod socket;

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

/// Counts allocations. The daemon of the measurement over the socket is a process of its own.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("echo"), Some(path)) => socket::echo(path.as_ref()),
        (chosen, _) => {
            for (name, measure) in [
                ("answer", answer::measure as fn()),
                ("refusal", refusal::measure),
                ("socket", socket::measure),
            ] {
                if chosen.is_none_or(|chosen| chosen == name) {
                    measure();
                }
            }
        }
    }
}

/// Nanoseconds and allocations of each of so many runs.
fn cost(runs: usize, mut run: impl FnMut(usize)) -> (f64, f64) {
    (0..runs / 10).for_each(&mut run);
    let (allocated, begin) = (ALLOCATOR.stats().allocations, clock::on_cpu());
    (0..runs).for_each(&mut run);
    let nanoseconds = clock::on_cpu() - begin;
    let allocations = (ALLOCATOR.stats().allocations - allocated) as f64;
    (nanoseconds / runs as f64, allocations / runs as f64)
}

/// A configuration with one user: alice, with the password alice-secret.
fn configure(folder: &std::path::Path) -> String {
    const USERS: &str = r#"[user.alice]
password = "$6$saltsalt$/C2f2mI63GwVL6w19P4eF9FOXe7XWkzn4T/rCm8eslDhgHnf5Xha/dbmfk9FLYdb4a6das.sbqAQgZo/l3Rus0"
email = "alice@example.com"
first_name = "Alice"
last_name = "Archer"
groups = ["dev"]
"#;
    let users = folder.join("users.toml");
    std::fs::write(&users, USERS).expect("the users");
    format!(
        "[realm.home]\ntype = \"local\"\nfile = {users:?}\ncache.ttl = \"1d\"\n\
         shield = {{ failures = 0, per_client = 0 }}\n\
         [listen]\nsocket = {:?}\nadmin_socket = {:?}\n",
        folder.join("usher.sock"),
        folder.join("admin.sock"),
    )
}
