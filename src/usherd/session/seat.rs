//! A connection's place among the few that there are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What the listener knows of a connection, to choose which to close when there are too many.
#[derive(Debug)]
pub struct Seat {
    taken: Instant,
    /// Requests that are read or answered and take time.
    work: AtomicUsize,
    /// When the last one came, in nanoseconds after `taken`.
    last: AtomicU64,
    given_up: CancellationToken,
}

impl Seat {
    /// A new connection's. All of them are given up with `stop`.
    pub fn new(now: Instant, stop: &CancellationToken) -> Self {
        Self {
            taken: now,
            work: AtomicUsize::new(0),
            last: AtomicU64::new(0),
            given_up: stop.child_token(),
        }
    }

    /// Since when the connection has asked nothing; none if it waits for an answer.
    pub fn idle_since(&self) -> Option<Instant> {
        let idle = self.work.load(Ordering::Acquire) == 0;
        let last = std::time::Duration::from_nanos(self.last.load(Ordering::Relaxed));
        idle.then(|| self.taken + last)
    }

    /// Closes the connection.
    pub fn give_up(&self) {
        self.given_up.cancel();
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.given_up.is_cancelled()
    }

    pub(super) async fn given_up(&self) {
        self.given_up.cancelled().await;
    }

    /// A request came.
    pub(super) fn asks(&self, now: Instant) {
        let since = now.saturating_duration_since(self.taken).as_nanos();
        self.last.store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// A request that takes time, until it is dropped.
pub(super) struct Work(Arc<Seat>);

impl Work {
    pub(super) fn begin(seat: &Arc<Seat>) -> Self {
        seat.work.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(seat))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.0.work.fetch_sub(1, Ordering::AcqRel);
    }
}
