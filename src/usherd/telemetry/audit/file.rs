//! A file of JSON lines that may be moved away at any time.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use nix::fcntl::OFlag;
use nix::unistd::{AccessFlags, access};
use serde::Serialize;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

use super::event::Event;
use crate::telemetry::Count;

/// Events that wait for a slow disk; more are lost, and counted.
const MOST_WAITING: usize = 8192;
/// Whoever may read logs is in the file's group, if anybody.
const MODE: u32 = 0o640;

/// The file, written by a thread of its own.
#[derive(Debug)]
pub(super) struct File {
    queue: NonBlocking,
    failed: Arc<Count>,
    writer: Mutex<Option<WorkerGuard>>,
}

/// What stands on a line.
#[derive(Serialize)]
struct Line<'a> {
    time: &'a str,
    #[serde(flatten)]
    event: &'a Event<'a>,
}

impl File {
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let failed = Arc::<Count>::default();
        let mut target = Target::new(path, Arc::clone(&failed));
        target.reopen().map_err(|error| complaint(path, &error))?;
        let builder = NonBlockingBuilder::default().thread_name("audit").lossy(true);
        let (queue, writer) = builder.buffered_lines_limit(MOST_WAITING).finish(target);
        Ok(Self { queue, failed, writer: Mutex::new(Some(writer)) })
    }

    pub(super) fn write(&self, event: &Event<'_>) {
        let mut time = String::new();
        // Neither can fail: what is written to is memory.
        let _ = SystemTime.format_time(&mut Writer::new(&mut time));
        if let Ok(mut line) = serde_json::to_vec(&Line { time: &time, event }) {
            line.push(b'\n');
            let _ = self.queue.clone().write_all(&line);
        }
    }

    pub(super) fn lost(&self) -> u64 {
        let dropped = self.queue.error_counter().dropped_lines();
        self.failed.now() + u64::try_from(dropped).unwrap_or(u64::MAX)
    }

    pub(super) fn finish(&self) {
        drop(self.take());
    }

    fn take(&self) -> Option<WorkerGuard> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for File {
    /// The end of the writer is waited for elsewhere: this may be a thread that serves.
    fn drop(&mut self) {
        if let Some(writer) = self.take() {
            std::thread::spawn(move || drop(writer));
        }
    }
}

/// Whether it could be written: it, or where it would be made.
pub(super) fn check(path: &Path) -> Result<(), String> {
    let mut there = OpenOptions::new();
    // Nobody may be reading, if it is a pipe.
    there.append(true).custom_flags(OFlag::O_NONBLOCK.bits());
    let outcome = match there.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = path.parent().unwrap_or(Path::new("/"));
            access(folder, AccessFlags::W_OK | AccessFlags::X_OK).map_err(io::Error::from)
        }
        other => other.map(drop),
    };
    outcome.map_err(|error| complaint(path, &error))
}

fn complaint(path: &Path, error: &io::Error) -> String {
    format!("the audit file {} cannot be written: {error}", path.display())
}

/// The file as the writing thread has it.
struct Target {
    path: PathBuf,
    open: Option<(fs::File, u64, u64)>,
    failed: Arc<Count>,
    failing: bool,
}

impl Target {
    fn new(path: &Path, failed: Arc<Count>) -> Self {
        Self { path: path.to_path_buf(), open: None, failed, failing: false }
    }

    fn reopen(&mut self) -> io::Result<()> {
        let file = OpenOptions::new().create(true).append(true).mode(MODE).open(&self.path)?;
        let about = file.metadata()?;
        self.open = Some((file, about.dev(), about.ino()));
        Ok(())
    }

    /// Writes a line to what has the file's name now: it may have been moved away.
    fn put(&mut self, line: &[u8]) -> io::Result<()> {
        let there = fs::metadata(&self.path).map(|file| (file.dev(), file.ino())).ok();
        let same = self.open.as_ref().map(|(_, device, inode)| (*device, *inode)) == there;
        if !same || self.open.is_none() {
            self.reopen()?;
        }
        let Some((file, ..)) = &mut self.open else { return Ok(()) };
        if self.failing {
            // Ends what may have been cut off.
            file.write_all(b"\n")?;
        }
        file.write_all(line)
    }
}

impl Write for Target {
    /// One call is one line. A failure is told once, and counted.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self.put(line) {
            Ok(()) if self.failing => {
                self.failing = false;
                let file = self.path.display().to_string();
                tracing::info!(name: "audit_written", file, "the audit file is written again");
            }
            Ok(()) => {}
            Err(error) => {
                self.failed.one();
                self.open = None;
                if !self.failing {
                    self.failing = true;
                    let text = complaint(&self.path, &error);
                    tracing::error!(
                        name: "audit_lost",
                        "{text}; decisions go unrecorded until it can: make room, or look at the \
                         rights of its folder"
                    );
                }
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::sync::Arc;

    use super::{Count, Target};

    #[test]
    fn a_file_that_was_moved_away_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("audit"), folder.path().join("audit.1"));
        let mut target = Target::new(&path, Arc::default());
        target.write_all(b"one\n").unwrap();
        fs::rename(&path, &moved).unwrap();
        target.write_all(b"two\n").unwrap();
        fs::remove_file(&path).unwrap();
        target.write_all(b"three\n").unwrap();
        assert_eq!(fs::read_to_string(moved).unwrap(), "one\n");
        assert_eq!(fs::read_to_string(path).unwrap(), "three\n");
    }

    #[test]
    fn what_cannot_be_written_is_counted_and_written_again_when_it_can() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("later/audit");
        let failed = Arc::<Count>::default();
        let mut target = Target::new(&path, Arc::clone(&failed));
        target.write_all(b"one\n").unwrap();
        target.write_all(b"two\n").unwrap();
        assert_eq!(failed.now(), 2);
        fs::create_dir(folder.path().join("later")).unwrap();
        target.write_all(b"three\n").unwrap();
        target.write_all(b"four\n").unwrap();
        assert_eq!(fs::read_to_string(path).unwrap(), "\nthree\nfour\n");
        assert_eq!(failed.now(), 2);
    }
}
