//! The language of usherd's socket, version 1.
//!
//! This page is the whole specification: a client in any language can be written from it alone.
//! `tests/vectors.txt` in the repository holds the bytes of each message, and
//! `tests/usher_client.py` is such a client.
//!
//! # Stream and frames
//!
//! A client connects to a Unix stream socket and writes *requests*; the daemon writes *answers*.
//! Both travel in frames:
//!
//! ```text
//! length    u32, big-endian: the number of bytes that follow, 2 to 65,536
//! version   u8: 1
//! message   length - 1 bytes: a Request (to the daemon) or an Answer (from it)
//! ```
//!
//! A connection may carry any number of requests, and the client need not wait for an answer
//! before it sends the next request: answers carry the request's id and come in any order.
//!
//! A frame with another version, a wrong length or a message that cannot be read is answered by an
//! [`Answer`] with id 0 and the verdict [`Verdict::Invalid`], whose message names what was wrong
//! (and the versions spoken); the daemon then closes that connection.
//!
//! # Values
//!
//! | Written here | Bytes |
//! |---|---|
//! | `u8`, `bool` | one byte; `false` is 0 and `true` is 1 |
//! | `u32`, `u64` | below 251: one byte. Else `fb` and 2 bytes, `fc` and 4 bytes, or `fd` and 8 bytes, little-endian; the shortest that fits |
//! | `String`, bytes | the length in bytes (as `u64`), then the bytes; strings are UTF-8 |
//! | `Option<T>` | `00` if there is none; `01` and the value |
//! | `Vec<T>` | the number of items (as `u64`), then each |
//! | `[T; N]` | each item; their number is known |
//! | `(A, B)`, a structure | the fields in the order written here, nothing between |
//! | an enumeration | the variant's number (as `u32`), then its fields |
//! | `IpAddr` | `00` and 4 bytes, or `01` and 16 bytes, in network order |
//!
//! # Messages
//!
//! ```text
//! Request    id: u64                      chosen by the client; not 0
//!            timeout_ms: Option<u32>      the deadline, counted from when the daemon has read the
//!                                         request; it can only shorten the daemon's own
//!            call: Call
//!
//! Call       0 Authenticate(Query, password: bytes)    1 to 1,024 bytes, without NUL, UTF-8
//!            1 Lookup(Query)
//!            2 Status                     on the admin socket only
//!            3 Reload                     on the admin socket only
//!            4 Flush(realm: Option<String>, user: Option<String>)   on the admin socket only
//!            5 Unblock(realm: Option<String>, user: String)         on the admin socket only
//!            6 Metrics(skip: u32)         the lines after the first `skip`
//!            7 Explain(Query, password: Option<bytes>)              on the admin socket only
//!            8 Compare(file: String, seconds: u32)                  on the admin socket only
//!
//! Query      realm: Option<String>        none: by the user's domain, else the default realm
//!            user: String                 at most 256 bytes, without NUL
//!            client: Option<IpAddr>       whence the user comes
//!            require: Vec<String>         rules added to the realm's own; at most 64
//!
//! Answer     id: u64
//!            reply: Reply
//!
//! Reply      0 Verdict(Verdict)           to Authenticate and Lookup, and to what cannot be read
//!            1 Status(Status)             to Status
//!            2 Done(String)               to a command: what was done, for people
//!            3 Failed(String)             to a command: what could not be done and why, for people
//!            4 Metrics(text: String, more: bool)   to Metrics: whole lines in the text format of
//!                                         Prometheus, and whether there are more; a client asks
//!                                         for those with the lines it has in `skip`
//!            5 Explained(Verdict, Explanation)    to Explain: the verdict as to Authenticate where
//!                                         there is a password, else as to Lookup
//!            6 Compared(Comparison)       to Compare
//!
//! Verdict    0 Granted(Identity)          Authenticate: the password is right and the rules hold
//!            1 Found(Identity)            Lookup: the user exists and the rules hold
//!            2 Denied(Refusal)
//!            3 NotFound(Refusal)          Lookup only
//!            4 Unavailable(Refusal)       cannot tell now; never means "no"
//!            5 Forbidden(Refusal)         this peer may not ask this
//!            6 Invalid(Refusal)           the request makes no sense
//!
//! Identity   user: String                 the canonical name, in the directory's spelling
//!            realm: String
//!            metadata: Vec<(String, String)>   names and values, in the configured order
//!            groups: Vec<String>
//!            source: Source               0 directory, 1 cache, 2 stale
//!            age_s: u64                   seconds since the directory said the oldest part of it
//!            warning: Option<Warning>     about the password, if the directory was asked about
//!                                         it for this very answer and had to say something
//!
//! Warning    0 PasswordExpires(u64)       the password expires in so many seconds
//!            1 GraceLogins(u32)           it has expired, and is taken only so many times more
//!
//! Refusal    reason: Reason               a number, see the list in [`Reason`]
//!            message: String              one line for people
//!            retry_after_s: Option<u32>   when asking again makes sense, where that is known
//!
//! Comparison compared: u64                questions that both configurations were asked
//!            different: u64               those that they did not answer alike
//!            refused: u64                 refused passwords, which are not tried again
//!            passed_over: u64             questions not asked, for want of time or an answer
//!            differences: Vec<Difference>    each once, at most 50
//!
//! Difference realm: Option<String>        that was asked for by name
//!            user: String                 as the question named them
//!            now: String                  what the present configuration says
//!            then: String                 what the other would say
//!
//! Explanation
//!            steps: Vec<Step>             what the request met on its road; at most 100
//!            hints: Vec<String>           what may be amiss, one line each
//!
//! Step       stage: String                what was done, in a word
//!            text: String                 what was found, one line
//!            after_us: u64                microseconds since the request began
//! ```
//!
//! [`Status`] is described at its type.
#![forbid(unsafe_code)]

pub mod client;
pub mod frame;

mod answer;
mod bounded;
mod comparison;
mod explanation;
mod histogram;
mod identity;
mod password;
mod profile;
mod reason;
mod request;
mod status;

pub use answer::{Answer, Refusal, Reply, Verdict};
pub use comparison::{Comparison, Difference, MAX_DIFFERENCES};
pub use explanation::{Explanation, MAX_STEPS, Step};
pub use histogram::Histogram;
pub use identity::{Identity, Source, Warning};
pub use password::Password;
pub use profile::Profile;
pub use reason::Reason;
pub use request::{Call, Query, Request};
pub use status::{
    Answers, CacheStatus, Counters, HostState, HostStatus, Questions, RealmStatus, ShieldStatus,
    Sources, Status,
};

/// Most rules that one request may add.
pub const MAX_RULES: usize = 64;
/// Longest user name, in bytes; no directory has longer ones in practice.
pub const MAX_USER: usize = 256;
/// Longest password, in bytes.
pub const MAX_PASSWORD: usize = 1024;
