//! All realms of a configuration: which one a request means, and what its client is told.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use usher_protocol::{Identity, Password, Query, RealmStatus, Reason, Refusal, Verdict};

use super::chain::{Chain, Route};
use super::username::Typed;
use super::{No, Realm};
use crate::config::{self, Settings, Usernames};
use crate::directory;
use crate::telemetry::{Notes, trace};

/// The realms of one configuration.
pub struct Realms {
    by_name: BTreeMap<String, Route>,
    by_domain: HashMap<String, Route>,
    default: Option<Route>,
    request_timeout: Duration,
}

impl Realms {
    /// Whether the realms could be opened, as far as that can be told without asking anybody.
    ///
    /// # Errors
    /// A text for people.
    pub fn check(settings: &Settings) -> Result<(), String> {
        settings.realms.iter().try_for_each(|(name, realm)| {
            directory::check(realm).map_err(|error| format!("realm {name}: {error}"))
        })
    }

    /// Opens the realms. Those that are configured as in `before` are taken over with all they
    /// know and hold; of the others, what failed is not forgotten. Nothing may be asked of them
    /// before [`Self::begin`].
    ///
    /// # Errors
    /// A text for people, where a realm cannot even be begun with.
    pub fn open(settings: &Settings, before: Option<&Self>) -> Result<Self, String> {
        let request_timeout = settings.listen.request_timeout;
        let mut realms = Self {
            by_name: BTreeMap::new(),
            by_domain: HashMap::new(),
            default: None,
            request_timeout,
        };
        // A realm that another one asks comes before that.
        let (askers, others): (Vec<_>, Vec<_>) =
            settings.realms.values().partition(|realm| realm.metadata_from.is_some());
        for wanted in others.into_iter().chain(askers) {
            let realm = realms.realm(wanted, before)?;
            realms.add(&wanted.name, &wanted.usernames, Route::Realm(realm));
        }
        for chain in settings.chains.values() {
            let route = realms.chain(chain, settings);
            realms.add(&chain.name, &chain.usernames, route);
        }
        let default = settings.default_realm.as_ref();
        realms.default = default.and_then(|name| realms.by_name.get(name)).cloned();
        Ok(realms)
    }

    fn realm(
        &self,
        wanted: &Arc<config::Realm>,
        before: Option<&Self>,
    ) -> Result<Arc<Realm>, String> {
        let teller = wanted.metadata_from.as_ref().and_then(|name| self.plain(name));
        let known = before.and_then(|before| before.plain(&wanted.name));
        let is_same = |realm: &&Arc<Realm>| {
            let teller = (realm.teller.as_ref(), teller);
            realm.settings == *wanted
                && match teller {
                    (Some(one), Some(other)) => Arc::ptr_eq(one, other),
                    (one, other) => one.is_none() && other.is_none(),
                }
        };
        if let Some(same) = known.filter(is_same) {
            return Ok(Arc::clone(same));
        }
        let realm = Realm::open(wanted, teller.cloned(), known);
        realm.map(Arc::new).map_err(|error| format!("realm {}: {error}", wanted.name))
    }

    /// A chain with all that it leads to. There are no circles: the configuration refuses them.
    fn chain(&self, chain: &Arc<config::Chain>, settings: &Settings) -> Route {
        let route = |name: &String| match settings.chains.get(name) {
            Some(inner) => Some(self.chain(inner, settings)),
            None => self.by_name.get(name).cloned(),
        };
        let routes = chain.realms.iter().filter_map(route).collect();
        Route::Chain(Arc::new(Chain::new(chain, routes)))
    }

    fn add(&mut self, name: &str, usernames: &Usernames, route: Route) {
        for domain in &usernames.domains {
            self.by_domain.insert(domain.clone(), route.clone());
        }
        self.by_name.insert(name.to_owned(), route);
    }

    fn plain(&self, name: &str) -> Option<&Arc<Realm>> {
        self.by_name.get(name)?.plain()
    }

    /// Is this the user's password, and do the rules hold?
    pub async fn authenticate<'a>(
        &'a self,
        query: &Query,
        password: &Password,
        notes: &mut Notes<'a>,
        deadline: Instant,
    ) -> Verdict {
        let typed = Typed::new(&query.user);
        let answer = match self.choose(query, &typed) {
            Ok(route) => route.authenticate(&typed, password, query, notes, deadline).await,
            Err(no) => Err(no),
        };
        answer.map_or_else(refuse, Verdict::Granted)
    }

    /// Who is this user, authenticated elsewhere, and do the rules hold?
    pub async fn lookup<'a>(
        &'a self,
        query: &Query,
        notes: &mut Notes<'a>,
        deadline: Instant,
    ) -> Verdict {
        let typed = Typed::new(&query.user);
        let answer: Result<Identity, No> = match self.choose(query, &typed) {
            Ok(route) => route.lookup(&typed, query, notes, deadline).await,
            Err(no) => Err(no),
        };
        answer.map_or_else(refuse, Verdict::Found)
    }

    /// From now on they are asked, with the time for it that is theirs.
    #[must_use]
    pub fn begin(self) -> Self {
        self.plains().for_each(|realm| realm.limit(self.request_timeout));
        self
    }

    /// The daemon ends: overwrites what passwords have left behind, whoever still holds a realm.
    pub fn wipe(&self) {
        self.plains().for_each(|realm| realm.wipe());
    }

    /// Whether nothing is left of any key.
    #[cfg(test)]
    pub(crate) fn is_wiped(&self) -> bool {
        self.plains().all(|realm| realm.cache.is_wiped())
    }

    /// Forgets what directories said: of a user in their realm, else of a realm, else all.
    ///
    /// # Errors
    /// A text for people, where there is no such realm.
    pub fn flush(&self, realm: Option<&str>, user: Option<&str>) -> Result<String, String> {
        if realm.is_none() && user.is_none() {
            return Ok(self.plains().map(|realm| realm.flush_all()).collect::<Vec<_>>().join("\n"));
        }
        self.each(realm, user.unwrap_or_default(), |it, name| it.flush(user.map(|_| name)))
    }

    /// Lifts a user's block.
    ///
    /// # Errors
    /// A text for people, where there is no such realm.
    pub fn unblock(&self, realm: Option<&str>, user: &str) -> Result<String, String> {
        self.each(realm, user, Realm::unblock)
    }

    /// How each realm is.
    pub fn status(&self, now: Instant) -> Vec<RealmStatus> {
        self.by_name.iter().map(|(name, route)| route.status(name, now)).collect()
    }

    /// Has each realm remember what it has answered so far, to be done at `Minute::PACE`.
    pub fn mark(&self, now: Instant) {
        self.plains().for_each(|realm| realm.tally.mark(now));
    }

    fn plains(&self) -> impl Iterator<Item = &Arc<Realm>> {
        self.by_name.values().filter_map(Route::plain)
    }

    fn choose(&self, query: &Query, typed: &Typed<'_>) -> Result<&Route, No> {
        let route = self.choose_by(query.realm.as_deref(), typed).map_err(No::UnknownRealm);
        trace::step("realm", || match &route {
            Ok(route) => route.title().to_owned(),
            Err(_) => "none".to_owned(),
        });
        route
    }

    /// Does something in each realm that the name leads to, and tells of each on a line.
    fn each(
        &self,
        realm: Option<&str>,
        user: &str,
        work: impl Fn(&Realm, &str) -> String,
    ) -> Result<String, String> {
        let typed = Typed::new(user);
        let route = self.choose_by(realm, &typed)?;
        let name = route.name(&typed);
        Ok(route.realms().iter().map(|realm| work(realm, name)).collect::<Vec<_>>().join("\n"))
    }

    /// The realm that is named, else the one of the user's domain, else the default.
    pub(super) fn choose_by(
        &self,
        name: Option<&str>,
        typed: &Typed<'_>,
    ) -> Result<&Route, String> {
        let realm = match name {
            Some(name) => self.by_name.get(name),
            None => typed
                .domain()
                .and_then(|domain| self.by_domain.get(&domain))
                .or(self.default.as_ref()),
        };
        realm.ok_or_else(|| match name {
            Some(name) => {
                let known: Vec<_> = self.by_name.keys().map(String::as_str).collect();
                format!("no realm {name:?}; the configuration has: {}", known.join(", "))
            }
            None => "the request names no realm and there is no default_realm".to_owned(),
        })
    }
}

/// The one place where an inner "no" becomes what the client is told.
fn refuse(no: No) -> Verdict {
    match no {
        No::BadCredentials(text) => Verdict::Denied(Refusal::new(Reason::BadCredentials, text)),
        No::Throttled(left) => {
            let seconds = u32::try_from(left.as_secs() + 1).unwrap_or(u32::MAX);
            let text = format!("too many wrong passwords; ask again in {seconds} seconds");
            let refusal = Refusal::new(Reason::Throttled, text);
            Verdict::Denied(Refusal { retry_after_s: Some(seconds), ..refusal })
        }
        No::Nobody(text) => Verdict::NotFound(Refusal::new(Reason::NoSuchUser, text)),
        No::Barred(reason) => {
            Verdict::Denied(Refusal::new(reason, "the directory does not let this account in"))
        }
        No::Ambiguous => Verdict::Denied(Refusal::new(
            Reason::AmbiguousUser,
            "more than one entry matches this user name; narrow the realm's filter or base_dn",
        )),
        No::Rule(rule) => {
            Verdict::Denied(Refusal::new(Reason::Rule, format!("the rule {rule:?} does not hold")))
        }
        No::Untold(realm) => Verdict::Denied(Refusal::new(
            Reason::Rule,
            format!("the realm {realm}, which tells who users are, does not know this one"),
        )),
        No::Unavailable(unavailable) => {
            Verdict::Unavailable(Refusal::new(unavailable.reason, unavailable.message))
        }
        No::UnknownRealm(text) => Verdict::Invalid(Refusal::new(Reason::UnknownRealm, text)),
        No::BadRequest(text) => Verdict::Invalid(Refusal::new(Reason::BadRequest, text)),
    }
}
