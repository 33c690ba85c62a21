//! The daemon's status, for people.

mod json;

pub(crate) use json::Json;

use std::fmt::{self, Display, Formatter};

use usher_protocol::{CacheStatus, Counters, HostStatus, RealmStatus, ShieldStatus, Status};

use crate::escape;

/// A paragraph about the daemon, then one for each realm.
pub(crate) fn text(status: &Status) -> String {
    let Counters {
        granted,
        found,
        denied,
        not_found,
        unavailable,
        forbidden,
        invalid,
        malformed_frames,
        connections_shed,
    } = &status.counters;
    let mut text = format!(
        "usherd {} (pid {}), up {}, configuration read {} ago\n\
         connections  {} of {}; {connections_shed} turned away, \
         {malformed_frames} closed for malformed frames\n\
         answers      {granted} granted, {found} found, {denied} denied, {not_found} not found, \
         {unavailable} unavailable, {forbidden} forbidden, {invalid} invalid\n",
        escape::line(&status.version),
        status.pid,
        Span(status.uptime_s),
        Span(status.configured_s),
        status.connections,
        status.max_connections,
    );
    for realm in &status.realms {
        text.push_str(&realm_text(realm));
    }
    text
}

fn realm_text(realm: &RealmStatus) -> String {
    let mut text =
        format!("\nrealm {} ({})\n", escape::line(&realm.name), escape::line(&realm.kind));
    if let Some(problem) = &realm.problem {
        text.push_str(&format!("  problem  {}\n", escape::line(problem)));
    }
    let urls: Vec<String> = realm.hosts.iter().map(|host| escape::line(&host.url)).collect();
    let width = urls.iter().map(|url| url.chars().count()).max().unwrap_or(0);
    for (host, url) in realm.hosts.iter().zip(urls) {
        let HostStatus { state, search_lanes, bind_lanes, last_error, .. } = host;
        text.push_str(&format!(
            "  {:<7}  {url:<width$}  {search_lanes} search and {bind_lanes} bind connections",
            state.as_str()
        ));
        if let Some(error) = last_error {
            text.push_str(&format!("; last error: {}", escape::line(error)));
        }
        text.push('\n');
    }
    let CacheStatus { entries, bytes, max_bytes, hits, misses } = &realm.cache;
    // A realm that reads a file of ours remembers nothing.
    if *max_bytes > 0 {
        text.push_str(&format!(
            "  cache    {entries} entries, {} of {}; {hits} hits, {misses} misses\n",
            Size(*bytes),
            Size(*max_bytes)
        ));
    }
    let ShieldStatus { blocked_users, blocked_clients } = realm.shield;
    if blocked_users + blocked_clients > 0 {
        text.push_str(&format!(
            "  shield   blocked users: {blocked_users}, client addresses: {blocked_clients}\n"
        ));
    }
    text
}

/// Seconds, in the two largest units.
struct Span(u64);

impl Display for Span {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (seconds, minutes, hours) = (self.0, self.0 / 60, self.0 / 3_600);
        if hours >= 24 {
            write!(f, "{} d {} h", hours / 24, hours % 24)
        } else if hours > 0 {
            write!(f, "{hours} h {} min", minutes % 60)
        } else if minutes > 0 {
            write!(f, "{minutes} min {} s", seconds % 60)
        } else {
            write!(f, "{seconds} s")
        }
    }
}

/// Bytes, in the largest unit that fits, with one decimal.
struct Size(u64);

impl Display for Size {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
            let whole = self.0 >> shift;
            if whole > 0 {
                let tenth = ((self.0 >> (shift - 10)) & 1023) * 10 / 1024;
                return write!(f, "{whole}.{tenth} {unit}");
            }
        }
        write!(f, "{} bytes", self.0)
    }
}

#[cfg(test)]
mod tests {
    use usher_protocol::HostState;

    use super::*;

    fn host(url: &str, state: HostState, last_error: Option<&str>) -> HostStatus {
        let last_error = last_error.map(str::to_owned);
        HostStatus { url: url.to_owned(), state, search_lanes: 2, bind_lanes: 4, last_error }
    }

    fn status() -> Status {
        let corp = RealmStatus {
            name: "corp".to_owned(),
            kind: "ldap".to_owned(),
            hosts: vec![
                host("ldaps://ldap1.example.com:636", HostState::Up, None),
                host("ldaps://ldap2:636", HostState::Down, Some("refused\u{1b}[1m")),
            ],
            cache: CacheStatus {
                entries: 7,
                bytes: 1_300_000,
                max_bytes: 64 << 20,
                hits: 9,
                misses: 3,
            },
            problem: None,
            shield: ShieldStatus { blocked_users: 2, blocked_clients: 1 },
        };
        let local = RealmStatus {
            name: "break-glass".to_owned(),
            kind: "local".to_owned(),
            hosts: Vec::new(),
            cache: CacheStatus::default(),
            problem: Some("users.toml cannot be read".to_owned()),
            shield: ShieldStatus::default(),
        };
        Status {
            version: "0.1.0".to_owned(),
            pid: 42,
            uptime_s: 90_000,
            configured_s: 61,
            connections: 3,
            max_connections: 4096,
            counters: Counters { granted: 5, denied: 1, ..Counters::default() },
            realms: vec![corp, local],
        }
    }

    #[test]
    fn people_get_a_paragraph_for_each_realm() {
        let expected = "\
usherd 0.1.0 (pid 42), up 1 d 1 h, configuration read 1 min 1 s ago
connections  3 of 4096; 0 turned away, 0 closed for malformed frames
answers      5 granted, 0 found, 1 denied, 0 not found, 0 unavailable, 0 forbidden, 0 invalid

realm corp (ldap)
  up       ldaps://ldap1.example.com:636  2 search and 4 bind connections
  down     ldaps://ldap2:636              2 search and 4 bind connections; last error: refused\\u{1b}[1m
  cache    7 entries, 1.2 MiB of 64.0 MiB; 9 hits, 3 misses
  shield   blocked users: 2, client addresses: 1

realm break-glass (local)
  problem  users.toml cannot be read
";
        assert_eq!(text(&status()), expected);
    }

    #[test]
    fn programs_get_everything_on_one_line() {
        let shown = escape::json(&Json::from(&status()));
        assert_eq!(shown.lines().count(), 1);
        assert!(shown.starts_with(r#"{"version":"0.1.0","pid":42,"uptime_s":90000,"#), "{shown}");
        let value: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
        assert_eq!(value["counters"]["granted"], 5);
        assert_eq!(value["realms"][0]["hosts"][1]["state"], "down");
        assert_eq!(value["realms"][0]["cache"]["max_bytes"], 64 << 20);
        assert_eq!(value["realms"][0]["problem"], serde_json::Value::Null);
        assert_eq!(value["realms"][0]["shield"]["blocked_users"], 2);
    }

    #[test]
    fn spans_and_sizes_show_what_matters() {
        let spans = [0, 59, 60, 3_599, 3_600, 86_400].map(|seconds| Span(seconds).to_string());
        assert_eq!(spans, ["0 s", "59 s", "1 min 0 s", "59 min 59 s", "1 h 0 min", "1 d 0 h"]);
        let sizes = [0, 1023, 1024, 1536, 64 << 20, u64::MAX].map(|bytes| Size(bytes).to_string());
        let expected = ["0 bytes", "1023 bytes", "1.0 KiB", "1.5 KiB", "64.0 MiB"];
        assert_eq!(sizes[..5], expected);
        assert_eq!(sizes[5], "17179869183.9 GiB");
    }
}
