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

use mimalloc::MiMalloc;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use usher_protocol::Password;
use usherd::cache::{Cache, Digester};
use usherd::config;
use usherd::directory::{Attributes, Entry};
use usherd::realm::Person;

/// The daemon's.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[test]
fn what_is_counted_is_within_a_tenth_of_what_the_process_takes() {
    let (digester, realm) = (Digester::new().expect("random"), realm());
    let now = Instant::now();
    // None is given back before the end: memory once used would not show again.
    let mut caches = Vec::new();
    // Just after the hash tables have grown, and long after that.
    for entries in [30_000, 50_000, 60_000] {
        let before = resident();
        let cache = Cache::new(&settings()).expect("random");
        for number in 0..entries {
            learn(&cache, &realm, &digester, number, now);
            if number % 4 == 0 {
                cache.learn_nobody(&format!("nobody{number}"), cache.asking(), now);
            }
        }
        let taken = (resident() - before) as f64;
        let counted = cache.status().bytes as f64;
        let ratio = counted / taken;
        assert!((0.9..=1.1).contains(&ratio), "{entries}: {counted} of {taken}, {ratio}");
        caches.push(cache);
    }
}

/// Bytes of this process in memory.
fn resident() -> usize {
    const PAGE: usize = 4096;
    let statm = std::fs::read_to_string("/proc/self/statm").expect("statm");
    statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("pages")
        * PAGE
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

/// Remembers a user with groups and a few attributes, and the password.
fn learn(
    cache: &Cache<Person>,
    realm: &config::Realm,
    digester: &Digester,
    number: usize,
    now: Instant,
) {
    let name = format!("user{number}");
    let mut attributes = Attributes::default();
    attributes.add("mail", [format!("{name}@example.com")]);
    attributes.add("sn", ["Archer".repeat(number % 5)]);
    let entry = Entry {
        id: format!("uid={name},ou=people,dc=example,dc=com"),
        username: name.clone(),
        attributes,
        groups: vec!["dev".to_owned(); number % 7],
        filters: Vec::new(),
        barred: None,
    };
    let person = Person::new(&entry, &[], realm);
    let digest = digester.digest(&name, &Password::from("secret"));
    cache.learn_identity(&name, &person, cache.asking(), now);
    cache.learn_password(&name, &person, (digest, true), cache.asking(), now);
}
