//! `usherd demo`: the whole daemon with sample users, in one command and without a trace.

use std::fs;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::support::process::{self, Process};
use crate::support::programs::{installed, program};
use crate::support::shim::Shim;
use crate::support::{text_of, until};

/// `usherd demo`, with its temporary folder made in `folder`.
fn demo(folder: &Path) -> Command {
    let mut command = Command::new(program("usherd"));
    command.arg("demo").env("TMPDIR", folder);
    command
}

fn assert_empty(folder: &Path) {
    let left: Vec<_> = fs::read_dir(folder).expect("a folder").collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

#[test]
fn with_once_it_asks_itself_prints_the_answers_and_leaves_nothing() {
    let folder = TempDir::new().expect("temporary folder");
    let output = process::run(demo(folder.path()).arg("--once"), b"").success();
    for outcome in ["granted", "denied", "found"] {
        assert!(output.stdout.contains(outcome), "{outcome} is not in {}", output.stdout);
    }
    assert_empty(folder.path());
}

#[test]
fn without_once_it_stays_until_it_is_interrupted_and_its_commands_work() {
    let folder = TempDir::new().expect("temporary folder");
    let logs = TempDir::new().expect("temporary folder");
    let log = logs.path().join("log");
    let mut process = Process::start(demo(folder.path()), &log);
    let mut command = |parts: [&str; 2]| {
        let line = until("a command to try", || {
            assert_eq!(process.ended(), None, "{}", text_of(&log));
            let text = text_of(&log);
            // Only whole lines.
            let mut lines = text[..text.rfind('\n')?].lines();
            lines.find(|line| parts.iter().all(|part| line.contains(part))).map(str::to_owned)
        });
        let (_, arguments) = line.split_once(parts[0]).expect("it is there");
        let arguments = arguments.trim_start_matches(" -- ").split_whitespace();
        let arguments: Vec<String> = arguments.map(str::to_owned).collect();
        arguments
    };
    let mut usherctl = Command::new(program("usherctl"));
    let output = process::run(usherctl.args(command(["usherctl", "lookup"])), b"").success();
    assert!(output.stdout.contains("found"), "{output:?}");
    let mut http = Command::new(program("usher-http"));
    http.args(command(["usher-http", "--config"]));
    let http = Shim::run(http, &logs.path().join("http.log"), None);
    let mut curl = Command::new(installed("curl", "curl"));
    let output = process::run(curl.arg("-s").args(command(["curl", "alice"])), b"").success();
    assert!(output.stdout.contains("X-Remote-Email: alice@example.com"), "{output:?}");
    drop(http);

    process.signal(Signal::SIGINT);
    let status = process.wait();
    assert!(status.success(), "{status}: {}", text_of(&log));
    assert_empty(folder.path());
}

#[test]
fn a_folder_that_was_given_is_used_and_only_what_was_made_in_it_is_removed() {
    let folder = TempDir::new().expect("temporary folder");
    let own = folder.path().join("own.txt");
    fs::write(&own, "mine").expect("a file");
    let mut command = demo(Path::new("/nonexistent"));
    process::run(command.arg("--once").arg("--dir").arg(folder.path()), b"").success();
    assert_eq!(text_of(&own), "mine");
    fs::remove_file(&own).expect("it is there");
    assert_empty(folder.path());
}
