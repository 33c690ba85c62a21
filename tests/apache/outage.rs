//! A daemon that is not there, or does not answer.

use std::collections::BTreeSet;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::{Site, app, authenticated, everywhere, looked_up};
use crate::support::slapd::Slapd;
use crate::support::{text_of, until, until_true};

/// Each process tells of a trouble once, and goes on.
fn assert_told_once(site: &Site, what: &str) {
    let log = site.httpd.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(what)).collect();
    let process = |line: &&str| {
        let (_, process) = line.split_once("[pid ").expect("a process");
        process.split([':', ']']).next().map(str::to_owned)
    };
    let processes: BTreeSet<_> = lines.iter().map(process).collect();
    assert!(!lines.is_empty() && lines.len() == processes.len(), "{what}: {log}");
}

/// How long a request waits at most in [`FAULTS`].
const TIMEOUT: Duration = Duration::from_secs(1);
/// Far longer than anything but a wait without an end takes on a busy machine.
const SOON: Duration = Duration::from_secs(10);

/// What happens to the daemon, and what the log says then; none is that nobody notices.
type Fault = (&'static str, fn(Site) -> Site, Option<&'static str>);

const FAULTS: [Fault; 6] = [
    ("nothing", |site| site, None),
    ("hung", hung, Some("no metadata of alice: usherd did not answer in time")),
    ("restarted", Site::restarted, None),
    ("unavailable", unavailable, Some("(no_host)")),
    ("back", |site| site.with_realm(crate::support::daemon::LOCAL), None),
    ("stopped", stopped, Some("no metadata of alice: cannot connect to usherd at")),
];

fn hung(site: Site) -> Site {
    site.daemon.pause();
    site
}

/// Without a host that answers.
fn unavailable(site: Site) -> Site {
    site.with_realm(&Slapd::stopped().realm())
}

fn stopped(mut site: Site) -> Site {
    site.daemon.stop();
    site
}

#[test]
fn whatever_happens_costs_the_metadata_or_the_request_as_configured_under_every_mpm() {
    let pass = looked_up("    UsherTimeout 1s\n    UsherMetadataOnError pass");
    let deny = pass.replace("OnError pass", "OnError deny").replace("/app", "/deny");
    everywhere(&format!("{pass}{deny}"), |mut site| {
        for (fault, happen, told) in FAULTS {
            site = happen(site);
            for (path, without) in [("/app", (200, Some(""))), ("/deny", (503, None))] {
                let start = Instant::now();
                let page = site.httpd.get_as("alice", "alice-secret", path);
                let expected = if told.is_some() { without } else { (200, Some("alice")) };
                let seen = (page.status, page.header("X-Remote-User"));
                assert_eq!(seen, expected, "{fault}, {path}: {page:#?} {}", site.httpd.log());
                let waited = start.elapsed();
                assert!(waited < SOON && (fault != "hung" || waited >= TIMEOUT), "{waited:?}");
            }
            if let Some(told) = told {
                assert_told_once(&site, told);
            }
        }
    });
}

#[test]
fn a_trouble_of_one_place_does_not_hide_that_of_another_under_every_mpm() {
    let wrong = looked_up("    UsherRealm nowhere");
    let other = looked_up("").replace("/app", "/other");
    let elsewhere = "UsherSocket /nonexistent/usher.sock";
    let elsewhere = looked_up(elsewhere).replace("/app", "/elsewhere");
    everywhere(&format!("{wrong}{other}{elsewhere}"), |mut site| {
        assert_eq!(site.alice().status, 200);
        assert_told_once(&site, "(unknown_realm)");
        site.daemon.stop();
        for path in ["/elsewhere", "/other"] {
            assert_eq!(site.httpd.get_as("alice", "alice-secret", path).status, 200);
        }
        assert_told_once(&site, "cannot connect to usherd at /nonexistent/usher.sock");
        let here = format!("cannot connect to usherd at {}", site.daemon.socket().display());
        assert_told_once(&site, &here);
    });
}

#[test]
fn without_the_daemon_nobody_is_let_in_and_nobody_is_called_wrong_under_every_mpm() {
    let group = looked_up("").replace("/app", "/group").replace("valid-user", "usher-group dev");
    let rule = looked_up("").replace("/app", "/rule").replace("valid-user", "usher-rule group=dev");
    let attribute = looked_up("").replace("/app", "/attribute").replace(
        "Require valid-user",
        "<RequireAny>\nRequire usher-attribute employeeType=staff\nRequire user nobody\n</RequireAny>",
    );
    let not = looked_up("").replace("/app", "/not").replace(
        "Require valid-user",
        "<RequireAll>\nRequire valid-user\nRequire not usher-group dev\n</RequireAll>",
    );
    let login = authenticated("    Require valid-user");
    let with = authenticated("    Require usher-attribute employeeType=staff");
    let with = with.replace("/app", "/with");
    everywhere(&format!("{login}{with}{group}{rule}{attribute}{not}"), |mut site| {
        site.daemon.stop();
        for path in ["/app", "/with", "/group", "/rule", "/attribute", "/not"] {
            let status = site.httpd.get_as("alice", "alice-secret", path).status;
            assert_eq!(status, 503, "{path}");
            // httpd's own no comes before any question.
            assert_eq!(site.httpd.get(path, &[]).status, 401, "{path}");
        }
        let told = site.told("cannot authenticate alice: cannot connect to usherd");
        assert!(told >= 1, "{}", site.httpd.log());
    });
}

#[test]
fn a_fault_of_others_is_not_called_an_outage() {
    let fault = "    AuthBasicProvider file\n    AuthUserFile /nonexistent\n    Require valid-user";
    everywhere(&app(fault), |site| assert_eq!(site.alice().status, 500));
}

#[test]
fn an_outage_has_the_page_that_is_configured_for_it() {
    let lines = "    Require valid-user\n    ErrorDocument 503 \"come back later\"";
    everywhere(&authenticated(lines), |mut site| {
        site.daemon.stop();
        let page = site.alice();
        assert_eq!((page.status, page.body.as_str()), (503, "come back later"), "{page:#?}");
    });
}

#[test]
fn a_restarted_daemon_is_asked_again_and_no_request_learns_of_it_under_every_mpm() {
    everywhere(&looked_up("    UsherMetadataOnError deny"), |mut site| {
        for _ in 0..2 {
            for _ in 0..5 {
                assert_eq!(site.alice().status, 200, "{}", site.httpd.log());
            }
            site = site.restarted();
        }
        assert_eq!(site.alice().status, 200, "{}", site.httpd.log());
    });
}

/// More requests than there are workers, so that each must have been set free again.
const REQUESTS: u32 = 40;

#[test]
fn a_hung_daemon_costs_no_worker_more_than_the_time_out() {
    let lines = "    UsherTimeout 1s\n    UsherMetadataOnError deny";
    for mpm in ["event", "worker"] {
        let site = Site::start(mpm, &looked_up(lines));
        assert_eq!(site.alice().status, 200);
        site.daemon.pause();
        let start = Instant::now();
        thread::scope(|scope| {
            for _ in 0..REQUESTS {
                scope.spawn(|| assert_eq!(site.alice().status, 503));
            }
        });
        // If they waited for each other in the one process, or in each of two.
        let one_by_one = TIMEOUT * REQUESTS / 2;
        assert!(start.elapsed() < one_by_one * 3 / 4, "{mpm}: {:?}", start.elapsed());
        assert_told_once(&site, "usherd did not answer in time");
        site.daemon.resume();
        until_true("the daemon to answer", || site.alice().status == 200);
    }
}

#[test]
fn a_login_waits_for_a_hung_daemon_no_longer_either_under_every_mpm() {
    let lines = "    Require usher-attribute employeeType=staff\n UsherTimeout 300ms";
    everywhere(&authenticated(lines), |site| {
        site.daemon.pause();
        let start = Instant::now();
        assert_eq!(site.alice().status, 503);
        assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
        site.daemon.resume();
    });
}

/// Sockets of the kernel with this name: that which listens, and one for each connection.
fn sockets(path: &Path) -> usize {
    let path = path.to_string_lossy();
    let table = text_of(Path::new("/proc/net/unix"));
    table.lines().filter(|line| line.ends_with(&*path)).count()
}

/// As many as a single process has threads for.
const AT_ONCE: usize = 8;

/// Has so many requests wait for the daemon at the same time.
fn ask_at_once(site: &Site) {
    site.daemon.pause();
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| assert_eq!(site.alice().status, 200));
        }
        let socket = site.daemon.socket();
        until("a connection for each", || (sockets(&socket) == 1 + AT_ONCE).then_some(()));
        site.daemon.resume();
    });
}

#[test]
fn connections_are_kept_by_the_process_and_closed_when_it_ends_under_every_mpm() {
    everywhere(&looked_up("    UsherTimeout 60s\n    UsherMetadataOnError deny"), |mut site| {
        let connections = |site: &Site| site.daemon.status()["connections"].as_u64().unwrap();
        let threads = thread::current().name() != Some("prefork");
        for _ in 0..10 {
            assert_eq!(site.alice().status, 200);
        }
        // A process that serves one request at a time needs no more than one either.
        let before = connections(&site);
        assert!(if threads { before == 1 } else { before >= 1 }, "{before}");
        ask_at_once(&site);
        if threads {
            assert_eq!(connections(&site), AT_ONCE as u64);
            ask_at_once(&site);
            for _ in 0..10 {
                assert_eq!(site.alice().status, 200);
            }
            assert_eq!(connections(&site), AT_ONCE as u64, "they were kept, and shared");
        }
        site.httpd.stop();
        until_true("the connections to be closed", || connections(&site) == 0);
    });
}
