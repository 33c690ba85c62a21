//! Where nobody but users themselves can read their entries, the password comes first: one bind
//! says whether it is right, and what that connection sees is who it is.

use std::sync::Arc;

use tokio::time::Instant;
use usher_protocol::{Password, Source, Warning};

use super::questions::{Try, not_tried, outcome, with_others};
use super::shield::{Gate, Guess, Outcome, Place};
use super::{Heard, Known, No, Person, Realm, WRONG, rules};
use crate::cache::{Asked, Digest, Memory, Who};
use crate::config::Directory;
use crate::directory::{Attempt, Found, Unavailable, Verification};
use crate::telemetry::{Notes, listening};

/// Who somebody is, and what the directory says of the password.
pub(super) type Entered = (Known<Person>, Known<Option<Warning>>);

/// What one bind and the search after it have shown: as [`Entered`], fresh from the directory.
pub(super) type Seen = (Person, Option<Warning>, Instant);

/// When, whose, which password, and what is wanted beside the realm's own by somebody whose password
/// is known to be right. As long as it is not, one bind is for all, whatever they want.
pub(super) type Question = (Asked, String, Digest, Vec<String>);

/// A password on its way to the directory, and what is wanted of whose it is.
struct Entry {
    name: String,
    password: Password,
    digest: Digest,
    extra: Vec<String>,
    begun: Instant,
    asked: Asked,
}

impl Realm {
    /// Whether the road is this one.
    pub(super) fn password_first(&self) -> bool {
        match &self.settings.directory {
            Directory::Ldap(ldap) => ldap.users_read_themselves(),
            Directory::Local(_) | Directory::Crowd(_) => false,
            // It may know users that are nowhere else.
            Directory::Pam(_) => true,
        }
    }

    /// Whether the password is right and who that is: both from what is known, or both by one bind
    /// that all askers share.
    pub(super) async fn enter(
        self: &Arc<Self>,
        tried: &Try<'_>,
        (who, memory): (Who<Person>, Memory),
        extra: Vec<String>,
        notes: &mut Notes<'_>,
        deadline: Instant,
    ) -> Result<Entered, No> {
        let whose = self.whose(tried.name, who.identity());
        let known = known(&who, &extra);
        if let (Memory::Right(since), Some(person)) = (memory, &known)
            && person.source == Source::Cache
        {
            notes.known = true;
            return Ok((person.clone(), Known { fact: None, source: Source::Cache, since }));
        }
        let all = with_others(extra.clone(), who.identity());
        let sure = matches!(memory, Memory::Right(_));
        let mut said =
            self.ask_both(tried, Guess { sure, ..tried.guess(whose) }, &all, notes, deadline).await;
        // Somebody else has asked, and for less.
        if said.as_ref().is_ok_and(|(person, ..)| !person.covers(&extra)) {
            let guess = Guess { sure: true, ..tried.guess(whose) };
            said = self.ask_both(tried, guess, &all, notes, deadline).await;
        }
        notes.known = said.is_ok() || known.is_some();
        match (said, known, memory) {
            (Ok((fact, warning, since)), _, _) => {
                let source = Source::Directory;
                Ok((Known { fact, source, since }, Known { fact: warning, source, since }))
            }
            (Err(no), Some(person), Memory::Right(since) | Memory::Offline(since))
                if no.is_silence() =>
            {
                Ok((person, Known { fact: None, source: Source::Stale, since }))
            }
            (Err(no), _, _) => Err(no),
        }
    }

    /// Whether the password is right and who that is, by one bind.
    async fn ask_both(
        self: &Arc<Self>,
        tried: &Try<'_>,
        guess: Guess<'_>,
        extra: &[String],
        notes: &mut Notes<'_>,
        deadline: Instant,
    ) -> Result<Seen, No> {
        let asked = self.cache.asking();
        let own = if guess.sure { extra.to_vec() } else { Vec::new() };
        let key = (asked, tried.name.to_owned(), tried.digest.clone(), own);
        let bind = || {
            // The place is taken before anybody else can take the same.
            let place = self.shield.admit(&guess, Instant::now());
            let entry = Entry {
                name: tried.name.to_owned(),
                password: tried.password.clone(),
                digest: tried.digest.clone(),
                extra: extra.to_vec(),
                begun: tried.begun,
                asked,
            };
            Arc::clone(self).bind_and_look(entry, place)
        };
        self.in_time(self.entries.join(key, bind), notes, deadline).await
    }

    /// Asks the directory if the shield lets it, and remembers what it said.
    async fn bind_and_look(
        self: Arc<Self>,
        entry: Entry,
        place: Result<Place, Gate>,
    ) -> Heard<Seen> {
        let place = match place {
            Ok(place) => place,
            Err(gate) => return (Err(not_tried(gate)), None),
        };
        let wanted = rules::wanted(self.own_facts().iter().chain(&entry.extra));
        let now = Instant::now();
        let leave = || place.send();
        let attempt = Attempt::new(&entry.password, &leave);
        let enter = self.directory.enter(&entry.name, attempt, &wanted, now + self.patience());
        let (said, host) = listening(enter).await;
        self.tally.verify.took(Instant::now() - now);
        let (verification, found) = match said {
            Ok((verification, found)) => (Ok(verification), found),
            Err(why) => (Err(why), Ok(Found::Nobody)),
        };
        let who = self.cache.look(&entry.name, Instant::now());
        let known = who.identity().map(|_| &*entry.name);
        let outcome = outcome(&verification);
        self.settle(place, outcome, known);
        if outcome == Outcome::Refused {
            self.cache.refuse(&entry.name, &entry.digest, entry.asked, Instant::now());
        }
        self.learn_pace(&verification, entry.begun);
        (self.learn_entry(entry, verification, found), host)
    }

    /// Remembers what was seen through a password.
    fn learn_entry(
        &self,
        entry: Entry,
        verification: Result<Verification, Unavailable>,
        found: Result<Found, Unavailable>,
    ) -> Result<Seen, No> {
        let Entry { name, digest, extra, asked, .. } = entry;
        let verification = verification.map_err(No::Unavailable)?;
        let warning = self.admit(verification)?;
        let now = Instant::now();
        match found.map_err(No::Unavailable)? {
            // The filter does not match this entry: it is no user's.
            Found::Nobody => Err(No::BadCredentials(WRONG)),
            Found::Several => Err(No::Ambiguous),
            Found::One(entry) => {
                let person = Person::new(&entry, &extra, &self.settings);
                self.cache.learn_identity(&name, &person, asked, now);
                if let Verification::Right(_) = verification {
                    self.cache.learn_password(&name, &person, (digest, true), asked, now);
                }
                Ok((person, warning, now))
            }
        }
    }
}

/// Who that is, if all that is wanted is known.
fn known(who: &Who<Person>, extra: &[String]) -> Option<Known<Person>> {
    let (fact, source, since) = match who {
        Who::Fresh { identity, since, .. } => (identity, Source::Cache, *since),
        Who::Stale { identity, since } => (identity, Source::Stale, *since),
        Who::Nobody | Who::Unknown => return None,
    };
    fact.covers(extra).then(|| Known { fact: fact.clone(), source, since })
}
