//! A daemon that is not there, or does not answer.

use std::thread;
use std::time::{Duration, Instant};

use super::{Site, app, authenticated, looked_up};
use crate::support::daemon::{Daemon, LISTEN};
use crate::support::httpd::{Httpd, MPMS, Page};
use crate::support::slapd::Slapd;
use crate::support::until_true;

fn alice(httpd: &Httpd) -> Page {
    httpd.get_as("alice", "alice-secret", "/app")
}

/// How often the log says this.
fn told(httpd: &Httpd, what: &str) -> usize {
    httpd.log().matches(what).count()
}

#[test]
fn a_stopped_daemon_costs_the_metadata_or_the_request_as_configured() {
    let deny = looked_up("").replace("UsherMetadata On", "UsherMetadataOnError deny");
    let deny = deny.replace("UsherSocket @SOCKET@", "").replace("/app", "/deny");
    let server = "UsherMetadata On";
    let mut site = Site::start("event", &format!("{server}\n{}{deny}", looked_up("")));
    site.daemon.stop();
    for _ in 0..10 {
        let page = site.alice();
        assert_eq!((page.status, page.header("X-Remote-User")), (200, Some("")), "{page:#?}");
        assert_eq!(site.httpd.get_as("alice", "alice-secret", "/deny").status, 503);
    }
    let why = "no metadata of alice: cannot connect to usherd at";
    assert_eq!(told(&site.httpd, why), 1, "{}", site.httpd.log());
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
    let configuration = format!("{login}{group}{rule}{attribute}{not}");
    for mpm in MPMS {
        let mut site = Site::start(mpm, &configuration);
        site.daemon.stop();
        for path in ["/app", "/group", "/rule", "/attribute", "/not"] {
            let status = site.httpd.get_as("alice", "alice-secret", path).status;
            assert_eq!(status, 503, "{mpm}, {path}");
            // httpd's own no comes before any question.
            assert_eq!(site.httpd.get(path, &[]).status, 401, "{mpm}, {path}");
        }
        let told = told(&site.httpd, "cannot authenticate alice: cannot connect to usherd");
        assert!(told >= 1, "{mpm}: {}", site.httpd.log());
    }
}

#[test]
fn a_fault_of_others_is_not_called_an_outage() {
    let fault = "    AuthBasicProvider file\n    AuthUserFile /nonexistent\n    Require valid-user";
    let site = Site::start("event", &app(fault));
    assert_eq!(site.alice().status, 500);
}

#[test]
fn an_outage_has_the_page_that_is_configured_for_it() {
    let lines = "    Require valid-user\n    ErrorDocument 503 \"come back later\"";
    let mut site = Site::start("event", &authenticated(lines));
    site.daemon.stop();
    let page = site.alice();
    assert_eq!((page.status, page.body.as_str()), (503, "come back later"), "{page:#?}");
}

#[test]
fn a_restarted_daemon_is_asked_again_and_no_request_learns_of_it() {
    let site = Site::start("worker", &looked_up("    UsherMetadataOnError deny"));
    let Site { httpd, daemon, _backend } = site;
    assert_eq!(alice(&httpd).status, 200);
    let folder = daemon.crash();
    let daemon = Daemon::start_in(folder, |command| command);
    for _ in 0..5 {
        assert_eq!(alice(&httpd).status, 200, "{}", httpd.log());
    }
    let folder = daemon.crash();
    assert_eq!(alice(&httpd).status, 503);
    let _daemon = Daemon::start_in(folder, |command| command);
    assert_eq!(alice(&httpd).status, 200, "{}", httpd.log());
}

#[test]
fn a_hung_daemon_costs_no_worker_more_than_the_time_out() {
    let lines = "    UsherTimeout 300ms\n    UsherMetadataOnError deny";
    let site = Site::start("event", &looked_up(lines));
    assert_eq!(site.alice().status, 200);
    site.daemon.pause();
    let start = Instant::now();
    // More requests than there are workers, so that each must have been set free again.
    thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| assert_eq!(site.alice().status, 503));
        }
    });
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    // Once for each of at most two processes.
    let told = told(&site.httpd, "usherd did not answer in time");
    assert!((1..=2).contains(&told), "{}", site.httpd.log());
    site.daemon.resume();
    until_true("the daemon to answer", || site.alice().status == 200);
}

#[test]
fn a_login_waits_for_a_hung_daemon_no_longer_either() {
    let site = Site::start("event", &authenticated("    Require valid-user\n UsherTimeout 300ms"));
    site.daemon.pause();
    let start = Instant::now();
    assert_eq!(site.alice().status, 503);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    site.daemon.resume();
}

#[test]
fn a_directory_that_is_down_is_an_outage_too() {
    let site = Site::start("event", &looked_up("    UsherMetadataOnError deny"));
    let slapd = Slapd::stopped();
    let listen = format!("{LISTEN}socket_mode = \"0666\"\n");
    site.daemon.configure(&format!("{}{listen}", slapd.realm()));
    site.daemon.ctl(&["reload"], b"").success();
    assert_eq!(site.alice().status, 503);
    assert_eq!(told(&site.httpd, "(no_host)"), 1, "{}", site.httpd.log());
}

#[test]
fn connections_are_kept_by_the_process_and_closed_when_it_ends() {
    let mut site = Site::start("event", &looked_up(""));
    let connections = |site: &Site| site.daemon.status()["connections"].as_u64().unwrap();
    for _ in 0..10 {
        assert_eq!(site.alice().status, 200);
    }
    assert_eq!(connections(&site), 1);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(site.alice().status, 200));
        }
    });
    assert!(connections(&site) <= 8);
    site.httpd.stop();
    until_true("the connections to be closed", || connections(&site) == 0);
}
