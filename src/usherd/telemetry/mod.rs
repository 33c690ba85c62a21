//! What the daemon tells of itself: logs, the record of decisions, counters and metrics. Nobody
//! below it.

mod audit;
mod count;
mod counters;
mod harmless;
mod heard;
mod log;
mod messages;
mod metrics;
mod minute;
mod native;
mod notes;
mod seldom;
mod stopwatch;
mod tally;
pub mod trace;

pub use audit::{Audit, Decision};
pub use count::{Count, Inside, Level};
pub use counters::Counters;
pub use harmless::harmless;
pub use heard::{heard, listening};
pub use log::{Format, begin};
pub use metrics::{metrics, part};
pub use minute::Minute;
pub use notes::{Host, Notes};
pub use seldom::Seldom;
pub use stopwatch::Stopwatch;
pub use tally::Tally;

/// The target of decisions that are recorded in the log.
const AUDIT: &str = "audit";
