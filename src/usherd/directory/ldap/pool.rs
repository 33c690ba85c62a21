//! The hosts of a realm, in order of preference.

use std::sync::Arc;

use ldap3::SearchEntry;
use tokio::task::JoinSet;
use tokio::time::Instant;
use usher_protocol::{HostStatus, Reason};

use super::Failure;
use super::connection::Search;
use super::host::Host;
use crate::config;
use crate::directory::{Unavailable, Verification};

/// Hosts, and a task for each that tries it again when it failed.
pub(super) struct Pool {
    hosts: Vec<Arc<Host>>,
    /// Ends the tasks when dropped.
    _keepers: JoinSet<()>,
}

impl Pool {
    /// An error for people, where a host's name does not do.
    pub(super) fn open(realm: &str, settings: &config::Ldap) -> Result<Self, String> {
        let open = |host| Host::new(realm, host, settings).map(Arc::new);
        let hosts: Vec<_> = settings.hosts.iter().map(open).collect::<Result<_, _>>()?;
        let mut keepers = JoinSet::new();
        for host in &hosts {
            keepers.spawn(keep(Arc::clone(host)));
        }
        Ok(Self { hosts, _keepers: keepers })
    }

    /// The entries of the first host that answers.
    pub(super) async fn search(
        &self,
        search: &Search<'_>,
        deadline: Instant,
    ) -> Result<Vec<SearchEntry>, Unavailable> {
        let mut tried = Tried::nobody();
        for host in &self.hosts {
            if tried.skip(host) {
                continue;
            }
            match host.search(search, deadline).await {
                Ok(entries) => {
                    host.health.succeeded();
                    return Ok(entries);
                }
                Err(failure) => tried.failed(host, &failure)?,
            }
        }
        Err(tried.unavailable())
    }

    /// The verdict of the first host that answers. A refused password is an answer; nobody is
    /// asked for a second opinion.
    pub(super) async fn bind(
        &self,
        dn: &str,
        password: &str,
        deadline: Instant,
    ) -> Result<Verification, Unavailable> {
        let mut tried = Tried::nobody();
        for host in &self.hosts {
            if tried.skip(host) {
                continue;
            }
            match host.bind(dn, password, deadline).await {
                Ok(verification) => {
                    host.health.succeeded();
                    return Ok(verification);
                }
                Err(failure) => tried.failed(host, &failure)?,
            }
        }
        Err(tried.unavailable())
    }

    pub(super) fn status(&self) -> Vec<HostStatus> {
        self.hosts.iter().map(|host| host.status()).collect()
    }
}

/// Opens a host's lanes at the start and whenever it failed.
async fn keep(host: Arc<Host>) {
    loop {
        match host.open_lanes().await {
            Ok(()) => host.health.succeeded(),
            Err(failure) => host.health.failed(&failure),
        }
        host.health.time_to_try().await;
    }
}

/// What each host said, for the answer if none could help.
struct Tried {
    said: Vec<String>,
    reason: Reason,
}

impl Tried {
    fn nobody() -> Self {
        Self { said: Vec::new(), reason: Reason::NoHost }
    }

    /// A host that is known to be down is not asked; a task in the background does that.
    fn skip(&mut self, host: &Host) -> bool {
        let down = host.health.down();
        if let Some(why) = &down {
            self.said.push(format!("{}: {why}", host.health.url()));
        }
        down.is_some()
    }

    /// Notes why a host did not help; an error if no other host would.
    fn failed(&mut self, host: &Host, failure: &Failure) -> Result<(), Unavailable> {
        let said = format!("{}: {}", host.health.url(), failure.text());
        match failure {
            Failure::Answer(_) => return Err(Unavailable::new(Reason::NoHost, said)),
            Failure::Busy => self.reason = Reason::Overloaded,
            Failure::Deadline(_) => self.reason = Reason::Deadline,
            Failure::Host(_) | Failure::Lost(_) | Failure::Account(_) | Failure::Slow(_) => {
                host.health.failed(failure);
            }
        }
        self.said.push(said);
        Ok(())
    }

    fn unavailable(self) -> Unavailable {
        Unavailable::new(self.reason, self.said.join("; "))
    }
}
