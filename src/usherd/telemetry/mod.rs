//! What the daemon tells of itself: logs, counters and metrics. Nobody below it.

mod audit;
mod count;
mod counters;
mod heard;
mod journal;
mod metrics;
mod minute;
mod notes;
mod seldom;
mod stopwatch;
mod tally;
pub mod trace;

pub use audit::decision;
pub use count::{Count, Inside, Level};
pub use counters::Counters;
pub use heard::{heard, listening};
pub use journal::{Format, begin};
pub use metrics::{metrics, part};
pub use minute::Minute;
pub use notes::{Host, Notes};
pub use seldom::Seldom;
pub use stopwatch::Stopwatch;
pub use tally::Tally;
