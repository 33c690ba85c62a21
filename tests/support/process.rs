//! Child processes that never outlive their test and never keep it waiting.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{text_of, until, until_true};

/// A server that runs beside the test. Dropping it ends it: SIGTERM, and SIGKILL if it stays.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    name: String,
}

impl Process {
    /// Starts it with both outputs appended to `log`.
    pub(crate) fn start(mut command: Command, log: &Path) -> Self {
        let file = File::options().create(true).append(true).open(log).expect("log file");
        let output = file.try_clone().expect("log file");
        Self::spawn(command.stdin(Stdio::null()).stdout(output).stderr(file))
    }

    /// Starts it with its outputs as the command has them.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        Self { child, name }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).expect("a process id"));
        kill(pid, signal).unwrap_or_else(|error| panic!("{signal} to {}: {error}", self.name));
    }

    /// Stops it until SIGCONT. The signal is not yet obeyed when it is sent: a thread that runs on
    /// another processor goes on for a moment, so this waits for each to stand still.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
        let threads = format!("/proc/{}/task", self.pid());
        until_true("every thread to stand still", || {
            let threads = fs::read_dir(&threads).expect("the threads of a running process");
            threads
                .flatten()
                .all(|thread| text_of(&thread.path().join("status")).contains("\nState:\tT"))
        });
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child of this process")
    }

    /// Waits until it has ended by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let name = format!("{} to end", self.name);
        until(&name, || self.ended())
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        if self.ended().is_none() {
            self.signal(Signal::SIGTERM);
            // A stopped process takes the signal only when it goes on.
            self.signal(Signal::SIGCONT);
        }
        self.wait()
    }

    /// Ends it without its help.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a child of this process");
        self.wait();
    }
}

impl Process {
    /// Asks it to end, and makes it if it has not after this time.
    pub(crate) fn end_within(&mut self, patience: Duration) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        self.signal(Signal::SIGTERM);
        self.signal(Signal::SIGCONT);
        let start = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if start.elapsed() > patience {
                let _ = self.child.kill();
                let _ = self.child.wait();
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end_within(Duration::from_secs(5));
    }
}

/// The processes of a group that still run.
pub(crate) fn members(group: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("the processes").flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u32| {
        // proc(5): the name in brackets, the state, the parent, the group.
        let stat = text_of(Path::new(&format!("/proc/{pid}/stat")));
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
        fields.first() != Some(&"Z") && fields.get(2) == Some(&group.to_string().as_str())
    })
    .collect()
}

/// Ends what still runs of a group, and tells what that was.
pub(crate) fn end_group(group: u32) -> Vec<u32> {
    let left = members(group);
    for pid in &left {
        let pid = Pid::from_raw(i32::try_from(*pid).expect("a process id"));
        // It may have ended meanwhile.
        let _ = kill(pid, Signal::SIGKILL);
    }
    while !members(group).is_empty() {
        thread::sleep(Duration::from_millis(5));
    }
    left
}

/// What a command that ran to its end left.
#[derive(Debug)]
pub(crate) struct Output {
    /// The exit status; 128 and the signal's number where a signal ended it, as in a shell.
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    /// Itself, if it succeeded.
    pub(crate) fn success(self) -> Self {
        assert_eq!(self.code, 0, "it should have succeeded: {self:#?}");
        self
    }
}

/// Runs a command to its end with this on its standard input.
pub(crate) fn run(command: &mut Command, input: &[u8]) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = Process::spawn(command);
    let mut stdin = process.child.stdin.take().expect("piped");
    let input = input.to_vec();
    // A command that does not read its input closes it; that is its right.
    let writer = thread::spawn(move || stdin.write_all(&input));
    let stdout = reader(process.child.stdout.take().expect("piped"));
    let stderr = reader(process.child.stderr.take().expect("piped"));
    let status = process.wait();
    let _ = writer.join();
    Output {
        code: status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
        stdout: stdout.join().expect("reader"),
        stderr: stderr.join().expect("reader"),
    }
}

fn reader(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("a pipe");
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
