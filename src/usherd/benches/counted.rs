//! The bytes that the cache says it takes are those that it takes: here the system is asked.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test that cannot go on panics"
)]

#[allow(dead_code, reason = "the benchmarks stand on more of it")]
mod sample;

use mimalloc::MiMalloc;
use tokio::time::Instant;
use usherd::directory::{Attributes, Entry};

/// The daemon's.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[test]
fn what_is_counted_is_within_a_tenth_of_what_the_process_takes() {
    let (realm, now) = (sample::realm(), Instant::now());
    // None is given back before the end: memory once used would not show again.
    let mut caches = Vec::new();
    // Just after the hash tables have grown, and long after that.
    for entries in [30_000, 50_000, 60_000] {
        let before = sample::resident();
        let cache = sample::cache();
        for number in 0..entries {
            sample::learn(&cache, &realm, &entry(number), now);
            if number % 4 == 0 {
                cache.learn_nobody(&format!("nobody{number}"), cache.asking(), now);
            }
        }
        let taken = (sample::resident() - before) as f64;
        let counted = cache.status().bytes as f64;
        let ratio = counted / taken;
        assert!((0.9..=1.1).contains(&ratio), "{entries}: {counted} of {taken}, {ratio}");
        caches.push(cache);
    }
}

/// A user with groups and a few attributes.
fn entry(number: usize) -> Entry {
    let name = format!("user{number}");
    let mut attributes = Attributes::default();
    attributes.add("mail", [format!("{name}@example.com")]);
    attributes.add("sn", ["Archer".repeat(number % 5)]);
    Entry {
        id: format!("uid={name},ou=people,dc=example,dc=com"),
        username: name,
        attributes,
        groups: vec!["dev".to_owned(); number % 7],
        filters: Vec::new(),
        barred: None,
    }
}
