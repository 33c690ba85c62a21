use serde::{Deserialize, Serialize};

/// How long something took, counted by classes of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    /// All times together, in microseconds.
    pub sum_us: u64,
    /// How many took at most each of [`Histogram::BOUNDS_US`] and longer than the one before; the
    /// last: longer than all.
    pub counts: [u64; Histogram::CLASSES],
}

impl Histogram {
    /// The upper bounds of the classes, in microseconds.
    pub const BOUNDS_US: [u64; 18] = [
        10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000,
        500_000, 1_000_000, 2_500_000, 5_000_000,
    ];
    /// One more, for what took longer than all.
    pub const CLASSES: usize = Self::BOUNDS_US.len() + 1;

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// What was counted since `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let mut counts = self.counts;
        for (now, before) in counts.iter_mut().zip(before.counts) {
            *now = now.saturating_sub(before);
        }
        Self { sum_us: self.sum_us.saturating_sub(before.sum_us), counts }
    }

    /// What this part of them, from 0 to 1, did not exceed, in microseconds: within the class in
    /// which that is, as if its times were evenly spread. None if there were none.
    pub fn quantile_us(&self, part: f64) -> Option<u64> {
        let rank = part * as_f64(self.count());
        let (mut below, mut lower) = (0, 0);
        for (count, upper) in self.counts.iter().zip(Self::BOUNDS_US) {
            if *count > 0 && as_f64(below + count) >= rank {
                let within = (rank - as_f64(below)).max(0.0) / as_f64(*count);
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "small"
                )]
                return Some(lower + (as_f64(upper - lower) * within).round() as u64);
            }
            below += count;
            lower = upper;
        }
        (self.count() > 0).then_some(lower)
    }
}

#[expect(clippy::cast_precision_loss, reason = "numbers for people")]
fn as_f64(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::Histogram;

    fn of(classes: &[(usize, u64)]) -> Histogram {
        let mut histogram = Histogram::default();
        for (class, count) in classes {
            histogram.counts[*class] = *count;
        }
        histogram
    }

    #[test]
    fn quantiles_lie_in_their_class() {
        assert_eq!(Histogram::default().quantile_us(0.5), None);
        let histogram = of(&[(0, 90), (6, 10)]);
        assert_eq!(histogram.count(), 100);
        assert_eq!(histogram.quantile_us(0.45), Some(5));
        assert_eq!(histogram.quantile_us(0.9), Some(10));
        assert_eq!(histogram.quantile_us(0.95), Some(750));
        assert_eq!(histogram.quantile_us(1.0), Some(1_000));
    }

    #[test]
    fn what_is_longer_than_all_classes_is_told_as_the_last_bound() {
        assert_eq!(of(&[(18, 1)]).quantile_us(0.5), Some(5_000_000));
    }

    #[test]
    fn the_difference_of_two_is_what_came_between() {
        let (before, after) = (of(&[(0, 3)]), of(&[(0, 5), (2, 1)]));
        assert_eq!(after.since(&before), of(&[(0, 2), (2, 1)]));
    }
}
