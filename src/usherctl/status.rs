//! The daemon's status, for people.

mod json;
mod realm;
mod units;

#[cfg(test)]
pub(crate) mod sample;

pub(crate) use json::Json;
pub(crate) use units::{Micros, Percent, Size, Span};

use usher_protocol::{Counters, Status};

use crate::escape;

/// A paragraph about the daemon, then one for each realm; `now` in seconds since 1970.
pub(crate) fn text(status: &Status, now: u64) -> String {
    let mut text = daemon(status);
    for realm in &status.realms {
        text.push('\n');
        text.push_str(&realm::text(realm, now));
    }
    text
}

/// What concerns no realm.
fn daemon(status: &Status) -> String {
    let Counters {
        connections_opened,
        connections_shed,
        malformed_frames,
        reloads,
        reloads_failed,
        log_lines_lost,
        audit_events_lost,
    } = status.counters;
    let mut text = format!(
        "usherd {} (pid {}), up {}, configuration read {} ago\n\
         connections  {} of {}; {connections_opened} opened, {connections_shed} turned away, \
         {malformed_frames} closed for malformed frames\n",
        escape::line(&status.version),
        status.pid,
        Span(status.uptime_s),
        Span(status.configured_s),
        status.connections,
        status.max_connections,
    );
    if reloads + reloads_failed > 0 {
        text.push_str(&format!("reloads      {reloads} done, {reloads_failed} failed\n"));
    }
    if log_lines_lost + audit_events_lost > 0 {
        text.push_str(&format!(
            "lost         {log_lines_lost} log lines, {audit_events_lost} audit events\n"
        ));
    }
    let elsewhere = realm::answers(&status.elsewhere);
    if status.elsewhere.total() > 0 {
        text.push_str(&format!("no realm     {elsewhere}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_get_a_paragraph_for_each_realm() {
        let expected = "\
usherd 0.1.0 (pid 42), up 1 d 1 h, configuration read 1 min 1 s ago
connections  3 of 4096; 80 opened, 0 turned away, 1 closed for malformed frames
reloads      2 done, 1 failed
no realm     4 forbidden (4 peer_not_allowed)

realm corp (ldap)
  up       ldaps://ldap1.example.com:636  for 1 h 0 min; lanes: 2 search, 4 bind; busy: 3 and 1; 2 waiting; certificate: 30 d left
  down     ldaps://ldap2:636              for 5 s; lanes: 2 search, 4 bind; busy: 0 and 0; last error: refused\\u{1b}[1m
  answers  60 in the last minute; 5 granted (3 from memory, 1 stale), 2 denied (1 bad_credentials, 1 throttled)
  time     answer 6 µs (99 %: 965 µs), find 1.7 ms (99 %: 2.4 ms), verify -
  asked    9 questions, 1 under way; 6 more joined one
  cache    7 entries, 1.2 MiB of 64.0 MiB; hits 75 %; 8 evicted
  shield   blocked now: 2 users, 1 client addresses; 3 blocks; 12 known wrong passwords not tried

realm break-glass (local)
  problem  users.toml cannot be read
  answers  none
";
        assert_eq!(text(&sample::status(), sample::NOW), expected);
    }

    #[test]
    fn programs_get_everything_on_one_line() {
        let shown = escape::json(&Json::from(&sample::status()));
        assert_eq!(shown.lines().count(), 1);
        assert!(shown.starts_with(r#"{"version":"0.1.0","pid":42,"uptime_s":90000,"#), "{shown}");
        let value: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
        let corp = &value["realms"][0];
        assert_eq!(corp["answers"]["granted"]["cache"], 3);
        assert_eq!(corp["answers"]["reasons"]["throttled"], 1);
        assert_eq!(corp["hosts"][1]["state"], "down");
        assert_eq!(corp["cache"]["max_bytes"], 64 << 20);
        assert_eq!(corp["problem"], serde_json::Value::Null);
        assert_eq!(corp["shield"]["blocked_users"], 2);
        assert_eq!(corp["find_time"]["count"], 2);
        assert_eq!(value["counters"]["malformed_frames"], 1);
        assert_eq!(
            (&value["counters"]["granted"], &value["counters"]["forbidden"]),
            (&5.into(), &4.into())
        );
    }
}
