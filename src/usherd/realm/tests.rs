//! A road on which something breaks that never should.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use usher_protocol::{Password, Query, Reason};

use super::username::Typed;
use super::{No, Person, Realm, Who};
use crate::config;
use crate::directory::{
    Attempt, Directory, Entered, Entry, Found, Saying, Unavailable, Verification, Wanted,
};
use crate::telemetry::Notes;

/// A directory that has everybody, and panics when it is asked about a password.
struct Broken;

impl Directory for Broken {
    fn find<'a>(&'a self, user: &'a str, _: &'a Wanted, _: Instant) -> Saying<'a, Found> {
        let (id, username) = (user.to_owned(), user.to_owned());
        Box::pin(async { Ok(Found::One(Entry { id, username, ..Entry::default() })) })
    }

    fn verify<'a>(
        &'a self,
        _: &'a str,
        attempt: Attempt<'a>,
        _: Instant,
    ) -> Saying<'a, Verification> {
        Box::pin(async move {
            assert!(attempt.may_go());
            panic!("on purpose")
        })
    }

    fn enter<'a>(
        &'a self,
        _: &'a str,
        _: Attempt<'a>,
        _: &'a Wanted,
        _: Instant,
    ) -> Saying<'a, Entered> {
        Box::pin(async { panic!("on purpose") })
    }
}

/// A realm `corp` with these lines.
pub(super) fn settings(lines: &str) -> Arc<config::Realm> {
    let text = format!(
        "[realm.corp]\ntype = \"ldap\"\nhost = \"ldap.example.com\"\nbase_dn = \"dc=x\"\n{lines}\n"
    );
    let loaded = config::parse(&text, Path::new("usher.toml")).expect("a configuration");
    Arc::clone(&loaded.settings.realms["corp"])
}

/// A realm `corp` with these lines, whose directory is the broken one.
fn realm(lines: &str) -> Arc<Realm> {
    let realm = Realm::open(&settings(lines), None, None).expect("a realm");
    realm.limit(Duration::from_secs(5));
    Arc::new(Realm { directory: Arc::new(Broken), ..realm })
}

#[tokio::test]
async fn a_password_whose_bind_panics_keeps_its_place() {
    let realm = realm("shield.failures = 2");
    let ask = async |password: &str| {
        let (mut notes, deadline) = (Notes::default(), Instant::now() + Duration::from_secs(5));
        let password = Password::from(password);
        let query = Query::default();
        realm.authenticate(&Typed::new("alice"), &password, &query, &mut notes, deadline).await
    };
    for password in ["one", "two"] {
        let answer = ask(password).await;
        assert!(matches!(answer, Err(No::Unavailable(why)) if why.reason == Reason::NoHost));
    }
    assert!(matches!(ask("three").await, Err(No::Throttled(_))));
}

#[tokio::test]
async fn a_password_outlives_the_identity_and_goes_with_the_entry() {
    let realm = realm("cache = { ttl = \"1h\", stale = \"0s\" }");
    let minutes = |count: u64| Duration::from_secs(60 * count);
    let (now, password) = (Instant::now(), Password::from("right"));
    for (name, id, granted) in [("alice", "alice", true), ("bob", "who was bob", false)] {
        let entry = Entry { id: id.to_owned(), ..Entry::default() };
        let person = Person::new(&entry, &[], &realm.settings);
        let (asked, digest) = (realm.cache.asking(), realm.cache.digest(name, &password));
        realm.cache.learn_identity(name, &person, asked, now - minutes(70));
        let said = (digest, true);
        realm.cache.learn_password(name, &person, said, asked, now - minutes(20));
        let (mut notes, deadline) = (Notes::default(), now + Duration::from_secs(5));
        let (typed, query) = (Typed::new(name), Query::default());
        let answer = realm.authenticate(&typed, &password, &query, &mut notes, deadline).await;
        assert_eq!(answer.is_ok(), granted, "{name}: {answer:?}");
    }
}

#[tokio::test]
async fn a_user_is_flushed_under_all_names() {
    let realm = realm("");
    let now = Instant::now();
    let users = [("alice", "ALICE"), ("alice@example.com", "ALICE"), ("bob", "bob")];
    for flushed in ["Alice", "alice@example.com"] {
        for (name, username) in users {
            let [id, username] = [username; 2].map(str::to_owned);
            let entry = Entry { id, username, ..Entry::default() };
            let person = Person::new(&entry, &[], &realm.settings);
            realm.cache.learn_identity(name, &person, realm.cache.asking(), now);
        }
        realm.flush(Some(flushed));
        for (name, _) in users {
            let known = matches!(realm.cache.look(name, now), Who::Fresh { .. });
            assert_eq!(known, name == "bob", "{name} after {flushed}");
        }
    }
}

#[tokio::test]
async fn what_passwords_left_behind_is_gone_whoever_holds_the_realm() {
    let realm = realm("");
    let holder = Arc::clone(&realm);
    let (entry, now) = (Entry { id: "alice".to_owned(), ..Entry::default() }, Instant::now());
    let person = Person::new(&entry, &[], &realm.settings);
    realm.cache.learn_identity("alice", &person, realm.cache.asking(), now);
    assert!(!holder.cache.is_wiped());
    assert!(matches!(holder.cache.look("alice", now), Who::Fresh { .. }));
    realm.wipe();
    assert!(holder.cache.is_wiped());
    realm.cache.learn_identity("alice", &person, realm.cache.asking(), now);
    assert!(matches!(holder.cache.look("alice", now), Who::Unknown));
}

/// A directory that has everybody, and refuses every password.
struct Refusing;

impl Directory for Refusing {
    fn find<'a>(&'a self, user: &'a str, wanted: &'a Wanted, by: Instant) -> Saying<'a, Found> {
        Broken.find(user, wanted, by)
    }

    fn verify<'a>(
        &'a self,
        _: &'a str,
        attempt: Attempt<'a>,
        _: Instant,
    ) -> Saying<'a, Verification> {
        Box::pin(async move {
            assert!(attempt.may_go());
            Ok(Verification::Wrong)
        })
    }
}

/// Once refused, a password is not right any more, whoever is read under the name afterwards.
#[tokio::test]
async fn a_password_that_is_refused_before_its_user_is_read_is_forgotten() {
    let lines = "user_dn = \"uid=%u,dc=x\"\ncache = { ttl = \"1h\", stale = \"0s\" }";
    let text = settings(lines);
    let realm = Realm::open(&text, None, None).expect("a realm");
    realm.limit(Duration::from_secs(5));
    let realm = Arc::new(Realm { directory: Arc::new(Refusing), ..realm });
    assert!(realm.password_first());
    let minutes = |count: u64| Duration::from_secs(60 * count);
    let (now, password) = (Instant::now(), Password::from("right"));
    let entry = Entry { id: "alice".to_owned(), ..Entry::default() };
    let person = Person::new(&entry, &[], &realm.settings);
    let (asked, digest) = (realm.cache.asking(), realm.cache.digest("alice", &password));
    realm.cache.learn_identity("alice", &person, asked, now - minutes(70));
    realm.cache.learn_password("alice", &person, (digest, true), asked, now - minutes(20));
    let (typed, query, deadline) = (Typed::new("alice"), Query::default(), now + minutes(1));
    let mut notes = Notes::default();
    for _ in 0..2 {
        let said = realm.authenticate(&typed, &password, &query, &mut notes, deadline).await;
        assert!(matches!(said, Err(No::BadCredentials(_))), "{said:?}");
        let known = realm.lookup(&typed, &query, &mut notes, deadline).await;
        assert!(known.is_ok(), "{known:?}");
    }
}

/// A directory where somebody answers, or nobody does, and never what was asked.
struct Useless {
    silent: bool,
}

impl Useless {
    fn why(&self) -> Unavailable {
        let why = Unavailable::new(Reason::NoHost, "unavailing");
        if self.silent { why } else { why.not_silent() }
    }
}

impl Directory for Useless {
    fn find<'a>(&'a self, _: &'a str, _: &'a Wanted, _: Instant) -> Saying<'a, Found> {
        Box::pin(async { Err(self.why()) })
    }

    fn verify<'a>(&'a self, _: &'a str, _: Attempt<'a>, _: Instant) -> Saying<'a, Verification> {
        Box::pin(async { Err(self.why()) })
    }
}

#[tokio::test]
async fn what_was_known_serves_where_nobody_answers_and_not_where_somebody_does() {
    for silent in [true, false] {
        let lines = "cache = { ttl = \"1m\", stale = \"1h\", offline_authentication = \"1h\" }";
        let realm = Realm::open(&settings(lines), None, None).expect("a realm");
        realm.limit(Duration::from_secs(5));
        let realm = Arc::new(Realm { directory: Arc::new(Useless { silent }), ..realm });
        let (now, password) = (Instant::now(), Password::from("right"));
        let before = now - Duration::from_secs(120);
        let entry = Entry { id: "alice".to_owned(), ..Entry::default() };
        let person = Person::new(&entry, &[], &realm.settings);
        let (asked, digest) = (realm.cache.asking(), realm.cache.digest("alice", &password));
        realm.cache.learn_identity("alice", &person, asked, before);
        realm.cache.learn_password("alice", &person, (digest, true), asked, before);
        let (typed, query) = (Typed::new("alice"), Query::default());
        let (mut notes, deadline) = (Notes::default(), now + Duration::from_secs(5));
        let known = realm.lookup(&typed, &query, &mut notes, deadline).await;
        let said = realm.authenticate(&typed, &password, &query, &mut notes, deadline).await;
        assert_eq!((known.is_ok(), said.is_ok()), (silent, silent), "{known:?} {said:?}");
    }
}
