//! Servers that speak LDAP (RFC 4511). The only room that knows ldap3.

mod active_directory;
mod ahead;
mod connection;
mod dn;
mod dns;
mod endpoint;
mod entry;
mod eyes;
mod filter;
mod groups;
mod guard;
mod health;
mod held;
mod hints;
mod host;
mod keeper;
mod lanes;
mod policy;
mod pool;
mod referral;
mod roster;
mod walk;

use std::pin::Pin;

use tokio::time::Instant;
use usher_protocol::HostStatus;

pub(in crate::directory) use self::walk::walk;

use self::connection::Search;
use self::eyes::Eyes;
use self::held::Held;
use self::pool::Pool;
use super::{
    Attempt, Directory, Entered, Found, Lacking, Saying, Unavailable, Verification, Wanted,
};
use crate::config;
use crate::telemetry::trace;

/// The servers of one realm.
pub(super) struct Ldap {
    settings: config::Ldap,
    pool: Pool,
}

impl Ldap {
    /// An error for people, where a host's name does not do.
    pub(super) fn open(realm: &str, settings: &config::Ldap) -> Result<Self, String> {
        Ok(Self { settings: settings.clone(), pool: Pool::open(realm, settings)? })
    }

    /// The search for the one entry of a user.
    fn search(&self, user: &str, wanted: &Wanted) -> Search {
        let filter = self.settings.filter.as_ref();
        let attributes = self.attributes(wanted);
        match &self.settings.users {
            config::Users::Below { base_dn, scope } => Search {
                base: base_dn.clone(),
                scope: *scope,
                filter: filter::of_user(filter, &self.settings.login_attributes, user),
                attributes,
                // Whoever matches a login is one, or too many.
                most: 2,
                may_be_absent: false,
            },
            config::Users::Named { template, base_dn, scope } => {
                let name = template.replace("%u", user);
                let logins = active_directory::logins_of_a_bind(user, &name);
                Search {
                    base: base_dn.clone(),
                    scope: *scope,
                    filter: filter::of_logins(filter, &logins),
                    attributes,
                    most: 2,
                    may_be_absent: false,
                }
            }
            config::Users::At(template) => Search {
                attributes,
                ..Search::of_entry(
                    &dn::of_user(template, user),
                    filter.map_or(filter::ANY, config::Filter::as_str),
                    [],
                )
            },
        }
    }

    /// The attributes to read of a user's entry.
    fn attributes(&self, wanted: &Wanted) -> Vec<String> {
        let mut all = Wanted::default();
        self.settings.login_attributes.iter().for_each(|name| all.attribute(name));
        if let Some(config::Groups { source: config::GroupSource::Attribute(name), .. }) =
            &self.settings.groups
        {
            all.attribute(name);
        }
        if self.settings.active_directory {
            all.attribute(active_directory::ACCOUNT_CONTROL);
            if self.settings.groups.is_some() {
                active_directory::PRIMARY_GROUP.iter().for_each(|name| all.attribute(name));
            }
        }
        wanted.attributes.iter().for_each(|name| all.attribute(name));
        all.attributes
    }

    /// The entry of a user, and all that is asked of it.
    async fn look(
        &self,
        eyes: &Eyes<'_>,
        user: &str,
        wanted: &Wanted,
        deadline: Instant,
    ) -> Result<Found, Unavailable> {
        if self.bind_name(user).is_none() {
            return Ok(Found::Nobody);
        }
        let mut entries = eyes.search(self.search(user, wanted), deadline).await?;
        trace::step("entry", || match entries.as_slice() {
            [] => "no entry matches".to_owned(),
            [one] => one.dn.clone(),
            [one, other, ..] => format!("more than one matches: {}, {}", one.dn, other.dn),
        });
        let found = match (entries.pop(), entries.is_empty()) {
            (None, _) => return Ok(Found::Nobody),
            (Some(_), false) => return Ok(Found::Several),
            (Some(found), true) => found,
        };
        let primary = active_directory::primary_group(&found);
        let primary = primary.filter(|_| self.settings.active_directory);
        let mut entry = entry::read(found, user, &self.settings);
        for (name, values) in entry.attributes.iter() {
            trace::step("attribute", || format!("{name}: {}", values.join(", ")));
        }
        if let Some(groups) = &self.settings.groups {
            entry.groups = groups::of(&entry, primary, groups, eyes, deadline).await?;
        }
        if self.settings.groups.is_some() {
            trace::step("groups", || entry.groups.join(", "));
        }
        for filter in &wanted.filters {
            let matching = Search::of_entry(&entry.id, filter, []);
            if !eyes.search(matching, deadline).await?.is_empty() {
                entry.filters.push(filter.clone());
            }
        }
        Ok(Found::One(entry))
    }

    /// By what a user binds before the entry is seen: a DN, or what only Active Directory takes.
    /// None where that would mean somebody else.
    fn bind_name(&self, user: &str) -> Option<String> {
        match &self.settings.users {
            config::Users::Below { .. } => Some(String::new()),
            config::Users::At(template) => Some(dn::of_user(template, user)),
            config::Users::Named { template, .. } => {
                active_directory::is_account_name(user).then(|| template.replace("%u", user))
            }
        }
    }

    /// A bind as a user, and the lane that is bound so.
    async fn bind(
        &self,
        dn: &str,
        attempt: Attempt<'_>,
        deadline: Instant,
    ) -> Result<(Verification, Option<Held>), Unavailable> {
        let Some(bind) = Bind::new(dn, attempt) else { return Ok((Verification::Wrong, None)) };
        let (verification, held) = self.pool.bind(bind, deadline).await?;
        Ok((verification, Some(held)))
    }
}

impl Directory for Ldap {
    fn find<'a>(
        &'a self,
        user: &'a str,
        wanted: &'a Wanted,
        deadline: Instant,
    ) -> Saying<'a, Found> {
        Box::pin(async move {
            let eyes = Eyes::Account { pool: &self.pool, follow: self.settings.follow_referrals };
            self.look(&eyes, user, wanted, deadline).await
        })
    }

    fn verify<'a>(
        &'a self,
        id: &'a str,
        attempt: Attempt<'a>,
        deadline: Instant,
    ) -> Saying<'a, Verification> {
        Box::pin(async move { Ok(self.bind(id, attempt, deadline).await?.0) })
    }

    fn enter<'a>(
        &'a self,
        user: &'a str,
        attempt: Attempt<'a>,
        wanted: &'a Wanted,
        deadline: Instant,
    ) -> Saying<'a, Entered> {
        Box::pin(async move {
            // Without a name nothing is tried.
            let name = self.bind_name(user).unwrap_or_default();
            let bound = self.bind(&name, attempt, deadline).await?;
            let (verification @ Verification::Right(_), Some(held)) = bound else {
                return Ok((bound.0, Ok(Found::Nobody)));
            };
            let found = self.look(&Eyes::User(Box::new(held)), user, wanted, deadline).await;
            Ok((verification, found))
        })
    }

    fn hints<'a>(
        &'a self,
        user: &'a str,
        lacking: Lacking<'a>,
        deadline: Instant,
    ) -> Pin<Box<dyn Future<Output = Vec<String>> + Send + 'a>> {
        Box::pin(hints::of(&self.settings, &self.pool, user, lacking, deadline))
    }

    fn hosts(&self) -> Vec<HostStatus> {
        self.pool.status()
    }

    fn problem(&self) -> Option<String> {
        self.pool.problem()
    }
}

/// What a user binds with.
#[derive(Clone, Copy)]
struct Bind<'a> {
    dn: &'a str,
    password: &'a str,
    attempt: Attempt<'a>,
}

impl<'a> Bind<'a> {
    /// RFC 4513 5.1.1, 5.1.2: without a DN or without a password it would succeed as anonymous,
    /// whoever asks.
    fn new(dn: &'a str, attempt: Attempt<'a>) -> Option<Self> {
        let password = attempt.password.as_str().filter(|text| !text.is_empty())?;
        (!dn.is_empty()).then_some(Self { dn, password, attempt })
    }
}

/// Why one host could not do something.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Failure {
    /// No connection can be made, or the host cannot serve now: another may.
    Host(String),
    /// It turned out meanwhile that the host is down, which is known of it already.
    Down(String),
    /// A connection broke. A new one may do.
    Lost(String),
    /// A connection was ended because of what somebody else had asked on it, and the host is as
    /// well as before. A new one may do.
    Beside(String),
    /// The host refuses the service account.
    Account(String),
    /// The host answered that what is asked cannot be done; so will the others.
    Answer(String),
    /// Nothing came back, and the host had time enough. A new connection may do.
    Slow(String),
    /// Nothing came back in what was left of the request's time.
    Deadline(String),
    /// Every connection is in use, and how there could be more.
    Busy(&'static str),
    /// The password was not let go, here or to any other host.
    Spent(String),
}

impl Failure {
    fn text(&self) -> &str {
        match self {
            Self::Host(text)
            | Self::Down(text)
            | Self::Lost(text)
            | Self::Beside(text)
            | Self::Account(text)
            | Self::Answer(text)
            | Self::Slow(text)
            | Self::Deadline(text)
            | Self::Spent(text) => text,
            Self::Busy(text) => text,
        }
    }

    /// What is the same where the trouble is: silence is silence, however long and whoever waited.
    fn cause(&self) -> &str {
        match self {
            Self::Slow(_) | Self::Deadline(_) => "no answer",
            other => other.text(),
        }
    }
}

#[cfg(test)]
mod tests;
