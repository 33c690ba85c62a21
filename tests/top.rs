//! `usherctl top`, in a real terminal: tmux is one that can be read.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::support::daemon::{Daemon, LOCAL};
use crate::support::process::{self, Output};
use crate::support::programs::{installed, program};
use crate::support::{until, until_true};

/// A terminal in which usherctl runs, and after it a shell that says how it ended.
struct Terminal {
    socket: PathBuf,
}

impl Terminal {
    fn start(daemon: &Daemon, environment: &str) -> Self {
        /// A server that is ending keeps its socket for a while.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let socket = format!("tmux-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let terminal = Self { socket: daemon.path(&socket) };
        let usherctl = program("usherctl").display();
        let (admin, pid) = (daemon.admin_socket(), daemon.path("pid"));
        let (admin, pid) = (admin.display(), pid.display());
        let script = format!(
            "echo before; \
             sh -c 'echo $$ > {pid}; exec env {environment} {usherctl} --admin-socket {admin} top'; \
             echo ended with $?; stty -a; exec cat"
        );
        let size = ["-x", "120", "-y", "20"];
        let session = ["-f", "/dev/null", "new-session", "-d"];
        terminal.tmux(&[&session[..], &size, &[&script]].concat()).success();
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> Output {
        let mut tmux = Command::new(installed("tmux", "tmux"));
        tmux.env("TERM", "screen-256color").env_remove("TMUX");
        process::run(tmux.arg("-S").arg(&self.socket).args(arguments), b"")
    }

    /// What is on the screen, colours included, once the text is there.
    fn until(&self, text: &str) -> String {
        until(text, || {
            let screen = self.tmux(&["capture-pane", "-p", "-e"]).stdout;
            screen.contains(text).then_some(screen)
        })
    }

    fn key(&self, key: &str) {
        self.tmux(&["send-keys", key]).success();
    }

    /// The terminal is as it was: the screen from before, and lines are edited again.
    fn is_restored(&self) {
        self.until("ended with 0");
        let screen = self.until(" icanon");
        assert!(screen.contains("before"), "{screen}");
        assert!(!screen.contains("REALM"), "{screen}");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

#[test]
fn it_shows_the_daemon_live_and_a_key_ends_it() {
    let daemon = Daemon::start(LOCAL);
    let terminal = Terminal::start(&daemon, "");
    let screen = terminal.until("REALM");
    assert!(screen.contains("usherd ") && screen.contains("home"), "{screen}");
    terminal.tmux(&["resize-window", "-x", "60", "-y", "8"]).success();
    terminal.until("q: end");
    terminal.tmux(&["resize-window", "-x", "120", "-y", "24"]).success();
    until_true("lines again where there is room", || {
        terminal.tmux(&["capture-pane", "-p"]).stdout.contains("BLOCKED")
    });
    terminal.key("q");
    terminal.is_restored();
}

#[test]
fn ctrl_c_and_sigterm_leave_the_terminal_as_it_was() {
    let daemon = Daemon::start(LOCAL);
    let terminal = Terminal::start(&daemon, "");
    terminal.until("REALM");
    terminal.key("C-c");
    terminal.is_restored();
    drop(terminal);
    let terminal = Terminal::start(&daemon, "");
    terminal.until("REALM");
    let pid = std::fs::read_to_string(daemon.path("pid")).expect("its pid");
    process::run(Command::new("kill").arg(pid.trim()), b"").success();
    terminal.is_restored();
}

#[test]
fn it_ends_with_its_terminal() {
    let daemon = Daemon::start(LOCAL);
    // The terminal may go at any moment of the program's round.
    for _ in 0..4 {
        let terminal = Terminal::start(&daemon, "");
        terminal.until("REALM");
        let pid = std::fs::read_to_string(daemon.path("pid")).expect("its pid");
        drop(terminal);
        let folder = std::path::Path::new("/proc").join(pid.trim());
        until_true("its end", || !folder.exists());
    }
}

#[test]
fn a_daemon_that_is_restarted_comes_back() {
    let mut daemon = Daemon::start(LOCAL);
    let terminal = Terminal::start(&daemon, "");
    terminal.until("REALM");
    daemon.stop();
    let screen = terminal.until("looking again");
    assert!(screen.contains("home"), "what was known stays: {screen}");
    let again = Daemon::start_in(daemon.crash(), |command| command);
    until_true("it to be found", || {
        !terminal.tmux(&["capture-pane", "-p"]).stdout.contains("looking again")
    });
    terminal.key("q");
    terminal.is_restored();
    drop(terminal);
    drop(again);
}

#[test]
fn there_are_no_colours_where_they_are_not_wanted() {
    let configuration = "[realm.corp]\ntype = \"ldap\"\nhost = \"127.0.0.1\"\nport = 1\n\
                         connection_security = \"plain\"\nbase_dn = \"dc=x\"\n";
    let daemon = Daemon::start(configuration);
    let red = |screen: &str| screen.contains("\u{1b}[31m") || screen.contains("\u{1b}[38;5;1m");
    let coloured = Terminal::start(&daemon, "");
    let screen = coloured.until("down");
    assert!(red(&screen), "{screen:?}");
    drop(coloured);
    let plain = Terminal::start(&daemon, "NO_COLOR=1");
    assert!(!red(&plain.until("down")));
}

#[test]
fn without_a_terminal_it_says_what_to_ask_instead() {
    let daemon = Daemon::start(LOCAL);
    let output = daemon.ctl(&["top"], b"");
    assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{output:#?}");
    assert!(output.stderr.contains("status --format json"), "{output:#?}");
}
