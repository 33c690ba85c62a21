//! Whether a host is asked. A host that failed is left alone; a task in the background tries it
//! again, so that no request pays for finding out.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use usher_protocol::{HostState, HostStatus};

use super::Failure;

const FIRST_RETRY: Duration = Duration::from_millis(250);
/// Service is back this long after a host is.
const LAST_RETRY: Duration = Duration::from_secs(1);
/// A refused account is not tried often: the directory may lock it for that.
const ACCOUNT_RETRY: Duration = Duration::from_secs(30);

/// The state of one host.
pub(super) struct Health {
    realm: String,
    url: String,
    state: Mutex<State>,
    /// Wakes the task that tries a failed host.
    failed: Notify,
}

struct State {
    now: HostState,
    failures: u32,
    retry: Duration,
    last_error: Option<String>,
}

impl Health {
    pub(super) fn new(realm: &str, url: String) -> Self {
        let state =
            State { now: HostState::Untried, failures: 0, retry: FIRST_RETRY, last_error: None };
        Self { realm: realm.to_owned(), url, state: Mutex::new(state), failed: Notify::new() }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Why the host is not asked, if it is not.
    pub(super) fn down(&self) -> Option<String> {
        self.with(|state| match state.now {
            HostState::Down => state.last_error.clone(),
            HostState::Up | HostState::Untried => None,
        })
    }

    /// The host answered.
    pub(super) fn succeeded(&self) {
        let was = self.with(|state| {
            state.failures = 0;
            std::mem::replace(&mut state.now, HostState::Up)
        });
        if was != HostState::Up {
            tracing::info!(realm = self.realm, host = self.url, "the host answers");
        }
    }

    /// The host failed. It says so once, and again only for another cause.
    pub(super) fn failed(&self, failure: &Failure) {
        let text = failure.text();
        let news = self.with(|state| {
            let news = state.now != HostState::Down || state.last_error.as_deref() != Some(text);
            state.now = HostState::Down;
            state.retry = match failure {
                Failure::Account(_) => ACCOUNT_RETRY,
                _ => LAST_RETRY.min(FIRST_RETRY * 2_u32.saturating_pow(state.failures.min(8))),
            };
            state.failures = state.failures.saturating_add(1);
            state.last_error = Some(text.to_owned());
            news
        });
        if news {
            tracing::error!(realm = self.realm, host = self.url, "the host is left alone: {text}");
        }
        self.failed.notify_one();
    }

    /// Returns when a failed host should be tried again.
    pub(super) async fn time_to_try(&self) {
        while self.down().is_none() {
            self.failed.notified().await;
        }
        let retry = self.with(|state| state.retry);
        tokio::time::sleep(retry).await;
    }

    pub(super) fn status(&self, search_lanes: u32, bind_lanes: u32) -> HostStatus {
        self.with(|state| HostStatus {
            url: self.url.clone(),
            state: state.now,
            search_lanes,
            bind_lanes,
            last_error: state.last_error.clone(),
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::{ACCOUNT_RETRY, FIRST_RETRY, Health};
    use crate::directory::ldap::Failure;

    #[test]
    fn a_failed_host_is_down_until_it_answers() {
        let health = Health::new("corp", "ldap://a".to_owned());
        assert_eq!(health.down(), None);
        health.failed(&Failure::Host("refused".to_owned()));
        assert_eq!(health.down().as_deref(), Some("refused"));
        health.succeeded();
        assert_eq!(health.down(), None);
        assert_eq!(health.status(0, 0).last_error.as_deref(), Some("refused"));
    }

    #[test]
    fn a_refused_account_is_tried_seldom() {
        let health = Health::new("corp", "ldap://a".to_owned());
        health.failed(&Failure::Host("refused".to_owned()));
        assert_eq!(health.with(|state| state.retry), FIRST_RETRY);
        health.failed(&Failure::Account("wrong password".to_owned()));
        assert_eq!(health.with(|state| state.retry), ACCOUNT_RETRY);
    }
}
