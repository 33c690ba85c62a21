//! The cache does as a simple model does, whatever happens in which order.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;
use usher_protocol::Password;

use super::tests::{NEGATIVE_TTL, OFFLINE, Person, STALE, TTL, settings};
use super::{Cache, Memory, Who};

/// Few of each, so that they meet.
const NAMES: [&str; 3] = ["alice", "bob", "carol"];
const ENTRIES: [&str; 2] = ["one", "another"];
const PASSWORDS: [&str; 3] = ["x", "y", "z"];

#[derive(Debug, Clone)]
enum Step {
    Pass(u64),
    Identity { name: usize, entry: usize },
    Nobody { name: usize },
    Password { name: usize, entry: usize, password: usize, right: bool },
    Forget { name: usize, also: Option<usize> },
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    let (name, entry, password) = (0..NAMES.len(), 0..ENTRIES.len(), 0..PASSWORDS.len());
    prop_oneof![
        4 => prop_oneof![0..40_u64, 0..400_u64, 0..5000_u64].prop_map(Step::Pass),
        6 => (name.clone(), entry.clone())
            .prop_map(|(name, entry)| Step::Identity { name, entry }),
        2 => name.clone().prop_map(|name| Step::Nobody { name }),
        6 => (name.clone(), entry.clone(), password, any::<bool>()).prop_map(
            |(name, entry, password, right)| Step::Password { name, entry, password, right }
        ),
        1 => (name, proptest::option::of(entry))
            .prop_map(|(name, also)| Step::Forget { name, also }),
        1 => Just(Step::Clear),
    ]
}

/// What the cache should know, without a thought of bytes or order.
#[derive(Default)]
struct Model(HashMap<usize, Fact>);

enum Fact {
    Nobody(Instant),
    Somebody { entry: usize, since: Instant, right: Option<(usize, Instant)> },
}

impl Model {
    fn take(&mut self, step: &Step, now: Instant) {
        // A password that is accepted no more is as good as not there, and so is whoever is past
        // all service without one.
        let accepted = |(_, since): &(usize, Instant)| now < *since + TTL + OFFLINE;
        self.0.retain(|_, fact| match fact {
            Fact::Nobody(_) => true,
            Fact::Somebody { since, right, .. } => {
                *right = right.filter(accepted);
                now < *since + TTL + STALE || right.is_some()
            }
        });
        match *step {
            Step::Pass(_) => {}
            Step::Identity { name, entry } => {
                let right = match self.0.remove(&name) {
                    Some(Fact::Somebody { entry: old, right, .. }) if old == entry => right,
                    _ => None,
                };
                self.0.insert(name, Fact::Somebody { entry, since: now, right });
            }
            Step::Nobody { name } => drop(self.0.insert(name, Fact::Nobody(now))),
            Step::Password { name, entry, password, right: accepted } => {
                if let Some(Fact::Somebody { entry: known, right, .. }) = self.0.get_mut(&name)
                    && *known == entry
                {
                    match (accepted, right.map(|(known, _)| known == password)) {
                        (true, _) => *right = Some((password, now)),
                        (false, Some(true)) => *right = None,
                        (false, _) => {}
                    }
                }
            }
            Step::Forget { name, also } => {
                let whose = |fact: &Fact| match fact {
                    Fact::Nobody(_) => None,
                    Fact::Somebody { entry, .. } => Some(*entry),
                };
                let known = self.0.remove(&name).as_ref().and_then(whose);
                self.0.retain(|_, fact| {
                    whose(fact).is_none_or(|it| Some(it) != known && Some(it) != also)
                });
            }
            Step::Clear => self.0.clear(),
        }
    }

    fn who(&self, name: usize, now: Instant) -> (&'static str, Option<(usize, Instant)>) {
        match self.0.get(&name) {
            Some(Fact::Nobody(since)) if now < *since + NEGATIVE_TTL => ("nobody", None),
            Some(Fact::Somebody { entry, since, .. }) if now < *since + TTL => {
                ("fresh", Some((*entry, *since)))
            }
            Some(Fact::Somebody { entry, since, .. }) if now < *since + TTL + STALE => {
                ("stale", Some((*entry, *since)))
            }
            _ => ("unknown", None),
        }
    }

    fn password(&self, name: usize, password: usize, now: Instant) -> Memory {
        match self.0.get(&name) {
            Some(Fact::Somebody { right: Some((right, since)), .. }) if *right == password => {
                if now < *since + TTL {
                    Memory::Right(*since)
                } else if now < *since + TTL + OFFLINE {
                    Memory::Offline(*since)
                } else {
                    Memory::Unknown
                }
            }
            _ => Memory::Unknown,
        }
    }
}

fn take(cache: &Cache<Person>, step: &Step, now: Instant) {
    let asked = cache.asking();
    match *step {
        Step::Pass(_) => {}
        Step::Identity { name, entry } => {
            let person = Person(ENTRIES[entry], 0);
            cache.learn_identity(NAMES[name], &person, asked, now);
        }
        Step::Nobody { name } => cache.learn_nobody(NAMES[name], asked, now),
        Step::Password { name, entry, password, right } => {
            let digest = cache.digest(NAMES[name], &Password::from(PASSWORDS[password]));
            let person = Person(ENTRIES[entry], 0);
            cache.learn_password(NAMES[name], &person, (digest, right), asked, now);
        }
        Step::Forget { name, also } => {
            let also = |person: &Person| also.is_some_and(|also| person.0 == ENTRIES[also]);
            cache.forget(NAMES[name], also, now);
        }
        Step::Clear => drop(cache.clear()),
    }
}

proptest! {
    #[test]
    fn the_cache_knows_what_the_model_knows(
        steps in proptest::collection::vec(step(), 1..60),
        max_bytes in prop_oneof![Just(1_usize << 20), Just(64 << 20)],
    ) {
        let cache =
            Cache::new(&crate::config::Cache { max_bytes, ..settings() }).expect("random");
        let (mut model, mut now) = (Model::default(), Instant::now());
        for step in &steps {
            if let Step::Pass(seconds) = step {
                now += Duration::from_secs(*seconds);
            }
            take(&cache, step, now);
            model.take(step, now);
            for (name, text) in NAMES.into_iter().enumerate() {
                let who = match cache.recall(text, now) {
                    Who::Fresh { identity, since, .. } => ("fresh", Some((identity.0, since))),
                    Who::Stale { identity, since } => ("stale", Some((identity.0, since))),
                    Who::Nobody => ("nobody", None),
                    Who::Unknown => ("unknown", None),
                };
                let (kind, fact) = model.who(name, now);
                let expected = (kind, fact.map(|(entry, since)| (ENTRIES[entry], since)));
                prop_assert_eq!(who, expected, "{} after {:?}", text, step);
                for (number, password) in PASSWORDS.iter().enumerate() {
                    let expected = model.password(name, number, now);
                    let (_, recalled, digest) =
                        cache.recall_both(text, &Password::from(*password), now);
                    prop_assert_eq!(recalled, expected, "{} {}", text, password);
                    let memory = cache.password(text, &digest, now);
                    prop_assert_eq!(memory, expected, "{} {}", text, password);
                }
            }
        }
    }

    #[test]
    fn bytes_never_exceed_their_bound_and_end_at_the_tables_alone(
        people in proptest::collection::vec((0..50_usize, 0..2000_usize, any::<bool>()), 1..300),
        max_bytes in 4096..100_000_usize,
    ) {
        let cache =
            Cache::new(&crate::config::Cache { max_bytes, ..settings() }).expect("random");
        let now = Instant::now();
        for (name, bytes, exists) in people {
            let name = format!("user{name}");
            if exists {
                let person = Person("one", bytes);
                cache.learn_identity(&name, &person, cache.asking(), now);
            } else {
                cache.learn_nobody(&name, cache.asking(), now);
            }
            let used = usize::try_from(cache.status().bytes).expect("few");
            prop_assert!(used <= max_bytes, "{used} of {max_bytes}");
        }
        for name in 0..50 {
            cache.forget(&format!("user{name}"), |_| false, now);
        }
        let left = cache.status();
        prop_assert_eq!(left.entries, 0);
        prop_assert!(left.bytes <= 4 * 64 * 17, "{:?}", left);
    }
}
