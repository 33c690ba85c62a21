//! The steps of directories other than LDAP, for whoever wants a request explained.

use std::fmt::Display;

use tokio::time::Instant;

use super::{Entry, Found, Unavailable, Verification};
use crate::telemetry::trace;

/// What somebody who looked for a user there has found.
pub(super) fn found(
    place: impl Display,
    user: &str,
    found: &Result<Found, Unavailable>,
    begun: Instant,
) {
    trace::step("search", || {
        let came = match found {
            Ok(Found::Nobody) => "nobody has this name",
            Ok(Found::One(_)) => "1 found",
            Ok(Found::Several) => "more than one has this name",
            Err(why) => &why.message,
        };
        format!("{place} for {user:?}: {came}, after {}", took(begun))
    });
    if let Ok(found) = found {
        entry(found);
    }
}

/// What is known of who was found.
pub(super) fn entry(found: &Found) {
    let Found::One(Entry { id, attributes, groups, .. }) = found else { return };
    trace::step("entry", || id.clone());
    for (name, values) in attributes.iter() {
        trace::step("attribute", || format!("{name}: {}", values.join(", ")));
    }
    trace::step("groups", || groups.join(", "));
}

/// What was said there of a user's password.
pub(super) fn judged(
    place: impl Display,
    user: &str,
    said: &Result<Verification, Unavailable>,
    begun: Instant,
) {
    trace::step("bind", || {
        let came = match said {
            Ok(Verification::Right(_)) => "the password is right".to_owned(),
            Ok(Verification::Wrong) => "the password is wrong".to_owned(),
            Ok(Verification::Barred(reason)) => format!("right, but {}", reason.as_str()),
            Ok(Verification::Refused(reason)) => format!("refused: {}", reason.as_str()),
            Err(why) => why.message.clone(),
        };
        format!("{place} as {user}: {came}, after {}", took(begun))
    });
}

/// How long something took.
pub(super) fn took(begun: Instant) -> String {
    let millis = Instant::now().saturating_duration_since(begun).as_secs_f64() * 1000.0;
    format!("{millis:.1} ms")
}
