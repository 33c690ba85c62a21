//! Sockets: found, made, inherited, removed, and flooded.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::thread;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use usher_protocol::client::Client;
use usher_protocol::{Query, Verdict};

use crate::support::daemon::{self, Daemon, LISTEN, LOCAL, expect_failure_in};
use crate::support::programs::installed;
use crate::support::slapd::Slapd;
use crate::support::wire::{lookup, verdict};
use crate::support::{PATIENCE, text_of, until, until_true};

#[test]
fn a_stale_socket_is_replaced() {
    let folder = Daemon::start(LOCAL).crash();
    assert!(folder.path().join("usher.sock").exists(), "a crash leaves it");
    let daemon = Daemon::start_in(folder, |command| command);
    daemon.lookup("alice").is_found();
    daemon.status();
}

#[test]
fn a_live_socket_is_an_error_that_says_who_listens() {
    let daemon = Daemon::start(LOCAL);
    let refused = expect_failure_in(daemon.folder());
    let pid = daemon.pid().to_string();
    assert!(refused.stderr.contains(&pid), "not {pid}: {}", refused.stderr);
    assert!(refused.stderr.contains("usher.sock"), "{}", refused.stderr);
    daemon.lookup("alice").is_found();
    daemon.status();
}

#[test]
fn whatever_else_is_in_the_sockets_place_stays() {
    let folder = daemon::folder(LOCAL);
    let path = folder.path().join("usher.sock");
    fs::write(&path, "precious").expect("a file");
    let refused = expect_failure_in(folder.path());
    assert!(refused.stderr.contains("usher.sock"), "{}", refused.stderr);
    assert_eq!(text_of(&path), "precious");
}

#[test]
fn a_daemon_that_does_not_start_leaves_no_socket() {
    let folder = daemon::folder(LOCAL);
    fs::write(folder.path().join("admin.sock"), "precious").expect("a file");
    expect_failure_in(folder.path());
    assert!(!folder.path().join("usher.sock").exists());
}

/// As systemd: binds sockets by the paths that are given, and becomes usherd with them.
const SYSTEMD: &str = r#"
import fcntl, os, socket, sys
usher, admin, *command = sys.argv[1:]
for fd, path in ((3, usher), (4, admin)):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    # Out of the way of 3 and 4 first.
    os.dup2(fcntl.fcntl(listener.detach(), fcntl.F_DUPFD, 10), fd, inheritable=True)
os.environ.update(LISTEN_FDS="2", LISTEN_FDNAMES="usher.socket:usher-admin.socket")
os.environ["LISTEN_PID"] = str(os.getpid())
os.execvp(command[0], command)
"#;

fn with_sockets_passed(usherd: &Command, usher: &Path, admin: &Path) -> Command {
    let mut python = Command::new(installed("python3", "python3"));
    python.args(["-c", SYSTEMD]).args([usher, admin]);
    python.arg(usherd.get_program()).args(usherd.get_args());
    for (name, value) in usherd.get_envs() {
        python.env(name, value.expect("set, not removed"));
    }
    python
}

#[test]
fn sockets_that_systemd_passes_are_used_by_their_names_and_left_alone() {
    let listen =
        LISTEN.replace("/usher.sock", "/own.sock").replace("/admin.sock", "/own-admin.sock");
    let folder = daemon::folder(&format!("{LOCAL}{listen}"));
    let [usher, admin] = ["usher.sock", "admin.sock"].map(|name| folder.path().join(name));
    let mut daemon =
        Daemon::start_in(folder, |usherd| with_sockets_passed(&usherd, &usher, &admin));
    daemon.lookup("alice").is_found();
    assert_eq!(daemon.status()["pid"], daemon.pid());
    for unused in ["own.sock", "own-admin.sock"] {
        assert!(!daemon.path(unused).exists(), "{unused}");
    }
    assert!(daemon.stop().success(), "{}", daemon.log());
    assert!(usher.exists() && admin.exists(), "they are systemd's");
}

#[test]
fn sigterm_answers_what_is_being_asked_and_removes_the_sockets() {
    let slapd = Slapd::start();
    let mut daemon = Daemon::start(&format!("default_realm = \"corp\"\n{}{LOCAL}", slapd.realm()));
    let mut wire = daemon.wire();
    slapd.pause();
    wire.send(1, lookup("alice"));
    // Requests are read in order: once this one is answered, the one before is being worked on.
    let query =
        Query { realm: Some("home".to_owned()), user: "bob".to_owned(), ..Query::default() };
    wire.send(2, usher_protocol::Call::Lookup(query));
    assert_eq!(wire.answer().id, 2);
    daemon.sigterm();
    until_true("new connections to be refused", || UnixStream::connect(daemon.socket()).is_err());
    slapd.resume();
    let answer = wire.answer();
    assert_eq!(answer.id, 1);
    let verdict = verdict(answer.reply);
    assert!(matches!(verdict, Verdict::Found(_)), "{verdict:?}");
    assert_eq!(wire.until_closed(), b"");
    assert!(daemon.wait().success(), "{}", daemon.log());
    assert!(!daemon.socket().exists() && !daemon.admin_socket().exists());
}

#[test]
fn idle_connections_do_not_keep_sigterm_waiting() {
    let mut daemon = Daemon::start(LOCAL);
    let mut idle = daemon.wire();
    daemon.lookup("alice").is_found();
    assert!(daemon.stop().success(), "{}", daemon.log());
    assert_eq!(idle.until_closed(), b"");
}

#[test]
fn ten_thousand_idle_connections_leave_a_working_client_its_answer() {
    const FLOOD: usize = 10_000;
    allow_files(FLOOD as u64 + 1_000);
    let daemon = Daemon::start(&format!("{LOCAL}{LISTEN}max_connections = 64\n"));
    let mut client = Client::new(daemon.socket());
    let mut ask = || match client.ask(lookup("alice"), PATIENCE) {
        Ok(reply) => matches!(verdict(reply), Verdict::Found(_)),
        Err(error) => panic!("{error}"),
    };
    assert!(ask());
    let socket = daemon.socket();
    let connect = move || UnixStream::connect(&socket).expect("the daemon listens");
    // Connecting waits while the kernel's queue is full; a thread can wait for ever.
    let flood = thread::spawn(move || (0..FLOOD).map(|_| connect()).collect::<Vec<_>>());
    until_true("the flood to be over", || ask() && flood.is_finished());
    let idle = flood.join().expect("the flood");
    assert!(ask());
    // A new client among thousands that are still being turned away may have to try again.
    let status = until("the flood to be turned away", || {
        let status = daemon.ctl_json(&["status"], b"").json;
        (status["counters"]["connections_shed"].as_u64() >= Some(9_900)).then_some(status)
    });
    assert!(status["connections"].as_u64() <= Some(64), "{status}");
    assert!(daemon.log().lines().count() < 1_000, "a line for each connection");
    drop(idle);
    until_true("new clients to be let in", || daemon.lookup("bob").code == 0);
}

fn allow_files(files: u64) {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    assert!(hard >= files, "this needs {files} open files, and the limit is {hard}: ulimit -Hn");
    if soft < files {
        setrlimit(Resource::RLIMIT_NOFILE, files, hard).expect("a limit below the hard one");
    }
}
