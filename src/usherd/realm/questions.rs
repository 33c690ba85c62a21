//! The two questions of the road: who is this, and is this their password? Each is answered from
//! what is known, else by the directory, which is asked once however many wait, else from what
//! was known.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::time::{Instant, timeout_at};
use usher_protocol::{Password, Reason, Source, Warning};

use super::shield::{Exists, Gate, Guess, Outcome, Place, Whose};
use super::{Heard, Known, No, Person, Realm, Searched, WRONG, explain, rules};
use crate::cache::{Asked, Digest, Memory, Who};
use crate::config::Rule;
use crate::directory::{Attempt, Found, Unavailable, Verification};
use crate::telemetry::{Notes, listening, trace};

/// A password that somebody gave.
pub(super) struct Try<'a> {
    pub(super) name: &'a str,
    pub(super) password: &'a Password,
    pub(super) digest: &'a Digest,
    pub(super) client: Option<IpAddr>,
    pub(super) begun: Instant,
}

impl Try<'_> {
    /// What the shield need know of it.
    pub(super) fn guess<'a>(&self, whose: Whose<'a>) -> Guess<'a> {
        Guess { whose, tag: self.digest.tag(), client: self.client, sure: false }
    }
}

/// A password on its way to the directory, whoever still waits for the answer.
struct Bind {
    name: String,
    /// Nobody: the answer is no, and takes as long as another.
    person: Option<Person>,
    password: Password,
    digest: Digest,
    begun: Instant,
    asked: Asked,
}

impl Realm {
    /// Who the name is.
    pub(super) async fn find(
        self: &Arc<Self>,
        name: &str,
        who: Who<Person>,
        extra: Vec<String>,
        notes: &mut Notes<'_>,
        deadline: Instant,
    ) -> Result<Option<Known<Person>>, No> {
        let (known, stale) = match who {
            Who::Nobody => return Ok(None),
            Who::Fresh { identity, since, refresh } if identity.covers(&extra) => {
                // Who asks for no password sees less than the user did.
                if refresh && !self.password_first() {
                    self.refresh(name, &identity);
                }
                notes.known = true;
                return Ok(Some(Known { fact: identity, source: Source::Cache, since }));
            }
            Who::Stale { identity, since } if identity.covers(&extra) => {
                let known = Known { fact: identity.clone(), source: Source::Stale, since };
                (Some(identity), Some(known))
            }
            Who::Fresh { identity, .. } | Who::Stale { identity, .. } => (Some(identity), None),
            Who::Unknown => (None, None),
        };
        let extra = with_others(extra, known.as_ref());
        // In a box: what is known should not carry the weight of what is not.
        let found = Box::pin(self.ask_who(name, extra, stale, notes, deadline)).await?;
        notes.known = found.is_some();
        Ok(found)
    }

    async fn ask_who(
        self: &Arc<Self>,
        name: &str,
        extra: Vec<String>,
        stale: Option<Known<Person>>,
        notes: &mut Notes<'_>,
        deadline: Instant,
    ) -> Result<Option<Known<Person>>, No> {
        let (asked, now) = (self.cache.asking(), Instant::now());
        let key = (asked, name.to_owned(), extra.clone());
        let search = || Arc::clone(self).search_if_unknown(name.to_owned(), extra, asked);
        // Whoever has something else to tell need not wait to the very end.
        let patience = if stale.is_some() { (deadline - now) / 10 } else { Default::default() };
        match self.in_time(self.searches.join(key, search), notes, deadline - patience).await {
            Ok(found) => {
                let source = Source::Directory;
                Ok(found.map(|(fact, since)| Known { fact, source, since }))
            }
            Err(no) => stale.filter(|_| no.is_silence()).map(Some).ok_or(no),
        }
    }

    /// As `search`, unless the same question was answered between the look at what is known and
    /// the beginning of this one.
    async fn search_if_unknown(
        self: Arc<Self>,
        name: String,
        extra: Vec<String>,
        asked: Asked,
    ) -> Heard<Searched> {
        match self.cache.look(&name, Instant::now()) {
            _ if trace::is_wanted() => self.search(name, extra, asked).await,
            Who::Fresh { identity, since, .. } if identity.covers(&extra) => {
                (Ok(Some((identity, since))), None)
            }
            Who::Nobody => (Ok(None), None),
            _ => self.search(name, extra, asked).await,
        }
    }

    /// Reads an identity again that is still fresh. Nobody waits for it. Its password is not tried
    /// again: that is not known here, and stays right for its own time only.
    fn refresh(self: &Arc<Self>, name: &str, person: &Person) {
        let extra: Vec<String> = person.extra().map(str::to_owned).collect();
        let asked = self.cache.asking();
        let key = (asked, name.to_owned(), extra.clone());
        let search = || Arc::clone(self).search(name.to_owned(), extra, asked);
        drop(self.searches.begin(key, search));
    }

    /// Asks the directory, and remembers what it said.
    async fn search(
        self: Arc<Self>,
        name: String,
        extra: Vec<String>,
        asked: Asked,
    ) -> Heard<Searched> {
        let wanted = rules::wanted(self.own_facts().iter().chain(&extra));
        let begun = Instant::now();
        let find = self.directory.find(&name, &wanted, begun + self.patience());
        let (found, host) = listening(find).await;
        let now = Instant::now();
        self.tally.find.took(now - begun);
        (self.learn_who(&name, found, &extra, asked, now), host)
    }

    /// Remembers who the directory says the name is.
    fn learn_who(
        &self,
        name: &str,
        found: Result<Found, Unavailable>,
        extra: &[String],
        asked: Asked,
        now: Instant,
    ) -> Result<Searched, No> {
        match found.map_err(No::Unavailable)? {
            // Where users alone can read their entries, that nobody else saw it says nothing.
            Found::Nobody
                if self.password_first() && self.cache.look(name, now).identity().is_some() =>
            {
                Ok(None)
            }
            Found::Nobody => {
                self.cache.learn_nobody(name, asked, now);
                Ok(None)
            }
            Found::One(entry) => {
                let person = Person::new(&entry, extra, &self.settings);
                self.cache.learn_identity(name, &person, asked, now);
                Ok(Some((person, now)))
            }
            Found::Several => Err(No::Ambiguous),
        }
    }

    /// Whether the password is right. For nobody it is wrong, on the same way.
    pub(super) async fn verify(
        self: &Arc<Self>,
        tried: &Try<'_>,
        person: Option<&Known<Person>>,
        memory: Memory,
        notes: &mut Notes<'_>,
        deadline: Instant,
    ) -> Result<Known<Option<Warning>>, No> {
        let memory = match (person.map(|person| person.source), memory) {
            (Some(Source::Cache), Memory::Right(_)) => memory,
            // What was known when the question began may be of another entry, forgotten, or less.
            (Some(_), _) if !trace::is_wanted() => self.remembers(tried, person),
            _ => Memory::Unknown,
        };
        match (memory, person.map(|person| person.source)) {
            (Memory::Right(since), _) => Ok(Known { fact: None, source: Source::Cache, since }),
            // That no host answers has just been found out.
            (Memory::Offline(since), Some(Source::Stale)) => {
                Ok(Known { fact: None, source: Source::Stale, since })
            }
            _ => Box::pin(self.ask_if_right(tried, person, memory, notes, deadline)).await,
        }
    }

    /// What is known of this person's password by now.
    fn remembers(&self, tried: &Try<'_>, person: Option<&Known<Person>>) -> Memory {
        person.map_or(Memory::Unknown, |person| {
            self.cache.password_of(tried.name, &person.fact, tried.digest, Instant::now())
        })
    }

    async fn ask_if_right(
        self: &Arc<Self>,
        tried: &Try<'_>,
        person: Option<&Known<Person>>,
        memory: Memory,
        notes: &mut Notes<'_>,
        deadline: Instant,
    ) -> Result<Known<Option<Warning>>, No> {
        let asked = self.cache.asking();
        let key = (asked, tried.name.to_owned(), tried.digest.clone());
        let bind = || {
            // Somebody may have been told between the look at what is known and here.
            let known =
                !trace::is_wanted() && matches!(self.remembers(tried, person), Memory::Right(_));
            // The place is taken before anybody else can take the same.
            let whose = self.whose(tried.name, person.map(|person| &person.fact));
            let place = (!known).then(|| self.shield.admit(&tried.guess(whose), Instant::now()));
            let bind = Bind {
                name: tried.name.to_owned(),
                person: person.map(|person| person.fact.clone()),
                password: tried.password.clone(),
                digest: tried.digest.clone(),
                begun: tried.begun,
                asked,
            };
            Arc::clone(self).bind(bind, place)
        };
        let said = self.in_time(self.binds.join(key, bind), notes, deadline).await;
        match (said, memory) {
            (Ok(verification), _) => {
                let fact = self.admit(verification)?;
                Ok(Known { fact, source: Source::Directory, since: Instant::now() })
            }
            (Err(no), Memory::Offline(since)) if no.is_silence() => {
                Ok(Known { fact: None, source: Source::Stale, since })
            }
            (Err(no), _) => Err(no),
        }
    }

    /// What may be told of the directory's verdict.
    pub(super) fn admit(&self, verification: Verification) -> Result<Option<Warning>, No> {
        explain::account(verification);
        match verification {
            Verification::Right(warning) => Ok(warning),
            Verification::Barred(reason) => Err(No::Barred(reason)),
            Verification::Refused(reason) if self.settings.reveal_account_state => {
                Err(No::Barred(reason))
            }
            Verification::Wrong | Verification::Refused(_) => Err(No::BadCredentials(WRONG)),
        }
    }

    /// Asks the directory if the shield lets it, and remembers what it said.
    /// No place: the password is known to be right by now.
    async fn bind(
        self: Arc<Self>,
        bind: Bind,
        place: Option<Result<Place, Gate>>,
    ) -> Heard<Verification> {
        let place = match place {
            None => return (Ok(Verification::Right(None)), None),
            Some(Ok(place)) => place,
            Some(Err(gate)) => return (Err(not_tried(gate)), None),
        };
        let leave = || place.send();
        let Some(person) = &bind.person else {
            self.directory.pretend(&bind.password).await;
            // For as long as another is being tried, so is this one.
            self.pace.keep(bind.begun, bind.begun + self.patience()).await;
            leave();
            self.settle(place, Outcome::Refused, None);
            return (Ok(Verification::Wrong), None);
        };
        let begun = Instant::now();
        let attempt = Attempt::new(&bind.password, &leave);
        let verify = self.directory.verify(person.id(), attempt, begun + self.patience());
        let (said, host) = listening(verify).await;
        let now = Instant::now();
        self.tally.verify.took(now - begun);
        let outcome = outcome(&said);
        self.settle(place, outcome, Some(&bind.name));
        if matches!(outcome, Outcome::Right | Outcome::Refused) {
            let fact = (bind.digest, outcome == Outcome::Right);
            self.cache.learn_password(&bind.name, person, fact, bind.asked, now);
        }
        self.learn_pace(&said, bind.begun);
        (said.map_err(No::Unavailable), host)
    }

    /// What is refused from now on takes as long as this.
    pub(super) fn learn_pace(&self, said: &Result<Verification, Unavailable>, begun: Instant) {
        if matches!(said, Ok(Verification::Wrong | Verification::Refused(_))) {
            self.pace.learn(begun, Instant::now());
        }
    }

    /// Tells the shield what came of a password. A name that nobody is known to have is not told
    /// in the log: it may be a password, typed into the wrong field.
    pub(super) fn settle(&self, place: Place, outcome: Outcome, name: Option<&str>) {
        if place.settle(outcome, Instant::now()) {
            let (realm, user) = (&self.settings.name, name.unwrap_or("(nobody's)"));
            tracing::warn!(
                name: "blocked",
                realm,
                user,
                "too many wrong passwords: no more are tried for now; usherctl unblock lifts that"
            );
        }
    }

    /// Whose failures count together, as far as is known.
    pub(super) fn whose<'a>(&self, name: &'a str, person: Option<&'a Person>) -> Whose<'a> {
        // Where a right password has to come first, failures are those of names, known or not.
        let known = person.filter(|_| !self.password_first());
        let (name, id) = (known.map_or(name, Person::username), known.map(Person::id));
        let exists = match person {
            Some(_) => Exists::Yes,
            None if self.password_first() => Exists::Unknown,
            None => Exists::No,
        };
        Whose { name, id, exists }
    }

    /// Attributes and filters that the request's rules look at and the realm's own do not, sorted.
    /// Where another realm tells who users are, it is the one to be asked for them.
    pub(super) fn extra(&self, rules: &[Rule]) -> Vec<String> {
        if self.teller.is_some() || rules.is_empty() {
            return Vec::new();
        }
        self.beyond(rules.iter().filter_map(rules::fact))
    }

    /// Those of the attributes and filters that are not asked for in any case, sorted.
    pub(super) fn beyond(&self, facts: impl Iterator<Item = String>) -> Vec<String> {
        let own = |fact: &String| {
            let is_name = !fact.starts_with('(');
            let same =
                |known: &String| known == fact || is_name && known.eq_ignore_ascii_case(fact);
            self.own_facts().iter().any(same)
        };
        let mut beyond: Vec<String> = facts.filter(|fact| !own(fact)).collect();
        beyond.sort_unstable();
        beyond.dedup();
        beyond
    }

    /// The attributes and filters that this realm's directory is asked for in any case.
    pub(super) fn own_facts(&self) -> &[String] {
        if self.teller.is_some() { &[] } else { &self.facts }
    }

    /// Waits for shared work, but not past this request's deadline. The work goes on.
    pub(super) async fn in_time<T>(
        &self,
        work: impl Future<Output = Option<Heard<T>>>,
        notes: &mut Notes<'_>,
        deadline: Instant,
    ) -> Result<T, No> {
        match timeout_at(deadline, work).await {
            Ok(Some((result, host))) => {
                notes.host = host.or_else(|| notes.host.take());
                result
            }
            Ok(None) => Err(No::Unavailable(
                Unavailable::new(
                    Reason::NoHost,
                    "asking the directory failed inside the daemon; its log says where",
                )
                .not_silent(),
            )),
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
}

/// One entry serves both this request and those that wanted something else, as long as that is not
/// ever more.
pub(super) fn with_others(mut extra: Vec<String>, known: Option<&Person>) -> Vec<String> {
    let others = known.into_iter().flat_map(|known| known.extra().map(str::to_owned));
    extra.extend(others.take(usher_protocol::MAX_RULES));
    extra.sort_unstable();
    extra.dedup();
    extra
}

/// Why a password was not tried.
pub(super) fn not_tried(gate: Gate) -> No {
    match gate {
        Gate::Shut(left) => No::Throttled(left),
        Gate::Wrong | Gate::Open => No::BadCredentials(WRONG),
    }
}

/// What an answer of the directory means to the shield.
pub(super) fn outcome(said: &Result<Verification, Unavailable>) -> Outcome {
    match said {
        Ok(Verification::Right(_)) => Outcome::Right,
        Ok(Verification::Wrong) => Outcome::Refused,
        Ok(Verification::Barred(_)) => Outcome::Void,
        // Whether it was right is known to nobody.
        Ok(Verification::Refused(_)) | Err(_) => Outcome::Unknown,
    }
}

impl No {
    /// Whether no host answers, so that what was known before may be used.
    pub(super) fn is_silence(&self) -> bool {
        matches!(self, Self::Unavailable(why) if why.silent)
    }

    /// Whether nobody of the realm could be asked. One that has too much to do just now could be.
    pub(super) fn is_outage(&self) -> bool {
        matches!(self, Self::Unavailable(why) if why.reason != Reason::Overloaded)
    }
}
