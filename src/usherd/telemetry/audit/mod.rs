//! The record of decisions: who asked what about whom, and what came of it. Never a password.

mod event;
mod file;
mod names;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use usher_protocol::{Source, Verdict};

pub use event::Decision;

use event::Event;
use file::File;
use names::Names;

/// Where decisions are recorded, and which.
#[derive(Debug)]
pub struct Audit {
    /// None: in the log.
    file: Option<File>,
    /// Of so many yeses from memory one is recorded; none: none is.
    one_of: Option<u64>,
    cached: AtomicU64,
    names: Names,
}

impl Audit {
    /// In this file, else in the log. `cached` is the part of the yeses from memory that is
    /// recorded, from 0 to 1; `shown` says whether names are that nobody has.
    ///
    /// # Errors
    /// A text for people, where the file cannot be written.
    pub fn open(file: Option<&Path>, cached: f64, shown: bool) -> Result<Self, String> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative")]
        let one_of = (cached > 0.0).then(|| (1.0 / cached).round() as u64);
        Ok(Self {
            file: file.map(File::open).transpose()?,
            one_of,
            cached: AtomicU64::new(0),
            names: Names::new(shown)?,
        })
    }

    /// Whether this file could be written. It is not made.
    ///
    /// # Errors
    /// A text for people.
    pub fn check(file: &Path) -> Result<(), String> {
        file::check(file)
    }

    /// Records a decision. Nobody waits for a disk or a journal.
    pub fn decision(&self, decision: &Decision<'_>) {
        if let Some(one_of) = self.weight(decision.verdict) {
            let event = Event::new(decision, &self.names, one_of);
            match &self.file {
                Some(file) => file.write(&event),
                None => event.log(),
            }
        }
    }

    /// Events that were lost.
    pub fn lost(&self) -> u64 {
        self.file.as_ref().map_or(0, File::lost)
    }

    /// Waits until all that was recorded is written, a second at most.
    pub fn finish(&self) {
        if let Some(file) = &self.file {
            file.finish();
        }
    }

    /// For how many decisions this one stands; none if it is not recorded.
    fn weight(&self, verdict: &Verdict) -> Option<u64> {
        if verdict.identity().is_none_or(|who| who.source != Source::Cache) {
            return Some(1);
        }
        let one_of = self.one_of?;
        let turn = self.cached.fetch_add(1, Ordering::Relaxed);
        turn.is_multiple_of(one_of).then_some(one_of)
    }
}
