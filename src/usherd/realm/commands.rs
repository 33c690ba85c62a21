//! What an administrator may ask of a realm.

use std::borrow::Cow;
use std::sync::atomic::Ordering;

use tokio::time::Instant;
use usher_protocol::{Questions, RealmStatus};

use super::Realm;
use super::username::Typed;
use crate::telemetry::trace;

impl Realm {
    /// Forgets what directories said of one user, or of all: this one's, and that of the realm that
    /// tells who users are. What fails from now on is counted on top of what has failed before.
    pub(super) fn flush(&self, user: Option<&str>) -> String {
        let realm = &self.settings.name;
        let name = user.map(|user| self.canonical(&Typed::new(user)));
        let done = match &name {
            None => self.flush_all(),
            Some(None) => return format!("nobody in realm {realm} can have this name"),
            Some(Some(name)) => {
                let who = self.cache.look(name, Instant::now());
                self.shield.forget(self.whose(name, who.identity()));
                // Also under whatever other names and spellings the directory knows this user by.
                if self.cache.forget(name, |person| person.is_called(name), Instant::now()) {
                    format!("forgot {name} of realm {realm}")
                } else {
                    format!("nothing was known of {name} in realm {realm}")
                }
            }
        };
        match &self.teller {
            Some(teller) => format!("{done}\n{}", teller.flush(name.flatten().as_deref())),
            None => done,
        }
    }

    /// Forgets what this realm's directory said of all users.
    pub(super) fn flush_all(&self) -> String {
        let names = self.cache.clear();
        self.shield.forget_all();
        format!("forgot {names} names of realm {}", self.settings.name)
    }

    /// Overwrites the digests of passwords, and first their key: tasks that are left may hold the
    /// realm until the process is gone.
    pub(super) fn wipe(&self) {
        self.cache.wipe();
        self.shield.forget_all();
    }

    /// Lifts a user's block.
    pub(super) fn unblock(&self, user: &str) -> String {
        let realm = &self.settings.name;
        match self.canonical(&Typed::new(user)) {
            Some(name) => {
                let who = self.cache.look(&name, Instant::now());
                match self.shield.unblock(self.whose(&name, who.identity())) {
                    true => format!("forgot the failures of {name} in realm {realm}"),
                    false => format!("{name} has no failures in realm {realm}"),
                }
            }
            None => format!("nobody in realm {realm} can have this name"),
        }
    }

    pub(super) fn status(&self, now: Instant) -> RealmStatus {
        RealmStatus {
            name: self.settings.name.clone(),
            kind: self.settings.directory.kind().to_owned(),
            hosts: self.directory.hosts(),
            cache: self.cache.status(),
            problem: self.directory.problem(),
            shield: self.shield.status(now),
            answers: self.tally.answers(),
            last_minute: self.tally.last_minute(now),
            questions: self.questions(),
            answer_time: self.tally.answer_time(),
            find_time: self.tally.find.now(),
            verify_time: self.tally.verify.now(),
        }
    }

    fn questions(&self) -> Questions {
        let flights = [self.searches.status(), self.binds.status(), self.entries.status()];
        flights.iter().fold(Questions::default(), |sum, one| Questions {
            under_way: sum.under_way + one.under_way,
            asked: sum.asked + one.asked,
            joined: sum.joined + one.joined,
        })
    }

    /// A directory that changed as a whole makes all void that it said before.
    pub(super) fn forget_if_void(&self) {
        let generation = self.directory.generation();
        // To read costs nothing beside other threads; to write does.
        if self.generation.load(Ordering::Acquire) != generation
            && self.generation.swap(generation, Ordering::AcqRel) != generation
        {
            self.cache.clear();
            self.shield.forget_all();
        }
    }

    /// The name that the directory is asked for.
    pub(super) fn canonical<'a>(&self, typed: &Typed<'a>) -> Option<Cow<'a, str>> {
        let name = typed.canonical(&self.settings.usernames);
        trace::step("username", || match &name {
            Some(name) => format!("the directory is asked for {name:?}"),
            None => "a name that no directory has: nobody is asked".to_owned(),
        });
        name
    }
}
