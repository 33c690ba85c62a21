use super::{Count, Tally, log};

/// What happened to the daemon as a whole, since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Answers to requests that mean no realm.
    pub elsewhere: Tally,
    /// Connections opened for requests.
    pub connections_opened: Count,
    /// Connections closed because there were too many.
    pub connections_shed: Count,
    /// Connections closed because of a frame that could not be read.
    pub malformed_frames: Count,
    /// Configurations that were read again and put in force.
    pub reloads: Count,
    /// Configurations that were read again and were wrong.
    pub reloads_failed: Count,
}

impl Counters {
    /// The numbers now, and how many audit events were lost.
    pub fn now(&self, audit_events_lost: u64) -> usher_protocol::Counters {
        usher_protocol::Counters {
            connections_opened: self.connections_opened.now(),
            connections_shed: self.connections_shed.now(),
            malformed_frames: self.malformed_frames.now(),
            reloads: self.reloads.now(),
            reloads_failed: self.reloads_failed.now(),
            log_lines_lost: log::lost(),
            audit_events_lost,
        }
    }
}
