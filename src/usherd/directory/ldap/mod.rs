//! Servers that speak LDAP (RFC 4511). The only room that knows ldap3.

mod active_directory;
mod connection;
mod dn;
mod entry;
mod filter;
mod groups;
mod health;
mod host;
mod keeper;
mod lanes;
mod policy;
mod pool;

use std::pin::Pin;

use tokio::time::Instant;
use usher_protocol::{HostStatus, Password};

use self::connection::Search;
use self::pool::Pool;
use super::{Asked, Directory, Entry, Found, Saying, Unavailable, Verification};
use crate::config;

/// The servers of one realm.
pub(super) struct Ldap {
    settings: config::Ldap,
    pool: Pool,
}

impl Ldap {
    pub(super) fn open(realm: &str, settings: &config::Ldap) -> Self {
        Self { settings: settings.clone(), pool: Pool::open(realm, settings) }
    }

    /// The search for the one entry of a user.
    fn search(&self, user: &str, asked: &Asked) -> Search {
        let mut wanted: Vec<String> = Vec::with_capacity(asked.attributes.len() + 2);
        let groups = self.settings.groups.iter().filter_map(|groups| match &groups.source {
            config::GroupSource::Attribute(name) => Some(name),
            config::GroupSource::Search { .. } => None,
        });
        let own = self.settings.login_attributes.iter().chain(groups);
        for name in own.chain(&asked.attributes) {
            if !wanted.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                wanted.push(name.clone());
            }
        }
        Search {
            base: self.settings.base_dn.clone(),
            scope: self.settings.scope,
            filter: filter::of_user(
                self.settings.filter.as_ref(),
                &self.settings.login_attributes,
                user,
            ),
            attributes: wanted,
            // Whoever matches a login is one, or too many.
            most: 2,
            may_be_absent: false,
        }
    }

    /// What else is asked of an entry that was found: its groups, and which filters match it.
    async fn complete(
        &self,
        entry: &mut Entry,
        asked: &Asked,
        deadline: Instant,
    ) -> Result<(), Unavailable> {
        if let Some(groups) = &self.settings.groups {
            entry.groups = groups::of(entry, groups, &self.pool, deadline).await?;
        }
        for filter in &asked.filters {
            if self.matches(&entry.id, filter, deadline).await? {
                entry.filters.push(filter.clone());
            }
        }
        Ok(())
    }

    /// Whether the directory says that a filter matches an entry.
    async fn matches(
        &self,
        dn: &str,
        filter: &str,
        deadline: Instant,
    ) -> Result<bool, Unavailable> {
        let search = Search::of_entry(dn, filter, []);
        Ok(!self.pool.search(search, deadline).await?.is_empty())
    }
}

impl Directory for Ldap {
    fn find<'a>(&'a self, user: &'a str, asked: &'a Asked, deadline: Instant) -> Saying<'a, Found> {
        Box::pin(async move {
            let mut entries = self.pool.search(self.search(user, asked), deadline).await?;
            let found = match (entries.pop(), entries.is_empty()) {
                (None, _) => return Ok(Found::Nobody),
                (Some(_), false) => return Ok(Found::Several),
                (Some(found), true) => found,
            };
            let mut entry = entry::read(found, user, &self.settings);
            self.complete(&mut entry, asked, deadline).await?;
            Ok(Found::One(entry))
        })
    }

    fn verify<'a>(
        &'a self,
        entry: &'a Entry,
        password: &'a Password,
        deadline: Instant,
    ) -> Saying<'a, Verification> {
        Box::pin(async move {
            // RFC 4513 5.1.1, 5.1.2: a bind without a DN or without a password succeeds as
            // anonymous, whoever asks.
            let Some(text) = password.as_str() else {
                return Ok(Verification::Wrong);
            };
            if entry.id.is_empty() || text.is_empty() {
                return Ok(Verification::Wrong);
            }
            self.pool.bind(&entry.id, text, deadline).await
        })
    }

    fn pretend<'a>(&'a self, _: &'a Password) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(std::future::ready(()))
    }

    fn generation(&self) -> u64 {
        0
    }

    fn hosts(&self) -> Vec<HostStatus> {
        self.pool.status()
    }

    fn problem(&self) -> Option<String> {
        None
    }
}

/// Why one host could not do something.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Failure {
    /// No connection can be made, or the host cannot serve now: another may.
    Host(String),
    /// A connection broke. A new one may do.
    Lost(String),
    /// The host refuses the service account.
    Account(String),
    /// The host answered that what is asked cannot be done; so will the others.
    Answer(String),
    /// Nothing came back, and the host had time enough. A new connection may do.
    Slow(String),
    /// Nothing came back in what was left of the request's time.
    Deadline(String),
    /// Every connection is in use.
    Busy,
}

impl Failure {
    fn text(&self) -> &str {
        match self {
            Self::Host(text)
            | Self::Lost(text)
            | Self::Account(text)
            | Self::Answer(text)
            | Self::Slow(text)
            | Self::Deadline(text) => text,
            Self::Busy => "every connection is in use",
        }
    }
}
