//! One host: its lanes, its health, and what is asked of it.

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use ldap3::LdapResult;
use tokio::sync::OnceCell;
use tokio::time::Instant;
use usher_protocol::{HostState, HostStatus};

use super::connection::{Answer, Connection, Search};
use super::dns::{Dns, Place};
use super::endpoint::Endpoint;
use super::health::Health;
use super::held::Held;
use super::lanes::{BindLanes, Lane, SearchLanes, Slot};
use super::referral::Elsewhere;
use super::{Bind, Failure, policy};
use crate::config;
use crate::directory::{SPENT, Verification};
use crate::telemetry::{Count, Stopwatch, harmless, trace};

/// How often a search goes out that is lost each time because of what somebody else asked.
const MOST_TRIES: usize = 6;

/// A server and the connections to it.
pub(super) struct Host {
    endpoint: Endpoint,
    account: config::Account,
    active_directory: bool,
    /// Whether it has connections for binds alone, once that is known; none: it does not matter.
    fast_binds: Option<OnceCell<bool>>,
    pub(super) pool: config::Pool,
    pub(super) searches: SearchLanes,
    pub(super) binds: BindLanes,
    pub(super) health: Health,
    /// The other hosts of the realm.
    others: Mutex<Vec<Weak<Host>>>,
    /// Searches sent here because another host took long, and those answered here first.
    pub(super) hedges: Count,
    pub(super) hedges_won: Count,
    search_time: Stopwatch,
    bind_time: Stopwatch,
}

impl Host {
    /// An error for people, where the server's name does not do.
    pub(super) fn new(realm: &str, place: &Place, settings: &config::Ldap) -> Result<Self, String> {
        let endpoint = Endpoint::new(realm, place, &settings.security, Dns::of(settings))?;
        let health = Health::new(realm, &endpoint.url());
        Ok(Self {
            endpoint,
            account: settings.account.clone(),
            active_directory: settings.active_directory,
            fast_binds: (settings.active_directory && !settings.users_read_themselves())
                .then(OnceCell::new),
            pool: settings.pool.clone(),
            searches: SearchLanes::new(settings.pool.search_lanes),
            binds: BindLanes::new(settings.pool.bind_lanes),
            health,
            others: Mutex::default(),
            hedges: Count::default(),
            hedges_won: Count::default(),
            search_time: Stopwatch::default(),
            bind_time: Stopwatch::default(),
        })
    }

    /// Searches on a shared lane. It may have died, with or without a word; then the search goes
    /// out once more on a new one, and some times more where it fell with somebody else's search.
    pub(super) async fn search(
        &self,
        search: &Search,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        let begun = Instant::now();
        let (slot, _turn) = self.unless_down(pin!(self.searches.turn(deadline))).await?;
        let mut tries = pin!(async {
            let mut tries = 1;
            loop {
                match self.search_once(slot, search, deadline).await {
                    Err(Failure::Lost(_) | Failure::Slow(_)) if tries == 1 => {}
                    Err(Failure::Beside(_)) if tries < MOST_TRIES => {}
                    result => return result,
                }
                tries += 1;
            }
        });
        let result = tokio::select! {
            biased;
            result = &mut tries => result,
            () = self.doubt(&self.search_time) => tries.await,
        };
        self.search_time.took(begun.elapsed());
        let is_news = self.is_news(&result, begun);
        trace::step("search", || {
            let came = match &result {
                Ok(answer) => format!("{} found", answer.entries.len()),
                Err(failure) => failure.text().to_owned(),
            };
            format!("{} {search}: {came}, after {}", self.health.url(), took(begun))
        });
        if is_news {
            self.note(&result);
        }
        result
    }

    async fn search_once(
        &self,
        slot: &Slot,
        search: &Search,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        let open = || self.open_search_lane(deadline, self.pool.operation_timeout);
        // Who waits for another to open it does so for nothing where the host is down.
        let lane = self.unless_down(pin!(slot.lane(open, deadline))).await?;
        let result = lane.answer(search, self.limit(deadline)).await;
        match result {
            // Whoever else waits on a silent connection waits in vain.
            Err(Failure::Lost(_) | Failure::Beside(_) | Failure::Slow(_)) => lane.close(),
            // Nor does anybody know what becomes of this search. Those beside it, which have more
            // time, go on to their end; with the last of them the connection ends.
            Err(Failure::Deadline(_)) => slot.retire(&lane).await,
            _ => lane.used(Instant::now()),
        }
        result
    }

    /// Binds as a user on a lane of its own. It may have died; then the bind goes out once more on
    /// a new one. A bind that takes long is given up as soon as the host turns out not to answer
    /// anybody. One that was merely not answered is not tried here again: the server may have
    /// counted a wrong password. Each time that it goes out it asks leave.
    pub(super) async fn bind(
        self: &Arc<Self>,
        bind: Bind<'_>,
        deadline: Instant,
    ) -> Result<(Verification, Held), Failure> {
        let begun = Instant::now();
        let turn = self.unless_down(pin!(self.binds.turn(deadline))).await?;
        let lane = self.binds.take();
        let result = match self.bind_once(lane, bind, deadline).await {
            Err(Failure::Lost(why)) => {
                // The other idle ones are no younger, and likely as dead.
                drop(self.binds.take_if(|_| true));
                match self.bind_once(None, bind, deadline).await {
                    Err(Failure::Spent(text)) => Err(Failure::Spent(format!("{why}; {text}"))),
                    result => result,
                }
            }
            result => result,
        };
        self.bind_time.took(begun.elapsed());
        let is_news = self.is_news(&result, begun);
        trace::step("bind", || {
            let came = match &result {
                Ok((result, _)) => describe(result),
                Err(failure) => failure.text().to_owned(),
            };
            format!("{} as {}: {came}, after {}", self.health.url(), bind.dn, took(begun))
        });
        if is_news {
            self.note(&result);
        }
        let (result, lane) = result?;
        let held = Held::new(Arc::clone(self), lane, turn);
        let verification = policy::verification(&result, self.active_directory);
        self.note(&verification);
        Ok((verification?, held))
    }

    async fn bind_once(
        &self,
        lane: Option<Lane>,
        bind: Bind<'_>,
        deadline: Instant,
    ) -> Result<(LdapResult, Lane), Failure> {
        let heard = lane.as_ref().map(Lane::heard);
        let bound = async {
            let mut lane = match lane {
                Some(lane) => lane,
                // In a box, as in `Slot::lane`.
                None => Box::pin(self.open_bind_lane(self.connect_limit(deadline))).await?,
            };
            // Not before: without a connection nothing is sent.
            if !bind.attempt.may_go() {
                self.binds.give_back(lane);
                return Err(Failure::Spent(SPENT.to_owned()));
            }
            let (dn, password, limit) = (bind.dn, bind.password, self.limit(deadline));
            let result = lane.connection().bind(dn, password, limit).await?;
            lane.used(Instant::now());
            Ok((result, lane))
        };
        tokio::select! {
            bound = bound => bound,
            failure = self.silence(heard) => Err(failure),
        }
    }

    /// Returns when the host, suspected after a while, has turned out to be down; or when others of
    /// its connections have turned out to be dead that were heard of as late as this one, so that
    /// the bind has most likely never arrived.
    async fn silence(&self, heard: Option<Instant>) -> Failure {
        self.doubt(&self.bind_time).await;
        let forgotten = async {
            match heard {
                Some(heard) => self.health.forgot_after(heard).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.health.went_down() => self.down(),
            () = forgotten => {
                Failure::Lost("bind: the connection is dead, as others to this host are".to_owned())
            }
        }
    }

    /// Has the keeper find out whether the host answers at all, as soon as something takes many
    /// times as long as it did so far.
    async fn doubt(&self, so_far: &Stopwatch) {
        let hedge = self.pool.hedge_after;
        let usual = so_far.mean().unwrap_or(hedge);
        tokio::time::sleep((usual * 8).clamp(hedge / 2, hedge)).await;
        self.health.suspect();
    }

    /// What comes of it, unless the host is down or goes down meanwhile.
    pub(super) async fn unless_down<T>(
        &self,
        work: Pin<&mut impl Future<Output = Result<T, Failure>>>,
    ) -> Result<T, Failure> {
        let result = tokio::select! {
            biased;
            () = self.health.went_down() => Err(self.down()),
            result = work => result,
        };
        // Whoever gives up first, since the host is down, leaves to the next what it had; who takes
        // that may not have been woken for the other news yet.
        match self.health.state() {
            HostState::Down => result.and(Err(self.down())),
            _ => result,
        }
    }

    fn down(&self) -> Failure {
        let text = self.health.last_error().unwrap_or_default();
        Failure::Down(format!("given up, since the host is down: {text}"))
    }

    pub(super) fn know(&self, others: Vec<Weak<Self>>) {
        *self.others.lock().unwrap_or_else(PoisonError::into_inner) = others;
    }

    /// Whether there is no other host to go to at present. Such a host may take its time.
    pub(super) fn is_alone(&self) -> bool {
        let others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let mut others = others.iter().filter_map(Weak::upgrade);
        others.all(|other| other.health.state() == HostState::Down)
    }

    /// Whether this is the server that is meant.
    pub(super) fn is(&self, elsewhere: &Elsewhere) -> bool {
        self.endpoint.address().is_some_and(|(name, port)| elsewhere.is(name, port))
    }

    pub(super) fn status(&self) -> HostStatus {
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let (state, since, failures, last_error) = self.health.report();
        let [searches, binds] = [self.searches.queue().status(), self.binds.queue().status()];
        HostStatus {
            url: self.health.url().to_string(),
            state,
            state_s: since.elapsed().as_secs(),
            failures,
            search_lanes: number(self.searches.open()),
            bind_lanes: number(self.binds.open()),
            searching: number(self.searches.in_use()),
            binding: number(self.binds.in_use()),
            waiting: u32::try_from(searches.0 + binds.0).unwrap_or(u32::MAX),
            waits: searches.1 + binds.1,
            hedges: self.hedges.now(),
            hedges_won: self.hedges_won.now(),
            search_time: self.search_time.now(),
            bind_time: self.bind_time.now(),
            certificate_expires: self.endpoint.certificate_expires(),
            last_error,
        }
    }

    /// A connection, not bound yet.
    pub(super) async fn open(&self, limit: Duration) -> Result<Lane, Failure> {
        Ok(Lane::new(Connection::open(&self.endpoint, limit).await?, Instant::now()))
    }

    /// A connection for binds; where users do not search on it, one that is for binds alone.
    pub(super) async fn open_bind_lane(&self, limit: Duration) -> Result<Lane, Failure> {
        let mut lane = self.open(limit).await?;
        if let Some(offered) = &self.fast_binds {
            let offers = offered.get_or_try_init(|| lane.offers_fast_binds(limit)).await?;
            if *offers {
                lane.connection().bind_fast(limit).await?;
            }
        }
        Ok(lane)
    }

    /// A connection bound as the account; `limit` is for the bind alone.
    pub(super) async fn open_search_lane(
        &self,
        deadline: Instant,
        limit: Duration,
    ) -> Result<Lane, Failure> {
        let mut lane = self.open(self.connect_limit(deadline)).await?;
        let limit = limit.min(self.limit(deadline));
        lane.connection().bind_account(&self.account, limit).await?;
        Ok(lane)
    }

    fn connect_limit(&self, deadline: Instant) -> Duration {
        self.pool.connect_timeout.min(deadline.saturating_duration_since(Instant::now()))
    }

    pub(super) fn limit(&self, deadline: Instant) -> Duration {
        self.pool.operation_timeout.min(deadline.saturating_duration_since(Instant::now()))
    }

    /// Whether the host is to be left alone for it. One that has answered a check since the
    /// operation began is not, where there is no other to go to.
    fn is_news<T>(&self, result: &Result<T, Failure>, begun: Instant) -> bool {
        let is_silence = matches!(result, Err(Failure::Slow(_)));
        !(is_silence && self.is_alone() && self.health.answered_after(begun))
    }

    /// What an operation says of the host.
    pub(super) fn note<T>(&self, result: &Result<T, Failure>) {
        match result {
            Err(
                failure @ (Failure::Host(_)
                | Failure::Lost(_)
                | Failure::Account(_)
                | Failure::Slow(_)),
            ) => self.health.failed(failure),
            Ok(_)
            | Err(
                Failure::Answer(_)
                | Failure::Beside(_)
                | Failure::Busy(_)
                | Failure::Deadline(_)
                | Failure::Down(_)
                | Failure::Spent(_),
            ) => {}
        }
    }
}

/// How long something took, for people.
pub(super) fn took(began: Instant) -> String {
    let millis = Instant::now().saturating_duration_since(began).as_secs_f64() * 1000.0;
    format!("{millis:.1} ms")
}

/// The result code, its name, and what the server added.
pub(super) fn describe(result: &LdapResult) -> String {
    let name = match result.rc {
        0 => "success",
        1 => "operationsError",
        2 => "protocolError",
        3 => "timeLimitExceeded",
        4 => "sizeLimitExceeded",
        7 => "authMethodNotSupported",
        8 => "strongerAuthRequired: the server wants an encrypted connection",
        10 => "referral: the base DN is on another server",
        11 => "adminLimitExceeded",
        13 => "confidentialityRequired: the server wants an encrypted connection",
        32 => "noSuchObject",
        34 => "invalidDNSyntax",
        48 => "inappropriateAuthentication",
        49 => "invalidCredentials",
        50 => "insufficientAccessRights",
        51 => "busy",
        52 => "unavailable",
        53 => "unwillingToPerform",
        80 => "other",
        _ => "see RFC 4511 appendix A",
    };
    let text = harmless(result.text.trim());
    let more = if text.is_empty() { String::new() } else { format!(", \"{text}\"") };
    let advice = match result.rc {
        1 | 80 => "; the server's own log may say why",
        50 => "; give the account this right in the directory",
        51 => "; the server has too much to do",
        52 => "; the server is shutting down, or its log says why it cannot serve",
        _ => "",
    };
    format!("result {} ({name}{more}){advice}", result.rc)
}
