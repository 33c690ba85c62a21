//! usherd itself, in a temporary folder.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::process::{self, Output, Process};
use super::programs::program;
use super::wire::Wire;
use super::{PATIENCE, text_of};

/// The users of [`LOCAL`]. Each password is the name and `-secret`.
pub(crate) const USERS: &str = r#"
[user.alice]
password = "$6$saltsalt$/C2f2mI63GwVL6w19P4eF9FOXe7XWkzn4T/rCm8eslDhgHnf5Xha/dbmfk9FLYdb4a6das.sbqAQgZo/l3Rus0"
email = "Alice@Example.COM"
first_name = "Alice"
last_name = "Archer"
groups = ["dev"]
employeeType = "staff"

[user.bob]
password = "$6$saltsalt$fXrinz8XHGFSvYIQnr/SIA504hm2f5CCY9JUf2FruwMxE3YNFX.JuVLDkbZkgobA1TczKBB3lyi/dkhqx/Emi."
groups = ["ops"]

[user.dora]
password = "$6$saltsalt$gPyDOz11dtAKdiL4HLhCNSAJS.KPDh5cWJl05nqnO2I3qkFXIOuKiCjJbFhossqEa0UTFVSDJHlSNgxFv.cPG0"
disabled = true
"#;

/// A realm whose users are in `users.toml` beside the configuration.
pub(crate) const LOCAL: &str = "[realm.home]\ntype = \"local\"\nfile = \"@DIR@/users.toml\"\n";

/// A running daemon. In its configuration `@DIR@` is its folder; the sockets are there.
#[derive(Debug)]
pub(crate) struct Daemon {
    process: Process,
    folder: TempDir,
}

impl Daemon {
    /// Starts it with this configuration and waits until it says that it is ready.
    pub(crate) fn start(configuration: &str) -> Self {
        Self::start_in(folder(configuration), |command| command)
    }

    /// As [`Self::start`], in a folder that is already there, with the command adapted.
    pub(crate) fn start_in(folder: TempDir, adapt: impl FnOnce(Command) -> Command) -> Self {
        Self::start_told(folder, adapt).0
    }

    /// As [`Self::start_in`], with where it goes on to tell systemd of itself.
    pub(crate) fn start_told(
        folder: TempDir,
        adapt: impl FnOnce(Command) -> Command,
    ) -> (Self, UnixDatagram) {
        let notify = folder.path().join("notify.sock");
        let _ = fs::remove_file(&notify);
        let notifications = UnixDatagram::bind(&notify).expect("a notification socket");
        let mut usherd = Command::new(program("usherd"));
        usherd.arg("--config").arg(folder.path().join("usher.toml"));
        usherd.args(["--log-format", "text"]).env("NOTIFY_SOCKET", &notify);
        let process = Process::start(adapt(usherd), &folder.path().join("log"));
        let mut daemon = Self { process, folder };
        daemon.await_ready(&notifications);
        (daemon, notifications)
    }

    fn await_ready(&mut self, notifications: &UnixDatagram) {
        // Short waits, so that a daemon that ended instead is noticed.
        notifications.set_read_timeout(Some(PATIENCE / 600)).expect("a time-out");
        super::until("the daemon to be ready", || {
            let mut buffer = [0; 4096];
            if let Ok(length) = notifications.recv(&mut buffer) {
                let said = String::from_utf8_lossy(&buffer[..length]).into_owned();
                return said.lines().any(|line| line == "READY=1").then_some(());
            }
            let ended = self.process.ended();
            assert!(ended.is_none(), "usherd: {ended:?}, and it said: {}", self.log());
            None
        });
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A path in its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path("usher.sock")
    }

    pub(crate) fn admin_socket(&self) -> PathBuf {
        self.path("admin.sock")
    }

    /// A new connection to the socket for everybody.
    pub(crate) fn wire(&self) -> Wire {
        Wire::connect(&self.socket())
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        text_of(&self.path("log"))
    }

    /// Puts another configuration in the place of the present one; it is not read by that.
    pub(crate) fn configure(&self, configuration: &str) {
        write_configuration(self.folder(), configuration);
    }

    /// Its connections to a port of this machine, by the inodes of their sockets.
    pub(crate) fn connections_to(&self, port: u16) -> BTreeSet<String> {
        let own = fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("its files");
        let own: BTreeSet<String> = own
            .filter_map(|file| fs::read_link(file.ok()?.path()).ok())
            .filter_map(|link| {
                let inode = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
                Some(inode.to_owned())
            })
            .collect();
        let remote = format!("0100007F:{port:04X}");
        let table = text_of(Path::new("/proc/net/tcp"));
        let columns = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let connections = columns.filter(|columns| columns.get(2) == Some(&remote.as_str()));
        let inodes =
            connections.filter_map(|columns| columns.get(9).map(|inode| (*inode).to_owned()));
        inodes.filter(|inode| own.contains(inode)).collect()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub(crate) fn sighup(&self) {
        self.process.signal(Signal::SIGHUP);
    }

    /// Asks it to end, and goes on at once.
    pub(crate) fn sigterm(&self) {
        self.process.signal(Signal::SIGTERM);
    }

    /// Lets it hang: connections are accepted by the kernel, and nothing is answered.
    pub(crate) fn pause(&self) {
        self.process.freeze();
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        self.process.signal(Signal::SIGCONT);
    }

    /// Ends it at once, as a crash would, and leaves its folder.
    pub(crate) fn crash(mut self) -> TempDir {
        self.process.kill();
        self.folder
    }

    /// Waits until it has ended by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.process.wait()
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.process.stop()
    }

    /// Runs it with a configuration that it must refuse.
    pub(crate) fn expect_failure(configuration: &str) -> Output {
        expect_failure_in(folder(configuration).path())
    }
}

/// Runs the daemon in a folder in which it must not start.
pub(crate) fn expect_failure_in(folder: &Path) -> Output {
    let mut usherd = Command::new(program("usherd"));
    usherd.arg("--config").arg(folder.join("usher.toml")).args(["--log-format", "text"]);
    let output = process::run(&mut usherd, b"");
    assert_ne!(output.code, 0, "it should not have started: {output:#?}");
    output
}

/// A folder with this configuration and the users of [`LOCAL`].
pub(crate) fn folder(configuration: &str) -> TempDir {
    let folder = TempDir::with_prefix("usherd-").expect("temporary folder");
    write_private(&folder.path().join("users.toml"), USERS);
    write_configuration(folder.path(), configuration);
    folder
}

/// `[listen]` with the sockets in the daemon's folder, open for more keys of that table.
pub(crate) const LISTEN: &str =
    "[listen]\nsocket = \"@DIR@/usher.sock\"\nadmin_socket = \"@DIR@/admin.sock\"\n";

fn write_configuration(folder: &Path, configuration: &str) {
    let mut text = configuration.to_owned();
    if !text.contains("[listen]") {
        text = format!("{text}\n{LISTEN}");
    }
    let text = text.replace("@DIR@", &folder.to_string_lossy());
    write_private(&folder.join("usher.toml"), &text);
}

/// Replaces a file as careful administrators do: whole, and for the owner alone.
pub(crate) fn write_private(path: &Path, text: &str) {
    let draft = path.with_extension("draft");
    fs::write(&draft, text).expect("a file");
    fs::set_permissions(&draft, Permissions::from_mode(0o600)).expect("its mode");
    fs::rename(&draft, path).expect("a file in its place");
}
