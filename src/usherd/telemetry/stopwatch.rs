use std::time::Duration;

use usher_protocol::Histogram;

use super::Count;

/// Notes how long something takes, in classes of time; nobody waits to note.
#[derive(Debug, Default)]
pub struct Stopwatch {
    sum_us: Count,
    counts: [Count; Histogram::CLASSES],
}

impl Stopwatch {
    /// It took so long.
    pub fn took(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        // A time between two microseconds is beyond the lower.
        let beyond = u64::from(!time.subsec_nanos().is_multiple_of(1_000));
        let class =
            Histogram::BOUNDS_US.partition_point(|bound| *bound < micros.saturating_add(beyond));
        if let Some(count) = self.counts.get(class) {
            count.one();
        }
        self.sum_us.many(micros);
    }

    /// What was noted so far.
    pub fn now(&self) -> Histogram {
        let counts = self.counts.each_ref().map(Count::now);
        Histogram { sum_us: self.sum_us.now(), counts }
    }

    /// How long it took on average; nothing where nothing was noted.
    pub fn mean(&self) -> Option<Duration> {
        let times: u64 = self.counts.iter().map(Count::now).sum();
        self.sum_us.now().checked_div(times).map(Duration::from_micros)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Stopwatch;

    #[test]
    fn a_time_is_noted_in_the_first_class_that_holds_it() {
        let watch = Stopwatch::default();
        for nanos in [0, 10_000, 10_001, 25_000, 5_000_000_000, 5_000_000_001] {
            watch.took(Duration::from_nanos(nanos));
        }
        let noted = watch.now();
        assert_eq!(noted.counts[..2], [2, 2]);
        assert_eq!(noted.counts[17..], [1, 1]);
        assert_eq!(noted.sum_us, 10_000_045);
    }

    #[test]
    fn the_mean_is_of_all_that_was_noted() {
        let watch = Stopwatch::default();
        assert_eq!(watch.mean(), None);
        for millis in [10, 20, 60] {
            watch.took(Duration::from_millis(millis));
        }
        assert_eq!(watch.mean(), Some(Duration::from_millis(30)));
    }
}
