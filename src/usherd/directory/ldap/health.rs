//! Whether a host is asked. One that failed is left alone; its keeper tries it again in the
//! background.

use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use usher_protocol::HostState;

use super::Failure;
use crate::telemetry::Host;

const FIRST_RETRY: Duration = Duration::from_millis(250);
/// Service is back this long after a host is.
const LAST_RETRY: Duration = Duration::from_secs(1);
/// A refused account is not tried often: the directory may lock it for that.
const ACCOUNT_RETRY: Duration = Duration::from_secs(30);

/// The state of one host.
pub(super) struct Health {
    realm: String,
    url: Host,
    state: watch::Sender<State>,
    suspicion: Notify,
    /// When the host last answered a check.
    answered: watch::Sender<Option<Instant>>,
    /// When a connection was last found dead though the host answers on another.
    forgotten: watch::Sender<Option<Instant>>,
}

struct State {
    now: HostState,
    since: Instant,
    /// Times that it was left alone.
    falls: u64,
    failures: u32,
    retry: Duration,
    last_error: Option<String>,
    /// The cause that the log knows.
    told: Option<String>,
}

impl Health {
    pub(super) fn new(realm: &str, url: &str) -> Self {
        let state = State {
            now: HostState::Untried,
            since: Instant::now(),
            falls: 0,
            failures: 0,
            retry: FIRST_RETRY,
            last_error: None,
            told: None,
        };
        let (state, _) = watch::channel(state);
        let [(answered, _), (forgotten, _)] = [(); 2].map(|()| watch::channel(None));
        let suspicion = Notify::new();
        Self { realm: realm.to_owned(), url: url.into(), state, suspicion, answered, forgotten }
    }

    pub(super) fn url(&self) -> &Host {
        &self.url
    }

    pub(super) fn state(&self) -> HostState {
        self.state.borrow().now
    }

    /// What went wrong last.
    pub(super) fn last_error(&self) -> Option<String> {
        self.state.borrow().last_error.clone()
    }

    /// How long to leave the host alone.
    pub(super) fn retry(&self) -> Duration {
        self.state.borrow().retry
    }

    /// The host serves.
    pub(super) fn succeeded(&self) {
        if self.enter(HostState::Up) != HostState::Up {
            tracing::info!(
                name: "host_up",
                realm = self.realm,
                host = &*self.url,
                "the host answers"
            );
        }
    }

    /// The host answers again; whether it goes on to is not known yet.
    pub(super) fn proving(&self) {
        if self.enter(HostState::Proving) == HostState::Down {
            tracing::info!(
                name: "host_up",
                realm = self.realm,
                host = &*self.url,
                "the host answers again"
            );
        }
    }

    /// The host failed. It says so once, and again only for another cause.
    pub(super) fn failed(&self, failure: &Failure) {
        let (text, cause) = (failure.text(), failure.cause());
        let mut news = false;
        self.state.send_modify(|state| {
            news = state.now != HostState::Down || state.told.as_deref() != Some(cause);
            state.told = Some(cause.to_owned());
            if state.now != HostState::Down {
                state.falls += 1;
            }
            state.turn(HostState::Down);
            state.retry = match failure {
                Failure::Account(_) => ACCOUNT_RETRY,
                _ => LAST_RETRY.min(FIRST_RETRY * 2_u32.saturating_pow(state.failures.min(8))),
            };
            state.failures = state.failures.saturating_add(1);
            state.last_error = Some(text.to_owned());
        });
        if news {
            tracing::error!(
                name: "host_down",
                realm = self.realm,
                host = &*self.url,
                "the host is left alone: {text}"
            );
        }
    }

    /// Asks the keeper to find out whether the host still answers.
    pub(super) fn suspect(&self) {
        self.suspicion.notify_one();
    }

    pub(super) async fn suspected(&self) {
        self.suspicion.notified().await;
    }

    /// The host answers on a new connection.
    pub(super) fn answered(&self, now: Instant) {
        self.answered.send_replace(Some(now));
    }

    /// Whether it did so after this time.
    pub(super) fn answered_after(&self, time: Instant) -> bool {
        self.answered.borrow().is_some_and(|at| at > time)
    }

    /// The host answers, and a connection that was open before is dead: somebody on the way has
    /// forgotten it, and likely the others of its age.
    pub(super) fn forgot(&self, now: Instant) {
        self.forgotten.send_replace(Some(now));
    }

    /// Returns when that was found out after this time.
    pub(super) async fn forgot_after(&self, time: Instant) {
        let mut forgotten = self.forgotten.subscribe();
        // It ends only with this very value.
        let _ = forgotten.wait_for(|at| at.is_some_and(|at| at > time)).await;
    }

    /// Returns when the host is known to be down.
    pub(super) async fn went_down(&self) {
        let mut state = self.state.subscribe();
        // It ends only with this very value.
        let _ = state.wait_for(|state| state.now == HostState::Down).await;
    }

    /// The state, since when, how often the host was left alone, and the last error.
    pub(super) fn report(&self) -> (HostState, Instant, u64, Option<String>) {
        let state = self.state.borrow();
        (state.now, state.since, state.falls, state.last_error.clone())
    }

    /// The state before.
    fn enter(&self, now: HostState) -> HostState {
        let mut before = now;
        self.state.send_if_modified(|state| {
            before = state.turn(now);
            if now == HostState::Up {
                state.failures = 0;
            }
            before != now
        });
        before
    }
}

impl State {
    /// The state before.
    fn turn(&mut self, now: HostState) -> HostState {
        if self.now != now {
            self.since = Instant::now();
        }
        std::mem::replace(&mut self.now, now)
    }
}

/// A quarter more or less, so that those who wait for the same thing do not come back together.
pub(super) fn jitter(time: Duration) -> Duration {
    let chance = f64::from(getrandom::u32().unwrap_or(u32::MAX / 2)) / f64::from(u32::MAX);
    time.mul_f64(0.75 + chance / 2.0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use usher_protocol::HostState;

    use super::{ACCOUNT_RETRY, FIRST_RETRY, Health, LAST_RETRY, jitter};
    use crate::directory::ldap::Failure;

    fn health() -> Health {
        Health::new("corp", "ldap://a")
    }

    fn refused() -> Failure {
        Failure::Host("refused".to_owned())
    }

    #[test]
    fn a_failed_host_is_down_until_it_answers() {
        let health = health();
        assert_eq!(health.state(), HostState::Untried);
        health.failed(&refused());
        assert_eq!(health.state(), HostState::Down);
        health.proving();
        assert_eq!(health.state(), HostState::Proving);
        health.succeeded();
        assert_eq!(health.state(), HostState::Up);
        assert_eq!(health.last_error().as_deref(), Some("refused"));
    }

    #[test]
    fn silence_is_one_cause_however_long_it_was() {
        let health = health();
        let told = |health: &Health| health.state.borrow().told.clone();
        health.failed(&Failure::Slow("bind: no answer in 3000 ms".to_owned()));
        let silence = told(&health);
        health.failed(&Failure::Deadline("search: no answer in 20 ms".to_owned()));
        assert_eq!(told(&health), silence);
        health.failed(&refused());
        assert_ne!(told(&health), silence);
    }

    #[test]
    fn a_host_that_stays_away_is_tried_less_often_but_never_seldom() {
        let health = health();
        health.failed(&refused());
        assert_eq!(health.retry(), FIRST_RETRY);
        for _ in 0..100 {
            health.failed(&refused());
        }
        assert_eq!(health.retry(), LAST_RETRY);
        health.succeeded();
        health.failed(&refused());
        assert_eq!(health.retry(), FIRST_RETRY);
    }

    #[test]
    fn a_refused_account_is_tried_seldom() {
        let health = health();
        health.failed(&Failure::Account("wrong password".to_owned()));
        assert_eq!(health.retry(), ACCOUNT_RETRY);
    }

    #[test]
    fn jitter_is_a_quarter_at_most() {
        let time = Duration::from_secs(4);
        for _ in 0..100 {
            let jittered = jitter(time).as_secs_f64();
            assert!((3.0..=5.0).contains(&jittered), "{jittered}");
        }
    }
}
