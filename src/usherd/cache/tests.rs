use std::time::Duration;

use tokio::time::Instant;
use usher_protocol::Password;

use super::{Cache, Digest, Identity, Memory, Who};
use crate::config;

pub(super) const TTL: Duration = Duration::from_secs(300);
pub(super) const NEGATIVE_TTL: Duration = Duration::from_secs(30);
pub(super) const STALE: Duration = Duration::from_secs(3600);
pub(super) const OFFLINE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Person(pub(super) &'static str, pub(super) usize);

impl Identity for Person {
    fn heap_bytes(&self) -> usize {
        self.1
    }
    fn is_same_as(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

pub(super) fn settings() -> config::Cache {
    config::Cache {
        ttl: TTL,
        negative_ttl: NEGATIVE_TTL,
        stale: STALE,
        offline_authentication: OFFLINE,
        max_bytes: 1 << 20,
        refresh_ahead: 0.8,
    }
}

fn cache(max_bytes: usize) -> Cache<Person> {
    Cache::new(&config::Cache { max_bytes, ..settings() }).expect("random")
}

fn person(name: &'static str, bytes: usize) -> Person {
    Person(name, bytes)
}

fn alice() -> Person {
    person("alice", 0)
}

impl Cache<Person> {
    fn is(&self, name: &str, identity: &Person, now: Instant) {
        self.learn_identity(name, identity, self.asking(), now);
    }

    fn is_nobody(&self, name: &str, now: Instant) {
        self.learn_nobody(name, self.asking(), now);
    }

    fn accepts(&self, digest: &Digest, right: bool, now: Instant) {
        self.learn_password("alice", &alice(), (digest.clone(), right), self.asking(), now);
    }

    fn digests<const N: usize>(&self, passwords: [&str; N]) -> [Digest; N] {
        passwords.map(|it| self.digest("alice", &Password::from(it)))
    }

    fn knows(&self, name: &str, now: Instant) -> bool {
        matches!(self.recall(name, now), Who::Fresh { .. })
    }
}

#[test]
fn an_identity_is_fresh_for_its_time_and_then_stale_and_then_gone() {
    let (cache, now) = (cache(1 << 20), Instant::now());
    assert_eq!(cache.recall("alice", now), Who::Unknown);
    cache.is("alice", &alice(), now);
    let fresh = Who::Fresh { identity: alice(), since: now, refresh: false };
    assert_eq!(cache.recall("alice", now + TTL / 2), fresh);
    let stale = Who::Stale { identity: alice(), since: now };
    assert_eq!(cache.recall("alice", now + TTL), stale);
    assert_eq!(cache.recall("alice", now + TTL + STALE), Who::Unknown);
}

#[test]
fn an_identity_in_use_is_to_be_read_again_before_its_time_is_over() {
    let (cache, now) = (cache(1 << 20), Instant::now());
    cache.is("alice", &alice(), now);
    let refresh = |now| matches!(cache.recall("alice", now), Who::Fresh { refresh: true, .. });
    let due = now + TTL * 4 / 5;
    assert!(!refresh(due - Duration::from_millis(1)));
    assert!(refresh(due));
    // Whoever comes next does not ask as well, unless that has come to nothing.
    assert!(!refresh(due));
    assert!(refresh(due + super::RETRY));
}

#[test]
fn nobody_is_known_for_a_shorter_time_and_replaced_by_somebody() {
    let (cache, now) = (cache(1 << 20), Instant::now());
    cache.is_nobody("alice", now);
    assert_eq!(cache.recall("alice", now), Who::Nobody);
    assert_eq!(cache.recall("alice", now + NEGATIVE_TTL), Who::Unknown);
    cache.is("alice", &alice(), now);
    assert!(cache.knows("alice", now));
    cache.is_nobody("alice", now);
    assert_eq!(cache.recall("alice", now), Who::Nobody);
}

#[test]
fn a_password_that_does_not_match_is_unknown_and_a_new_one_replaces_the_old() {
    let (cache, now) = (cache(1 << 20), Instant::now());
    let [old, new] = cache.digests(["old", "new"]);
    cache.is("alice", &alice(), now);
    cache.accepts(&old, true, now);
    assert_eq!(cache.password("alice", &old, now), Memory::Right(now));
    assert_eq!(cache.password("alice", &new, now), Memory::Unknown);

    cache.accepts(&new, false, now);
    assert_eq!(cache.password("alice", &old, now), Memory::Right(now));

    cache.accepts(&new, true, now);
    assert_eq!(cache.password("alice", &new, now), Memory::Right(now));
    assert_eq!(cache.password("alice", &old, now), Memory::Unknown);
}

#[test]
fn a_right_password_past_its_time_counts_only_while_no_host_answers_and_not_for_long() {
    let (cache, now) = (cache(1 << 20), Instant::now());
    let [digest] = cache.digests(["pw"]);
    cache.is("alice", &alice(), now);
    cache.accepts(&digest, true, now);
    assert_eq!(cache.password("alice", &digest, now + TTL), Memory::Offline(now));
    assert_eq!(cache.password("alice", &digest, now + TTL + OFFLINE), Memory::Unknown);
}

#[test]
fn a_refused_password_is_right_no_more() {
    let (cache, now) = (cache(1 << 20), Instant::now());
    let [digest] = cache.digests(["pw"]);
    cache.is("alice", &alice(), now);
    cache.accepts(&digest, true, now);
    cache.accepts(&digest, false, now);
    assert_eq!(cache.password("alice", &digest, now), Memory::Unknown);
}

#[test]
fn a_password_stays_with_the_same_entry_only() {
    let (cache, now) = (cache(1 << 20), Instant::now());
    let [digest] = cache.digests(["pw"]);
    cache.is("alice", &alice(), now);
    cache.accepts(&digest, true, now);
    cache.is("alice", &alice(), now);
    assert_eq!(cache.password("alice", &digest, now), Memory::Right(now));
    // Who was read just now may be another than the one that is known.
    let another = person("another alice", 0);
    assert_eq!(cache.password_of("alice", &alice(), &digest, now), Memory::Right(now));
    assert_eq!(cache.password_of("alice", &another, &digest, now), Memory::Unknown);
    cache.is("alice", &another, now);
    assert_eq!(cache.password("alice", &digest, now), Memory::Unknown);
    // A bind as the entry that had the name before says nothing of the one that has it now.
    cache.accepts(&digest, true, now);
    assert_eq!(cache.password("alice", &digest, now), Memory::Unknown);
}

#[test]
fn a_right_password_stays_for_its_time_when_the_identity_is_read_anew() {
    let settings = config::Cache { stale: Duration::ZERO, ..settings() };
    let (cache, now) = (Cache::new(&settings).expect("random"), Instant::now());
    let [digest] = cache.digests(["pw"]);
    let (since, expired) = (now + TTL * 3 / 4, now + TTL * 9 / 8);
    cache.is("alice", &alice(), now);
    cache.accepts(&digest, true, since);
    assert_eq!(cache.recall("alice", expired), Who::Unknown);
    cache.is("alice", &alice(), expired);
    assert_eq!(cache.password("alice", &digest, expired), Memory::Right(since));
    assert_eq!(cache.password("alice", &digest, since + TTL), Memory::Offline(since));

    // Past the time of both, and a password goes with whoever had the name.
    let expired = expired + TTL;
    cache.accepts(&digest, true, expired - TTL / 4);
    cache.is("alice", &person("another alice", 0), expired);
    assert_eq!(cache.password("alice", &digest, expired), Memory::Unknown);
    cache.is("alice", &alice(), expired);
    assert_eq!(cache.password("alice", &digest, expired), Memory::Unknown);
}

#[test]
fn a_password_is_refused_and_takes_room_by_its_own_time() {
    let settings = config::Cache { stale: Duration::ZERO, max_bytes: 10_000, ..settings() };
    let (cache, now) = (Cache::new(&settings).expect("random"), Instant::now());
    let [digest] = cache.digests(["pw"]);
    let (since, expired) = (now + TTL * 3 / 4, now + TTL * 9 / 8);
    cache.is("old", &person("old", 4000), now);
    cache.is("alice", &person("alice", 4000), now);
    cache.accepts(&digest, true, since);
    assert!(!cache.knows("alice", expired) && !cache.knows("old", expired));
    // Of the two that are past all service, the one without a password goes.
    cache.is("new", &person("new", 4000), expired);
    assert_eq!(cache.status().entries, 2);
    assert_eq!(cache.password("alice", &digest, expired), Memory::Right(since));
    cache.accepts(&digest, false, expired);
    assert_eq!(cache.password("alice", &digest, expired), Memory::Unknown);
}

#[test]
fn what_comes_too_late_to_be_learned_takes_what_was_known() {
    let (cache, now) = (cache(1 << 20), Instant::now());
    let [digest] = cache.digests(["pw"]);
    cache.is("alice", &alice(), now);
    cache.accepts(&digest, true, now);
    let asked = cache.asking();
    cache.forget("bob", |_| false, now);
    assert_eq!(cache.password("alice", &digest, now), Memory::Right(now));
    cache.learn_identity("alice", &person("another alice", 0), asked, now);
    assert_eq!(cache.password("alice", &digest, now), Memory::Unknown);
    assert_eq!(cache.recall("alice", now), Who::Unknown);
}

#[test]
fn what_was_asked_before_it_was_forgotten_is_not_learned_after() {
    let (cache, now) = (cache(1 << 20), Instant::now());
    let asked = cache.asking();
    assert!(!cache.forget("alice", |_| false, now));
    cache.learn_identity("alice", &alice(), asked, now);
    assert_eq!(cache.recall("alice", now), Who::Unknown);
    cache.is("alice", &alice(), now);
    assert!(cache.forget("alice", |_| false, now));
    assert_eq!(cache.recall("alice", now), Who::Unknown);
    cache.is("alice", &alice(), now);
    cache.is_nobody("bob", now);
    assert_eq!(cache.clear(), 2);
    assert_eq!(cache.status().entries, 0);
}

#[test]
fn who_is_forgotten_is_forgotten_under_all_names() {
    let (cache, now) = (cache(64 << 20), Instant::now());
    let names: Vec<String> = (0..50).map(|number| format!("alias{number}")).collect();
    let learn = || {
        names.iter().for_each(|name| cache.is(name, &person("alice", 100), now));
        cache.is("bob", &person("bob", 100), now);
    };
    let left = || (names.iter().any(|name| cache.knows(name, now)), cache.knows("bob", now));
    learn();
    assert!(cache.forget("alias7", |_| false, now));
    assert_eq!(left(), (false, true));
    learn();
    assert!(cache.forget("alice", |it| it.0 == "alice", now));
    assert_eq!(left(), (false, true));
    assert!(!cache.forget("alice", |it| it.0 == "alice", now));

    assert!(cache.forget("bob", |_| false, now));
    let tables = cache.status();
    assert_eq!(tables.entries, 0);
    learn();
    assert!(cache.forget("nobody", |_| true, now));
    assert_eq!((left(), cache.status().bytes), ((false, false), tables.bytes));
}

#[test]
fn bytes_are_bounded_and_the_least_recently_used_goes() {
    let (cache, now) = (cache(10_000), Instant::now());
    for name in ["first", "second"] {
        cache.is(name, &person(name, 4000), now);
    }
    assert!(cache.knows("first", now));
    cache.is("third", &person("third", 4000), now);
    assert!(cache.knows("first", now));
    assert!(!cache.knows("second", now));
    assert!(cache.status().bytes <= 10_000);
}

#[test]
fn whoever_is_asked_for_now_and_then_stays_while_thousands_come_and_go() {
    let (cache, now) = (cache(100_000), Instant::now());
    let regulars: Vec<String> = (0..50).map(|number| format!("regular{number}")).collect();
    regulars.iter().for_each(|name| cache.is(name, &alice(), now));
    for stranger in 0..20_000 {
        cache.is(&format!("stranger{stranger}"), &alice(), now);
        let regular = &regulars[stranger % regulars.len()];
        assert!(cache.knows(regular, now), "{regular} after {stranger}");
    }
    assert!(cache.status().bytes <= 100_000);
}

#[test]
fn what_is_of_no_more_use_goes_before_the_least_recently_used() {
    let (cache, now) = (cache(10_000), Instant::now());
    cache.is("old", &person("old", 4000), now);
    let later = now + TTL + STALE;
    cache.is("new", &person("new", 4000), later);
    // Asked for last, but there is nothing to tell.
    assert!(!cache.knows("old", later));
    cache.is("newer", &person("newer", 4000), later);
    assert!(cache.knows("new", later) && cache.knows("newer", later));
}

#[test]
fn what_nobody_asks_for_goes_in_the_course_of_time() {
    let (cache, now) = (cache(1 << 20), Instant::now());
    for name in ["a", "b", "c"] {
        cache.is(name, &person("x", 0), now);
    }
    let later = now + TTL + STALE;
    cache.is("d", &alice(), later);
    cache.is("e", &alice(), later);
    assert_eq!(cache.status().entries, 2);
}

#[test]
fn names_of_nobody_never_push_users_out_of_a_full_cache() {
    let (cache, now) = (cache(100_000), Instant::now());
    let mut users = Vec::new();
    while cache.status().evictions == 0 {
        users.push(format!("user{}", users.len()));
        cache.is(&users[users.len() - 1], &alice(), now);
    }
    users.retain(|user| cache.knows(user, now));
    assert!(users.len() > 400, "{}", users.len());
    for made_up in 0..10_000 {
        cache.is_nobody(&format!("made-up-{made_up}"), now);
    }
    assert!(users.iter().all(|user| cache.knows(user, now)));
    assert_eq!(cache.recall("made-up-9999", now), Who::Nobody);
    assert!(cache.status().bytes <= 100_000);
}

#[test]
fn what_is_larger_than_the_cache_is_not_kept() {
    let (cache, now) = (cache(10_000), Instant::now());
    cache.is("large", &person("large", 20_000), now);
    assert!(!cache.knows("large", now));
    assert!(cache.status().bytes <= 10_000);
}
