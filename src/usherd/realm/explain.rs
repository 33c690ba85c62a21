//! `usherctl explain`: the road of one request with each of its steps told, and a look at what may
//! be amiss. The road is the one of every request; it just does not end at what is remembered.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::time::{Instant, timeout_at};
use usher_protocol::{Explanation, Password, Profile, Query, Reason, Step, Verdict};

use super::person::Person;
use super::shield::{Gate, Standing};
use super::username::Typed;
use super::{Realm, Realms};
use crate::cache::{Memory, Who};
use crate::config::{self, MetadataValue, Rule, Test};
use crate::directory::{Lacking, Verification};
use crate::telemetry::Notes;
use crate::telemetry::trace::{self, Trace};

/// The stage of what is told of an account.
const ACCOUNT: &str = "account";

impl Realms {
    /// The answer to the question, how it came about, and what may be amiss.
    pub async fn explain<'a>(
        &'a self,
        query: &Query,
        password: Option<&Password>,
        notes: &mut Notes<'a>,
        deadline: Instant,
    ) -> (Verdict, Explanation) {
        let trace = Trace::new(Instant::now());
        let road = async {
            match password {
                Some(password) => self.authenticate(query, password, notes, deadline).await,
                None => self.lookup(query, notes, deadline).await,
            }
        };
        let verdict = trace.follow(road).await;
        let steps = trace.steps();
        let hints = self.hints(query, &verdict, &steps, deadline).await;
        (verdict, Explanation { steps, hints })
    }

    async fn hints(
        &self,
        query: &Query,
        verdict: &Verdict,
        steps: &[Step],
        deadline: Instant,
    ) -> Vec<String> {
        let typed = Typed::new(&query.user);
        let Ok(route) = self.choose_by(query.realm.as_deref(), &typed) else { return Vec::new() };
        let Some(realm) = told_of(route.realms(), verdict) else { return Vec::new() };
        let typed = Typed::new(route.name(&typed));
        let Some(name) = realm.canonical(&typed) else { return Vec::new() };
        let mut hints: Vec<String> = realm.unlisted_domain(&typed, &name).into_iter().collect();
        let person = match realm.told_by().cache.recall(&name, Instant::now()) {
            Who::Fresh { identity, .. } => Some(identity),
            Who::Nobody | Who::Stale { .. } | Who::Unknown => None,
        };
        let blocked = verdict.refusal().is_some_and(|it| it.reason == Reason::Throttled);
        let unblock =
            format!("`usherctl unblock --realm {} {name}` lifts a user's block", route.title());
        if let Some(hint) = blocked.then_some(unblock).or_else(|| of_account(verdict, steps)) {
            hints.push(hint);
            return hints;
        }
        let look = realm.look_around(query, verdict, &name, person.as_ref(), deadline);
        hints.extend(timeout_at(deadline, look).await.unwrap_or_default());
        hints
    }
}

/// Where a password looks wrong and the directory has said that the account is the cause.
fn of_account(verdict: &Verdict, steps: &[Step]) -> Option<String> {
    let refusal = verdict.refusal().filter(|it| it.reason == Reason::BadCredentials)?;
    let said = steps.iter().rev().find(|step| step.stage == ACCOUNT)?;
    Some(format!(
        "the account is the cause, not the password: {}; the answer {:?} hides that, since the \
         realm does not set reveal_account_state",
        said.text,
        refusal.reason.as_str()
    ))
}

/// The realm that gave the answer, else the one where the road ended.
fn told_of<'a>(realms: &'a [Arc<Realm>], verdict: &Verdict) -> Option<&'a Arc<Realm>> {
    let named = match verdict {
        Verdict::Granted(identity) | Verdict::Found(identity) => {
            realms.iter().find(|realm| realm.settings.name == identity.profile.realm())
        }
        _ => None,
    };
    named.or(realms.last())
}

impl Realm {
    /// The realm whose directory has the entries of users.
    fn told_by(&self) -> &Self {
        self.teller.as_deref().unwrap_or(self)
    }

    async fn look_around(
        &self,
        query: &Query,
        verdict: &Verdict,
        name: &str,
        person: Option<&Person>,
        deadline: Instant,
    ) -> Vec<String> {
        let reason = verdict.refusal().map(|refusal| refusal.reason);
        match (person, reason) {
            (Some(person), Some(Reason::Rule)) => self.broken_rules(query, person),
            (Some(_), Some(Reason::BadCredentials)) => {
                vec!["the user is there; the directory refuses the password".to_owned()]
            }
            (Some(person), None) => {
                let absent = self.absent(person);
                let lacking = Lacking::Attributes(person.id(), &absent);
                if absent.is_empty() {
                    return Vec::new();
                }
                self.told_by().directory.hints(name, lacking, deadline).await
            }
            (None, Some(Reason::BadCredentials | Reason::NoSuchUser | Reason::NoHost)) => {
                self.directory.hints(name, Lacking::User, deadline).await
            }
            _ => Vec::new(),
        }
    }

    /// A domain that no realm lists means another person, or was forgotten.
    fn unlisted_domain(&self, typed: &Typed<'_>, name: &str) -> Option<String> {
        let domain = typed.domain()?;
        (name.to_lowercase() == typed.whole().to_lowercase()).then(|| {
            format!(
                "the realm {} does not list {domain:?} in domains, so it is taken for a part of \
                 the name",
                self.settings.name
            )
        })
    }

    /// The attributes that metadata is made of and the entry does not have.
    fn absent(&self, person: &Person) -> Vec<String> {
        let wanted = self.settings.metadata.iter().filter_map(|item| match &item.value {
            MetadataValue::Attribute { name, .. } => Some(name),
            MetadataValue::Username | MetadataValue::Groups { .. } => None,
        });
        wanted.filter(|name| person.values(name).next().is_none()).cloned().collect()
    }

    /// What the entry has instead of what the rules ask for.
    fn broken_rules(&self, query: &Query, person: &Person) -> Vec<String> {
        let asked: Vec<Rule> = query.require.iter().filter_map(|it| Rule::parse(it).ok()).collect();
        let rules = self.settings.rules.iter().chain(&asked);
        let Some(rule) = super::rules::broken(rules, person) else { return Vec::new() };
        let has = |values: Vec<&str>| match values.as_slice() {
            [] => "none".to_owned(),
            values => values.join(", "),
        };
        vec![match &rule.test {
            Test::Group(_) if !self.knows_groups() => {
                format!(
                    "the realm says nowhere what groups are: [realm.{}.groups]",
                    self.settings.name
                )
            }
            Test::Group(_) => format!("the user's groups: {}", has(person.groups().collect())),
            Test::Attribute { name, .. } => {
                format!("the values of {name}: {}", has(person.values(name).collect()))
            }
            Test::Filter(filter) => format!("the user's entry does not match {}", filter.as_str()),
        }]
    }

    /// What the shield holds against a name, and against where its user comes from.
    pub(super) fn trace_shield(&self, name: &str, client: Option<IpAddr>) {
        trace::step("shield", || {
            let now = Instant::now();
            let who = self.cache.look(name, now);
            let whose = self.whose(name, who.identity());
            in_words(self.shield.standing(whose, client, now), client)
        });
    }

    fn knows_groups(&self) -> bool {
        match &self.told_by().settings.directory {
            config::Directory::Ldap(ldap) => ldap.groups.is_some(),
            _ => true,
        }
    }
}

/// What each name of the metadata stands for.
pub(super) fn metadata(wanted: &[config::Metadata], profile: &Profile) {
    if !trace::is_wanted() {
        return;
    }
    for config::Metadata { name, .. } in wanted {
        let told = profile.metadata().find(|(known, _)| known == name);
        trace::step("metadata", || match told {
            Some((_, value)) => format!("{name} = {value}"),
            None => format!("{name} has no value"),
        });
    }
}

/// How many passwords failed, and what comes of it.
fn in_words(standing: Standing, client: Option<IpAddr>) -> String {
    let Standing { failures, most, shut, client_shut } = standing;
    let most = if most == 0 { "any number".to_owned() } else { most.to_string() };
    let mut text = format!("{failures} of {most} passwords failed lately");
    if let Some(left) = shut {
        text.push_str(&format!("; none is tried for {} s", left.as_secs() + 1));
    }
    if let (Some(client), Some(left)) = (client, client_shut) {
        text.push_str(&format!("; none from {client} is for {} s", left.as_secs() + 1));
    }
    text
}

/// What the directory says of an account beside its password.
pub(super) fn account(verification: Verification) {
    match verification {
        Verification::Barred(reason) => trace::step(ACCOUNT, || {
            format!("the password is right, and the directory says {}", reason.as_str())
        }),
        Verification::Refused(reason) => trace::step(ACCOUNT, || {
            format!("the directory says {}, be the password right or wrong", reason.as_str())
        }),
        Verification::Right(_) | Verification::Wrong => {}
    }
}

/// What the shield says, in words.
pub(super) fn gate(gate: Gate) -> String {
    match gate {
        Gate::Open => "the password may be tried".to_owned(),
        Gate::Wrong => "the directory has refused this very password lately".to_owned(),
        Gate::Shut(left) => format!("too many passwords failed; shut for {} s", left.as_secs()),
    }
}

/// What is remembered; where a request is explained it is told and not used.
pub(super) fn afresh(who: Who<Person>, memory: Memory, now: Instant) -> (Who<Person>, Memory) {
    if !trace::is_wanted() {
        return (who, memory);
    }
    let age = |since: Instant| now.saturating_duration_since(since).as_secs();
    trace::step("cache", || match &who {
        Who::Nobody => "knows that there is no such user".to_owned(),
        Who::Fresh { since, .. } => format!("knows who this is, for {} s", age(*since)),
        Who::Stale { since, .. } => format!("knew who this is, {} s ago", age(*since)),
        Who::Unknown => "does not know the user".to_owned(),
    });
    match memory {
        Memory::Right(since) | Memory::Offline(since) => {
            let age = age(since);
            trace::step("cache", || format!("the password was right {age} s ago"));
        }
        Memory::Unknown => {}
    }
    (Who::Unknown, Memory::Unknown)
}
