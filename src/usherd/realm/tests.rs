//! A road on which something breaks that never should.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use usher_protocol::{Password, Query, Reason};

use super::username::Typed;
use super::{No, Person, Realm, Who};
use crate::config;
use crate::directory::{Attempt, Directory, Entry, Found, Saying, Verification, Wanted};
use crate::telemetry::Notes;

/// A directory that has everybody, and panics when it is asked about a password.
struct Broken;

impl Directory for Broken {
    fn find<'a>(&'a self, user: &'a str, _: &'a Wanted, _: Instant) -> Saying<'a, Found> {
        let (id, username) = (user.to_owned(), user.to_owned());
        Box::pin(async { Ok(Found::One(Entry { id, username, ..Entry::default() })) })
    }

    fn verify<'a>(&'a self, _: &'a str, _: Attempt<'a>, _: Instant) -> Saying<'a, Verification> {
        Box::pin(async { panic!("on purpose") })
    }

    fn enter<'a>(
        &'a self,
        _: &'a str,
        _: Attempt<'a>,
        _: &'a Wanted,
        _: Instant,
    ) -> Saying<'a, (Verification, Found)> {
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

fn realm(directory: Broken) -> Arc<Realm> {
    let realm = Realm::open(&settings("shield.failures = 2"), None, None).expect("a realm");
    realm.limit(Duration::from_secs(5));
    Arc::new(Realm { directory: Arc::new(directory), ..realm })
}

#[tokio::test]
async fn a_password_whose_bind_panics_keeps_its_place() {
    let realm = realm(Broken);
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
async fn what_passwords_left_behind_is_gone_whoever_holds_the_realm() {
    let realm = realm(Broken);
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
