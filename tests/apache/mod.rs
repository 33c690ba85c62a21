//! `mod_usher` in Debian's Apache httpd, as mod_usher(8) tells of it.

mod applications;
mod authentication;
mod authorization;
mod certificate;
mod configuration;
mod faults;
mod graceful;
mod kerberos;
mod metadata;
mod outage;
mod reuse;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::thread;

use tempfile::TempDir;

use crate::nginx::TELLING;
use crate::support::daemon::{self, Daemon, LISTEN, LOCAL, USERS};
use crate::support::echo::Echo;
use crate::support::httpd::{self, Httpd, MPMS, Page};
use crate::support::programs;
use crate::support::repository;

/// The names that the realm strips: those of Kerberos and of Windows.
const DOMAINS: &str = "domains = [\"CORP\", \"EXAMPLE.ORG\"]\n";

/// The headers as the manual sets them.
const HEADERS: &str = r#"
    RequestHeader set X-Remote-User "expr=%{reqenv:X_REMOTE_USER}"
    RequestHeader set X-Remote-Email "expr=%{reqenv:X_REMOTE_EMAIL}"
    RequestHeader set X-Remote-Firstname "expr=%{reqenv:X_REMOTE_FIRSTNAME}"
    RequestHeader set X-Remote-Lastname "expr=%{reqenv:X_REMOTE_LASTNAME}"
"#;

/// An application behind httpd, whose users come from the daemon.
///
/// In the configuration `@SOCKET@` is the daemon's socket, `@BACKEND@` the application's URL, and
/// `@USERS@` a file of httpd's own with users whose passwords all are `alice-secret`.
struct Site {
    httpd: Httpd,
    daemon: Daemon,
    _backend: Echo,
}

impl Site {
    fn start(mpm: &str, configuration: &str) -> Self {
        Self::start_with(mpm, configuration, |command| command)
    }

    fn start_with(mpm: &str, configuration: &str, adapt: impl Fn(Command) -> Command) -> Self {
        let backend = Echo::start();
        let daemon = Daemon::start_in(daemon_folder(), |command| command);
        let folder = httpd::folder();
        write_users(&folder.path().join("users"));
        let configuration = configuration
            .replace("@SOCKET@", &daemon.socket().to_string_lossy())
            .replace("@BACKEND@", &backend.url())
            .replace("@USERS@", &folder.path().join("users").to_string_lossy());
        let httpd = Httpd::start_in(folder, mpm, &configuration, adapt);
        Self { httpd, daemon, _backend: backend }
    }

    /// With another daemon in the place of its own, which ends as by a crash.
    fn restarted(self) -> Self {
        let Self { httpd, daemon, _backend } = self;
        let daemon = Daemon::start_in(daemon.crash(), |command| command);
        Self { httpd, daemon, _backend }
    }

    /// Has its daemon ask another realm.
    fn with_realm(self, realm: &str) -> Self {
        self.daemon.configure(&format!("{realm}{LISTEN}socket_mode = \"0666\"\n"));
        self.daemon.ctl(&["reload"], b"").success();
        self
    }

    /// How many lines of the error log say this.
    fn told(&self, what: &str) -> usize {
        self.httpd.log().lines().filter(|line| line.contains(what)).count()
    }

    /// The application's page for alice.
    fn alice(&self) -> Page {
        self.httpd.get_as("alice", "alice-secret", "/app")
    }

    /// How many questions the daemon has answered: authenticated, found, not found.
    fn questions(&self) -> (u64, u64, u64) {
        let counters = &self.daemon.status()["counters"];
        let count = |names: &[&str]| names.iter().map(|it| counters[it].as_u64().unwrap()).sum();
        (count(&["granted", "denied"]), count(&["found"]), count(&["not_found"]))
    }
}

/// Runs a test with a site in each of the ways in which httpd spreads its work.
fn everywhere(configuration: &str, test: impl Fn(Site) + Sync) {
    everywhere_with(configuration, |command| command, test);
}

/// As [`everywhere`], with httpd's command adapted.
fn everywhere_with(
    configuration: &str,
    adapt: impl Fn(Command) -> Command + Sync,
    test: impl Fn(Site) + Sync,
) {
    let (test, adapt) = (&test, &adapt);
    thread::scope(|scope| {
        for mpm in MPMS {
            let run = move || test(Site::start_with(mpm, configuration, adapt));
            // What fails names its thread.
            thread::Builder::new().name(mpm.to_owned()).spawn_scoped(scope, run).expect("a thread");
        }
    });
}

/// Whom httpd knows by itself: some only it, and some by names that the directory has otherwise.
fn write_users(path: &Path) {
    let hash = USERS.lines().find_map(|line| line.strip_prefix("password = \"")).expect("a hash");
    let hash = hash.trim_end_matches('"');
    let names = ["alice", "bob", "stranger", r"CORP\alice", "alice@EXAMPLE.ORG", "alice@OTHER.ORG"];
    let lines: Vec<String> = names.iter().map(|name| format!("{name}:{hash}\n")).collect();
    fs::write(path, lines.concat()).expect("a file of users");
    fs::set_permissions(path, Permissions::from_mode(0o644)).expect("its mode");
}

/// A daemon's folder, which httpd's processes may pass through to the socket.
fn daemon_folder() -> TempDir {
    let folder = daemon::folder(&format!("{LOCAL}{DOMAINS}{LISTEN}socket_mode = \"0666\"\n"));
    httpd::open(folder.path());
    folder
}

/// What takes other spellings away from clients, as the manual has it made.
fn with_unset(folder: &TempDir, example: &str) -> String {
    let printed = programs::run("usherctl", &["snippet", "apache"]).success().stdout;
    let lines = printed.lines().filter(|line| line.contains("RequestHeader unset"));
    let lines: String = lines.map(|line| format!("{line}\n")).collect();
    fs::write(folder.path().join("usher-unset.conf"), lines).expect("a file");
    example.replace("/etc/apache2/", &format!("{}/", folder.path().display()))
}

/// The headers that curl is to send. It has a way of its own to write an empty one.
fn curl_arguments(forged: &[String]) -> Vec<String> {
    let line = |line: &String| match line.strip_suffix(": ") {
        Some(name) => format!("{name};"),
        None => line.clone(),
    };
    forged.iter().flat_map(|it| ["--header".to_owned(), line(it)]).collect()
}

/// What the application is told of its user, by a name in any spelling.
fn told(page: &Page) -> Vec<String> {
    let folded = |name: &str| name.replace(['_', '.'], "-").to_lowercase();
    let lines = page.body.lines().filter_map(|line| line.split_once(':'));
    let lines = lines.map(|(name, value)| format!("{}:{value}", folded(name)));
    let is_telling = |line: &String| TELLING.iter().any(|name| line.starts_with(&folded(name)));
    let mut told: Vec<String> = lines.filter(is_telling).collect();
    told.sort_unstable();
    told
}

/// The configuration that stands below this heading in mod_usher(8).
fn example(heading: &str) -> String {
    let page = fs::read_to_string(repository().join("man/mod_usher.8")).expect("the page");
    let (_, below) = page.split_once(&format!(".Ss {heading}\n")).expect("the heading");
    let (_, text) = below.split_once(".Bd -literal -offset indent\n").expect("an example");
    text.split_once(".Ed\n").expect("its end").0.to_owned()
}

/// The application at `/app`, with these lines in its `Location`.
fn app(lines: &str) -> String {
    format!(
        "UsherSocket @SOCKET@\nProxyPass /app @BACKEND@\n<Location /app>\n    AuthType Basic\n    \
         AuthName test\n{lines}\n</Location>\n"
    )
}

/// As [`app`], where httpd itself authenticates and the daemon only tells who it is.
fn looked_up(lines: &str) -> String {
    app(&format!(
        "    AuthBasicProvider file\n    AuthUserFile @USERS@\n    Require valid-user\n    \
         UsherMetadata On\n{HEADERS}{lines}"
    ))
}

/// As [`app`], where the daemon authenticates.
fn authenticated(lines: &str) -> String {
    app(&format!("    AuthBasicProvider usher\n    UsherMetadata On\n{HEADERS}{lines}"))
}
