//! mod_usher: usherd's answers for Apache httpd 2.4.
//!
//! httpd calls `hooks`, which takes apart what C hands over; the decisions are plain functions from
//! data to data, and `hooks` carries them out:
//!
//! ```text
//! hooks ─> fixup, provider ─> asked ─> connections ─> usherd
//!   └───> directives, require
//! ```
//!
//! In the phase in which httpd reads its configuration nothing here starts a thread, prints, or
//! touches a thread-local value with a destructor: httpd unloads and loads its modules when it is
//! restarted gracefully, and any of these would keep the old code in the process.
#![deny(unsafe_code)]

pub mod asked;
pub mod complaint;
pub mod connections;
pub mod directives;
pub mod fixup;
pub mod guard;
pub mod provider;
pub mod require;

// Without httpd there is nothing to link these with, so the unit tests leave them out.
#[cfg(not(test))]
#[allow(unsafe_code, reason = "the module for Apache is called by C")]
mod hooks;
#[cfg(not(test))]
#[allow(unsafe_code, reason = "httpd is written in C")]
mod sys;

#[cfg(test)]
mod fake;

#[cfg(not(panic = "unwind"))]
compile_error!("a panic must not end httpd's process with all its threads: panic = \"unwind\"");
#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
compile_error!("the layouts in sys.rs are those of 64-bit Linux");
