//! Kallithea, from a copy of the new one that `tests/pypi/install` has made.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::process::{self, Process};
use super::programs::{from_pypi, installed};
use super::slapd::free_port;
use super::{PATIENCE, repository, text_of, until_within};

/// A running Kallithea that believes the headers of a proxy.
#[derive(Debug)]
pub(crate) struct Kallithea {
    _process: Process,
    folder: TempDir,
    port: u16,
}

impl Kallithea {
    /// The names are those that WSGI gives the headers of the user, mail and both names.
    pub(crate) fn start(headers: [&str; 4]) -> Self {
        let gearbox = from_pypi("kallithea", "gearbox");
        let new = gearbox.parent().and_then(Path::parent).expect("a folder").join("new");
        let (folder, port) =
            (TempDir::with_prefix("kallithea-").expect("temporary folder"), free_port());
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("repositories")).expect("a folder");
        fs::copy(new.join("kallithea.db"), path("kallithea.db")).expect("a database");
        let configuration = text_of(&new.join("kallithea.ini"));
        let configuration = configuration.replace("port = 5000", &format!("port = {port}"));
        fs::write(path("kallithea.ini"), configuration).expect("a configuration");
        script(folder.path(), &headers);
        let mut command = Command::new(gearbox);
        command.args(["serve", "-c"]).arg(path("kallithea.ini"));
        command.env("LC_ALL", "C.UTF-8").env("HOME", folder.path());
        let mut process = Process::start(command, &path("log"));
        // It takes seconds of a processor to start, which others may want just then.
        until_within(4 * PATIENCE, "Kallithea", || {
            assert_eq!(process.ended(), None, "{}", text_of(&path("log")));
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Self { _process: process, folder, port }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn log(&self) -> String {
        text_of(&self.folder.path().join("log"))
    }

    /// What it wrote down of a user: mail, first and last name.
    pub(crate) fn account(&self, user: &str) -> Option<[String; 3]> {
        let users: Value = serde_json::from_str(&script(self.folder.path(), &[])).expect("JSON");
        let text = |row: &Value, place: usize| row[place].as_str().unwrap_or_default().to_owned();
        let mut rows = users.as_array().expect("a list").iter();
        rows.find(|row| row[0] == user).map(|row| [1, 2, 3].map(|place| text(row, place)))
    }
}

fn script(folder: &Path, arguments: &[&str]) -> String {
    let mut python = Command::new(installed("python3", "python3"));
    python.arg(repository().join("tests/support/kallithea.py")).arg(folder).args(arguments);
    process::run(&mut python, b"").success().stdout
}
