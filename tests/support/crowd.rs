//! A server that speaks Crowd's REST API, on a loopback port.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::certificate::Certificate;
use super::process::Process;
use super::programs::installed;
use super::{repository, text_of, until};

/// The server. Each user's password is the name and `-secret`; `crowd.py` has them.
#[derive(Debug)]
pub(crate) struct Crowd {
    process: Process,
    port: u16,
    secure: bool,
    folder: TempDir,
}

impl Crowd {
    pub(crate) fn start() -> Self {
        Self::start_with(None)
    }

    pub(crate) fn start_with_tls(certificate: &Certificate) -> Self {
        Self::start_with(Some(certificate))
    }

    fn start_with(certificate: Option<&Certificate>) -> Self {
        let folder = TempDir::with_prefix("crowd-").expect("a folder");
        let mut python = Command::new(installed("python3", "python3"));
        python.arg(repository().join("tests/support/crowd.py"));
        if let Some(certificate) = certificate {
            let (pem, key) = (folder.path().join("own.pem"), folder.path().join("own.key"));
            fs::write(&pem, &certificate.pem).expect("a certificate");
            fs::write(&key, &certificate.key).expect("a key");
            python.arg(pem).arg(key);
        }
        let log = folder.path().join("log");
        let process = Process::start(python, &log);
        let port = until("the server's port", || {
            text_of(&log).lines().find_map(|line| line.strip_prefix("port ")?.parse().ok())
        });
        Self { process, port, secure: certificate.is_some(), folder }
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}/crowd", self.port)
    }

    /// `[realm.crowd]` for this server, open for more keys of that table.
    pub(crate) fn realm(&self) -> String {
        realm(&self.url())
    }

    /// The requests whose lines contain this, each with the port of its connection before it.
    pub(crate) fn requests(&self, text: &str) -> Vec<String> {
        let log = text_of(&self.path("log"));
        log.lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
    }

    /// How many connections were open at once, at most.
    pub(crate) fn most_connections(&self) -> usize {
        let log = text_of(&self.path("log"));
        let counts = log.lines().filter_map(|line| line.strip_prefix("open ")?.parse().ok());
        counts.max().unwrap_or(0)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn pause(&self) {
        self.process.freeze();
    }

    pub(crate) fn resume(&self) {
        self.process.signal(Signal::SIGCONT);
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }
}

/// `[realm.crowd]` for servers at these URLs, open for more keys of that table.
pub(crate) fn realm(urls: &str) -> String {
    format!(
        "[realm.crowd]\ntype = \"crowd\"\nhost = \"{urls}\"\naccount = \"usher\"\n\
         password = \"application-secret\"\n"
    )
}
