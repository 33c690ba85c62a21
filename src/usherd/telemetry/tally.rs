use std::time::Duration;

use tokio::time::Instant;
use usher_protocol::{Answers, Reason, Source, Sources, Verdict};

use super::{Count, Minute, Stopwatch};

/// What a realm was asked and answered, since the start. A request finds it once and counts there:
/// nothing is looked up by name.
#[derive(Debug, Default)]
pub struct Tally {
    granted: BySource,
    found: BySource,
    denied: Count,
    not_found: Count,
    unavailable: Count,
    forbidden: Count,
    invalid: Count,
    reasons: [Count; Reason::ALL.len()],
    answers: Stopwatch,
    minute: Minute,
    /// How long the directory takes to say who somebody is.
    pub find: Stopwatch,
    /// How long the directory takes to say whether a password is right.
    pub verify: Stopwatch,
}

#[derive(Debug, Default)]
struct BySource {
    directory: Count,
    cache: Count,
    stale: Count,
}

impl Tally {
    /// Counts an answer, and how long it took.
    pub fn answer(&self, verdict: &Verdict, took: Duration) {
        let counter = match verdict {
            Verdict::Granted(who) => self.granted.of(who.source),
            Verdict::Found(who) => self.found.of(who.source),
            Verdict::Denied(_) => &self.denied,
            Verdict::NotFound(_) => &self.not_found,
            Verdict::Unavailable(_) => &self.unavailable,
            Verdict::Forbidden(_) => &self.forbidden,
            Verdict::Invalid(_) => &self.invalid,
        };
        counter.one();
        if let Some(no) = verdict.refusal()
            && let Some(count) = self.reasons.get(no.reason as usize)
        {
            count.one();
        }
        self.answers.took(took);
    }

    /// The answers so far.
    pub fn answers(&self) -> Answers {
        let reasons = Reason::ALL.into_iter().zip(&self.reasons);
        let reasons = reasons.map(|(reason, count)| (reason, count.now()));
        Answers {
            granted: self.granted.now(),
            found: self.found.now(),
            denied: self.denied.now(),
            not_found: self.not_found.now(),
            unavailable: self.unavailable.now(),
            forbidden: self.forbidden.now(),
            invalid: self.invalid.now(),
            reasons: reasons.filter(|(_, count)| *count > 0).collect(),
        }
    }

    /// Remembers how many there are, for [`Self::last_minute`]; to be done at [`Minute::PACE`].
    pub fn mark(&self, now: Instant) {
        self.minute.mark(self.answers.now().count(), now);
    }

    /// How many answers there were in the last minute.
    pub fn last_minute(&self, now: Instant) -> u64 {
        self.minute.growth(self.answers.now().count(), now)
    }

    /// How long the answers took.
    pub fn answer_time(&self) -> usher_protocol::Histogram {
        self.answers.now()
    }
}

impl BySource {
    fn of(&self, source: Source) -> &Count {
        match source {
            Source::Directory => &self.directory,
            Source::Cache => &self.cache,
            Source::Stale => &self.stale,
        }
    }

    fn now(&self) -> Sources {
        Sources {
            directory: self.directory.now(),
            cache: self.cache.now(),
            stale: self.stale.now(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use usher_protocol::Refusal;

    #[test]
    fn every_reason_has_its_place() {
        for (place, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, place);
            let tally = Tally::default();
            let verdict = Verdict::Denied(Refusal::new(reason, ""));
            tally.answer(&verdict, Duration::ZERO);
            assert_eq!(tally.answers().reasons, [(reason, 1)]);
        }
    }
}
