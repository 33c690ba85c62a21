//! TOML to settings. Nothing half-checked leaves this room: what is invalid cannot be represented.

mod filter;
mod rule;
mod settings;

pub use filter::Filter;
pub use rule::{Rule, Test};
pub use settings::*;
