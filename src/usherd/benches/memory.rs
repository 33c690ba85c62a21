//! What an entry of the cache takes, and whether many cost more time than few: a part of
//! `make bench`.
//!
//! A hit looks at four places in memory, one after the other: the group and the slot of the hash
//! table, the entry, the person. With a million entries each is a miss of the processor's caches
//! and, in small pages, of its list of pages (TLB); nothing that is written down elsewhere than in
//! the processor is free of that. So a hit is measured two ways: of anybody (each as likely as the
//! next, which is the worst), and of users as they come (the second most frequent half as often as
//! the first, and so on: Zipf's law).
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

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use mimalloc::MiMalloc;
use tokio::time::Instant;
use usher_protocol::Password;
use usherd::cache::{Cache, Digester, Memory, Who};
use usherd::config;
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
    println!("  entries  counted  resident  overhead  hit: anybody  as users come");
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
    let (digester, realm) = (Digester::new().expect("random"), realm());
    let now = Instant::now();
    let resident = resident();
    let cache = Cache::new(&settings()).expect("random");
    let mut payload = 0;
    for number in 0..entries {
        payload += learn(&cache, &realm, &digester, number, now);
    }
    let each = |bytes: f64| bytes / entries as f64;
    let counted = each(cache.status().bytes as f64);
    let grown = each((self::resident() - resident) as f64);
    let anybody = hit(&cache, &digester, now, |part| (part * entries as f64) as usize);
    let users = hit(&cache, &digester, now, |part| (entries as f64).powf(part) as usize - 1);
    println!(
        "{entries:9} {counted:8.0} {grown:9.0} {:9.0} {anybody:10.0} ns \
         {users:11.0} ns",
        counted - each(payload as f64),
    );
}

/// A realm of an LDAP directory that tells what is told by default.
fn realm() -> Arc<config::Realm> {
    let text = "[realm.corp]\ntype = \"ldap\"\nhost = \"ldap.example.com\"\nbase_dn = \"dc=x\"\n";
    let loaded = config::parse(text, Path::new("usher.toml")).expect("valid");
    Arc::clone(&loaded.settings.realms["corp"])
}

fn settings() -> config::Cache {
    config::Cache {
        ttl: Duration::from_secs(300),
        negative_ttl: Duration::from_secs(30),
        stale: Duration::from_secs(3600),
        offline_authentication: Duration::ZERO,
        max_bytes: 1 << 40,
        refresh_ahead: 0.8,
    }
}

fn name(number: usize) -> String {
    format!("user{number:07}")
}

/// Remembers a user and their password; the bytes that cannot be done without.
fn learn(
    cache: &Cache<Person>,
    realm: &config::Realm,
    digester: &Digester,
    number: usize,
    now: Instant,
) -> usize {
    let name = name(number);
    let mut attributes = Attributes::default();
    attributes.add("mail", [format!("{name}@example.com")]);
    attributes.add("givenName", ["Alice".to_owned()]);
    attributes.add("sn", [format!("Archer-{number}")]);
    let entry = Entry {
        id: format!("uid={name},ou=people,dc=example,dc=com"),
        username: name.clone(),
        attributes,
        groups: vec!["dev".to_owned(), "staff".to_owned()],
        filters: Vec::new(),
        barred: None,
    };
    let texts = entry.attributes.iter().map(|(name, values)| name.len() + values[0].len());
    let payload =
        entry.id.len() + 2 * name.len() + 8 + texts.sum::<usize>() + size_of::<[u8; 32]>();
    let person = Person::new(&entry, &[], realm);
    let digest = digester.digest(&name, &Password::from("secret"));
    cache.learn_identity(&name, &person, cache.asking(), now);
    cache.learn_password(&name, &person, (digest, true), cache.asking(), now);
    payload
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

/// Bytes of this process in memory.
fn resident() -> usize {
    const PAGE: usize = 4096;
    let statm = std::fs::read_to_string("/proc/self/statm").expect("statm");
    statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("pages")
        * PAGE
}
