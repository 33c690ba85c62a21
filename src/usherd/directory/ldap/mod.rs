//! Servers that speak LDAP (RFC 4511). The only room that knows ldap3.

mod connection;
mod endpoint;
mod entry;
mod filter;
mod guard;
mod health;
mod host;
mod keeper;
mod lanes;
mod pool;
mod tls;
mod walk;

use std::pin::Pin;

use tokio::time::Instant;
use usher_protocol::{HostStatus, Password};

pub(in crate::directory) use self::walk::walk;

use self::connection::Search;
use self::pool::Pool;
use super::{Directory, Entry, Found, Saying, Verification};
use crate::config;

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

    fn search(&self, user: &str, attributes: &[String]) -> Search {
        let mut wanted: Vec<String> = Vec::with_capacity(attributes.len() + 2);
        let groups = self.settings.groups.iter().map(|groups| &groups.attribute);
        for name in self.settings.login_attributes.iter().chain(groups).chain(attributes) {
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
        }
    }
}

impl Directory for Ldap {
    fn find<'a>(
        &'a self,
        user: &'a str,
        attributes: &'a [String],
        deadline: Instant,
    ) -> Saying<'a, Found> {
        Box::pin(async move {
            let mut entries = self.pool.search(self.search(user, attributes), deadline).await?;
            Ok(match (entries.pop(), entries.is_empty()) {
                (None, _) => Found::Nobody,
                (Some(found), true) => Found::One(entry::read(found, user, &self.settings)),
                (Some(_), false) => Found::Several,
            })
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

#[cfg(test)]
mod tests;
