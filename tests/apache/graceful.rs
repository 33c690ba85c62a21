//! Graceful restarts: httpd unloads the module and loads it again, and no request suffers.

use std::env;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::{Site, looked_up};
use crate::support::httpd::{Httpd, MPMS};
use crate::support::programs::module;
use crate::support::{PATIENCE, text_of, until_true};

/// More than enough to see a loss; `USHER_RESTARTS=1000` makes it as many as anybody could want.
const RESTARTS: usize = 20;
/// Requests at the same time.
const CLIENTS: usize = 8;
/// alice:alice-secret
const ALICE: &str = "Basic YWxpY2U6YWxpY2Utc2VjcmV0";

fn restarts() -> usize {
    env::var("USHER_RESTARTS").map_or(RESTARTS, |number| number.parse().expect("a number"))
}

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

/// Clients that ask without a pause while `work` is done.
fn under_load(port: u16, work: impl FnOnce(&dyn Fn())) -> Vec<String> {
    let (end, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let failures = Mutex::new(Vec::new());
    let client = || {
        while !end.load(Ordering::Acquire) {
            failures.lock().unwrap().extend(ask(port).err());
            answered.fetch_add(1, Ordering::AcqRel);
        }
    };
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(client);
        }
        work(&|| {
            let before = answered.load(Ordering::Acquire);
            until_true("answers", || answered.load(Ordering::Acquire) > before + CLIENTS);
        });
        end.store(true, Ordering::Release);
    });
    failures.into_inner().unwrap()
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

#[test]
fn graceful_restarts_under_load_lose_no_request_and_leave_nothing_behind() {
    let site = Site::start("event", &looked_up("    UsherMetadataOnError deny"));
    let httpd = &site.httpd;
    let mut grown = Vec::new();
    let failures = under_load(httpd.port(), |answers| {
        let restart = || {
            upgrade(httpd);
            httpd.graceful();
            answers();
        };
        // What the first ones allocate for good belongs to httpd.
        (0..3).for_each(|_| restart());
        let (files, before) = (open_files(httpd), memory(httpd));
        (0..restarts()).for_each(|_| restart());
        assert_eq!(open_files(httpd), files);
        grown.push((before, memory(httpd)));
    });
    assert!(failures.is_empty(), "{} were lost: {}", failures.len(), failures[0]);
    // The library that was replaced is out of the process: no destructor holds it back.
    let maps = text_of(format!("/proc/{}/maps", httpd.pid()).as_ref());
    let ours: Vec<&str> = maps.lines().filter(|line| line.contains("mod_usher")).collect();
    assert!(!ours.is_empty() && ours.iter().all(|line| !line.contains("deleted")), "{ours:#?}");
    let (before, after) = grown[0];
    assert!(after < before + 1024 + 4 * restarts(), "from {before} to {after} KiB");
}

#[test]
fn every_mpm_restarts_gracefully_under_load() {
    for mpm in MPMS {
        let site = Site::start(mpm, &looked_up("    UsherMetadataOnError deny"));
        let failures = under_load(site.httpd.port(), |answers| {
            for _ in 0..3 {
                site.httpd.graceful();
                answers();
            }
        });
        assert!(failures.is_empty(), "{mpm}: {} were lost: {}", failures.len(), failures[0]);
    }
}
