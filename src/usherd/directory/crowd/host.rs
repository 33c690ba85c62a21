//! One server: a few connections, and whether it was of use lately.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use usher_protocol::{HostState, HostStatus};

use super::connection::{Cause, Connection, Door, Failure, Request, Response};
use crate::config;
use crate::directory::told::took;
use crate::telemetry::{self, Stopwatch, trace};

/// How long a host that failed is asked last.
const ASIDE: Duration = Duration::from_secs(2);
/// Servers close what is idle for longer.
const IDLE: Duration = Duration::from_secs(15);

pub(super) struct Host {
    realm: String,
    door: Door,
    lanes: Semaphore,
    operation_timeout: Duration,
    idle: Mutex<Vec<(Connection, Instant)>>,
    health: Mutex<Health>,
    search_time: Stopwatch,
    bind_time: Stopwatch,
    name: telemetry::Host,
}

struct Health {
    state: HostState,
    since: Instant,
    failures: u64,
    aside: Option<Instant>,
    last_error: Option<String>,
}

impl Host {
    pub(super) fn new(
        realm: &str,
        place: &config::CrowdHost,
        settings: &config::Crowd,
    ) -> Result<Self, String> {
        let health = Health {
            state: HostState::Untried,
            since: Instant::now(),
            failures: 0,
            aside: None,
            last_error: None,
        };
        let door = Door::new(realm, place, settings)?;
        Ok(Self {
            realm: realm.to_owned(),
            name: door.url().into(),
            door,
            lanes: Semaphore::new(settings.lanes),
            operation_timeout: settings.operation_timeout,
            idle: Mutex::default(),
            health: Mutex::new(health),
            search_time: Stopwatch::default(),
            bind_time: Stopwatch::default(),
        })
    }

    pub(super) fn url(&self) -> &str {
        self.door.url()
    }

    /// Whether nothing speaks against asking it.
    pub(super) fn is_well(&self, now: Instant) -> bool {
        lock(&self.health).aside.is_none_or(|until| until <= now)
    }

    /// All connections are of one kind: each holds one question at a time, as those for binds do.
    pub(super) fn status(&self) -> HostStatus {
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let busy = self.door.lanes().saturating_sub(self.lanes.available_permits());
        let open = busy + lock(&self.idle).len();
        let health = lock(&self.health);
        HostStatus {
            url: self.url().to_owned(),
            state: health.state,
            state_s: health.since.elapsed().as_secs(),
            failures: health.failures,
            search_lanes: 0,
            bind_lanes: number(open),
            searching: 0,
            binding: number(busy),
            waiting: 0,
            waits: 0,
            hedges: 0,
            hedges_won: 0,
            search_time: self.search_time.now(),
            bind_time: self.bind_time.now(),
            certificate_expires: self.door.certificate_expires(),
            last_error: health.last_error.clone(),
        }
    }

    /// Asks it, on a connection of before if there is one; a server may close that at any time, and
    /// then a new one is made.
    pub(super) async fn ask(
        &self,
        request: &Request<'_>,
        deadline: Instant,
    ) -> Result<Response, Failure> {
        let by = deadline.min(Instant::now() + self.operation_timeout);
        let turn = timeout_at(by, self.lanes.acquire()).await;
        let Ok(Ok(_turn)) = turn else {
            let text = format!(
                "all {} connections to it are busy; raise pool.bind_lanes, or see why it is slow",
                self.door.lanes()
            );
            return Err(Failure { text, cause: Cause::Busy });
        };
        let begun = Instant::now();
        let asked = timeout_at(by, self.exchange(request)).await;
        let watch = if request.counts() { &self.bind_time } else { &self.search_time };
        watch.took(begun.elapsed());
        // Whether the question arrived is known to nobody.
        let answer = asked.unwrap_or_else(|_| {
            let text = format!(
                "no answer about {} in time (at most {} ms, pool.operation_timeout)",
                request.what(),
                self.operation_timeout.as_millis()
            );
            Err(Failure { text, cause: Cause::Sent })
        });
        // A server that refuses us or is in trouble is of no more use than one that is gone.
        let answer = answer.and_then(|response| match useless(response.status) {
            None => Ok(response),
            Some(text) => {
                let may_count = matches!(response.status, 500 | 504);
                Err(Failure { text, cause: if may_count { Cause::Sent } else { Cause::Unsent } })
            }
        });
        trace::step(if request.counts() { "bind" } else { "search" }, || {
            let came = match &answer {
                Ok(response) => format!("status {}", response.status),
                Err(failure) => failure.text.clone(),
            };
            format!("{}: {}: {came}, after {}", self.url(), request.whole(), took(begun))
        });
        let failure = answer.as_ref().err();
        if failure.is_none_or(|failure| failure.cause != Cause::Spent) {
            self.learn(failure);
        }
        answer
    }

    async fn exchange(&self, request: &Request<'_>) -> Result<Response, Failure> {
        if let Some(mut connection) = self.idle_one() {
            match connection.ask(&self.door, request).await {
                Ok(response) => return Ok(self.keep(connection, response)),
                // It was closed before anything came back.
                Err(failure) if failure.cause == Cause::Closed => {}
                Err(failure) => return Err(failure),
            }
        }
        let mut connection = self.door.open().await?;
        let response = connection.ask(&self.door, request).await?;
        Ok(self.keep(connection, response))
    }

    fn idle_one(&self) -> Option<Connection> {
        let now = Instant::now();
        let mut idle = lock(&self.idle);
        idle.retain(|(connection, since)| now - *since < IDLE && connection.is_open());
        idle.pop().map(|(connection, _)| connection)
    }

    fn keep(&self, connection: Connection, response: Response) -> Response {
        if connection.is_open() {
            lock(&self.idle).push((connection, Instant::now()));
        }
        response
    }

    fn learn(&self, failure: Option<&Failure>) {
        let mut health = lock(&self.health);
        let (realm, host) = (&self.realm, self.url());
        let Some(failure) = failure else {
            if health.state == HostState::Down {
                tracing::info!(name: "host_up", realm, host, "the host answers again");
            }
            health.enter(HostState::Up);
            health.aside = None;
            telemetry::heard(&self.name);
            return;
        };
        let news = health.state != HostState::Down
            || health.last_error.as_deref() != Some(failure.text.as_str());
        if news {
            let why = &failure.text;
            tracing::warn!(name: "host_down", realm, host, "the host is asked last for now: {why}");
        }
        if health.enter(HostState::Down) {
            health.failures += 1;
        }
        health.aside = Some(Instant::now() + ASIDE);
        health.last_error = Some(failure.text.clone());
    }
}

impl Health {
    /// Whether that is new.
    fn enter(&mut self, state: HostState) -> bool {
        let news = self.state != state;
        if news {
            self.state = state;
            self.since = Instant::now();
        }
        news
    }
}

/// Why an answer is none.
fn useless(status: u16) -> Option<String> {
    match status {
        401 => Some(
            "it does not know the application, or not with this password; see account and password"
                .to_owned(),
        ),
        403 => Some(
            "it does not let the application ask from this address; see the application's remote \
             addresses in Crowd"
                .to_owned(),
        ),
        500.. => Some(format!("it is in trouble: status {status}; its own log says more")),
        _ => None,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
