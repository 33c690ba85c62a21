//! Time as it counts.

use nix::time::{ClockId, clock_gettime};

/// Nanoseconds that this thread has had of a processor: what else runs does not count.
pub(crate) fn on_cpu() -> f64 {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("the time");
    time.tv_sec() as f64 * 1e9 + time.tv_nsec() as f64
}
