//! usherd: a request comes in on a socket, names a realm and a user, and takes one road to an
//! answer.
//!
//! ```text
//! listener   who stands at the door, and is there room?
//! saslauthd  a connection of saslauthd's clients: one question in its words
//! session    one connection: frame in, answer out, by the deadline; may this peer ask this?
//! control    what the whole daemon shares; what the admin socket may ask
//! realm      policy: the steps of the road, composed in one place
//! cache      what we know                 directory   what is true: local, pam, crowd, ldap
//! config     what an administrator wants, checked
//! telemetry  what the daemon tells of itself
//! ```
//!
//! A module uses only modules that stand below it here; `tests/architecture.rs` holds that.
#![forbid(unsafe_code)]

pub mod demo;

pub mod daemon;

pub mod listener;

pub mod saslauthd;

pub mod session;

pub mod control;

pub mod realm;

pub mod cache;

pub mod directory;

pub mod config;

pub mod telemetry;
