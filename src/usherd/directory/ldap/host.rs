//! One host: its lanes, its health, and what is asked of it.

use std::time::Duration;

use ldap3::{LdapResult, SearchEntry};
use tokio::time::Instant;
use usher_protocol::HostStatus;

use super::Failure;
use super::connection::{Connection, Search};
use super::health::Health;
use super::lanes::{BindLanes, Lane, SearchLanes};
use crate::config;
use crate::directory::Verification;

/// A server and the connections to it.
pub(super) struct Host {
    address: config::Host,
    account: config::Account,
    pub(super) pool: config::Pool,
    pub(super) searches: SearchLanes,
    pub(super) binds: BindLanes,
    pub(super) health: Health,
}

impl Host {
    pub(super) fn new(realm: &str, address: &config::Host, settings: &config::Ldap) -> Self {
        Self {
            address: address.clone(),
            account: settings.account.clone(),
            pool: settings.pool.clone(),
            searches: SearchLanes::new(settings.pool.search_lanes),
            binds: BindLanes::new(settings.pool.bind_lanes),
            health: Health::new(realm, url(address)),
        }
    }

    /// Searches on a shared lane. One that was open before may have died meanwhile, with or
    /// without a word; then the search goes out once more on a new one.
    pub(super) async fn search(
        &self,
        search: &Search,
        deadline: Instant,
    ) -> Result<Vec<SearchEntry>, Failure> {
        let (slot, _turn) = self.searches.turn(deadline).await?;
        let mut second_try = false;
        let result = loop {
            let open = self.open_search_lane(deadline, self.pool.operation_timeout);
            let (lane, reused) = match slot.lane(open, deadline).await {
                Ok(lane) => lane,
                Err(failure) => break Err(failure),
            };
            let result = lane.search(search, self.limit(deadline)).await;
            match result {
                Err(Failure::Lost(_) | Failure::Slow(_)) => {
                    // Whoever else waits on a silent connection waits in vain.
                    lane.close();
                    if reused && !std::mem::replace(&mut second_try, true) {
                        continue;
                    }
                }
                _ => lane.used(Instant::now()),
            }
            break result;
        };
        self.note(&result);
        result
    }

    /// Binds as a user on a lane of its own. A lane that was open before may have died meanwhile;
    /// then the bind goes out once more on a new one. With `patience`, a bind that takes longer
    /// is given up as soon as the host turns out not to answer anybody.
    pub(super) async fn bind(
        &self,
        dn: &str,
        password: &str,
        deadline: Instant,
        patience: Option<Duration>,
    ) -> Result<Verification, Failure> {
        let _turn = self.binds.turn(deadline).await?;
        let result = loop {
            let idle = self.binds.take();
            let reused = idle.is_some();
            let lane = match idle {
                Some(lane) => Ok(lane),
                None => self.open(self.connect_limit(deadline)).await,
            };
            let mut lane = match lane {
                Ok(lane) => lane,
                Err(failure) => break Err(failure),
            };
            let limit = self.limit(deadline);
            let result = tokio::select! {
                result = lane.connection().bind(dn, password, limit) => result,
                failure = self.silence(patience) => Err(failure),
            };
            match result {
                Ok(result) => {
                    lane.used(Instant::now());
                    self.binds.give_back(lane);
                    break verification(&result);
                }
                // Each round uses up an idle lane, so this ends.
                Err(Failure::Lost(_) | Failure::Slow(_)) if reused => {}
                Err(failure) => break Err(failure),
            }
        };
        self.note(&result);
        result
    }

    /// Returns when the host, suspected after a while, has turned out to be down.
    async fn silence(&self, patience: Option<Duration>) -> Failure {
        let Some(patience) = patience else { return std::future::pending().await };
        tokio::time::sleep(patience).await;
        self.health.suspect();
        self.health.went_down().await;
        let text = self.health.last_error().unwrap_or_default();
        Failure::Host(format!("bind given up: {text}"))
    }

    pub(super) fn status(&self) -> HostStatus {
        self.health.status(self.searches.open(), self.binds.open())
    }

    /// A connection, not bound yet.
    pub(super) async fn open(&self, limit: Duration) -> Result<Lane, Failure> {
        Ok(Lane::new(Connection::open(&self.address, limit).await?, Instant::now()))
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

    fn limit(&self, deadline: Instant) -> Duration {
        self.pool.operation_timeout.min(deadline.saturating_duration_since(Instant::now()))
    }

    /// What an operation says of the host.
    fn note<T>(&self, result: &Result<T, Failure>) {
        match result {
            Err(
                failure @ (Failure::Host(_)
                | Failure::Lost(_)
                | Failure::Account(_)
                | Failure::Slow(_)),
            ) => self.health.failed(failure),
            Ok(_) | Err(Failure::Answer(_) | Failure::Deadline(_) | Failure::Busy) => {}
        }
    }
}

/// The address as an LDAP URL (RFC 4516).
fn url(host: &config::Host) -> String {
    match host {
        config::Host::Tcp(name, port) if name.contains(':') => format!("ldap://[{name}]:{port}"),
        config::Host::Tcp(name, port) => format!("ldap://{name}:{port}"),
        config::Host::Unix(path) => {
            format!("ldapi://{}", path.display().to_string().replace('/', "%2F"))
        }
    }
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
