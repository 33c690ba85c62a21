//! The bytes that the cache says it takes are those that it takes: here the allocator is asked.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test that cannot go on panics"
)]

use std::alloc::System;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio::time::Instant;
use usher_protocol::Password;
use usherd::cache::{Cache, Digester};
use usherd::config;
use usherd::directory::{Attributes, Entry};
use usherd::realm::Person;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn what_is_counted_is_within_a_tenth_of_what_is_allocated() {
    let (digester, realm) = (Digester::new().expect("random"), realm());
    let now = Instant::now();
    // Just after the hash tables have grown, and long after that.
    for entries in [1_000, 20_000, 30_000, 60_000] {
        let region = Region::new(ALLOCATOR);
        let cache = Cache::new(&settings()).expect("random");
        for number in 0..entries {
            learn(&cache, &realm, &digester, number, now);
            if number % 4 == 0 {
                cache.learn_nobody(&format!("nobody{number}"), cache.asking(), now);
            }
        }
        let change = region.change();
        let requested = change.bytes_allocated as f64 - change.bytes_deallocated as f64;
        let living = change.allocations as f64 - change.deallocations as f64;
        // What malloc(3) adds: a header of eight bytes and, on average, as many to the next step
        // of 16.
        let allocated = living.mul_add(16.0, requested);
        let counted = cache.status().bytes as f64;
        let ratio = counted / allocated;
        assert!((0.9..=1.1).contains(&ratio), "{entries}: {counted} of {allocated}, {ratio}");
    }
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
