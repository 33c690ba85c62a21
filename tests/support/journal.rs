//! A real journal, beside the machine's own: in a mount namespace where it has /run for itself.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::daemon::{self, Daemon};
use super::process::{self, Process};
use super::programs::installed;
use super::{until, until_true};

#[derive(Debug)]
pub(crate) struct Journal {
    process: Process,
    folder: TempDir,
}

impl Journal {
    pub(crate) fn start() -> Self {
        let folder = TempDir::with_prefix("journal-").expect("temporary folder");
        let script = "mount -t tmpfs none /run && mkdir -p /run/systemd/journal /run/log/journal \
                      && mount --bind \"$1\" /run/log/journal && exec /lib/systemd/systemd-journald";
        let mut unshare = Command::new(installed("unshare", "util-linux"));
        unshare.args(["--mount", "sh", "-c", script, "sh"]).arg(folder.path());
        let process = Process::start(unshare, &folder.path().join("log"));
        let journal = Self { process, folder };
        let socket = format!("/proc/{}/root/run/systemd/journal/socket", journal.process.pid());
        until_true("the journal to listen", || Path::new(&socket).exists());
        journal
    }

    /// A daemon in the same namespace, which logs there.
    pub(crate) fn daemon(&self, configuration: &str) -> Daemon {
        let pid = self.process.pid().to_string();
        Daemon::start_in(daemon::folder(configuration), |usherd| {
            let mut nsenter = Command::new(installed("nsenter", "util-linux"));
            nsenter.args(["--mount", "--target", &pid, "--"]).arg(usherd.get_program());
            let given = usherd.get_args().map(|argument| match argument.to_str() {
                Some("text") => "journal".into(),
                _ => argument.to_owned(),
            });
            nsenter.args(given);
            nsenter.envs(usherd.get_envs().filter_map(|(name, value)| Some((name, value?))));
            nsenter.arg0("nsenter");
            nsenter
        })
    }

    /// The last record that has this value in this field.
    pub(crate) fn until(&self, field: &str, value: &str) -> Value {
        until(&format!("{field}={value} in the journal"), || {
            let mut journalctl = Command::new(installed("journalctl", "systemd"));
            journalctl.args(["--output=json", "--directory"]).arg(self.folder.path());
            let output = process::run(journalctl.arg(format!("{field}={value}")), b"");
            output.stdout.lines().last().and_then(|line| serde_json::from_str(line).ok())
        })
    }

    pub(crate) fn freeze(&self) {
        self.process.freeze();
    }
}
