//! The hosts of a realm, in order of preference.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use usher_protocol::{HostState, HostStatus, Reason};

use super::connection::{Answer, Search};
use super::held::Held;
use super::host::Host;
use super::referral::{self, Elsewhere};
use super::roster::Roster;
use super::{Bind, Failure};
use crate::config;
use crate::directory::{Unavailable, Verification};
use crate::telemetry::{harmless, heard, trace};

/// Hosts, and the keeper of each.
pub(super) struct Pool {
    roster: Roster,
    hedge_after: Duration,
}

/// What one host has found.
type Searched = (Arc<Host>, Result<Answer, Failure>);

impl Pool {
    /// An error for people, where a host's name does not do.
    pub(super) fn open(realm: &str, settings: &config::Ldap) -> Result<Self, String> {
        let roster = Roster::open(realm, settings)?;
        Ok(Self { roster, hedge_after: settings.pool.hedge_after })
    }

    /// The entries of the first host that answers. One that takes long has the next as a rival;
    /// a search does no harm when it is made twice.
    pub(super) async fn search(
        &self,
        search: Search,
        deadline: Instant,
    ) -> Result<Answer, Unavailable> {
        let search = Arc::new(search);
        let (mut hosts, mut tried) = self.usable(&search.base, deadline).await;
        let mut rivals = FuturesUnordered::new();
        let (mut may_hedge, mut hedged) = (false, None);
        loop {
            if rivals.is_empty() {
                let Some(host) = hosts.next() else { return Err(tried.unavailable()) };
                rivals.push(ask(&host, &search, deadline));
                may_hedge = true;
            }
            tokio::select! {
                Some(searched) = rivals.next() => match searched {
                    Ok((host, Ok(mut answer))) => {
                        if hedged.is_some_and(|hedged: Arc<Host>| Arc::ptr_eq(&hedged, &host)) {
                            host.hedges_won.one();
                        }
                        heard(host.health.url());
                        let of_host = |said| format!("{}: {said}", host.health.url());
                        answer.referral = answer.referral.map(of_host);
                        return Ok(answer);
                    }
                    Ok((host, Err(failure))) => tried.failed(&host, &failure)?,
                    Err(error) => tried.said.push(format!(
                        "the search was broken off: {error}; that is a fault of usherd"
                    )),
                },
                () = sleep(self.hedge_after), if may_hedge => {
                    may_hedge = false;
                    if let Some(next) = hosts.next() {
                        next.hedges.one();
                        rivals.push(ask(&next, &search, deadline));
                        hedged = Some(next);
                    }
                }
            }
        }
    }

    /// The verdict of the first host that answers, and the lane where it was given. A refused
    /// password is an answer; nobody is asked for a second opinion, and no two hosts at once: each
    /// may count it as a failure. So may one that did not answer. Whoever hangs, so that it answers
    /// nobody, is passed over all the same; beside a host that is merely silent to this bind, one
    /// more is asked and no third. Where the password is not let go to one, it goes to none after it.
    pub(super) async fn bind(
        &self,
        bind: Bind<'_>,
        deadline: Instant,
    ) -> Result<(Verification, Held), Unavailable> {
        let (mut hosts, mut tried) = self.usable(bind.dn, deadline).await;
        let bind = Bind { dn: &referral::dn_of(bind.dn), ..bind };
        let mut silent = false;
        for host in &mut hosts {
            let failure = match host.bind(bind, deadline).await {
                Ok(bound) => {
                    heard(host.health.url());
                    return Ok(bound);
                }
                Err(failure) => failure,
            };
            tried.failed(&host, &failure)?;
            let is_silent = matches!(failure, Failure::Slow(_) | Failure::Deadline(_));
            let is_spent = matches!(failure, Failure::Spent(_));
            if is_spent || (is_silent && silent) || Instant::now() >= deadline {
                break;
            }
            silent |= is_silent;
        }
        Err(tried.unavailable())
    }

    pub(super) fn status(&self) -> Vec<HostStatus> {
        self.roster.present().0.iter().map(|host| host.status()).collect()
    }

    /// Why there are fewer hosts than there should be.
    pub(super) fn problem(&self) -> Option<String> {
        self.roster.present().1
    }

    /// The host of the realm that is meant.
    pub(super) fn host_of(&self, elsewhere: &Elsewhere) -> Option<Arc<Host>> {
        let hosts = self.roster.present().0;
        let find = |elsewhere: &Elsewhere| hosts.iter().find(|host| host.is(elsewhere)).cloned();
        find(elsewhere).or_else(|| find(&elsewhere.on_any_port()?))
    }

    /// The hosts to ask for this entry, in order: those that serve, then those that just came
    /// back. Those that are down are not asked; their keepers do that.
    async fn usable(&self, id: &str, deadline: Instant) -> (std::vec::IntoIter<Arc<Host>>, Tried) {
        let (mut hosts, problem) = self.roster.hosts(deadline).await;
        if let Some(elsewhere) = Elsewhere::parse(id) {
            hosts = self.host_of(&elsewhere).into_iter().collect();
        }
        let problem = problem.or_else(|| {
            hosts
                .is_empty()
                .then(|| format!("no host of the realm is at {}, where the entry is", harmless(id)))
        });
        let mut tried =
            Tried { said: problem.into_iter().collect(), reason: Reason::NoHost, silent: true };
        let (mut serving, mut proving) = (Vec::new(), Vec::new());
        for host in hosts {
            match host.health.state() {
                HostState::Up | HostState::Untried => serving.push(host),
                HostState::Proving => proving.push(host),
                HostState::Down => tried.skipped(&host),
            }
        }
        serving.extend(proving);
        (serving.into_iter(), tried)
    }
}

/// Searches in a task of its own: a search that has lost its race goes on to its end, and so
/// tells its host's health how long that took.
fn ask(host: &Arc<Host>, search: &Arc<Search>, deadline: Instant) -> JoinHandle<Searched> {
    let (host, search) = (Arc::clone(host), Arc::clone(search));
    tokio::spawn(trace::carried(async move {
        let result = host.search(&search, deadline).await;
        (host, result)
    }))
}

/// What each host said, for the answer if none could help.
struct Tried {
    said: Vec<String>,
    reason: Reason,
    silent: bool,
}

impl Tried {
    fn skipped(&mut self, host: &Host) {
        let why = host.health.last_error().unwrap_or_default();
        let said = format!("{}: {why}", host.health.url());
        trace::step("host", || format!("not asked, since it is down: {said}"));
        self.said.push(said);
    }

    /// Notes why a host did not help; an error if no other host would.
    fn failed(&mut self, host: &Host, failure: &Failure) -> Result<(), Unavailable> {
        let said = format!("{}: {}", host.health.url(), failure.text());
        match failure {
            Failure::Answer(_) => {
                return Err(Unavailable::new(Reason::NoHost, said).not_silent());
            }
            Failure::Busy(_) => self.reason = Reason::Overloaded,
            Failure::Account(_) => self.silent = false,
            Failure::Deadline(_) => self.reason = Reason::Deadline,
            Failure::Host(_)
            | Failure::Down(_)
            | Failure::Lost(_)
            | Failure::Beside(_)
            | Failure::Slow(_)
            | Failure::Spent(_) => {}
        }
        self.said.push(said);
        Ok(())
    }

    fn unavailable(self) -> Unavailable {
        let why = Unavailable::new(self.reason, self.said.join("; "));
        if self.silent { why } else { why.not_silent() }
    }
}
