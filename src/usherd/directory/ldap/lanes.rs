//! Lanes: the connections to one host, by what they are for.
//!
//! *Search lanes* are bound as the account and shared by many searches. *Bind lanes* are held by
//! one bind at a time, reused for the next, and never for searches: they are bound as whoever
//! logged in last.

use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{
    AcquireError, Mutex as AsyncMutex, OwnedSemaphorePermit, Semaphore, SemaphorePermit,
};
use tokio::time::{Instant, timeout_at};

use super::Failure;
use super::connection::Connection;
use crate::telemetry::{Count, Level};

/// slapd closes an anonymous connection with 100 operations pending; fewer keep answers quick.
const MAX_IN_FLIGHT: usize = 32;

/// What there is too little of.
const SEARCHES: &str = "no connection for a search became free in time; if the server itself is \
                        quick, raise search_lanes in the realm's pool";
const BINDS: &str = "no connection for a bind became free in time; if the server itself is quick, \
                     raise bind_lanes in the realm's pool";

/// A connection, and since when it has been open and idle.
pub(super) struct Lane {
    connection: Connection,
    opened: Instant,
    used: Mutex<Instant>,
}

impl Lane {
    pub(super) fn new(connection: Connection, now: Instant) -> Self {
        Self { connection, opened: now, used: Mutex::new(now) }
    }

    pub(super) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    pub(super) fn used(&self, now: Instant) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    pub(super) fn idle_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.heard())
    }

    /// When it was last heard of.
    pub(super) fn heard(&self) -> Instant {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.opened)
    }
}

impl Deref for Lane {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

/// The search lanes of a host.
pub(super) struct SearchLanes {
    slots: Vec<Slot>,
    next: AtomicUsize,
    queue: Queue,
}

/// A place for a search lane. The lock is held across the opening of its connection, so that
/// many waiters open one.
pub(super) struct Slot {
    lane: AsyncMutex<Option<Arc<Lane>>>,
    turns: Semaphore,
}

impl SearchLanes {
    pub(super) fn new(count: usize) -> Self {
        let slot = |_| Slot { lane: AsyncMutex::new(None), turns: Semaphore::new(MAX_IN_FLIGHT) };
        let slots = (0..count).map(slot).collect();
        Self { slots, next: AtomicUsize::new(0), queue: Queue::new(SEARCHES) }
    }

    /// The slot whose turn it is, with room for one more search.
    pub(super) async fn turn(
        &self,
        deadline: Instant,
    ) -> Result<(&Slot, SemaphorePermit<'_>), Failure> {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let place = next.checked_rem(self.slots.len());
        let slot = place.and_then(|place| self.slots.get(place)).ok_or(Failure::Busy(SEARCHES))?;
        let turn = match slot.turns.try_acquire() {
            Ok(turn) => turn,
            Err(_) => self.queue.wait(deadline, slot.turns.acquire()).await?,
        };
        Ok((slot, turn))
    }

    pub(super) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Searches under way.
    pub(super) fn in_use(&self) -> usize {
        self.slots.iter().map(|slot| MAX_IN_FLIGHT - slot.turns.available_permits()).sum()
    }

    pub(super) fn queue(&self) -> &Queue {
        &self.queue
    }

    pub(super) fn open(&self) -> usize {
        let open = |slot: &&Slot| {
            let lane = slot.lane.try_lock();
            lane.is_ok_and(|lane| lane.as_ref().is_some_and(|lane| !lane.is_closed()))
        };
        self.slots.iter().filter(open).count()
    }
}

impl Slot {
    /// The lane, opened if need be.
    pub(super) async fn lane<F: Future<Output = Result<Lane, Failure>>>(
        &self,
        open: impl FnOnce() -> F,
        deadline: Instant,
    ) -> Result<Arc<Lane>, Failure> {
        let Ok(mut slot) = timeout_at(deadline, self.lane.lock()).await else {
            let text = "search: no time was left when the connection to search on was open";
            return Err(Failure::Deadline(text.to_owned()));
        };
        if let Some(lane) = slot.as_ref().filter(|lane| !lane.is_closed()) {
            return Ok(Arc::clone(lane));
        }
        // In a box: a search should not carry the weight of what it hardly ever does.
        let lane = Arc::new(Box::pin(open()).await?);
        *slot = Some(Arc::clone(&lane));
        Ok(lane)
    }

    /// The lane as it is.
    pub(super) async fn present(&self) -> Option<Arc<Lane>> {
        self.lane.lock().await.clone()
    }

    /// Takes a lane out of the place, if it is still there; searches on it go on to their end.
    pub(super) async fn retire(&self, lane: &Arc<Lane>) {
        let mut slot = self.lane.lock().await;
        if slot.as_ref().is_some_and(|present| Arc::ptr_eq(present, lane)) {
            *slot = None;
        }
    }

    /// Puts another lane in the place; searches on the old one go on to their end.
    pub(super) async fn renew(&self, lane: Lane) {
        *self.lane.lock().await = Some(Arc::new(lane));
    }
}

/// The bind lanes of a host.
pub(super) struct BindLanes {
    idle: Mutex<Vec<Lane>>,
    turns: Arc<Semaphore>,
    most: usize,
    queue: Queue,
}

impl BindLanes {
    pub(super) fn new(most: usize) -> Self {
        let turns = Arc::new(Semaphore::new(most));
        Self { idle: Mutex::default(), turns, most, queue: Queue::new(BINDS) }
    }

    /// Room for one more bind; who came first is served first.
    pub(super) async fn turn(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, Failure> {
        match Arc::clone(&self.turns).try_acquire_owned() {
            Ok(turn) => Ok(turn),
            Err(_) => self.queue.wait(deadline, Arc::clone(&self.turns).acquire_owned()).await,
        }
    }

    /// The lane that was used last: the others may then be idle long enough to be closed.
    pub(super) fn take(&self) -> Option<Lane> {
        let mut idle = self.idle();
        idle.retain(|lane| !lane.is_closed());
        idle.pop()
    }

    /// From whoever has had a turn, which ends with this. There is room for it: nobody opens one
    /// while there is an idle one, and of those who have a turn some may not have taken theirs yet.
    pub(super) fn give_back(&self, lane: Lane) {
        self.idle().push(lane);
    }

    /// One more, if there is room for it: while idle ones were probed, others may have been opened.
    pub(super) fn add(&self, lane: Lane) {
        let mut idle = self.idle();
        if idle.len() + self.in_use() < self.most {
            idle.push(lane);
        }
    }

    /// The lanes of which that is true, out of the pool.
    pub(super) fn take_if(&self, condition: impl Fn(&Lane) -> bool) -> Vec<Lane> {
        self.idle().extract_if(.., |lane| condition(lane)).collect()
    }

    /// As many as are idle, and as are in use.
    pub(super) fn open(&self) -> usize {
        self.idle().len() + self.in_use()
    }

    /// Held by a bind.
    pub(super) fn in_use(&self) -> usize {
        self.most.saturating_sub(self.turns.available_permits())
    }

    pub(super) fn queue(&self) -> &Queue {
        &self.queue
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Lane>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Those who wait for a turn.
pub(super) struct Queue {
    /// What those are told who wait in vain.
    busy: &'static str,
    waiting: Level,
    waits: Count,
}

impl Queue {
    fn new(busy: &'static str) -> Self {
        Self { busy, waiting: Level::default(), waits: Count::default() }
    }

    /// Waits for a turn, but not until there is no time left to make use of it: a bind that cannot
    /// be answered in time may count as a failure all the same.
    async fn wait<T>(
        &self,
        deadline: Instant,
        turn: impl Future<Output = Result<T, AcquireError>>,
    ) -> Result<T, Failure> {
        self.waits.one();
        let _waiting = self.waiting.enter();
        let left = deadline.saturating_duration_since(Instant::now());
        match timeout_at(deadline - left / 10, turn).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(Failure::Busy(self.busy)),
        }
    }

    /// How many wait now, and how many had to.
    pub(super) fn status(&self) -> (u64, u64) {
        (self.waiting.now(), self.waits.now())
    }
}
