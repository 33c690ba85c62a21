//! What is told seldom: an outage is one event, not one for each request.

use std::mem;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two complaints of a process about the same trouble.
const PAUSE: Duration = Duration::from_secs(10);
/// Most troubles that are told apart: where the realm is an expression, clients have a say in it.
const MOST: usize = 32;
/// What the others count as.
const OTHERS: &str = "";

/// Those of this process.
pub static COMPLAINTS: Complaints = Complaints::new();

/// What was told, and what was left out since.
#[derive(Debug)]
pub struct Complaints(Mutex<Vec<Told>>);

#[derive(Debug)]
struct Told {
    trouble: String,
    when: Instant,
    left_out: u64,
}

impl Complaints {
    /// Nothing told yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// The line to be logged at `now`, if it is time for one about this trouble: one that lasts
    /// must not hide another.
    pub fn line(&self, trouble: &str, text: &str, now: Instant) -> Option<String> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_recent = |told: &Told| now.saturating_duration_since(told.when) < PAUSE;
        let is_known = all.iter().any(|told| told.trouble == trouble);
        if !is_known && all.len() >= MOST {
            all.retain(is_recent);
        }
        let trouble = if is_known || all.len() < MOST { trouble } else { OTHERS };
        let Some(told) = all.iter_mut().find(|told| told.trouble == trouble) else {
            all.push(Told { trouble: trouble.to_owned(), when: now, left_out: 0 });
            return Some(text.to_owned());
        };
        if is_recent(told) {
            told.left_out += 1;
            return None;
        }
        told.when = now;
        Some(match mem::take(&mut told.left_out) {
            0 => text.to_owned(),
            left_out => format!("{text} ({left_out} lines like this were left out)"),
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
        let line = |when| complaints.line("a", "down", when);
        assert_eq!(line(start).as_deref(), Some("down"));
        assert_eq!(line(start), None);
        assert_eq!(line(start + PAUSE / 2), None);
        let counted = "down (2 lines like this were left out)";
        assert_eq!(line(start + PAUSE).as_deref(), Some(counted));
        assert_eq!(line(start + 2 * PAUSE).as_deref(), Some("down"));
    }

    #[test]
    fn one_trouble_does_not_hide_another() {
        let (complaints, start) = (Complaints::new(), now());
        let told = |trouble: &str, when| complaints.line(trouble, trouble, when).is_some();
        assert!(told("no such realm", start));
        assert!(told("no host", start + PAUSE / 2));
        assert!(!told("no such realm", start + PAUSE / 2));
        assert!(!told("no host", start + PAUSE));
        assert!(told("no such realm", start + PAUSE));
    }

    #[test]
    fn of_ever_new_troubles_few_are_told_and_fewer_kept() {
        let (complaints, start) = (Complaints::new(), now());
        let told = |from: usize, when| {
            let line = |number: &usize| complaints.line(&number.to_string(), "down", when);
            (from..from + 1000).filter(|number| line(number).is_some()).count()
        };
        assert_eq!(told(0, start), MOST + 1);
        assert_eq!(told(1000, start + PAUSE / 2), 0);
        assert_eq!(told(2000, start + PAUSE), MOST + 1);
        assert!(complaints.0.lock().unwrap().len() <= MOST + 1);
    }
}
