//! usher-http beside a daemon, and as the application behind a proxy.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::daemon::Daemon;
use super::http::Server;
use super::process::Process;
use super::programs::program;
use super::{text_of, until};

/// `[http]` with the socket in the daemon's folder, open for more keys of that table.
pub(crate) const HTTP: &str = "[http]\nlisten = \"@DIR@/http.sock\"\n";

/// A running usher-http.
#[derive(Debug)]
pub(crate) struct Shim {
    process: Process,
    log: PathBuf,
    place: String,
    _folder: Option<TempDir>,
}

impl Shim {
    /// With the configuration of this daemon.
    pub(crate) fn start(daemon: &Daemon) -> Self {
        let mut shim = Command::new(program("usher-http"));
        shim.arg("--config").arg(daemon.path("usher.toml"));
        Self::run(shim, &daemon.path("http.log"), None)
    }

    /// An application that shows what reaches it, on a port of its own.
    pub(crate) fn echo() -> Self {
        let folder = TempDir::new().expect("temporary folder");
        let mut echo = Command::new(program("usher-http"));
        echo.args(["--echo", "127.0.0.1:0"]);
        let log = folder.path().join("log");
        Self::run(echo, &log, Some(folder))
    }

    pub(crate) fn run(command: Command, log: &Path, folder: Option<TempDir>) -> Self {
        let before = text_of(log).len();
        let mut process = Process::start(command, log);
        let place = until("usher-http to listen", || {
            let text = text_of(log);
            assert_eq!(process.ended(), None, "{text}");
            let said = text[before..].lines().find_map(|line| line.split_once(" listens at "))?;
            text.ends_with('\n').then(|| said.1.to_owned())
        });
        Self { process, log: log.to_path_buf(), place, _folder: folder }
    }

    /// Where it listens, as it says itself.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    pub(crate) fn server(&self) -> Server {
        match self.place.rsplit_once(':') {
            Some((_, port)) => Server::Tcp(port.parse().expect("a port")),
            None => Server::Unix(PathBuf::from(&self.place)),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.place)
    }

    pub(crate) fn log(&self) -> String {
        text_of(&self.log)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.process.wait()
    }

    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.process.stop()
    }
}
