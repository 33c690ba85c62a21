//! Debian's Apache httpd, run by hand on a loopback port, with everything in a temporary folder.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use nix::sys::signal::Signal;
use nix::unistd::Uid;
use tempfile::TempDir;

use super::process::{self, Output, Process};
use super::programs::{installed, module};
use super::slapd::free_port;
use super::{PATIENCE, repository, text_of, until};

pub(crate) const MODULES: &str = "/usr/lib/apache2/modules";

const CONFIGURATION: &str = r#"
ServerRoot "@DIR@"
ServerName localhost
Listen 127.0.0.1:@PORT@
PidFile "@DIR@/pid"
DefaultRuntimeDir "@DIR@"
ErrorLog "@DIR@/log"
LogLevel warn usher:info
LoadModule mpm_@MPM@_module @MODULES@/mod_mpm_@MPM@.so
LoadModule authn_core_module @MODULES@/mod_authn_core.so
LoadModule authn_file_module @MODULES@/mod_authn_file.so
LoadModule authz_core_module @MODULES@/mod_authz_core.so
LoadModule authz_user_module @MODULES@/mod_authz_user.so
LoadModule auth_basic_module @MODULES@/mod_auth_basic.so
LoadModule headers_module @MODULES@/mod_headers.so
LoadModule rewrite_module @MODULES@/mod_rewrite.so
LoadModule setenvif_module @MODULES@/mod_setenvif.so
LoadModule proxy_module @MODULES@/mod_proxy.so
LoadModule proxy_http_module @MODULES@/mod_proxy_http.so
LoadModule dir_module @MODULES@/mod_dir.so
LoadModule include_module @MODULES@/mod_include.so
LoadModule usher_module @DIR@/mod_usher.so
DocumentRoot "@DIR@/htdocs"
"#;

/// With three processes or one: what is kept for a process is easier to see in one.
const PROCESSES: &str = r#"
<IfModule !mpm_prefork_module>
    StartServers 1
    ServerLimit 2
    ThreadsPerChild 16
    MaxRequestWorkers 32
    MinSpareThreads 1
    MaxSpareThreads 32
</IfModule>
<IfModule mpm_prefork_module>
    StartServers 4
    MaxRequestWorkers 16
</IfModule>
"#;

/// What httpd logs when it has begun to serve, and serves again after a restart.
const SERVES: &str = "resuming normal operations";

/// The ways in which httpd spreads its work over processes and threads.
pub(crate) const MPMS: [&str; 3] = ["event", "worker", "prefork"];

/// A running server. In its configuration `@DIR@` is its folder and `@MODULES@` that of httpd's
/// modules; pages are in `htdocs`.
#[derive(Debug)]
pub(crate) struct Httpd {
    process: Process,
    port: u16,
    folder: TempDir,
}

/// What curl got.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Page {
    /// A header that the application behind the proxy got.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.body.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

impl Httpd {
    /// In a folder from [`folder`], with the command adapted.
    pub(crate) fn start_in(
        folder: TempDir,
        mpm: &str,
        configuration: &str,
        adapt: impl Fn(Command) -> Command,
    ) -> Self {
        let (process, port) = until("a port that nobody takes first", || {
            let port = free_port();
            write_configuration(folder.path(), port, mpm, configuration);
            let _ = fs::remove_file(folder.path().join("log"));
            let mut httpd = adapt(command(folder.path()));
            httpd.arg("-DFOREGROUND");
            let mut process = Process::start(httpd, &folder.path().join("output"));
            // Before that it listens, and has written its process id, but a signal still ends it.
            until("httpd", || {
                let serves = text_of(&folder.path().join("log")).contains(SERVES);
                serves.then_some(true).or_else(|| process.ended().map(|_| false))
            })
            .then_some((process, port))
            .or_else(|| {
                let said = text_of(&folder.path().join("output"));
                let said = format!("{said}{}", text_of(&folder.path().join("log")));
                assert!(said.contains("could not bind"), "httpd does not start: {said}");
                None
            })
        });
        Self { process, port, folder }
    }

    /// Asks for a page with curl.
    pub(crate) fn get(&self, path: &str, arguments: &[&str]) -> Page {
        let mut curl = Command::new(installed("curl", "curl"));
        curl.args(arguments);
        self.fetch(curl, path)
    }

    /// As [`Self::get`], with Basic authentication.
    pub(crate) fn get_as(&self, user: &str, password: &str, path: &str) -> Page {
        self.get(path, &["--user", &format!("{user}:{password}")])
    }

    /// With a curl that somebody prepared.
    pub(crate) fn fetch(&self, curl: Command, path: &str) -> Page {
        self.fetch_over("http", curl, path)
    }

    /// As [`Self::fetch`], with another scheme.
    pub(crate) fn fetch_over(&self, scheme: &str, mut curl: Command, path: &str) -> Page {
        let resolve = format!("localhost:{}:127.0.0.1", self.port);
        curl.args(["--silent", "--show-error", "--noproxy", "*", "--resolve", &resolve]);
        curl.args(["--write-out", "\n%{http_code}"]);
        curl.arg(format!("{scheme}://localhost:{}{path}", self.port));
        let output = process::run(&mut curl, b"").success();
        let (body, status) = output.stdout.rsplit_once('\n').expect("a body and a status");
        Page { status: status.parse().expect("a status"), body: body.to_owned() }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        text_of(&self.path("log"))
    }

    /// Lets it read its configuration again and serve with it, and waits until it does.
    pub(crate) fn graceful(&self) {
        let restarts = || self.log().matches(SERVES).count();
        let before = restarts();
        self.process.signal(Signal::SIGUSR1);
        super::until_true("the restart", || {
            assert!(self.is_running(), "httpd has ended: {}", self.log());
            restarts() > before
        });
    }

    /// Whether its first process is there: one that has ended is a zombie until it is asked for.
    fn is_running(&self) -> bool {
        let stat = text_of(Path::new(&format!("/proc/{}/stat", self.pid())));
        stat.rsplit_once(')').is_some_and(|(_, state)| !state.trim_start().starts_with('Z'))
    }

    /// Ends it in order.
    pub(crate) fn stop(&mut self) {
        self.process.stop();
    }
}

impl Drop for Httpd {
    /// Nothing of it stays. httpd gives its children ten seconds before it kills them, and says so;
    /// no child of ours may need that.
    fn drop(&mut self) {
        self.process.end_within(PATIENCE);
        let left = process::end_group(self.pid());
        let log = self.log();
        let hung = !left.is_empty() || log.contains("sending a SIGKILL");
        assert!(!hung || thread::panicking(), "children that do not end, left {left:?}: {log}");
    }
}

/// What `apachectl configtest` says of a configuration.
pub(crate) fn configtest(configuration: &str) -> Output {
    let folder = folder();
    write_configuration(folder.path(), 1, "event", configuration);
    process::run(command(folder.path()).arg("-t"), b"")
}

/// The place of a line in the file that [`configtest`] names, by the text in it.
pub(crate) fn line_of(configuration: &str, text: &str) -> usize {
    let whole = whole("event", configuration);
    whole.lines().position(|line| line.contains(text)).expect("a line with it") + 1
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new(installed("apache2", "apache2"));
    // When it ends it signals its whole process group, which would be that of the tests.
    command.process_group(0).arg("-f").arg(folder.join("httpd.conf"));
    command
}

/// A folder with the module, which the processes of the server may read whoever they are.
pub(crate) fn folder() -> TempDir {
    let folder = TempDir::with_prefix("usher-httpd-").expect("temporary folder");
    open(folder.path());
    fs::create_dir(folder.path().join("htdocs")).expect("htdocs");
    fs::copy(module(), folder.path().join("mod_usher.so")).expect("the module");
    folder
}

/// Lets everybody pass through a folder.
pub(crate) fn open(folder: &Path) {
    fs::set_permissions(folder, Permissions::from_mode(0o711)).expect("its mode");
}

fn whole(mpm: &str, configuration: &str) -> String {
    // As root httpd wants to know who its processes shall be.
    let user = if Uid::effective().is_root() { "User www-data\nGroup www-data\n" } else { "" };
    format!("{CONFIGURATION}{PROCESSES}{user}{configuration}\n").replace("@MPM@", mpm)
}

fn write_configuration(folder: &Path, port: u16, mpm: &str, configuration: &str) {
    let text = whole(mpm, configuration)
        .replace("@DIR@", &folder.to_string_lossy())
        .replace("@MODULES@", MODULES)
        .replace("@REPOSITORY@", &repository().to_string_lossy())
        .replace("@PORT@", &port.to_string());
    fs::write(folder.join("httpd.conf"), text).expect("httpd.conf");
}
