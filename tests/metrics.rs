//! Metrics: what they say, that Prometheus takes them, and that the dashboard, the alerts and the
//! manual name what there is.

use std::collections::BTreeSet;

use serde_json::Value;
use usher_protocol::{Call, Reply, Verdict};

use crate::support::daemon::{Daemon, LOCAL};
use crate::support::prometheus::{Prometheus, promtool};
use crate::support::repository;
use crate::support::shim::Shim;
use crate::support::slapd::Slapd;
use crate::support::{text_of, until_true};

fn metrics(daemon: &Daemon) -> String {
    daemon.ctl(&["metrics"], b"").success().stdout
}

/// The value of the line that begins with this.
fn value(text: &str, line: &str) -> Option<f64> {
    let found = text.lines().find_map(|one| one.strip_prefix(line)?.strip_prefix(' '));
    found.map(|value| value.parse().expect("a number"))
}

#[test]
fn answers_are_counted_by_realm_outcome_and_source_and_never_by_user() {
    let daemon = Daemon::start(LOCAL);
    daemon.authenticate("alice", "alice-secret").is_granted();
    daemon.authenticate("alice", "alice-secret").is_granted();
    daemon.authenticate("alice", "wrong").is(1, "denied", "bad_credentials");
    daemon.lookup("mallory").is(1, "not_found", "no_such_user");
    daemon.ctl_json(&["lookup", "--realm", "away", "x"], b"").is(2, "invalid", "unknown_realm");
    let text = metrics(&daemon);
    let requests = |realm: &str, outcome: &str, source: &str| {
        let labels = format!("realm=\"{realm}\",outcome=\"{outcome}\",source=\"{source}\"");
        value(&text, &format!("usher_requests_total{{{labels}}}"))
    };
    assert_eq!(requests("home", "granted", "directory"), Some(1.0), "{text}");
    assert_eq!(requests("home", "granted", "cache"), Some(1.0));
    assert_eq!(requests("home", "denied", ""), Some(1.0));
    assert_eq!(requests("home", "not_found", ""), Some(1.0));
    assert_eq!(requests("", "invalid", ""), Some(1.0));
    let refused = "usher_refusals_total{realm=\"home\",reason=\"bad_credentials\"}";
    assert_eq!(value(&text, refused), Some(1.0));
    let took = |stage: &str, what: &str| {
        let line = format!("usher_request_duration_seconds_{what}{{realm=\"home\"");
        value(&text, &format!("{line},stage=\"{stage}\"}}"))
    };
    assert_eq!(took("answer", "count"), Some(4.0));
    assert!(took("verify", "sum") > took("find", "sum"), "hashing takes longer: {text}");
    for name in ["alice", "mallory", "away"] {
        assert!(!text.contains(name), "{name} in {text}");
    }
    let checked = promtool(&["check", "metrics"], &text);
    assert_eq!((checked.code, checked.stdout.as_str()), (0, ""), "{checked:#?}");
}

#[test]
fn hosts_are_told_by_state_lanes_and_times() {
    let slapd = Slapd::start();
    let daemon = Daemon::start(&slapd.realm());
    daemon.authenticate("alice", "alice-secret").is_granted();
    let host = format!("realm=\"corp\",host=\"ldap://127.0.0.1:{}\"", slapd.port());
    let of = |text: &str, name: &str, more: &str| value(text, &format!("{name}{{{host}{more}}}"));
    until_true("both search lanes", || {
        of(&metrics(&daemon), "usher_host_lanes", ",kind=\"search\"") == Some(2.0)
    });
    let text = metrics(&daemon);
    let state = |state: &str| of(&text, "usher_host_state", &format!(",state=\"{state}\""));
    assert_eq!((state("up"), state("down")), (Some(1.0), Some(0.0)), "{text}");
    for operation in ["search", "bind"] {
        let count = "usher_host_operation_duration_seconds_count";
        assert_eq!(of(&text, count, &format!(",operation=\"{operation}\"")), Some(1.0), "{text}");
    }
    let mut slapd = slapd;
    slapd.stop();
    until_true("the host to be left alone", || {
        of(&metrics(&daemon), "usher_host_failures_total", "") == Some(1.0)
    });
}

#[test]
fn reloads_are_counted_and_a_realm_that_is_configured_anew_counts_on() {
    let daemon = Daemon::start(LOCAL);
    daemon.authenticate("alice", "alice-secret").is_granted();
    daemon.configure(&format!("{LOCAL}case = \"keep\"\n"));
    daemon.ctl(&["reload"], b"").success();
    daemon.configure("nonsense");
    assert_eq!(daemon.ctl(&["reload"], b"").code, 2);
    daemon.authenticate("alice", "alice-secret").is_granted();
    let text = metrics(&daemon);
    assert_eq!(value(&text, "usher_reloads_total{outcome=\"done\"}"), Some(1.0), "{text}");
    assert_eq!(value(&text, "usher_reloads_total{outcome=\"failed\"}"), Some(1.0));
    let granted = "usher_requests_total{realm=\"home\",outcome=\"granted\",source=\"directory\"}";
    assert_eq!(value(&text, granted), Some(2.0), "{text}");
}

#[test]
fn more_than_a_frame_holds_comes_in_parts() {
    let realm =
        |n: usize| format!("[realm.realm-{n}]\ntype = \"local\"\nfile = \"@DIR@/users.toml\"\n");
    let realms: String = (0..40).map(realm).collect();
    let daemon = Daemon::start(&format!("default_realm = \"realm-0\"\n{realms}"));
    let text = metrics(&daemon);
    assert!(text.len() > 3 * 65_536, "{}", text.len());
    let lines: BTreeSet<&str> = text.lines().collect();
    assert_eq!(lines.len(), text.lines().count());
    assert_eq!(text.matches("usher_cache_entries{").count(), 40);
    promtool(&["check", "metrics"], &text).success();
}

#[test]
fn who_may_ask_for_metrics_can_be_said() {
    let asks = |daemon: &Daemon| daemon.wire().ask(Call::Metrics { skip: 0 });
    let open = Daemon::start(LOCAL);
    assert!(matches!(asks(&open), Reply::Metrics { .. }));
    let closed = Daemon::start(&format!("{LOCAL}[access]\nmetrics = []\n"));
    assert!(matches!(asks(&closed), Reply::Verdict(Verdict::Forbidden(_))));
    assert!(metrics(&closed).contains("usher_uptime_seconds"));
}

#[test]
fn a_real_prometheus_scrapes_the_shim_and_rings_when_the_daemon_is_gone() {
    let http = "[http]\nlisten = \"127.0.0.1:0\"\n";
    let mut daemon = Daemon::start(&format!("{LOCAL}{http}"));
    let shim = Shim::start(&daemon);
    daemon.authenticate("alice", "alice-secret").is_granted();
    let prometheus = Prometheus::start(shim.place());
    let granted = "usher_requests_total{outcome=\"granted\",source=\"directory\",realm=\"home\"}";
    prometheus.until(granted, "1");
    prometheus.until("usher_request_duration_seconds_count{stage=\"verify\"}", "1");
    prometheus.until("usher_http_daemon_up", "1");
    daemon.stop();
    prometheus.until("usher_http_daemon_up", "0");
    prometheus.until("ALERTS{alertname=\"UsherDown\",alertstate=\"pending\"}", "1");
    assert!(!prometheus.log().contains("level=error"), "{}", prometheus.log());
}

#[test]
fn the_alerts_and_the_dashboard_name_what_there_is_and_the_manual_names_it_all() {
    let rules = repository().join("packaging/prometheus/usher.rules.yml");
    promtool(&["check", "rules", &rules.to_string_lossy()], "").success();
    let dashboard = text_of(&repository().join("packaging/grafana/usherd.json"));
    let dashboard: Value = serde_json::from_str(&dashboard).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels").iter();
    let queries: Vec<&str> = panels
        .flat_map(|panel| panel["targets"].as_array().expect("targets"))
        .map(|target| target["expr"].as_str().expect("a query"))
        .collect();
    assert!(queries.len() > 20, "{queries:?}");
    let daemon = Daemon::start(&format!("{LOCAL}[http]\nlisten = \"@DIR@/http.sock\"\n"));
    let shim = Shim::start(&daemon);
    let there: BTreeSet<String> = shim
        .server()
        .ask("GET /metrics", &[])
        .body
        .lines()
        .filter_map(|line| Some(line.strip_prefix("# TYPE ")?.split_once(' ')?.0.to_owned()))
        .collect();
    for text in queries.into_iter().chain([text_of(&rules).as_str()]) {
        for name in names(text) {
            let family = name.trim_end_matches("_bucket").trim_end_matches("_count");
            assert!(there.contains(family), "{name} in {text}\nof {there:#?}");
        }
    }
    let manuals =
        ["usherd.8", "usher-http.8"].map(|page| text_of(&repository().join("man").join(page)));
    let documented: BTreeSet<String> = manuals.iter().flat_map(|page| names(page)).collect();
    let missing: Vec<_> = there.difference(&documented).collect();
    assert!(missing.is_empty(), "not in the manual: {missing:#?}");
}

/// The names of metrics in a text.
fn names(text: &str) -> BTreeSet<String> {
    let word = |c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let words = text.split(word).filter(|word| word.starts_with("usher_"));
    words.map(str::to_owned).collect()
}
