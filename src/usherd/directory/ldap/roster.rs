//! The hosts of a realm as they are now: those that are written, and those that the DNS names. A
//! host that is new gets its keeper and its lanes; one that is gone loses them when the last
//! request on them has ended.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use super::dns::{Dns, Place, Served};
use super::health::jitter;
use super::host::Host;
use super::keeper::keep;
use crate::config;

/// Longest wait for all answers of the DNS to one question.
const PATIENCE: Duration = Duration::from_secs(4);
/// How often the DNS is asked, whatever the time to live of its records.
const OFTEN: Duration = Duration::from_secs(1);
const SELDOM: Duration = Duration::from_secs(86_400);
/// When it is asked again where it did not answer.
const RETRY: Duration = Duration::from_secs(5);

/// A host and its keeper, which ends with this.
struct Kept {
    place: Place,
    host: Arc<Host>,
    _keeper: AbortOnDropHandle<()>,
}

/// The hosts, in order of preference.
#[derive(Clone, Default)]
struct Now {
    hosts: Arc<[Arc<Kept>]>,
    /// What the DNS does not tell.
    problem: Option<String>,
}

pub(super) struct Roster {
    /// Nothing before the DNS was asked.
    now: watch::Receiver<Option<Now>>,
    _finder: Option<AbortOnDropHandle<()>>,
}

impl Roster {
    /// An error for people, where a host's name does not do.
    pub(super) fn open(realm: &str, settings: &config::Ldap) -> Result<Self, String> {
        let finder = Finder { realm: realm.to_owned(), settings: settings.clone() };
        let is_found = |host: &config::Host| matches!(host, config::Host::Srv(_));
        if settings.hosts.iter().any(is_found) {
            let (sender, now) = watch::channel(None);
            let task = tokio::spawn(async move { finder.find(&sender).await });
            return Ok(Self { now, _finder: Some(AbortOnDropHandle::new(task)) });
        }
        let written = settings.hosts.iter().map(|host| finder.kept(Place::written(host)));
        let hosts = written.collect::<Result<Arc<[_]>, _>>()?;
        introduce(&hosts);
        let (_, now) = watch::channel(Some(Now { hosts, problem: None }));
        Ok(Self { now, _finder: None })
    }

    /// The hosts, once it is known whether there are any, and why there are none.
    pub(super) async fn hosts(&self, deadline: Instant) -> (Vec<Arc<Host>>, Option<String>) {
        if self.now.borrow().is_none() {
            let mut now = self.now.clone();
            // Past the deadline there is nobody to be asked.
            let _ = timeout_at(deadline, now.wait_for(Option::is_some)).await;
        }
        self.present()
    }

    /// As [`Self::hosts`], at once.
    pub(super) fn present(&self) -> (Vec<Arc<Host>>, Option<String>) {
        match &*self.now.borrow() {
            Some(now) => {
                let hosts = now.hosts.iter().map(|kept| Arc::clone(&kept.host));
                (hosts.collect(), now.problem.clone())
            }
            None => (Vec::new(), Some("the DNS has not answered yet".to_owned())),
        }
    }
}

/// The places of the hosts of a realm, each written one with what became of it.
pub(super) async fn places(
    settings: &config::Ldap,
) -> Vec<(&config::Host, Result<Served, String>)> {
    let mut all = Vec::new();
    for host in &settings.hosts {
        let served = match (host, Dns::of(settings)) {
            (config::Host::Srv(domain), Some(dns)) => {
                let served = timeout(PATIENCE, dns.served(domain, &settings.security)).await;
                let served = served.unwrap_or_else(|_| Err(dns.silent()));
                served.and_then(|served| match served.places.is_empty() {
                    true => Err(format!("the DNS says that nobody serves this domain ({dns})")),
                    false => Ok(served),
                })
            }
            (host, _) => Ok(Served { places: vec![Place::written(host)], ttl: SELDOM }),
        };
        all.push((host, served.map_err(|why| format!("{host}: {why}"))));
    }
    all
}

/// Who keeps the roster.
struct Finder {
    realm: String,
    settings: config::Ldap,
}

impl Finder {
    async fn find(&self, roster: &watch::Sender<Option<Now>>) {
        let mut known: Vec<Option<Vec<Place>>> = vec![None; self.settings.hosts.len()];
        loop {
            let (mut pause, mut problems) = (SELDOM, Vec::new());
            for ((_, served), known) in places(&self.settings).await.into_iter().zip(&mut known) {
                match served {
                    Ok(served) => {
                        pause = pause.min(served.ttl);
                        keep_order(known, served.places);
                    }
                    // Who was there a moment ago most likely still is.
                    Err(why) => {
                        pause = pause.min(jitter(RETRY));
                        problems.push(why);
                    }
                }
            }
            let now = roster.borrow().clone().unwrap_or_default();
            let next = self.next(&now, known.iter().flatten().flatten(), problems);
            self.tell(&now, &next);
            introduce(&next.hosts);
            if roster.send(Some(next)).is_err() {
                return;
            }
            tokio::time::sleep(pause.max(OFTEN)).await;
        }
    }

    fn next<'a>(
        &self,
        now: &Now,
        places: impl Iterator<Item = &'a Place>,
        mut problems: Vec<String>,
    ) -> Now {
        let mut hosts: Vec<Arc<Kept>> = Vec::new();
        for place in places {
            if hosts.iter().any(|kept| kept.place.host == place.host) {
                continue;
            }
            match now.hosts.iter().find(|kept| kept.place == *place) {
                Some(kept) => hosts.push(Arc::clone(kept)),
                None => match self.kept(place.clone()) {
                    Ok(kept) => hosts.push(kept),
                    Err(why) => problems.push(why),
                },
            }
        }
        let problem = (!problems.is_empty()).then(|| problems.join("; "));
        Now { hosts: hosts.into(), problem }
    }

    fn kept(&self, place: Place) -> Result<Arc<Kept>, String> {
        let host = Arc::new(Host::new(&self.realm, &place, &self.settings)?);
        let keeper = AbortOnDropHandle::new(tokio::spawn(keep(Arc::clone(&host))));
        Ok(Arc::new(Kept { place, host, _keeper: keeper }))
    }

    /// Says what is new.
    fn tell(&self, before: &Now, after: &Now) {
        let realm = &self.realm;
        for (one, other, news) in [
            (after, before, "the DNS names this host"),
            (before, after, "the DNS no longer names this host"),
        ] {
            let has = |kept: &Arc<Kept>| other.hosts.iter().any(|it| it.place == kept.place);
            for kept in one.hosts.iter().filter(|kept| kept.place.domain.is_some() && !has(kept)) {
                tracing::info!(realm, host = &**kept.host.health.url(), "{news}");
            }
        }
        if let Some(problem) = after.problem.as_ref().filter(|_| after.problem != before.problem) {
            tracing::error!(realm, "hosts cannot be found: {problem}");
        }
    }
}

/// The same places keep their order, so that the host that is preferred does not change each time
/// that the DNS is asked.
fn keep_order(known: &mut Option<Vec<Place>>, found: Vec<Place>) {
    let same = known.as_ref().is_some_and(|known| {
        known.len() == found.len() && found.iter().all(|place| known.contains(place))
    });
    if !same {
        *known = Some(found);
    }
}

/// Tells each host of the others.
fn introduce(hosts: &[Arc<Kept>]) {
    for kept in hosts {
        let others = hosts.iter().filter(|other| !Arc::ptr_eq(other, kept));
        kept.host.know(others.map(|other| Arc::downgrade(&other.host)).collect());
    }
}
