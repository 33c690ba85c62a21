//! Where nobody but users themselves can read their entries, the password comes first: one bind
//! says whether it is right, and what that connection sees is who it is.

use std::sync::Arc;

use tokio::time::Instant;
use usher_protocol::{Password, Source, Warning};

use super::{Known, No, Person, Realm, WRONG};
use crate::cache::{Digest, Memory, Who};
use crate::config::{Directory, Rule};
use crate::directory::{Asked, Found, Verification};

/// Who somebody is, and what the directory says of the password.
pub(super) type Entered = (Known<Arc<Person>>, Known<Option<Warning>>);

/// What one bind and the search after it have shown.
pub(super) type Seen = (Arc<Person>, Option<Warning>, Instant);

impl Realm {
    /// Whether the road is this one.
    pub(super) fn users_read_themselves(&self) -> bool {
        match &self.settings.directory {
            Directory::Ldap(ldap) => ldap.users_read_themselves(),
            Directory::Local(_) => false,
        }
    }

    /// Whether the password is right and who that is: both from the cache, or both by one bind
    /// that all askers share.
    pub(super) async fn enter(
        self: &Arc<Self>,
        name: &str,
        password: &Password,
        rules: &[Rule],
        deadline: Instant,
    ) -> Result<Entered, No> {
        let extra = super::rules::asked(rules).beyond(&self.asked);
        let digest = self.digester.digest(name, password);
        let now = Instant::now();
        match (self.cache.password(name, &digest, now), self.cache.identity(name, now)) {
            (Memory::Wrong, _) => return Err(No::BadCredentials(WRONG)),
            (Memory::Right(right), Some(Who::Known(person, since)))
                if extra.clone().beyond(&person.extra).is_empty() =>
            {
                let source = Source::Cache;
                return Ok((
                    Known { fact: person, source, since },
                    Known { fact: None, source, since: right },
                ));
            }
            _ => {}
        }
        let bind = || {
            let (realm, name) = (Arc::clone(self), name.to_owned());
            let (password, extra) = (password.clone(), extra.clone());
            async move { realm.bind_and_look(&name, &password, digest, extra).await }
        };
        let asked = self.entries.join((name.to_owned(), digest, extra.clone()), bind);
        let (person, warning, since) = self.in_time(asked, deadline).await?;
        let source = Source::Directory;
        Ok((Known { fact: person, source, since }, Known { fact: warning, source, since }))
    }

    /// Asks the directory, and remembers what it said.
    async fn bind_and_look(
        &self,
        name: &str,
        password: &Password,
        digest: Digest,
        extra: Asked,
    ) -> Result<Seen, No> {
        let mut asked = self.asked.clone();
        asked.extend(&extra);
        let deadline = Instant::now() + self.patience;
        let said = self.directory.enter(name, password, &asked, deadline).await;
        let (verification, found) = said.map_err(No::Unavailable)?;
        let now = Instant::now();
        if verification == Verification::Wrong {
            self.cache.learn_password(name, digest, false, now);
        }
        let warning = self.admit(verification)?;
        match found {
            // The filter does not match this entry: it is no user's.
            Found::Nobody => Err(No::BadCredentials(WRONG)),
            Found::Several => Err(No::Ambiguous),
            Found::One(entry) => {
                let person = Arc::new(Person { entry, extra });
                self.cache.learn_identity(name, &person, now);
                self.cache.learn_password(name, digest, true, now);
                Ok((person, warning, now))
            }
        }
    }
}
