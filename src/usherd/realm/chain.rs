//! A chain: the first of its realms that knows the user decides. Each realm takes its own road; the
//! chain only says which.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use usher_protocol::{Identity, Password, Query, RealmStatus};

use super::pace::Pace;
use super::shield::Gate;
use super::username::Typed;
use super::{NOBODY, No, Realm, WRONG, tryable};
use crate::cache::Memory;
use crate::config;
use crate::telemetry::{Notes, Tally, trace};

/// Where a request goes.
#[derive(Clone)]
pub(super) enum Route {
    Realm(Arc<Realm>),
    Chain(Arc<Chain>),
}

/// Realms and chains in the order in which they are asked.
pub(super) struct Chain {
    settings: Arc<config::Chain>,
    routes: Vec<Route>,
    /// The realms that the routes lead to, each once.
    realms: Vec<Arc<Realm>>,
    /// Of refusals, with all that was looked for before.
    pace: Pace,
}

/// A request on its way along a chain.
struct Ask<'a> {
    typed: Typed<'a>,
    /// None: who was authenticated elsewhere is looked up.
    password: Option<&'a Password>,
    query: &'a Query,
}

/// What one realm of a chain says.
enum Word {
    Ours(Identity),
    /// It is nobody of ours.
    NotOurs,
    /// It may be one of ours: that only a right password shows, and for so long none is tried.
    Untried(Duration),
}

impl Route {
    /// The answer is counted where it is given.
    pub(super) async fn authenticate<'a>(
        &'a self,
        typed: &Typed<'_>,
        password: &Password,
        query: &Query,
        notes: &mut Notes<'a>,
        deadline: Instant,
    ) -> Result<Identity, No> {
        match self {
            Self::Realm(realm) => {
                realm.note(notes);
                realm.authenticate(typed, password, query, notes, deadline).await
            }
            Self::Chain(chain) => {
                Box::pin(chain.authenticate(typed, password, query, notes, deadline)).await
            }
        }
    }

    pub(super) async fn lookup<'a>(
        &'a self,
        typed: &Typed<'_>,
        query: &Query,
        notes: &mut Notes<'a>,
        deadline: Instant,
    ) -> Result<Identity, No> {
        match self {
            Self::Realm(realm) => {
                realm.note(notes);
                realm.lookup(typed, query, notes, deadline).await
            }
            Self::Chain(chain) => {
                let typed = chain.typed(typed);
                let ask = Ask { typed, password: None, query };
                match Box::pin(chain.decide(&ask, notes, deadline)).await? {
                    Word::Ours(identity) => Ok(identity),
                    Word::NotOurs | Word::Untried(_) => Err(No::Nobody(NOBODY)),
                }
            }
        }
    }

    /// The realms behind it, in order.
    pub(super) fn realms(&self) -> &[Arc<Realm>] {
        match self {
            Self::Realm(realm) => std::slice::from_ref(realm),
            Self::Chain(chain) => &chain.realms,
        }
    }

    /// The realm, if it is no chain.
    pub(super) fn plain(&self) -> Option<&Arc<Realm>> {
        match self {
            Self::Realm(realm) => Some(realm),
            Self::Chain(_) => None,
        }
    }

    /// Its name in the configuration.
    pub(super) fn title(&self) -> &str {
        match self {
            Self::Realm(realm) => &realm.settings.name,
            Self::Chain(chain) => &chain.settings.name,
        }
    }

    /// The name as the realms behind it get it.
    pub(super) fn name<'a>(&self, typed: &Typed<'a>) -> &'a str {
        match self {
            Self::Realm(_) => typed.whole(),
            Self::Chain(chain) => chain.typed(typed).whole(),
        }
    }

    /// A chain itself remembers nothing, has no hosts and counts nothing: its realms do.
    pub(super) fn status(&self, name: &str, now: Instant) -> RealmStatus {
        match self {
            Self::Realm(realm) => realm.status(now),
            Self::Chain(_) => {
                let none = Tally::default();
                RealmStatus {
                    name: name.to_owned(),
                    kind: "chain".to_owned(),
                    hosts: Vec::new(),
                    cache: Default::default(),
                    problem: None,
                    shield: Default::default(),
                    answers: none.answers(),
                    last_minute: 0,
                    questions: Default::default(),
                    answer_time: none.answer_time(),
                    find_time: none.find.now(),
                    verify_time: none.verify.now(),
                }
            }
        }
    }

    /// The answer, if anybody here knows the user.
    async fn decide<'a>(
        &'a self,
        ask: &Ask<'_>,
        notes: &mut Notes<'a>,
        deadline: Instant,
    ) -> Result<Word, No> {
        match self {
            Self::Chain(chain) => {
                let inner = Ask { typed: chain.typed(&ask.typed), ..*ask };
                Box::pin(chain.decide(&inner, notes, deadline)).await
            }
            Self::Realm(realm) => {
                trace::step("realm", || realm.settings.name.clone());
                realm.note(notes);
                realm.decide(ask, notes, deadline).await
            }
        }
    }
}

impl Chain {
    pub(super) fn new(settings: &Arc<config::Chain>, routes: Vec<Route>) -> Self {
        let mut realms: Vec<Arc<Realm>> = Vec::new();
        for realm in routes.iter().flat_map(Route::realms) {
            if !realms.iter().any(|known| Arc::ptr_eq(known, realm)) {
                realms.push(Arc::clone(realm));
            }
        }
        Self { settings: Arc::clone(settings), routes, realms, pace: Pace::new() }
    }

    async fn authenticate<'a>(
        &'a self,
        typed: &Typed<'_>,
        password: &Password,
        query: &Query,
        notes: &mut Notes<'a>,
        deadline: Instant,
    ) -> Result<Identity, No> {
        if let Some(last) = self.realms.last() {
            last.note(notes);
        }
        if !tryable(password) {
            return Err(No::BadCredentials(WRONG));
        }
        let begun = Instant::now();
        let ask = Ask { typed: self.typed(typed), password: Some(password), query };
        let answer = match self.shut(&ask, password) {
            Some(no) => Err(no),
            None => self.decide(&ask, notes, deadline).await,
        };
        let answer = match (answer, self.realms.last()) {
            (Ok(Word::Ours(identity)), _) => Ok(identity),
            // Nobody knows the user: the last realm says no, and counts that. One that has to try
            // the password has done so.
            (Ok(Word::NotOurs), Some(last)) if !last.password_first() => {
                last.judge(&ask.typed, password, query, (notes, Instant::now()), deadline).await
            }
            (Ok(Word::NotOurs), _) => Err(No::BadCredentials(WRONG)),
            (Ok(Word::Untried(left)), _) => Err(No::Throttled(left)),
            (Err(no), _) => Err(no),
        };
        // Which realm has said no, or whether any knows the user, must not show in the time.
        if let Err(no) = &answer
            && no.tells_nothing()
        {
            if notes.host.is_some() {
                self.pace.learn(begun, Instant::now());
            }
            for pace in self.realms.iter().map(|realm| &realm.pace).chain([&self.pace]) {
                pace.keep(begun, deadline).await;
            }
        }
        answer
    }

    /// The answer of the first that knows the user.
    async fn decide<'a>(
        &'a self,
        ask: &Ask<'_>,
        notes: &mut Notes<'a>,
        deadline: Instant,
    ) -> Result<Word, No> {
        let (mut trouble, mut untried) = (None, None);
        for (left, route) in (1..=self.routes.len()).rev().zip(&self.routes) {
            // Whoever is silent must leave time for the others.
            let share = u32::try_from(left).unwrap_or(u32::MAX);
            let by = match self.settings.goes_on {
                true => deadline - (deadline - Instant::now()) / share * (share - 1),
                false => deadline,
            };
            match route.decide(ask, notes, by).await {
                Ok(Word::NotOurs) => {}
                Ok(Word::Untried(left)) => untried = untried.max(Some(left)),
                // That the user is none of the others' says nothing, then.
                Err(no) if self.settings.goes_on && no.is_outage() => {
                    trouble = trouble.or(Some(no));
                }
                decided => return decided,
            }
        }
        match (trouble, untried) {
            (Some(no), _) => Err(no),
            (None, Some(left)) => Ok(Word::Untried(left)),
            (None, None) => Ok(Word::NotOurs),
        }
    }

    /// A client that is shut out by one realm is by all: else it would show whose users are whose.
    /// A password that is known to be right may pass, as in a realm.
    fn shut(&self, ask: &Ask<'_>, password: &Password) -> Option<No> {
        let now = Instant::now();
        let shut = |realm: &Arc<Realm>| match realm.shield.client_gate(ask.query.client, now) {
            Gate::Shut(left) => Some(left),
            Gate::Open | Gate::Wrong => None,
        };
        let left = self.realms.iter().filter_map(shut).max()?;
        let right = |realm: &Arc<Realm>| realm.knows_right(ask, password, now);
        (!self.realms.iter().any(right)).then_some(No::Throttled(left))
    }

    /// Without the chain's own domain.
    fn typed<'a>(&self, typed: &Typed<'a>) -> Typed<'a> {
        Typed::new(typed.stripped(&self.settings.usernames))
    }
}

impl Realm {
    /// The answer, if somebody here has the name.
    async fn decide(
        self: &Arc<Self>,
        ask: &Ask<'_>,
        notes: &mut Notes<'_>,
        deadline: Instant,
    ) -> Result<Word, No> {
        let Some(password) = ask.password else {
            return match self.lookup(&ask.typed, ask.query, notes, deadline).await {
                Err(No::Nobody(_)) => Ok(Word::NotOurs),
                answer => answer.map(Word::Ours),
            };
        };
        let known = self.knows(ask, notes, deadline).await?;
        if !known && !self.password_first() {
            return Ok(Word::NotOurs);
        }
        let begun = Instant::now();
        match self.judge(&ask.typed, password, ask.query, (notes, begun), deadline).await {
            // It may be somebody of another realm.
            Err(No::BadCredentials(_)) if !known => Ok(Word::NotOurs),
            Err(No::Throttled(left)) if !known => Ok(Word::Untried(left)),
            answer => answer.map(Word::Ours),
        }
    }

    async fn knows(
        self: &Arc<Self>,
        ask: &Ask<'_>,
        notes: &mut Notes<'_>,
        deadline: Instant,
    ) -> Result<bool, No> {
        let Some(name) = self.canonical(&ask.typed) else { return Ok(false) };
        self.forget_if_void();
        let rules = self.rules_of(ask.query)?;
        let found = match &self.teller {
            Some(teller) if self.password_first() => {
                self.told(teller, &name, &rules, notes, deadline).await?
            }
            _ => self.who(&name, self.extra(&rules), notes, deadline).await?,
        };
        Ok(found.is_some())
    }

    fn knows_right(&self, ask: &Ask<'_>, password: &Password, now: Instant) -> bool {
        let name = ask.typed.canonical(&self.settings.usernames);
        name.is_some_and(|name| {
            let digest = self.cache.digest(&name, password);
            matches!(self.cache.password(&name, &digest, now), Memory::Right(_))
        })
    }
}
