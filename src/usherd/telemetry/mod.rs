//! What the daemon tells of itself: logs and counters. Nobody below it.

mod audit;
mod counters;
mod journal;
mod seldom;

pub use audit::decision;
pub use counters::Counters;
pub use journal::{Format, begin};
pub use seldom::Seldom;
