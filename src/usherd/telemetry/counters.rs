use std::sync::atomic::{AtomicU64, Ordering};

use usher_protocol::Verdict;

/// What was answered since the start.
#[derive(Debug, Default)]
pub struct Counters {
    granted: AtomicU64,
    found: AtomicU64,
    denied: AtomicU64,
    not_found: AtomicU64,
    unavailable: AtomicU64,
    forbidden: AtomicU64,
    invalid: AtomicU64,
    malformed_frames: AtomicU64,
    connections_shed: AtomicU64,
}

impl Counters {
    /// Counts an answer.
    pub fn verdict(&self, verdict: &Verdict) {
        let counter = match verdict {
            Verdict::Granted(_) => &self.granted,
            Verdict::Found(_) => &self.found,
            Verdict::Denied(_) => &self.denied,
            Verdict::NotFound(_) => &self.not_found,
            Verdict::Unavailable(_) => &self.unavailable,
            Verdict::Forbidden(_) => &self.forbidden,
            Verdict::Invalid(_) => &self.invalid,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a connection closed because of a frame that could not be read.
    pub fn malformed_frame(&self) {
        self.malformed_frames.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a connection closed because there were too many.
    pub fn connection_shed(&self) {
        self.connections_shed.fetch_add(1, Ordering::Relaxed);
    }

    /// The numbers now.
    pub fn now(&self) -> usher_protocol::Counters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        usher_protocol::Counters {
            granted: read(&self.granted),
            found: read(&self.found),
            denied: read(&self.denied),
            not_found: read(&self.not_found),
            unavailable: read(&self.unavailable),
            forbidden: read(&self.forbidden),
            invalid: read(&self.invalid),
            malformed_frames: read(&self.malformed_frames),
            connections_shed: read(&self.connections_shed),
        }
    }
}
