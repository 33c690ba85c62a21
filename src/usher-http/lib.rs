//! The HTTP side of usherd. So far this is its asynchronous client.
#![forbid(unsafe_code)]

mod client;

pub use client::Client;
