//! Policy: one request, one answer. The road is composed here and nowhere else.

mod enter;
mod flight;
mod metadata;
mod realms;
mod rules;
mod username;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use usher_protocol::{Identity, Password, Query, RealmStatus, Reason, Source, Warning};

use crate::cache::{self, Cache, Digest, Digester, Memory, Who};
use crate::config::{self, Rule, Test};
use crate::directory::{self, Asked, Directory, Entry, Found, Unavailable, Verification};
use enter::Seen;
use flight::Flight;
use metadata::harmless;
use username::{Typed, in_case};

pub use realms::Realms;

/// One realm: its rules, what it knows, and whom it can ask.
struct Realm {
    settings: Arc<config::Realm>,
    directory: Arc<dyn Directory>,
    /// What metadata and rules need to know of an entry.
    asked: Asked,
    cache: Cache<Person>,
    /// The directory's generation that the cache is of.
    generation: AtomicU64,
    digester: Digester,
    searches: Flight<(String, Asked), Result<Searched, No>>,
    binds: Flight<(String, Digest), Result<Verification, No>>,
    entries: Flight<(String, Digest, Asked), Result<Seen, No>>,
    /// How long a directory is asked, whoever still waits.
    patience: Duration,
}

/// What the directory said of a user.
#[derive(Debug, PartialEq, Eq)]
struct Person {
    entry: Entry,
    /// What was asked for beside the realm's own.
    extra: Asked,
}

impl cache::Identity for Person {
    fn heap_bytes(&self) -> usize {
        self.entry.heap_bytes() + self.extra.heap_bytes()
    }

    fn is_same_as(&self, other: &Self) -> bool {
        self.entry.id == other.entry.id
    }
}

/// Who a search found, if anybody, and when.
type Searched = Option<(Arc<Person>, Instant)>;

/// A fact and whence it comes.
struct Known<T> {
    fact: T,
    source: Source,
    since: Instant,
}

/// Why the answer is not a yes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum No {
    BadCredentials(&'static str),
    Nobody(&'static str),
    Barred(Reason),
    Ambiguous,
    Rule(String),
    Unavailable(Unavailable),
    UnknownRealm(String),
    BadRequest(String),
}

const WRONG: &str = "wrong user name or password";
const NOBODY: &str = "no such user";

impl Realm {
    fn open(settings: &Arc<config::Realm>, patience: Duration) -> Result<Self, String> {
        let mut asked = metadata::asked(&settings.metadata);
        asked.extend(&rules::asked(&settings.rules));
        Ok(Self {
            settings: Arc::clone(settings),
            directory: directory::open(settings)?,
            asked,
            cache: Cache::new(&settings.cache),
            generation: AtomicU64::new(0),
            digester: Digester::new().map_err(|error| format!("no random bytes: {error}"))?,
            searches: Flight::new(),
            binds: Flight::new(),
            entries: Flight::new(),
            // A little less than the request has, so that the cause arrives in time.
            patience: patience - patience / 20,
        })
    }

    async fn authenticate(
        self: &Arc<Self>,
        typed: &Typed<'_>,
        password: &Password,
        query: &Query,
        deadline: Instant,
    ) -> Result<Identity, No> {
        let extra = self.rules_of(query)?;
        let bytes = password.as_bytes();
        // RFC 4513 5.1.2: an empty password must never reach a bind.
        if bytes.is_empty() || bytes.contains(&0) || bytes.len() > usher_protocol::MAX_PASSWORD {
            return Err(No::BadCredentials(WRONG));
        }
        let name = typed.canonical(&self.settings.usernames).ok_or(No::BadCredentials(WRONG))?;
        self.forget_if_void();
        if self.users_read_themselves() {
            let (person, verified) = self.enter(&name, password, &extra, deadline).await?;
            return self.identity(&extra, &person, &verified);
        }
        let person = self.find(&name, &extra, deadline).await?;
        let Some(person) = person else {
            self.directory.pretend(password).await;
            return Err(No::BadCredentials(WRONG));
        };
        let verified = self.verify(&name, &person.fact, password, deadline).await?;
        self.identity(&extra, &person, &verified)
    }

    async fn lookup(
        self: &Arc<Self>,
        typed: &Typed<'_>,
        query: &Query,
        deadline: Instant,
    ) -> Result<Identity, No> {
        let extra = self.rules_of(query)?;
        let name = typed.canonical(&self.settings.usernames).ok_or(No::Nobody(NOBODY))?;
        self.forget_if_void();
        let person = self.find(&name, &extra, deadline).await?.ok_or(No::Nobody(NOBODY))?;
        let (source, since) = (person.source, person.since);
        self.identity(&extra, &person, &Known { fact: None, source, since })
    }

    /// Who the name is: from the cache, or by a search that all askers share.
    async fn find(
        self: &Arc<Self>,
        name: &str,
        rules: &[Rule],
        deadline: Instant,
    ) -> Result<Option<Known<Arc<Person>>>, No> {
        let mut extra = rules::asked(rules).beyond(&self.asked);
        match self.cache.identity(name, Instant::now()) {
            Some(Who::Nobody) => return Ok(None),
            Some(Who::Known(person, since)) => {
                if extra.clone().beyond(&person.extra).is_empty() {
                    return Ok(Some(Known { fact: person, source: Source::Cache, since }));
                }
                // One entry serves both this request and those that asked for other things, as
                // long as these are not ever more.
                if extra.len() + person.extra.len() <= usher_protocol::MAX_RULES {
                    extra.extend(&person.extra);
                }
            }
            None => {}
        }
        let search = || {
            let (realm, name, extra) = (Arc::clone(self), name.to_owned(), extra.clone());
            async move { realm.search(&name, extra).await }
        };
        let asked = self.searches.join((name.to_owned(), extra.clone()), search);
        let found = self.in_time(asked, deadline).await?;
        Ok(found.map(|(fact, since)| Known { fact, source: Source::Directory, since }))
    }

    /// Asks the directory, and remembers what it said.
    async fn search(&self, name: &str, extra: Asked) -> Result<Searched, No> {
        let mut asked = self.asked.clone();
        asked.extend(&extra);
        let deadline = Instant::now() + self.patience;
        let found = self.directory.find(name, &asked, deadline).await;
        let now = Instant::now();
        match found.map_err(No::Unavailable)? {
            Found::Nobody => {
                self.cache.learn_nobody(name, now);
                Ok(None)
            }
            Found::One(entry) => {
                let person = Arc::new(Person { entry, extra });
                self.cache.learn_identity(name, &person, now);
                Ok(Some((person, now)))
            }
            Found::Several => Err(No::Ambiguous),
        }
    }

    /// Whether the password is right: from the cache, or by a bind that all askers share.
    async fn verify(
        self: &Arc<Self>,
        name: &str,
        person: &Arc<Person>,
        password: &Password,
        deadline: Instant,
    ) -> Result<Known<Option<Warning>>, No> {
        let digest = self.digester.digest(name, password);
        match self.cache.password(name, &digest, Instant::now()) {
            Memory::Right(since) => {
                return Ok(Known { fact: None, source: Source::Cache, since });
            }
            Memory::Wrong => return Err(No::BadCredentials(WRONG)),
            Memory::Unknown => {}
        }
        let bind = || {
            let (realm, name) = (Arc::clone(self), name.to_owned());
            let (person, password) = (Arc::clone(person), password.clone());
            async move { realm.bind(&name, &person, &password, digest).await }
        };
        let asked = self.binds.join((name.to_owned(), digest), bind);
        let verification = self.in_time(asked, deadline).await?;
        let fact = self.admit(verification)?;
        Ok(Known { fact, source: Source::Directory, since: Instant::now() })
    }

    /// What may be told of the directory's verdict.
    fn admit(&self, verification: Verification) -> Result<Option<Warning>, No> {
        match verification {
            Verification::Right(warning) => Ok(warning),
            Verification::Barred(reason) => Err(No::Barred(reason)),
            Verification::Refused(reason) if self.settings.reveal_account_state => {
                Err(No::Barred(reason))
            }
            Verification::Wrong | Verification::Refused(_) => Err(No::BadCredentials(WRONG)),
        }
    }

    /// Asks the directory, and remembers what it said.
    async fn bind(
        &self,
        name: &str,
        person: &Person,
        password: &Password,
        digest: Digest,
    ) -> Result<Verification, No> {
        let deadline = Instant::now() + self.patience;
        let said = self.directory.verify(&person.entry, password, deadline).await;
        let verification = said.map_err(No::Unavailable)?;
        match verification {
            Verification::Right(_) => {
                self.cache.learn_password(name, digest, true, Instant::now());
            }
            Verification::Wrong => self.cache.learn_password(name, digest, false, Instant::now()),
            // The state of an account changes without the password.
            Verification::Barred(_) | Verification::Refused(_) => {}
        }
        Ok(verification)
    }

    /// What is told, if every rule holds.
    fn identity(
        &self,
        rules: &[Rule],
        person: &Known<Arc<Person>>,
        verified: &Known<Option<Warning>>,
    ) -> Result<Identity, No> {
        let entry = &person.fact.entry;
        if let Some(reason) = entry.barred {
            return Err(No::Barred(reason));
        }
        if let Some(rule) = rules::broken(self.settings.rules.iter().chain(rules), entry) {
            return Err(No::Rule(rule.text.clone()));
        }
        let user = harmless(&in_case(&entry.username, self.settings.usernames.case));
        let asked = [person.source, verified.source].contains(&Source::Directory);
        let oldest = person.since.min(verified.since);
        Ok(Identity {
            metadata: metadata::shape(&self.settings.metadata, &user, entry),
            user,
            realm: self.settings.name.clone(),
            groups: entry.groups.iter().map(|group| harmless(group)).collect(),
            source: if asked { Source::Directory } else { Source::Cache },
            age_s: if asked { 0 } else { Instant::now().duration_since(oldest).as_secs() },
            warning: verified.fact,
        })
    }

    /// The rules that a request brings.
    fn rules_of(&self, query: &Query) -> Result<Vec<Rule>, No> {
        let parse = |text: &String| {
            let rule = Rule::parse(text).map_err(No::BadRequest)?;
            match (&rule.test, &self.settings.directory) {
                (Test::Filter(_), config::Directory::Local(_)) => Err(No::BadRequest(format!(
                    "the realm {} has no LDAP directory to match filter= with",
                    self.settings.name
                ))),
                _ => Ok(rule),
            }
        };
        query.require.iter().map(parse).collect()
    }

    /// A directory that changed as a whole makes all void that it said before.
    fn forget_if_void(&self) {
        let generation = self.directory.generation();
        if self.generation.swap(generation, Ordering::AcqRel) != generation {
            self.cache.clear();
        }
    }

    /// Waits for shared work, but not past this request's deadline. The work goes on.
    async fn in_time<T>(
        &self,
        work: impl Future<Output = Option<Result<T, No>>>,
        deadline: Instant,
    ) -> Result<T, No> {
        match timeout_at(deadline, work).await {
            Ok(Some(result)) => result,
            Ok(None) => Err(No::Unavailable(Unavailable::new(
                Reason::NoHost,
                "asking the directory failed inside the daemon; its log says where",
            ))),
            Err(_) => {
                let hosts: Vec<_> = self.directory.hosts().into_iter().map(|it| it.url).collect();
                Err(No::Unavailable(Unavailable::new(
                    Reason::Deadline,
                    format!(
                        "the directory of realm {} has not answered in the time that the request \
                         had; asked: {}",
                        self.settings.name,
                        hosts.join(", ")
                    ),
                )))
            }
        }
    }

    fn status(&self) -> RealmStatus {
        RealmStatus {
            name: self.settings.name.clone(),
            kind: self.settings.directory.kind().to_owned(),
            hosts: self.directory.hosts(),
            cache: self.cache.status(),
            problem: self.directory.problem(),
        }
    }
}
