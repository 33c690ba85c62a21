//! usherd: a request comes in on a socket, names a realm and a user, and takes one road to an
//! answer.
#![forbid(unsafe_code)]

pub mod config;
