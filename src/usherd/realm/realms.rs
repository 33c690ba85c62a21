//! All realms of a configuration: which one a request means, and what its client is told.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use usher_protocol::{Identity, Password, Query, RealmStatus, Reason, Refusal, Verdict};

use super::username::Typed;
use super::{No, Realm};
use crate::config::{self, Settings};
use crate::directory;
use crate::telemetry::{Notes, Tally, trace};

/// The realms of one configuration.
pub struct Realms {
    by_name: BTreeMap<String, Arc<Realm>>,
    by_domain: HashMap<String, Arc<Realm>>,
    default: Option<Arc<Realm>>,
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
    /// know and hold.
    ///
    /// # Errors
    /// A text for people, where a realm cannot even be begun with.
    pub fn open(settings: &Settings, before: Option<&Self>) -> Result<Self, String> {
        let request_timeout = settings.listen.request_timeout;
        let known = |name: &str| before.and_then(|before| before.by_name.get(name));
        let same = |name: &str, wanted: &Arc<config::Realm>| {
            let usable = before.is_some_and(|before| before.request_timeout == request_timeout);
            known(name).filter(|realm| usable && realm.settings == *wanted)
        };
        // What was counted stays, whatever is configured anew.
        let tally = |name: &str| {
            known(name).map_or_else(Arc::<Tally>::default, |realm| Arc::clone(&realm.tally))
        };
        let mut by_name = BTreeMap::new();
        let mut by_domain = HashMap::new();
        for (name, wanted) in &settings.realms {
            let realm = match same(name, wanted) {
                Some(realm) => Arc::clone(realm),
                None => Arc::new(
                    Realm::open(wanted, tally(name), request_timeout)
                        .map_err(|error| format!("realm {name}: {error}"))?,
                ),
            };
            for domain in &wanted.usernames.domains {
                by_domain.insert(domain.clone(), Arc::clone(&realm));
            }
            by_name.insert(name.clone(), realm);
        }
        let default = settings.default_realm.as_ref().and_then(|name| by_name.get(name)).cloned();
        Ok(Self { by_name, by_domain, default, request_timeout })
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
            Ok(realm) => {
                realm.note(notes);
                realm.authenticate(&typed, password, query, notes, deadline).await
            }
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
            Ok(realm) => {
                realm.note(notes);
                realm.lookup(&typed, query, notes, deadline).await
            }
            Err(no) => Err(no),
        };
        answer.map_or_else(refuse, Verdict::Found)
    }

    /// Forgets what directories said: of a user in their realm, else of a realm, else all.
    ///
    /// # Errors
    /// A text for people, where there is no such realm.
    pub fn flush(&self, realm: Option<&str>, user: Option<&str>) -> Result<String, String> {
        if realm.is_none() && user.is_none() {
            let done: Vec<_> = self.by_name.values().map(|realm| realm.flush(None)).collect();
            return Ok(done.join("\n"));
        }
        Ok(self.named(realm, user.unwrap_or_default())?.flush(user))
    }

    /// Lifts a user's block.
    ///
    /// # Errors
    /// A text for people, where there is no such realm.
    pub fn unblock(&self, realm: Option<&str>, user: &str) -> Result<String, String> {
        Ok(self.named(realm, user)?.unblock(user))
    }

    /// How each realm is.
    pub fn status(&self, now: Instant) -> Vec<RealmStatus> {
        self.by_name.values().map(|realm| realm.status(now)).collect()
    }

    /// Has each realm remember what it has answered so far, to be done at `Minute::PACE`.
    pub fn mark(&self, now: Instant) {
        self.by_name.values().for_each(|realm| realm.tally.mark(now));
    }

    pub(super) fn choose(&self, query: &Query, typed: &Typed<'_>) -> Result<&Arc<Realm>, No> {
        let realm = self.choose_by(query.realm.as_deref(), typed).map_err(No::UnknownRealm);
        trace::step("realm", || match &realm {
            Ok(realm) => realm.settings.name.clone(),
            Err(_) => "none".to_owned(),
        });
        realm
    }

    fn named(&self, realm: Option<&str>, user: &str) -> Result<&Arc<Realm>, String> {
        self.choose_by(realm, &Typed::new(user))
    }

    /// The realm that is named, else the one of the user's domain, else the default.
    fn choose_by(&self, name: Option<&str>, typed: &Typed<'_>) -> Result<&Arc<Realm>, String> {
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
        No::Unavailable(unavailable) => {
            Verdict::Unavailable(Refusal::new(unavailable.reason, unavailable.message))
        }
        No::UnknownRealm(text) => Verdict::Invalid(Refusal::new(Reason::UnknownRealm, text)),
        No::BadRequest(text) => Verdict::Invalid(Refusal::new(Reason::BadRequest, text)),
    }
}
