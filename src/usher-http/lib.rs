//! The HTTP side of usherd: answers the authentication requests of nginx and other proxies.
//! The manual is usher-http(8).
//!
//! A request takes one road: `listener` accepts its connection, `server` finds the endpoint,
//! `request`, `wish` and `basic` read what is asked, `client` asks the daemon, and `answer` turns the verdict
//! into a status and headers. Nothing here knows a directory, and no request is trusted with more
//! than naming a realm and adding rules.
#![forbid(unsafe_code)]

mod answer;
mod basic;
mod change;
mod client;
mod config;
mod echo;
mod encoding;
mod listener;
mod metrics;
mod network;
mod request;
mod server;
mod wish;

pub use client::{Client, Pool};
pub use config::{Address, Config};
pub use server::{Service, run};
