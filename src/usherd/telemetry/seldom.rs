use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Lets a log line pass at most once a second.
#[derive(Debug, Default)]
pub struct Seldom(Mutex<Option<Instant>>);

impl Seldom {
    /// Whether the line may pass now.
    pub fn due(&self, now: Instant) -> bool {
        const PAUSE: Duration = Duration::from_secs(1);
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|last| now.saturating_duration_since(last) >= PAUSE);
        if due {
            *last = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Seldom;

    #[test]
    fn once_a_second() {
        let (seldom, now) = (Seldom::default(), Instant::now());
        assert!(seldom.due(now));
        assert!(!seldom.due(now + Duration::from_millis(999)));
        assert!(seldom.due(now + Duration::from_secs(1)));
    }
}
