//! The programs, driven from outside: a file for each subject.
//!
//! Nothing here looks inside the daemon; what a test expects stands in a manual page or in the
//! documentation of the protocol.
#![cfg(test)]
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test that cannot go on panics, and waits by the real clock"
)]

mod support;

mod access;
mod active_directory;
mod apache;
mod applications;
mod architecture;
mod audit;
mod cache;
mod chain;
mod check;
mod check_proxy;
mod client;
mod compare;
mod config;
mod crowd;
mod demo;
mod explain;
mod failover;
mod groups;
mod headers;
mod hostile;
mod htpasswd;
mod http;
mod import;
mod ldap;
mod local;
mod manual;
mod metrics;
mod metrics_of_trouble;
mod nginx;
mod outage;
mod pam;
mod policy;
mod pool;
mod protocol;
mod proxies;
mod referrals;
mod reload;
mod saslauthd;
mod search;
mod shield;
mod sockets;
mod srv;
mod tls;
mod top;
mod units;
mod usherctl;
mod usherctl_bench;
mod vectors;
mod watchdog;
