//! Single flight: the same question asked many times at once goes to the directory once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use tokio::sync::watch;
use usher_protocol::Questions;

use crate::telemetry::{Count, trace};

/// Questions under way at most, whoever still waits: work goes on though its askers have given up.
const MOST: usize = 16_384;

type UnderWay<K, V> = Mutex<HashMap<K, watch::Receiver<Option<V>>>>;

/// Questions under way.
pub(super) struct Flight<K: Hash + Eq, V> {
    under_way: Arc<UnderWay<K, V>>,
    full: fn() -> V,
    asked: Count,
    joined: Count,
}

impl<K, V> Flight<K, V>
where
    K: Hash + Eq + Clone + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// `full` is the answer where too many are under way.
    pub(super) fn new(full: fn() -> V) -> Self {
        let (asked, joined) = (Count::default(), Count::default());
        Self { under_way: Arc::default(), full, asked, joined }
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
        let is_full = under_way.len() >= MOST;
        match under_way.entry(key.clone()) {
            Entry::Occupied(same) => {
                self.joined.one();
                trace::step("flight", || {
                    "the same question is under way; its steps are not told here".to_owned()
                });
                same.get().clone()
            }
            Entry::Vacant(_) if is_full => watch::channel(Some((self.full)())).1,
            Entry::Vacant(free) => {
                self.asked.one();
                // A panic here finds nothing to take off the map.
                let work = work();
                let (tell, answer) = watch::channel(None);
                free.insert(answer.clone());
                let landing = Landing { key, under_way: Arc::clone(&self.under_way) };
                // Not in an async block, which would hold the work twice.
                tokio::spawn(trace::carried(work.map(move |value| {
                    // Out of the map before it is told: who comes now asks anew.
                    drop(landing);
                    tell.send_replace(Some(value));
                })));
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
    use std::time::Duration;

    use futures_util::future::join_all;
    use futures_util::poll;
    use proptest::prelude::*;
    use tokio::sync::{Notify, oneshot};
    use tokio::time::timeout;

    use super::Flight;

    #[tokio::test]
    async fn a_thousand_askers_make_one_question() {
        let (flight, asked) = (Flight::new(|| 0), Arc::new(AtomicU32::new(0)));
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
    async fn beyond_the_most_there_is_no_new_question_and_who_joins_one_is_answered() {
        let (flight, go) = (Flight::new(|| 0), Arc::new(Notify::new()));
        let work = |go: Arc<Notify>| {
            move || async move {
                go.notified().await;
                7
            }
        };
        for key in 0..super::MOST {
            drop(flight.begin(key, work(Arc::clone(&go))));
        }
        assert_eq!(flight.join(super::MOST, || async { 7 }).await, Some(0));
        let mut joined = Box::pin(flight.join(1, || async { 8 }));
        assert!(poll!(&mut joined).is_pending());
        tokio::task::yield_now().await;
        go.notify_waiters();
        assert_eq!(joined.await, Some(7));
        assert_eq!(flight.join(super::MOST, || async { 7 }).await, Some(7));
    }

    #[tokio::test]
    async fn an_asker_that_gives_up_takes_nothing_from_the_others() {
        let (flight, go) = (Arc::new(Flight::new(|| 0)), Arc::new(Notify::new()));
        let work = |go: Arc<Notify>| {
            move || async move {
                go.notified().await;
                7
            }
        };
        let mut first = Box::pin(flight.join("alice", work(Arc::clone(&go))));
        assert!(poll!(&mut first).is_pending());
        let mut second = Box::pin(flight.join("alice", work(Arc::clone(&go))));
        assert!(poll!(&mut second).is_pending());
        drop(first);
        go.notify_one();
        assert_eq!(second.await, Some(7));
    }

    #[tokio::test]
    async fn a_first_asker_whose_time_is_up_strands_nobody() {
        let (flight, go) = (Flight::new(|| 0), Arc::new(Notify::new()));
        let going = Arc::clone(&go);
        let work = || async move {
            going.notified().await;
            7
        };
        assert!(timeout(Duration::ZERO, flight.join("alice", work)).await.is_err());
        let mut second = Box::pin(flight.join("alice", || async { 8 }));
        assert!(poll!(&mut second).is_pending());
        go.notify_one();
        assert_eq!(second.await, Some(7));
        assert_eq!(flight.join("alice", || async { 3 }).await, Some(3));
    }

    #[tokio::test]
    async fn a_panic_strands_nobody_and_the_next_asker_starts_anew() {
        let flight: Flight<&str, u32> = Flight::new(|| 0);
        assert_eq!(flight.join("alice", || async { panic!("on purpose") }).await, None);
        assert_eq!(flight.join("alice", || async { 3 }).await, Some(3));
    }

    /// Many threads at once, of which some give up: no question is asked twice at the same time,
    /// and nothing is left behind.
    #[tokio::test(flavor = "multi_thread", worker_threads = 8)]
    async fn at_no_time_is_a_question_under_way_twice_whoever_comes_and_goes() {
        let flight = Arc::new(Flight::new(|| 0));
        let under_way: Arc<[AtomicU32; 3]> = Arc::default();
        let askers = (0..64).map(|asker: usize| {
            let (flight, under_way) = (Arc::clone(&flight), Arc::clone(&under_way));
            tokio::spawn(async move {
                for round in 0..200 {
                    let key = (asker + round) % 3;
                    let under_way = Arc::clone(&under_way);
                    let work = || async move {
                        assert_eq!(under_way[key].fetch_add(1, Ordering::SeqCst), 0);
                        tokio::task::yield_now().await;
                        assert_eq!(under_way[key].fetch_sub(1, Ordering::SeqCst), 1);
                        key
                    };
                    let mut asking = Box::pin(flight.join(key, work));
                    if (asker + round).is_multiple_of(5) {
                        let _ = poll!(&mut asking);
                    } else {
                        assert_eq!(asking.await, Some(key));
                    }
                }
            })
        });
        for asker in askers.collect::<Vec<_>>() {
            asker.await.expect("nobody is stranded");
        }
        for key in 0..3 {
            assert!(flight.join(key, || async move { key }).await.is_some());
        }
        assert!(super::lock(&flight.under_way).is_empty());
    }

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Ask,
        GiveUp(prop::sample::Index),
        Answer(u32),
        Panic,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => Just(Step::Ask),
            2 => any::<prop::sample::Index>().prop_map(Step::GiveUp),
            2 => any::<u32>().prop_map(Step::Answer),
            1 => Just(Step::Panic),
        ]
    }

    /// Whatever happens in which order: who asks while a question is under way joins it, and all
    /// who still wait are told what came of it.
    async fn walk(steps: Vec<Step>) {
        let flight = Flight::new(|| 0);
        let begun = Arc::new(AtomicU32::new(0));
        let (mut askers, mut end) = (Vec::new(), None);
        let mut questions = 0;
        for step in steps {
            match step {
                Step::Ask => {
                    let (tell, told) = oneshot::channel::<Option<u32>>();
                    let begun_by = Arc::clone(&begun);
                    let mut asker = Box::pin(flight.join("alice", move || {
                        begun_by.fetch_add(1, Ordering::Relaxed);
                        async move {
                            let told = told.await.expect("an end");
                            told.unwrap_or_else(|| std::panic::resume_unwind(Box::new(())))
                        }
                    }));
                    assert!(poll!(&mut asker).is_pending());
                    askers.push(asker);
                    if end.is_none() {
                        end = Some(tell);
                        questions += 1;
                    }
                    assert_eq!(begun.load(Ordering::Relaxed), questions);
                }
                Step::GiveUp(which) if !askers.is_empty() => {
                    drop(askers.swap_remove(which.index(askers.len())));
                }
                Step::Answer(_) | Step::Panic => {
                    let answer = if let Step::Answer(value) = step { Some(value) } else { None };
                    if let Some(tell) = end.take() {
                        tell.send(answer).expect("somebody works on it");
                        for told in join_all(askers.drain(..)).await {
                            assert_eq!(told, answer);
                        }
                        // Also where nobody waits for it, it comes to its end.
                        while !super::lock(&flight.under_way).is_empty() {
                            tokio::task::yield_now().await;
                        }
                    }
                }
                Step::GiveUp(_) => {}
            }
        }
    }

    proptest! {
        #[test]
        fn all_who_wait_are_told_the_end_of_the_question_that_they_joined(
            steps in prop::collection::vec(step(), 1..60),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            runtime.expect("a runtime").block_on(walk(steps));
        }
    }
}
