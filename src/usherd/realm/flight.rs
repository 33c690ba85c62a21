//! Single flight: the same question asked many times at once goes to the directory once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use usher_protocol::Questions;

use crate::telemetry::Count;

type UnderWay<K, V> = Mutex<HashMap<K, watch::Receiver<Option<V>>>>;

/// Questions under way.
pub(super) struct Flight<K: Hash + Eq, V> {
    under_way: Arc<UnderWay<K, V>>,
    asked: Count,
    joined: Count,
}

impl<K, V> Flight<K, V>
where
    K: Hash + Eq + Clone + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    pub(super) fn new() -> Self {
        Self { under_way: Arc::default(), asked: Count::default(), joined: Count::default() }
    }

    /// The answer of the question `key`, which `work` finds out unless somebody does already. The
    /// work runs as a task of its own: whoever gives up waiting takes nothing from the others.
    /// None if the work panicked.
    pub(super) async fn join<W>(&self, key: K, work: impl FnOnce() -> W) -> Option<V>
    where
        W: Future<Output = V> + Send + 'static,
    {
        let mut answer = self.begin(key, work);
        answer.wait_for(Option::is_some).await.ok().and_then(|value| value.clone())
    }

    /// As `join`, but nobody need wait.
    pub(super) fn begin<W>(&self, key: K, work: impl FnOnce() -> W) -> watch::Receiver<Option<V>>
    where
        W: Future<Output = V> + Send + 'static,
    {
        let mut under_way = lock(&self.under_way);
        match under_way.entry(key.clone()) {
            Entry::Occupied(same) => {
                self.joined.one();
                same.get().clone()
            }
            Entry::Vacant(free) => {
                self.asked.one();
                let (tell, answer) = watch::channel(None);
                free.insert(answer.clone());
                let landing = Landing { key, under_way: Arc::clone(&self.under_way) };
                let work = work();
                tokio::spawn(async move {
                    let value = work.await;
                    // Out of the map before it is told: who comes now asks anew.
                    drop(landing);
                    tell.send_replace(Some(value));
                });
                answer
            }
        }
    }

    /// How many questions there are and were.
    pub(super) fn status(&self) -> Questions {
        let under_way = lock(&self.under_way).len();
        Questions {
            under_way: u64::try_from(under_way).unwrap_or(u64::MAX),
            asked: self.asked.now(),
            joined: self.joined.now(),
        }
    }
}

/// Takes the question off the map, also when the work panics.
struct Landing<K: Hash + Eq, V> {
    key: K,
    under_way: Arc<UnderWay<K, V>>,
}

impl<K: Hash + Eq, V> Drop for Landing<K, V> {
    fn drop(&mut self) {
        lock(&self.under_way).remove(&self.key);
    }
}

fn lock<K, V>(
    under_way: &UnderWay<K, V>,
) -> std::sync::MutexGuard<'_, HashMap<K, watch::Receiver<Option<V>>>> {
    under_way.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::future::join_all;
    use tokio::sync::Notify;

    use super::Flight;

    #[tokio::test]
    async fn a_thousand_askers_make_one_question() {
        let (flight, asked) = (Flight::new(), Arc::new(AtomicU32::new(0)));
        let ask = || {
            flight.join("alice", || {
                let asked = Arc::clone(&asked);
                async move { asked.fetch_add(1, Ordering::Relaxed) + 41 }
            })
        };
        let answers = join_all((0..1000).map(|_| ask())).await;
        assert!(answers.iter().all(|answer| *answer == Some(41)));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        assert_eq!(ask().await, Some(42));
    }

    #[tokio::test]
    async fn an_asker_that_gives_up_takes_nothing_from_the_others() {
        let (flight, go) = (Arc::new(Flight::new()), Arc::new(Notify::new()));
        let work = |go: Arc<Notify>| {
            move || async move {
                go.notified().await;
                7
            }
        };
        let mut first = Box::pin(flight.join("alice", work(Arc::clone(&go))));
        assert!(futures_util::poll!(&mut first).is_pending());
        let mut second = Box::pin(flight.join("alice", work(Arc::clone(&go))));
        assert!(futures_util::poll!(&mut second).is_pending());
        drop(first);
        go.notify_one();
        assert_eq!(second.await, Some(7));
    }

    #[tokio::test]
    async fn a_panic_strands_nobody_and_the_next_asker_starts_anew() {
        let flight: Flight<&str, u32> = Flight::new();
        assert_eq!(flight.join("alice", || async { panic!("on purpose") }).await, None);
        assert_eq!(flight.join("alice", || async { 3 }).await, Some(3));
    }
}
