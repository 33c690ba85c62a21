//! Graceful restarts: httpd unloads the module and loads it again, and no request suffers.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Site, looked_up};
use crate::support::httpd::{Httpd, MPMS};
use crate::support::programs::module;
use crate::support::{PATIENCE, text_of, until_true};

/// Of each kind. httpd takes a second to replace its processes, and several of it but little more.
const SERVERS: usize = 6;
/// Of each server; of all of them a thousand.
const RESTARTS: usize = 56;
/// Of them, those after which it is looked at first.
const FIRST: usize = 6;
/// What a server's memory may grow by after these, in KiB.
const MOST_GROWTH: usize = 1024;
/// Requests at the same time, to each.
const CLIENTS: usize = 2;
/// Of each client, between two requests: all the servers together have some work for two cores.
const PACE: Duration = Duration::from_millis(20);
/// alice:alice-secret
const ALICE: &str = "Basic YWxpY2U6YWxpY2Utc2VjcmV0";

/// The application's answer to alice, or what went wrong.
fn ask(port: u16) -> Result<(), String> {
    let said = |error: std::io::Error| error.to_string();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).map_err(said)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(said)?;
    let request = format!(
        "GET /app HTTP/1.1\r\nHost: localhost\r\nAuthorization: {ALICE}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).map_err(said)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(said)?;
    let good = answer.starts_with("HTTP/1.1 200")
        && answer.contains("\r\nX-Remote-Email: alice@example.com\r\n");
    if good { Ok(()) } else { Err(answer) }
}

/// Ends the clients when `work` is done, or has failed.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Clients that ask on and on while `work` is done.
fn under_load(port: u16, work: impl FnOnce(&dyn Fn())) -> Vec<String> {
    let (end, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let failures = Mutex::new(Vec::new());
    let client = || {
        while !end.load(Ordering::Acquire) {
            failures.lock().unwrap().extend(ask(port).err());
            answered.fetch_add(1, Ordering::AcqRel);
            // The pace of the load, not a wait for anything.
            thread::sleep(PACE);
        }
    };
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(client);
        }
        let _ends = Ends(&end);
        work(&|| {
            let before = answered.load(Ordering::Acquire);
            until_true("answers", || answered.load(Ordering::Acquire) > before + CLIENTS);
        });
    });
    failures.into_inner().unwrap()
}

/// It must not go on for ever, as it does where a client waits for what cannot come.
#[test]
#[should_panic(expected = "httpd has ended")]
fn a_server_that_has_ended_fails_the_test_at_once() {
    let site = Site::start("event", &looked_up(""));
    under_load(site.httpd.port(), |_| {
        let pid = site.httpd.pid();
        kill(Pid::from_raw(pid.try_into().unwrap()), Signal::SIGTERM).unwrap();
        // httpd forgets to end if it is told to restart meanwhile.
        let stat = format!("/proc/{pid}/stat");
        until_true("httpd to end", || text_of(stat.as_ref()).contains(") Z "));
        site.httpd.graceful();
    });
}

/// Puts the module in the place of itself, as an upgrade does.
fn upgrade(httpd: &Httpd) {
    let new = httpd.path("new.so");
    fs::copy(module(), &new).unwrap();
    fs::rename(new, httpd.path("mod_usher.so")).unwrap();
}

fn open_files(httpd: &Httpd) -> usize {
    fs::read_dir(format!("/proc/{}/fd", httpd.pid())).unwrap().count()
}

/// The server's memory that no file stands behind, in KiB.
fn memory(httpd: &Httpd) -> usize {
    let status = text_of(format!("/proc/{}/status", httpd.pid()).as_ref());
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// The module's parts in the server's memory.
fn mappings(httpd: &Httpd) -> Vec<String> {
    let maps = text_of(format!("/proc/{}/maps", httpd.pid()).as_ref());
    maps.lines().filter(|line| line.contains("mod_usher")).map(str::to_owned).collect()
}

/// Restarts a server under load, and looks at what that leaves in it.
fn restart_gracefully(mpm: &str) {
    let mut site = Site::start(mpm, &looked_up("    UsherMetadataOnError deny"));
    let httpd = &site.httpd;
    let state = || (open_files(httpd), mappings(httpd).len());
    let mut grown = (0, 0);
    let failures = under_load(httpd.port(), |answers| {
        let restart = || {
            upgrade(httpd);
            httpd.graceful();
            answers();
        };
        // What the first ones allocate for good belongs to httpd.
        (0..FIRST).for_each(|_| restart());
        let (before, memory_before) = (state(), memory(httpd));
        (FIRST..RESTARTS).for_each(|_| restart());
        assert_eq!(state(), before, "{mpm}");
        grown = (memory_before, memory(httpd));
    });
    let first = failures.first();
    assert!(failures.is_empty(), "{mpm}: {} were lost: {first:?}", failures.len());
    // The library that was replaced is out of the process: no destructor holds it back.
    let ours = mappings(httpd);
    assert!(!ours.is_empty() && ours.iter().all(|line| !line.contains("deleted")), "{ours:#?}");
    let (before, after) = grown;
    assert!(after < before + MOST_GROWTH, "{mpm}: from {before} to {after} KiB");
    site.httpd.stop();
    let connections = || site.daemon.status()["connections"].as_u64();
    until_true("the connections to be closed", || connections() == Some(0));
}

#[test]
fn a_thousand_graceful_restarts_under_load_lose_no_request_and_leave_nothing_behind() {
    thread::scope(|scope| {
        for server in 0..SERVERS * MPMS.len() {
            scope.spawn(move || restart_gracefully(MPMS[server % MPMS.len()]));
        }
    });
}
