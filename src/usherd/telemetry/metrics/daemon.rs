//! The daemon as a whole.

use std::fmt;

use usher_protocol::Status;

use super::{Families, Labels};

pub(super) fn encode(status: &Status, to: &mut Families<'_>) -> fmt::Result {
    let one = |value| [(Labels::new(), value)];
    let counters = &status.counters;
    let version = vec![("version", status.version.as_str())];
    to.gauge("build_info", "The version that runs.", [(version, 1)])?;
    to.gauge("uptime_seconds", "How long the daemon has run.", one(status.uptime_s))?;
    to.gauge(
        "configuration_age_seconds",
        "How long ago the configuration in force was read.",
        one(status.configured_s),
    )?;
    to.counter(
        "reloads",
        "Times that the configuration was read again.",
        [
            (vec![("outcome", "done")], counters.reloads),
            (vec![("outcome", "failed")], counters.reloads_failed),
        ],
    )?;
    to.gauge("connections", "Open connections for requests.", one(status.connections))?;
    to.gauge(
        "connections_limit",
        "Most connections for requests (max_connections).",
        one(status.max_connections),
    )?;
    to.counter(
        "connections_opened",
        "Connections opened for requests.",
        one(counters.connections_opened),
    )?;
    to.counter(
        "connections_shed",
        "Connections closed because the limit was reached.",
        one(counters.connections_shed),
    )?;
    to.counter(
        "malformed_frames",
        "Connections closed because of a frame that could not be read.",
        one(counters.malformed_frames),
    )?;
    to.counter(
        "log_lines_lost",
        "Log lines that nobody took in time.",
        one(counters.log_lines_lost),
    )?;
    to.counter(
        "audit_events_lost",
        "Audit events that nobody took in time.",
        one(counters.audit_events_lost),
    )
}
