//! Policy: one request, one answer. The road is composed here and nowhere else.

mod chain;
mod commands;
mod enter;
mod explain;
mod flight;
mod metadata;
mod pace;
mod person;
mod questions;
mod realms;
mod rules;
mod shield;
mod username;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use usher_protocol::{Identity, Password, Query, Reason, Source, Warning};

use crate::cache::{Asked, Cache, Digest, Memory, Who};
use crate::config::{self, Rule, Test};
use crate::directory::{self, Directory, Unavailable, Verification};
use crate::telemetry::{Host, Notes, Tally, trace};
use enter::{Question, Seen};
use flight::Flight;
use pace::Pace;
use questions::{Try, not_tried};
use shield::{Gate, Shield};
use username::Typed;

pub use person::Person;
pub use realms::Realms;

/// One realm: its rules, what it knows, and whom it can ask.
struct Realm {
    settings: Arc<config::Realm>,
    directory: Arc<dyn Directory>,
    /// Whose lookup says who a user is, where that is not this realm's directory.
    teller: Option<Arc<Realm>>,
    /// The attributes and filters that metadata and rules need.
    facts: Vec<String>,
    cache: Cache<Person>,
    shield: Arc<Shield>,
    pace: Pace,
    /// The directory's generation that the cache is of.
    generation: AtomicU64,
    searches: Flight<(Asked, String, Vec<String>), Heard<Searched>>,
    binds: Flight<(Asked, String, Digest), Heard<Verification>>,
    entries: Flight<Question, Heard<Seen>>,
    tally: Arc<Tally>,
    /// How long a directory is asked, whoever still waits, in microseconds.
    patience: AtomicU64,
}

/// Who a search found, if anybody, and when.
type Searched = Option<(Person, Instant)>;

/// What a directory said, and which host of it.
type Heard<T> = (Result<T, No>, Option<Host>);

fn overloaded<T>() -> Heard<T> {
    let text = "too many questions to this directory are under way; see why it is slow";
    (Err(No::Unavailable(Unavailable::new(Reason::Overloaded, text))), None)
}

/// A fact and whence it comes.
#[derive(Clone)]
struct Known<T> {
    fact: T,
    source: Source,
    since: Instant,
}

/// Why the answer is not a yes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum No {
    BadCredentials(&'static str),
    Throttled(Duration),
    Nobody(&'static str),
    Barred(Reason),
    Ambiguous,
    Rule(String),
    /// The password is right, and the realm that tells who users are does not know this one.
    Untold(String),
    Unavailable(Unavailable),
    UnknownRealm(String),
    BadRequest(String),
}

impl No {
    /// Whether it says of no name that somebody has it.
    fn tells_nothing(&self) -> bool {
        matches!(self, Self::BadCredentials(_) | Self::Throttled(_))
    }
}

const WRONG: &str = "wrong user name or password";
const NOBODY: &str = "no such user";

impl Realm {
    fn open(
        settings: &Arc<config::Realm>,
        teller: Option<Arc<Self>>,
        before: Option<&Arc<Self>>,
    ) -> Result<Self, String> {
        let told = settings.metadata.iter().filter_map(|item| match &item.value {
            config::MetadataValue::Attribute { name, .. } => Some(name.clone()),
            config::MetadataValue::Username | config::MetadataValue::Groups { .. } => None,
        });
        let facts = told.chain(settings.rules.iter().filter_map(rules::fact)).collect();
        let negative_ttl = settings.cache.negative_ttl;
        let not_random = |error| {
            format!("cannot make a key: the system has no random bytes (getrandom(2)): {error}")
        };
        let (shield, tally) = match before {
            // What was counted stays, whatever is configured anew. What was refused may be right
            // for another directory.
            Some(before) => {
                let shield = before.shield.with(&settings.shield, negative_ttl);
                (shield, Arc::clone(&before.tally))
            }
            None => (Shield::new(&settings.shield, negative_ttl, Instant::now()), Arc::default()),
        };
        Ok(Self {
            settings: Arc::clone(settings),
            directory: directory::open(settings)?,
            teller,
            facts,
            cache: Cache::new(&settings.cache).map_err(not_random)?,
            shield,
            pace: Pace::new(),
            generation: AtomicU64::new(0),
            searches: Flight::new(overloaded),
            binds: Flight::new(overloaded),
            entries: Flight::new(overloaded),
            tally,
            patience: AtomicU64::default(),
        })
    }

    /// How long requests have from now on. A directory has a little less, so that the cause
    /// arrives in time.
    fn limit(&self, request_timeout: Duration) {
        let patience = request_timeout - request_timeout / 20;
        let micros = u64::try_from(patience.as_micros()).unwrap_or(u64::MAX);
        let before = self.patience.swap(micros, Ordering::Relaxed);
        // It begins. Not before: a configuration that is not sound takes nothing from the old one.
        if before == 0 {
            self.shield.forget_all();
        }
    }

    fn patience(&self) -> Duration {
        Duration::from_micros(self.patience.load(Ordering::Relaxed))
    }

    /// This is the realm that is meant.
    fn note<'a>(&'a self, notes: &mut Notes<'a>) {
        notes.tally = Some(&self.tally);
        notes.realm = Some(&self.settings.name);
    }

    /// A refusal takes as long as the slower ones of late, whatever it comes from.
    async fn authenticate(
        self: &Arc<Self>,
        typed: &Typed<'_>,
        password: &Password,
        query: &Query,
        notes: &mut Notes<'_>,
        deadline: Instant,
    ) -> Result<Identity, No> {
        let begun = Instant::now();
        let answer = self.judge(typed, password, query, (notes, begun), deadline).await;
        if let Err(no) = &answer
            && no.tells_nothing()
        {
            self.pace.keep(begun, deadline).await;
        }
        answer
    }

    async fn judge(
        self: &Arc<Self>,
        typed: &Typed<'_>,
        password: &Password,
        query: &Query,
        (notes, begun): (&mut Notes<'_>, Instant),
        deadline: Instant,
    ) -> Result<Identity, No> {
        let rules = self.rules_of(query)?;
        if !tryable(password) {
            trace::step("password", || "empty, too long or with NUL: tried nowhere".to_owned());
            return Err(No::BadCredentials(WRONG));
        }
        let name = self.canonical(typed).ok_or(No::BadCredentials(WRONG))?;
        self.forget_if_void();
        let (who, memory, digest) = self.cache.recall_both(&name, password, begun);
        notes.known = who.identity().is_some();
        let tried = Try { name: &name, password, digest: &digest, client: query.client, begun };
        // A password that is known to be right passes the shield: whoever guesses at this user's
        // password cannot lock them out of what works.
        if !matches!(memory, Memory::Right(_)) {
            let gate = self.gate(&tried, &who);
            trace::step("shield", || explain::gate(gate));
            if gate != Gate::Open {
                return Err(not_tried(gate));
            }
        }
        let (who, memory) = explain::afresh(who, memory, begun);
        let extra = self.extra(&rules);
        let (person, verified) = if self.password_first() {
            self.enter(&tried, (who, memory), extra, notes, deadline).await?
        } else {
            let person = self.find(&name, who, extra, notes, deadline).await?;
            let verified = self.verify(&tried, person.as_ref(), memory, notes, deadline).await?;
            (person.ok_or(No::BadCredentials(WRONG))?, verified)
        };
        let Some(teller) = &self.teller else { return self.identity(&rules, person, &verified) };
        // What this directory says of the account counts besides.
        if let Some(reason) = person.fact.barred() {
            return Err(No::Barred(reason));
        }
        let told = self.told(teller, &name, &rules, notes, deadline).await?;
        let told = told.ok_or_else(|| No::Untold(teller.settings.name.clone()))?;
        self.identity(&rules, told, &verified)
    }

    /// Whether it is worth while to ask for the password. Of a name of which nothing is known that
    /// shows once it is: a search that only some names bring about would tell which those are.
    fn gate(&self, tried: &Try<'_>, who: &Who<Person>) -> Gate {
        if matches!(who, Who::Unknown) && !self.password_first() {
            return self.shield.client_gate(tried.client, tried.begun);
        }
        let whose = self.whose(tried.name, who.identity());
        self.shield.gate(&tried.guess(whose), tried.begun)
    }

    async fn lookup(
        self: &Arc<Self>,
        typed: &Typed<'_>,
        query: &Query,
        notes: &mut Notes<'_>,
        deadline: Instant,
    ) -> Result<Identity, No> {
        let rules = self.rules_of(query)?;
        let name = self.canonical(typed).ok_or(No::Nobody(NOBODY))?;
        self.forget_if_void();
        self.trace_shield(&name, query.client);
        let person = match &self.teller {
            Some(teller) => self.told(teller, &name, &rules, notes, deadline).await?,
            None => self.who(&name, self.extra(&rules), notes, deadline).await?,
        };
        let person = person.ok_or(No::Nobody(NOBODY))?;
        let (source, since) = (person.source, person.since);
        self.identity(&rules, person, &Known { fact: None, source, since })
    }

    /// Who the user is to another realm: what this one's metadata and rules need of them.
    async fn told(
        &self,
        teller: &Arc<Self>,
        name: &str,
        rules: &[Rule],
        notes: &mut Notes<'_>,
        deadline: Instant,
    ) -> Result<Option<Known<Person>>, No> {
        trace::step("metadata_from", || teller.settings.name.clone());
        let Some(name) = teller.canonical(&Typed::new(name)) else { return Ok(None) };
        teller.forget_if_void();
        let facts = self.facts.iter().cloned().chain(rules.iter().filter_map(rules::fact));
        teller.who(&name, teller.beyond(facts), notes, deadline).await
    }

    /// Who the name is, where no password was given.
    async fn who(
        self: &Arc<Self>,
        name: &str,
        extra: Vec<String>,
        notes: &mut Notes<'_>,
        deadline: Instant,
    ) -> Result<Option<Known<Person>>, No> {
        let now = Instant::now();
        let (who, _) = explain::afresh(self.cache.recall(name, now), Memory::Unknown, now);
        self.find(name, who, extra, notes, deadline).await
    }

    /// What is told, if every rule holds.
    fn identity(
        &self,
        rules: &[Rule],
        person: Known<Person>,
        verified: &Known<Option<Warning>>,
    ) -> Result<Identity, No> {
        let sources = [person.source, verified.source];
        let since = person.since.min(verified.since);
        let person = person.fact;
        if let Some(reason) = person.barred() {
            trace::step("account", || format!("its entry says {}", reason.as_str()));
            return Err(No::Barred(reason));
        }
        if let Some(rule) = rules::broken(self.settings.rules.iter().chain(rules), &person) {
            return Err(No::Rule(rule.text.clone()));
        }
        let profile = match &self.teller {
            None => person.into_profile(),
            Some(_) => metadata::profile(&self.settings, &person, Vec::new()),
        };
        explain::metadata(&self.settings.metadata, &profile);
        Ok(Identity {
            profile,
            source: [Source::Stale, Source::Directory]
                .into_iter()
                .find(|source| sources.contains(source))
                .unwrap_or(Source::Cache),
            age_s: Instant::now().saturating_duration_since(since).as_secs(),
            warning: verified.fact,
        })
    }

    /// The rules that a request brings.
    fn rules_of(&self, query: &Query) -> Result<Vec<Rule>, No> {
        let parse = |text: &String| {
            let rule = Rule::parse(text).map_err(No::BadRequest)?;
            let told_by = self.teller.as_ref().map_or(&self.settings, |teller| &teller.settings);
            match (&rule.test, &told_by.directory) {
                (_, config::Directory::Ldap(_)) => Ok(rule),
                (Test::Filter(_), _) => Err(No::BadRequest(format!(
                    "the realm {} has no LDAP directory to match filter= with",
                    told_by.name
                ))),
                _ => Ok(rule),
            }
        };
        query.require.iter().map(parse).collect()
    }
}

/// Whether a password may be tried at all. RFC 4513 5.1.2: an empty one must never reach a bind.
fn tryable(password: &Password) -> bool {
    let bytes = password.as_bytes();
    !bytes.is_empty() && !bytes.contains(&0) && bytes.len() <= usher_protocol::MAX_PASSWORD
}

#[cfg(test)]
mod tests;
