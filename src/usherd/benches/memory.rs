//! What an entry of the cache takes, and whether many cost more time than few: a part of
//! `make bench`.
//!
//! A hit looks at four places in memory, one after the other: the group and the slot of the hash
//! table, the entry, the person. With a million entries each is a miss of the processor's caches
//! and, in small pages, of its list of pages (TLB); nothing that is written down elsewhere than in
//! the processor is free of that. So a hit is measured two ways: of anybody (each as likely as the
//! next, which is the worst), and of users as they come (the second most frequent half as often as
//! the first, and so on: Zipf's law). Beside it stands what a bare look costs, each at a place that
//! the one before tells, in about as much memory: a hit of anybody without four of them is roughly
//! what the cache itself takes, for few and for many.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a measurement that cannot go on panics, and reads the real clock"
)]

mod clock;
mod sample;

use std::process::Command;

use mimalloc::MiMalloc;
use tokio::time::Instant;
use usher_protocol::Password;
use usherd::cache::{Cache, Digester, Memory, Who};
use usherd::directory::{Attributes, Entry};
use usherd::realm::Person;

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
    println!("\nEntries of the cache (goals: overhead below 600 bytes, counted within 10 %)");
    println!(
        "  entries  counted  resident  overhead  hit: anybody  as users come  bare look  anybody \
         less four"
    );
    for entries in [1_000, 100_000, 1_000_000] {
        run(entries, "0");
    }
    println!("  and in huge pages (MIMALLOC_ALLOW_LARGE_OS_PAGES=1):");
    run(1_000_000, "1");
}

/// Each in a process of its own, since memory once used would not show again.
fn run(entries: usize, huge_pages: &str) {
    let mut bench = Command::new(std::env::current_exe().expect("this program"));
    bench.arg(entries.to_string()).env("MIMALLOC_ALLOW_LARGE_OS_PAGES", huge_pages);
    bench.status().expect("measured");
}

fn measure_with(entries: usize) {
    let (digester, realm) = (Digester::new().expect("random"), sample::realm());
    let now = Instant::now();
    let resident = sample::resident();
    let cache = sample::cache();
    let mut texts = 0;
    for number in 0..entries {
        let entry = entry(number);
        texts += payload(&entry);
        sample::learn(&cache, &realm, &digester, &entry, now);
    }
    let each = |bytes: f64| bytes / entries as f64;
    let counted = each(cache.status().bytes as f64);
    let grown = each((sample::resident() - resident) as f64);
    let anybody = hit(&cache, &digester, now, |part| (part * entries as f64) as usize);
    let users = hit(&cache, &digester, now, |part| (entries as f64).powf(part) as usize - 1);
    let look = look(cache.status().bytes as usize);
    println!(
        "{entries:9} {counted:8.0} {grown:9.0} {:9.0} {anybody:10.0} ns {users:11.0} ns \
         {look:7.0} ns {:11.0} ns",
        counted - each(texts as f64),
        anybody - 4.0 * look,
    );
}

fn name(number: usize) -> String {
    format!("user{number:07}")
}

fn entry(number: usize) -> Entry {
    let name = name(number);
    let mut attributes = Attributes::default();
    attributes.add("mail", [format!("{name}@example.com")]);
    attributes.add("givenName", ["Alice".to_owned()]);
    attributes.add("sn", [format!("Archer-{number}")]);
    Entry {
        id: format!("uid={name},ou=people,dc=example,dc=com"),
        username: name,
        attributes,
        groups: vec!["dev".to_owned(), "staff".to_owned()],
        filters: Vec::new(),
        barred: None,
    }
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

/// Nanoseconds of a hit; which entry, says `choose` from a part of one.
fn hit(
    cache: &Cache<Person>,
    digester: &Digester,
    now: Instant,
    choose: impl Fn(f64) -> usize,
) -> f64 {
    const RUNS: usize = 400_000;
    let password = Password::from("secret");
    // Parts without an order, which no processor foresees; the golden ratio spreads them evenly.
    let part = |run: usize| (run as f64 * 0.618_033_988_749_895).fract();
    let names: Vec<String> = (0..RUNS).map(|run| name(choose(part(run)))).collect();
    let run = |run: usize| {
        let digest = digester.digest(&names[run], &password);
        let (who, memory) = cache.recall(&names[run], Some(&digest), now);
        assert!(matches!(who, Who::Fresh { .. }) && matches!(memory, Memory::Right(_)));
    };
    (0..RUNS / 10).for_each(run);
    let begin = clock::on_cpu();
    (0..RUNS).for_each(run);
    (clock::on_cpu() - begin) / RUNS as f64
}

/// Nanoseconds of a look at some place in about so many bytes.
fn look(bytes: usize) -> f64 {
    const RUNS: usize = 4_000_000;
    /// Numbers in what a processor reads at once.
    const LINE: usize = 64 / size_of::<usize>();
    let lines = (bytes / 64).next_power_of_two() / 2;
    // One round through all lines without an order: a generator of numbers of full period.
    let next = |line: usize| (line * 1_664_525 + 1_013_904_223) % lines;
    let mut places = vec![0; lines * LINE];
    (0..lines).for_each(|line| places[line * LINE] = next(line) * LINE);
    let mut place = 0;
    let begin = clock::on_cpu();
    (0..RUNS).for_each(|_| place = places[place]);
    let nanoseconds = clock::on_cpu() - begin;
    std::hint::black_box(place);
    nanoseconds / RUNS as f64
}
