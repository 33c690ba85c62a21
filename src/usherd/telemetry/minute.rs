use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Knows how much a number grew in the last minute, if it is told the number now and then.
#[derive(Debug, Default)]
pub struct Minute(Mutex<VecDeque<(Instant, u64)>>);

impl Minute {
    /// How often to tell the number.
    pub const PACE: Duration = Duration::from_secs(5);
    const SPAN: Duration = Duration::from_secs(60);

    /// The number is this now.
    pub fn mark(&self, number: u64, now: Instant) {
        let mut marks = self.marks();
        while marks.front().is_some_and(|(then, _)| now.duration_since(*then) > Self::SPAN) {
            marks.pop_front();
        }
        marks.push_back((now, number));
    }

    /// How much it has grown, if it is this now.
    pub fn growth(&self, number: u64, now: Instant) -> u64 {
        let marks = self.marks();
        let mut within = marks.iter().filter(|(then, _)| now.duration_since(*then) <= Self::SPAN);
        number.saturating_sub(within.next().map_or(0, |(_, before)| *before))
    }

    fn marks(&self) -> MutexGuard<'_, VecDeque<(Instant, u64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Minute;

    #[test]
    fn what_is_older_than_a_minute_does_not_count() {
        let (minute, begin) = (Minute::default(), Instant::now());
        assert_eq!(minute.growth(7, begin), 7);
        let at = |seconds| begin + Duration::from_secs(seconds);
        (0..=100).for_each(|five| minute.mark(five, at(5 * five)));
        assert_eq!(minute.growth(100, at(500)), 12);
        assert!(minute.marks().len() <= 13);
        assert_eq!(minute.growth(103, at(503)), 14);
    }
}
