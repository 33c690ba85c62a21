//! A bind lane while it is held: after a right password it sees what the user sees.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ldap3::SearchEntry;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use usher_protocol::Reason;

use super::Failure;
use super::connection::Search;
use super::host::Host;
use super::lanes::Lane;
use crate::directory::Unavailable;

/// The lane of one bind. It is there for the next when this is dropped.
pub(super) struct Held {
    host: Arc<Host>,
    lane: Option<Lane>,
    failed: AtomicBool,
    _turn: OwnedSemaphorePermit,
}

impl Held {
    pub(super) fn new(host: Arc<Host>, lane: Lane, turn: OwnedSemaphorePermit) -> Self {
        Self { host, lane: Some(lane), failed: AtomicBool::new(false), _turn: turn }
    }

    /// Searches as the user. There is no other host to go to: it would have to be told the
    /// password again.
    pub(super) async fn search(
        &self,
        search: &Search,
        deadline: Instant,
    ) -> Result<Vec<SearchEntry>, Unavailable> {
        let result = match &self.lane {
            Some(lane) => lane.search(search, self.host.limit(deadline)).await,
            None => Err(Failure::Lost("search: the connection is gone".to_owned())),
        };
        self.host.note(&result);
        result.map_err(|failure| {
            if !matches!(failure, Failure::Answer(_)) {
                self.failed.store(true, Ordering::Relaxed);
            }
            let reason = match &failure {
                Failure::Deadline(_) => Reason::Deadline,
                _ => Reason::NoHost,
            };
            let text = format!("{}: {}", self.host.health.url(), failure.text());
            let why = Unavailable::new(reason, text);
            if matches!(failure, Failure::Answer(_)) { why.not_silent() } else { why }
        })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let lane = self.lane.take();
        if let Some(lane) = lane.filter(|_| !self.failed.load(Ordering::Relaxed)) {
            lane.used(Instant::now());
            self.host.binds.give_back(lane);
        }
    }
}
