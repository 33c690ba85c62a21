//! What one request meets on its road, told by the rooms that it passes, for whoever wants that
//! explained. Where nobody does, nothing is kept and no text is made.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;
use usher_protocol::{MAX_STEPS, Step};

/// Longest text of a step, in bytes: what a directory sends may be of any size.
const LONGEST: usize = 500;

tokio::task_local! {
    static TRACE: Option<Trace>;
}

/// The steps of one request.
#[derive(Debug, Clone)]
pub struct Trace {
    begun: Instant,
    steps: Arc<Mutex<Vec<Step>>>,
}

impl Trace {
    /// Nothing yet.
    pub fn new(now: Instant) -> Self {
        Self { begun: now, steps: Arc::default() }
    }

    /// Does the work, and keeps what is told meanwhile.
    pub fn follow<T>(&self, work: impl Future<Output = T>) -> impl Future<Output = T> {
        TRACE.scope(Some(self.clone()), work)
    }

    /// What has been told.
    pub fn steps(&self) -> Vec<Step> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, stage: &str, mut text: String) {
        if text.len() > LONGEST {
            let end = (0..=LONGEST).rev().find(|at| text.is_char_boundary(*at));
            text.truncate(end.unwrap_or_default());
            text.push_str(" ...");
        }
        let after = Instant::now().saturating_duration_since(self.begun);
        let after_us = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        if steps.len() < MAX_STEPS {
            steps.push(Step { stage: stage.to_owned(), text, after_us });
        }
    }
}

/// Whether somebody wants this request explained.
pub fn is_wanted() -> bool {
    TRACE.try_with(Option::is_some).unwrap_or_default()
}

/// Tells a step.
pub fn step(stage: &'static str, text: impl FnOnce() -> String) {
    let _ = TRACE.try_with(|trace| trace.as_ref().map(|trace| trace.add(stage, text())));
}

/// The work as a task of its own can do it: what it tells belongs to the request that began it.
pub fn carried<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    TRACE.scope(TRACE.try_with(Clone::clone).unwrap_or_default(), work)
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::{LONGEST, Trace, carried, is_wanted, step};

    #[tokio::test]
    async fn nothing_is_kept_where_nobody_asked() {
        assert!(!is_wanted());
        step("cache", || unreachable!("no text is made"));
    }

    #[tokio::test]
    async fn tasks_of_their_own_tell_the_request_that_began_them() {
        let trace = Trace::new(Instant::now());
        let work = async {
            step("realm", || "one".to_owned());
            let task = tokio::spawn(carried(async { step("search", || "é".repeat(LONGEST)) }));
            task.await.expect("done");
        };
        trace.follow(work).await;
        let steps = trace.steps();
        assert_eq!((steps[0].stage.as_str(), steps[0].text.as_str()), ("realm", "one"));
        assert!(steps[1].text.len() <= LONGEST + 4 && steps[1].text.ends_with("é ..."));
    }
}
