//! The failures of one client address, counted in windows. The one before counts for the part of
//! it that a window reaching back from now would still see.

/// Failures from one client address.
#[derive(Debug, Default)]
pub(super) struct Failures {
    window: u64,
    now: usize,
    before: usize,
}

impl Failures {
    pub(super) fn add(&mut self, window: u64) {
        self.turn(window);
        self.now += 1;
    }

    /// It was none.
    pub(super) fn take_back(&mut self, window: u64) {
        self.turn(window);
        if self.now > 0 {
            self.now -= 1;
        } else {
            self.before = self.before.saturating_sub(1);
        }
    }

    /// In how many windows there will be fewer than `limit`; none if there are now, or any number
    /// is allowed. `part` of the present window has passed.
    pub(super) fn wait(&mut self, window: u64, part: f64, limit: usize) -> Option<f64> {
        self.turn(window);
        if limit == 0 || self.seen(part) < real(limit) {
            return None;
        }
        // When the part of `older` that still counts, with what has come since, is below the limit.
        let fewer = |older: usize, since: usize| {
            1.0 - (real(limit) - real(since)).max(0.0) / real(older).max(1.0)
        };
        let wait = if self.now < limit {
            fewer(self.before, self.now) - part
        } else {
            1.0 - part + fewer(self.now, 0)
        };
        // Rounding may take it below.
        Some(wait.max(0.0))
    }

    /// Of what use it is to remember.
    pub(super) fn worth(&self, window: u64) -> usize {
        match window.saturating_sub(self.window) {
            0 => self.now + self.before,
            1 => self.now,
            _ => 0,
        }
    }

    fn seen(&self, part: f64) -> f64 {
        real(self.before).mul_add(1.0 - part, real(self.now))
    }

    fn turn(&mut self, window: u64) {
        match window.saturating_sub(self.window) {
            0 => return,
            1 => self.before = self.now,
            _ => self.before = 0,
        }
        self.now = 0;
        self.window = window;
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn real(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::Failures;

    #[test]
    fn a_client_waits_until_the_failures_leave_the_window() {
        let mut failures = Failures::default();
        for _ in 0..4 {
            failures.add(3);
        }
        assert_eq!(failures.wait(3, 0.5, 5), None);
        assert_eq!(failures.wait(3, 0.5, 0), None);
        // Four count fully to the end of this window, and less and less in the next.
        assert_eq!(failures.wait(3, 0.5, 4), Some(0.5));
        assert_eq!(failures.wait(3, 0.5, 2), Some(1.0));
        assert_eq!(failures.wait(4, 0.25, 2), Some(0.25));
        assert_eq!(failures.wait(4, 0.75, 2), None);
        assert_eq!(failures.wait(6, 0.0, 1), None);
    }

    #[test]
    fn what_is_taken_back_was_no_failure() {
        let mut failures = Failures::default();
        failures.add(1);
        failures.add(1);
        failures.take_back(1);
        assert_eq!(failures.wait(1, 0.0, 2), None);
        failures.take_back(2);
        assert_eq!(failures.wait(2, 0.0, 1), None);
    }
}
