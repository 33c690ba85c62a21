use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use usher_protocol::Password;

use super::{Cache, Digester, Identity, Memory, Who};
use crate::config;

const TTL: Duration = Duration::from_secs(300);
const NEGATIVE_TTL: Duration = Duration::from_secs(30);

#[derive(Debug, PartialEq, Eq)]
struct Person(&'static str, usize);

impl Identity for Person {
    fn heap_bytes(&self) -> usize {
        self.1
    }
    fn is_same_as(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

fn cache(max_bytes: usize) -> Cache<Person> {
    Cache::new(&config::Cache { ttl: TTL, negative_ttl: NEGATIVE_TTL, max_bytes })
}

fn alice() -> Arc<Person> {
    Arc::new(Person("alice", 0))
}

#[test]
fn an_identity_is_fresh_for_its_time() {
    let (cache, now) = (cache(1 << 20), Instant::now());
    assert_eq!(cache.identity("alice", now), None);
    cache.learn_identity("alice", &alice(), now);
    assert_eq!(cache.identity("alice", now + TTL / 2), Some(Who::Known(alice(), now)));
    assert_eq!(cache.identity("alice", now + TTL), None);
}

#[test]
fn nobody_is_known_for_a_shorter_time_and_replaced_by_somebody() {
    let (cache, now) = (cache(1 << 20), Instant::now());
    cache.learn_nobody("alice", now);
    assert_eq!(cache.identity("alice", now), Some(Who::Nobody));
    assert_eq!(cache.identity("alice", now + NEGATIVE_TTL), None);
    cache.learn_identity("alice", &alice(), now);
    assert_eq!(cache.identity("alice", now), Some(Who::Known(alice(), now)));
    cache.learn_nobody("alice", now);
    assert_eq!(cache.identity("alice", now), Some(Who::Nobody));
}

#[test]
fn a_mismatch_is_unknown_and_a_refusal_is_wrong_for_a_while() {
    let (cache, now) = (cache(1 << 20), Instant::now());
    let digester = Digester::new().expect("random");
    let [old, new] = ["old", "new"].map(|it| digester.digest("alice", &Password::from(it)));
    cache.learn_identity("alice", &alice(), now);
    cache.learn_password("alice", old, true, now);
    assert_eq!(cache.password("alice", &old, now), Memory::Right(now));
    assert_eq!(cache.password("alice", &new, now), Memory::Unknown);

    cache.learn_password("alice", new, false, now);
    assert_eq!(cache.password("alice", &new, now), Memory::Wrong);
    assert_eq!(cache.password("alice", &old, now), Memory::Right(now));
    assert_eq!(cache.password("alice", &new, now + NEGATIVE_TTL), Memory::Unknown);

    cache.learn_password("alice", new, true, now);
    assert_eq!(cache.password("alice", &new, now), Memory::Right(now));
    assert_eq!(cache.password("alice", &old, now), Memory::Unknown);
    assert_eq!(cache.password("alice", &new, now + TTL), Memory::Unknown);
}

#[test]
fn a_refused_password_is_right_no_more() {
    let (cache, now) = (cache(1 << 20), Instant::now());
    let digest = Digester::new().expect("random").digest("alice", &Password::from("pw"));
    cache.learn_identity("alice", &alice(), now);
    cache.learn_password("alice", digest, true, now);
    cache.learn_password("alice", digest, false, now);
    assert_eq!(cache.password("alice", &digest, now), Memory::Wrong);
}

#[test]
fn a_password_stays_with_the_same_entry_only() {
    let (cache, now) = (cache(1 << 20), Instant::now());
    let digest = Digester::new().expect("random").digest("alice", &Password::from("pw"));
    cache.learn_identity("alice", &alice(), now);
    cache.learn_password("alice", digest, true, now);
    cache.learn_identity("alice", &alice(), now);
    assert_eq!(cache.password("alice", &digest, now), Memory::Right(now));
    cache.learn_identity("alice", &Arc::new(Person("another alice", 0)), now);
    assert_eq!(cache.password("alice", &digest, now), Memory::Unknown);
}

#[test]
fn bytes_are_bounded_and_the_least_recently_used_goes() {
    let (cache, now) = (cache(10_000), Instant::now());
    cache.learn_identity("first", &Arc::new(Person("first", 3000)), now);
    cache.learn_identity("second", &Arc::new(Person("second", 3000)), now);
    assert!(cache.identity("first", now).is_some());
    cache.learn_identity("third", &Arc::new(Person("third", 3000)), now);
    assert!(cache.identity("first", now).is_some());
    assert!(cache.identity("second", now).is_none());
    assert!(cache.status().bytes <= 10_000);
}

#[test]
fn names_of_nobody_never_push_users_out() {
    let (cache, now) = (cache(10_000), Instant::now());
    cache.learn_identity("alice", &alice(), now);
    for made_up in 0..10_000 {
        cache.learn_nobody(&format!("made-up-{made_up}"), now);
    }
    assert!(cache.identity("alice", now).is_some());
    assert!(cache.status().bytes <= 10_000 + 10_000 / 16);
}

#[test]
fn accounting_ends_at_zero() {
    let (cache, now) = (cache(1 << 20), Instant::now());
    for name in ["a", "b", "a", "c"] {
        cache.learn_identity(name, &alice(), now);
        cache.learn_nobody(name, now);
    }
    for name in ["a", "b", "c"] {
        cache.learn_identity(name, &alice(), now);
    }
    let mut facts = cache.facts();
    for name in ["a", "b", "c"] {
        facts.forget(name);
    }
    assert_eq!((facts.known_bytes, facts.nobody_bytes), (0, 0));
}
