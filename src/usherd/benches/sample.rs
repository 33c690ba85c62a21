//! A cache to be filled, and what fills it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use usher_protocol::Password;
use usherd::cache::Cache;
use usherd::config;
use usherd::directory::{Attributes, Entry};
use usherd::realm::Person;

/// A realm of an LDAP directory that tells what is told by default.
pub(crate) fn realm() -> Arc<config::Realm> {
    let text = "[realm.corp]\ntype = \"ldap\"\nhost = \"ldap.example.com\"\nbase_dn = \"dc=x\"\n";
    let loaded = config::parse(text, Path::new("usher.toml")).expect("valid");
    Arc::clone(&loaded.settings.realms["corp"])
}

/// Without a bound that matters.
pub(crate) fn cache() -> Cache<Person> {
    let settings = config::Cache {
        ttl: Duration::from_secs(300),
        negative_ttl: Duration::from_secs(30),
        stale: Duration::from_secs(3600),
        offline_authentication: Duration::ZERO,
        max_bytes: 1 << 40,
        refresh_ahead: 0.8,
    };
    Cache::new(&settings).expect("random")
}

pub(crate) fn name(number: usize) -> String {
    format!("user{number:07}")
}

/// As a directory tells of them.
pub(crate) fn entry(number: usize) -> Entry {
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

/// Remembers a user, and that the password is `secret`.
pub(crate) fn learn(cache: &Cache<Person>, realm: &config::Realm, entry: &Entry, now: Instant) {
    let (name, person) = (&entry.username, Person::new(entry, &[], realm));
    let digest = cache.digest(name, &Password::from("secret"));
    cache.learn_identity(name, &person, cache.asking(), now);
    cache.learn_password(name, &person, (digest, true), cache.asking(), now);
}

/// Bytes of this process in memory.
pub(crate) fn resident() -> usize {
    const PAGE: usize = 4096;
    let statm = std::fs::read_to_string("/proc/self/statm").expect("statm");
    statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("pages")
        * PAGE
}
