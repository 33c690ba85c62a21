//! Time as it counts.

/// Nanoseconds that this thread has had of a processor: what else runs does not count.
pub(crate) fn on_cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("schedstat");
    stat.split_whitespace().next().and_then(|time| time.parse().ok()).expect("a time")
}
