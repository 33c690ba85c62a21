//! One host: its search lanes, its bind lanes, its health.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ldap3::{LdapResult, SearchEntry};
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use tokio::time::{Instant, timeout_at};
use usher_protocol::HostStatus;

use super::Failure;
use super::connection::{Connection, Search, Searcher};
use super::endpoint::Endpoint;
use super::health::Health;
use crate::config;
use crate::directory::Verification;

/// slapd closes an anonymous connection with 100 operations pending; fewer keep answers quick.
const MAX_IN_FLIGHT: usize = 32;

/// A server and the connections to it.
pub(super) struct Host {
    endpoint: Endpoint,
    account: config::Account,
    pool: config::Pool,
    search_lanes: Vec<SearchLane>,
    next_lane: AtomicUsize,
    idle_binds: Mutex<Vec<Connection>>,
    bind_turns: Semaphore,
    pub(super) health: Arc<Health>,
}

/// A connection bound as the account. Searches share it; the lock is held only to replace it.
struct SearchLane {
    connection: AsyncMutex<Option<Connection>>,
    turns: Semaphore,
}

impl Host {
    /// An error for people, where the server's name does not do.
    pub(super) fn new(
        realm: &str,
        address: &config::Host,
        settings: &config::Ldap,
    ) -> Result<Self, String> {
        let endpoint = Endpoint::new(realm, address, &settings.security)?;
        let lane = || SearchLane {
            connection: AsyncMutex::new(None),
            turns: Semaphore::new(MAX_IN_FLIGHT),
        };
        let health = Arc::new(Health::new(realm, endpoint.url()));
        Ok(Self {
            endpoint,
            account: settings.account.clone(),
            pool: settings.pool.clone(),
            search_lanes: (0..settings.pool.search_lanes).map(|_| lane()).collect(),
            next_lane: AtomicUsize::new(0),
            idle_binds: Mutex::new(Vec::new()),
            bind_turns: Semaphore::new(settings.pool.bind_lanes),
            health,
        })
    }

    /// Searches on a lane. A lane that was open before may have died meanwhile; then the search
    /// goes out once more on a new one.
    pub(super) async fn search(
        &self,
        search: &Search<'_>,
        deadline: Instant,
    ) -> Result<Vec<SearchEntry>, Failure> {
        let lane = self.lane()?;
        let _turn = in_time(deadline, lane.turns.acquire()).await?.map_err(|_| Failure::Busy)?;
        let mut second_try = false;
        loop {
            let (mut searcher, reused) = self.searcher(lane, deadline).await?;
            let result = searcher.search(search, self.limit(deadline)).await;
            if let Err(Failure::Lost(_) | Failure::Slow(_)) = result {
                // Whoever else waits on a silent connection waits in vain.
                lane.discard(searcher.connection_id()).await;
            }
            match result {
                Err(Failure::Lost(_)) if reused && !second_try => second_try = true,
                result => return result,
            }
        }
    }

    /// The lane's connection, opened if need be, and whether it was open before.
    async fn searcher(
        &self,
        lane: &SearchLane,
        deadline: Instant,
    ) -> Result<(Searcher, bool), Failure> {
        let mut slot = in_time(deadline, lane.connection.lock()).await?;
        if let Some(connection) = slot.as_ref().filter(|connection| !connection.is_closed()) {
            return Ok((connection.searcher(), true));
        }
        let connection = slot.insert(self.open_search_lane(deadline).await?);
        Ok((connection.searcher(), false))
    }

    /// Binds as a user on a lane of its own, once.
    pub(super) async fn bind(
        &self,
        dn: &str,
        password: &str,
        deadline: Instant,
    ) -> Result<Verification, Failure> {
        let _turn =
            in_time(deadline, self.bind_turns.acquire()).await?.map_err(|_| Failure::Busy)?;
        loop {
            let idle = self.idle_bind();
            let reused = idle.is_some();
            let mut connection = match idle {
                Some(connection) => connection,
                None => Connection::open(&self.endpoint, self.connect_limit(deadline)).await?,
            };
            match connection.bind(dn, password, self.limit(deadline)).await {
                Ok(result) => {
                    let verification = verification(&result)?;
                    self.idle_binds.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
                    return Ok(verification);
                }
                // Each round uses up an idle connection, so this ends.
                Err(Failure::Lost(_)) if reused => {}
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Opens what search lanes are missing, and so learns whether the host serves.
    pub(super) async fn open_lanes(&self) -> Result<(), Failure> {
        let deadline = Instant::now() + self.pool.connect_timeout + self.pool.operation_timeout;
        for lane in &self.search_lanes {
            let mut slot = lane.connection.lock().await;
            if slot.as_ref().is_none_or(Connection::is_closed) {
                *slot = Some(self.open_search_lane(deadline).await?);
            }
        }
        Ok(())
    }

    pub(super) fn status(&self) -> HostStatus {
        let open = |lane: &&SearchLane| {
            let slot = lane.connection.try_lock();
            slot.is_ok_and(|slot| slot.as_ref().is_some_and(|connection| !connection.is_closed()))
        };
        let search_lanes = self.search_lanes.iter().filter(open).count();
        let idle = self.idle_binds.lock().unwrap_or_else(PoisonError::into_inner).len();
        let busy = self.pool.bind_lanes.saturating_sub(self.bind_turns.available_permits());
        self.health.status(
            u32::try_from(search_lanes).unwrap_or(u32::MAX),
            u32::try_from(idle + busy).unwrap_or(u32::MAX),
        )
    }

    fn lane(&self) -> Result<&SearchLane, Failure> {
        let turn = self.next_lane.fetch_add(1, Ordering::Relaxed);
        let place = turn.checked_rem(self.search_lanes.len());
        place.and_then(|place| self.search_lanes.get(place)).ok_or(Failure::Busy)
    }

    fn idle_bind(&self) -> Option<Connection> {
        let mut idle = self.idle_binds.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|connection| !connection.is_closed());
        idle.pop()
    }

    async fn open_search_lane(&self, deadline: Instant) -> Result<Connection, Failure> {
        let mut connection = Connection::open(&self.endpoint, self.connect_limit(deadline)).await?;
        connection.bind_account(&self.account, self.limit(deadline)).await?;
        Ok(connection)
    }

    fn connect_limit(&self, deadline: Instant) -> Duration {
        self.pool.connect_timeout.min(deadline.saturating_duration_since(Instant::now()))
    }

    fn limit(&self, deadline: Instant) -> Duration {
        self.pool.operation_timeout.min(deadline.saturating_duration_since(Instant::now()))
    }
}

impl SearchLane {
    /// Gives a connection up, unless another has taken its place already.
    async fn discard(&self, id: u64) {
        let mut slot = self.connection.lock().await;
        if slot.as_ref().is_some_and(|connection| connection.id() == id) {
            *slot = None;
        }
    }
}

/// Waits for a turn, but not past the deadline.
async fn in_time<T>(deadline: Instant, turn: impl Future<Output = T>) -> Result<T, Failure> {
    timeout_at(deadline, turn).await.map_err(|_| Failure::Busy)
}

/// RFC 4511 4.2.2 and appendix A: which codes are the directory's "no".
fn verification(result: &LdapResult) -> Result<Verification, Failure> {
    match result.rc {
        0 => Ok(Verification::Right),
        // constraintViolation, noSuchObject, inappropriateAuthentication, invalidCredentials,
        // insufficientAccessRights, unwillingToPerform: said of this user and this password.
        19 | 32 | 48 | 49 | 50 | 53 => Ok(Verification::Wrong),
        1 | 51 | 52 | 80 => Err(Failure::Host(format!("bind: {}", describe(result)))),
        _ => Err(Failure::Answer(format!("bind: {}", describe(result)))),
    }
}

/// The result code, its name, and what the server added.
pub(super) fn describe(result: &LdapResult) -> String {
    let name = match result.rc {
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
        _ => "see RFC 4511 appendix A",
    };
    let text = result.text.trim();
    let more = if text.is_empty() { String::new() } else { format!(", {text:?}") };
    format!("result {} ({name}{more})", result.rc)
}
