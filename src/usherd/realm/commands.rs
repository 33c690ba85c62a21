//! What an administrator may ask of a realm.

use std::sync::atomic::Ordering;

use tokio::time::Instant;
use usher_protocol::{Questions, RealmStatus};

use super::Realm;
use super::username::Typed;
use crate::telemetry::trace;

impl Realm {
    /// Forgets what the directory said of one user, or of all. What fails from now on is counted
    /// on top of what has failed before.
    pub(super) fn flush(&self, user: Option<&str>) -> String {
        let realm = &self.settings.name;
        let Some(user) = user else {
            let names = self.cache.clear();
            self.shield.forget_all();
            return format!("forgot {names} names of realm {realm}");
        };
        let Some(name) = self.canonical(&Typed::new(user)) else {
            return format!("nobody in realm {realm} can have this name");
        };
        self.shield.forget(&name);
        if self.cache.forget(&name) {
            format!("forgot {name} of realm {realm}")
        } else {
            format!("nothing was known of {name} in realm {realm}")
        }
    }

    /// Lifts a user's block.
    pub(super) fn unblock(&self, user: &str) -> String {
        let realm = &self.settings.name;
        match self.canonical(&Typed::new(user)) {
            Some(name) if self.shield.unblock(&name) => {
                format!("forgot the failures of {name} in realm {realm}")
            }
            Some(name) => format!("{name} has no failures in realm {realm}"),
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
        if self.generation.swap(generation, Ordering::AcqRel) != generation {
            self.cache.clear();
            self.shield.forget_all();
        }
    }

    /// The name that the directory is asked for.
    pub(super) fn canonical(&self, typed: &Typed<'_>) -> Option<String> {
        let name = typed.canonical(&self.settings.usernames);
        trace::step("username", || match &name {
            Some(name) => format!("the directory is asked for {name:?}"),
            None => "a name that no directory has: nobody is asked".to_owned(),
        });
        name
    }
}
