//! The helper: a program that is started for each password, or a socket behind which systemd starts
//! it, as another user.

use std::fs::Metadata;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::Path;
use std::process::Stdio;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout_at};
use usher_protocol::{Password, Reason};
use zeroize::Zeroizing;

use crate::directory::{Unavailable, Verification};

/// More than any answer has.
const MOST: u64 = 2048;
/// What there is to know where it may not be run.
const SANDBOX: &str = "; usherd.service runs no program, it asks over a socket: systemctl enable \
                       --now usher-pam.socket, and helper = \"/run/usher/pam.sock\"";

/// One password of one user.
pub(super) struct Question<'a> {
    pub(super) service: &'a str,
    pub(super) user: &'a str,
    pub(super) password: &'a Password,
}

/// Whether there is a helper.
pub(super) fn check(helper: &Path) -> Result<(), String> {
    let problem = |what: &str| format!("the helper {} {what}", helper.display());
    let metadata = helper.metadata().map_err(|error| problem(&format!("is not there: {error}")))?;
    let runs = metadata.is_file() && metadata.permissions().mode() & 0o111 != 0;
    if runs || is_socket(&metadata) {
        Ok(())
    } else {
        Err(problem("is neither a program nor a socket"))
    }
}

fn is_socket(metadata: &Metadata) -> bool {
    metadata.file_type().is_socket()
}

/// A helper that can be asked once; it is ended with this.
pub(super) struct Helper<'a> {
    path: &'a Path,
    stream: UnixStream,
    /// The process if it is ours.
    _running: Option<Running>,
}

impl<'a> Helper<'a> {
    /// Starts it, or connects to where systemd does.
    pub(super) async fn reach(path: &'a Path) -> Result<Self, Unavailable> {
        let reached = reach(path).await.map_err(|error| broken(path, &error));
        reached.map(|(stream, running)| Self { path, stream, _running: running })
    }

    /// Asks it; it is ended when the time is over.
    pub(super) async fn ask(
        self,
        question: &Question<'_>,
        deadline: Instant,
    ) -> Result<Verification, Unavailable> {
        let path = self.path;
        match timeout_at(deadline, talk(self.stream, question, deadline)).await {
            // It ended before it had read the question.
            Ok(Err(error)) if is_hangup(&error) => understand("", path),
            Ok(answer) => understand(&answer.map_err(|error| broken(path, &error))?, path),
            Err(_) => Err(Unavailable::new(
                Reason::Deadline,
                format!(
                    "PAM has not answered in time: a module of the service {} hangs, or delays \
                     what it refuses (pam_unix does, without nodelay)",
                    question.service
                ),
            )),
        }
    }
}

fn broken(helper: &Path, error: &io::Error) -> Unavailable {
    let hint = if error.kind() == io::ErrorKind::PermissionDenied { SANDBOX } else { "" };
    let text = format!("the PAM helper {} cannot be asked: {error}{hint}", helper.display());
    Unavailable::new(Reason::NoHost, text)
}

fn is_hangup(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
}

/// A helper to talk to, and the process if it is ours.
async fn reach(helper: &Path) -> io::Result<(UnixStream, Option<Running>)> {
    if is_socket(&helper.metadata()?) {
        return Ok((UnixStream::connect(helper).await?, None));
    }
    let (ours, theirs) = StdUnixStream::pair()?;
    let (input, output) = (OwnedFd::from(theirs.try_clone()?), OwnedFd::from(theirs));
    let mut command = Command::new(helper);
    command.stdin(Stdio::from(input)).stdout(Stdio::from(output));
    command.env_remove("NOTIFY_SOCKET").env_remove("CREDENTIALS_DIRECTORY").current_dir("/");
    command.process_group(0).kill_on_drop(true);
    let child = Running(command.spawn()?);
    ours.set_nonblocking(true)?;
    // The command holds the helper's end of the pair until here.
    drop(command);
    Ok((UnixStream::from_std(ours)?, Some(child)))
}

/// A helper of ours. Dropped, it is killed with all that its modules have started.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let leader = self.0.id().and_then(|id| i32::try_from(id).ok());
        if let Some(leader) = leader {
            // Nobody left is as good.
            let _ = killpg(Pid::from_raw(leader), Signal::SIGKILL);
        }
    }
}

async fn talk(
    mut stream: UnixStream,
    question: &Question<'_>,
    deadline: Instant,
) -> io::Result<String> {
    let left = deadline.saturating_duration_since(Instant::now()).as_millis();
    let mut text = Zeroizing::new(Vec::with_capacity(2048));
    text.extend_from_slice(format!("{left}\0{}\0{}\0", question.service, question.user).as_bytes());
    text.extend_from_slice(question.password.as_bytes());
    stream.write_all(&text).await?;
    stream.shutdown().await?;
    let mut answer = String::new();
    stream.take(MOST).read_to_string(&mut answer).await?;
    Ok(answer)
}

/// What the line means. Anything but a known word is no answer.
fn understand(answer: &str, helper: &Path) -> Result<Verification, Unavailable> {
    let failed = |text: String| Unavailable::new(Reason::NoHost, text);
    let line = answer.strip_suffix('\n').unwrap_or(answer);
    let (word, more) = line.split_once(' ').unwrap_or((line, ""));
    match (word, more, reason(more)) {
        ("right", "", _) => Ok(Verification::Right(None)),
        ("wrong", "", _) => Ok(Verification::Wrong),
        ("barred", _, Some(reason)) => Ok(Verification::Barred(reason)),
        ("refused", _, Some(reason)) => Ok(Verification::Refused(reason)),
        ("unavailable", text, _) if !text.is_empty() => Err(failed(text.to_owned())),
        ("", _, _) => Err(failed(format!(
            "the PAM helper {} ended without an answer: a module crashed or took too long, or the \
             helper cannot run",
            helper.display()
        ))),
        _ => Err(failed(format!(
            "the PAM helper {} answered what is no answer: a module may write to the standard \
             output",
            helper.display()
        ))),
    }
}

fn reason(word: &str) -> Option<Reason> {
    [
        Reason::AccountDisabled,
        Reason::AccountLocked,
        Reason::AccountExpired,
        Reason::PasswordExpired,
        Reason::PasswordMustChange,
    ]
    .into_iter()
    .find(|reason| reason.as_str() == word)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use usher_protocol::Reason;

    use super::{check, understand};
    use crate::directory::Verification;

    #[test]
    fn an_answer_is_one_known_line_or_none() {
        let understand = |text| understand(text, Path::new("/helper"));
        assert_eq!(understand("right\n"), Ok(Verification::Right(None)));
        assert_eq!(understand("wrong\n"), Ok(Verification::Wrong));
        let locked = Verification::Refused(Reason::AccountLocked);
        assert_eq!(understand("refused account_locked\n"), Ok(locked));
        let expired = Verification::Barred(Reason::AccountExpired);
        assert_eq!(understand("barred account_expired\n"), Ok(expired));
        for text in [
            "",
            "\n",
            "right now\n",
            "right\nright\n",
            "RIGHT\n",
            "barred\n",
            "barred rule\n",
            "hello\nright\n",
            "unavailable\n",
            "wrong\0\n",
        ] {
            assert!(understand(text).is_err(), "{text:?}");
        }
        let why = understand("unavailable PAM's authentication failed\n").expect_err("no answer");
        assert_eq!(why.message, "PAM's authentication failed");
    }

    #[test]
    fn a_helper_is_a_program_or_a_socket() {
        assert!(check(Path::new("/bin/sh")).is_ok());
        for path in ["/nonexistent", "/etc", "/etc/passwd"] {
            assert!(check(Path::new(path)).is_err(), "{path}");
        }
    }
}
