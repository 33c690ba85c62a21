//! What is told seldom: an outage is one event, not one for each request.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two complaints of a process.
const PAUSE: Duration = Duration::from_secs(10);

/// Those of this process.
pub static COMPLAINTS: Complaints = Complaints::new();

/// When something was last told, and what was left out since.
#[derive(Debug)]
pub struct Complaints(Mutex<(Option<Instant>, u64)>);

impl Complaints {
    /// Nothing told yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new((None, 0)))
    }

    /// The line to be logged at `now`, if it is time for one.
    pub fn line(&self, text: &str, now: Instant) -> Option<String> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (told, left_out) = *state;
        if told.is_some_and(|told| now.saturating_duration_since(told) < PAUSE) {
            state.1 += 1;
            return None;
        }
        *state = (Some(now), 0);
        Some(match left_out {
            0 => text.to_owned(),
            _ => format!("{text} ({left_out} lines like this were left out)"),
        })
    }
}

impl Default for Complaints {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connections::now;

    #[test]
    fn what_repeats_itself_is_told_once_in_a_while_and_counted() {
        let (complaints, start) = (Complaints::new(), now());
        assert_eq!(complaints.line("down", start).as_deref(), Some("down"));
        assert_eq!(complaints.line("down", start), None);
        assert_eq!(complaints.line("down", start + PAUSE / 2), None);
        assert_eq!(
            complaints.line("down", start + PAUSE).as_deref(),
            Some("down (2 lines like this were left out)")
        );
        assert_eq!(complaints.line("down", start + 2 * PAUSE).as_deref(), Some("down"));
    }
}
