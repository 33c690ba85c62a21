//! Refusals keep pace: whether a name exists must not show in how long a "no" takes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Longer than most directories take to refuse a password.
const LEAST: Duration = Duration::from_millis(5);
/// A directory that takes longer than this is in trouble; nobody should wait for its sake.
const MOST: Duration = Duration::from_secs(1);
/// The part by which the pace quickens with each refusal that was faster.
const QUICKENING: u64 = 16;

/// How long refusals take, in microseconds: as the slower ones of the directory did lately.
pub(super) struct Pace(AtomicU64);

impl Pace {
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(micros(LEAST)))
    }

    /// The directory has refused a password of a request that begun then.
    pub(super) fn learn(&self, begun: Instant, now: Instant) {
        let took = now.saturating_duration_since(begun).clamp(LEAST, MOST);
        let before = self.0.load(Ordering::Relaxed);
        let pace = micros(took).max(before - before / QUICKENING);
        self.0.store(pace, Ordering::Relaxed);
    }

    /// Waits until a refusal is due, but not until the question is too old for one.
    pub(super) async fn keep(&self, begun: Instant, deadline: Instant) {
        let time = deadline.saturating_duration_since(begun);
        sleep_until(begun + self.time().min(time - time / 10)).await;
    }

    fn time(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{LEAST, MOST, Pace};

    #[test]
    fn a_refusal_takes_as_long_as_the_slow_ones_before_it_and_no_longer_than_a_second() {
        let (pace, begun) = (Pace::new(), Instant::now());
        let learn = |took| pace.learn(begun, begun + took);
        assert_eq!(pace.time(), LEAST);
        let slow = Duration::from_millis(160);
        learn(slow);
        assert_eq!(pace.time(), slow);
        learn(Duration::from_millis(1));
        assert_eq!(pace.time(), Duration::from_millis(150));
        learn(Duration::from_secs(60));
        assert_eq!(pace.time(), MOST);
        for _ in 0..200 {
            learn(Duration::ZERO);
        }
        assert_eq!(pace.time(), LEAST);
    }
}
