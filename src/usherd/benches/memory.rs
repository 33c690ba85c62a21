//! What an entry of the cache takes of memory: a part of `make bench`.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a measurement that cannot go on panics, and reads the real clock"
)]

mod sample;

use std::process::Command;

use mimalloc::MiMalloc;
use tokio::time::Instant;
use usherd::directory::Entry;

/// The daemon's.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    match arguments.next() {
        Some(entries) => measure_with(entries.parse().expect("a number")),
        None => measure(),
    }
}

fn measure() {
    println!("\nBytes of an entry of the cache (goals: overhead below 600, counted within 10 %)");
    println!("  entries  counted  resident  overhead");
    // Each in a process of its own, since memory once used would not show again.
    for entries in ["1000", "100000", "1000000"] {
        let mut bench = Command::new(std::env::current_exe().expect("this program"));
        assert!(bench.arg(entries).status().expect("measured").success());
    }
}

fn measure_with(entries: usize) {
    let (realm, now) = (sample::realm(), Instant::now());
    let resident = sample::resident();
    let cache = sample::cache();
    let mut texts = 0;
    for number in 0..entries {
        let entry = sample::entry(number);
        texts += payload(&entry);
        sample::learn(&cache, &realm, &entry, now);
    }
    let each = |bytes: f64| bytes / entries as f64;
    let counted = each(cache.status().bytes as f64);
    let grown = each((sample::resident() - resident) as f64);
    println!("{entries:9} {counted:8.0} {grown:9.0} {:9.0}", counted - each(texts as f64));
}

/// The bytes that cannot be done without: the texts, the name by which it is found, a digest.
fn payload(entry: &Entry) -> usize {
    let texts = entry.attributes.iter().map(|(name, values)| name.len() + values[0].len());
    let groups: usize = entry.groups.iter().map(String::len).sum();
    entry.id.len()
        + 2 * entry.username.len()
        + groups
        + texts.sum::<usize>()
        + size_of::<[u8; 32]>()
}
