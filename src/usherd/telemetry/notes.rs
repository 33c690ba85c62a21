use std::sync::Arc;

use super::Tally;

/// What is noted of a request on its road, for the counters and the audit.
#[derive(Debug, Default)]
pub struct Notes<'a> {
    /// The counters of the realm that it means, if it means one.
    pub tally: Option<&'a Tally>,
    /// Its name.
    pub realm: Option<&'a str>,
    /// Whether the user is known to exist.
    pub known: bool,
    /// The host that was asked last, as a URL.
    pub host: Option<Host>,
}

/// A host's URL.
pub type Host = Arc<str>;
