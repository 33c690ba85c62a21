//! systemd's watchdog: the daemon is well while it answers.

use std::io;
use std::path::Path;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::{interval, timeout};
use usher_protocol::{Answer, Call, Reply, Request, frame};

use super::notify;

/// Asks the daemon as a client would, through its door, and tells systemd of each answer. Where
/// accepting, a session, or a lock of a realm stands still, there is none, and systemd starts the
/// daemon again.
pub(super) async fn run(within: Duration, socket: &Path) {
    let pause = within / 3;
    let mut pulse = interval(pause);
    loop {
        pulse.tick().await;
        match timeout(pause, ask(socket)).await {
            Ok(Ok(())) => notify(&[NotifyState::Watchdog]),
            Ok(Err(error)) => tracing::error!(
                "usherd does not answer itself at {}: {error}; systemd will start it again",
                socket.display()
            ),
            Err(_) => tracing::error!("usherd has not answered itself within {pause:?}"),
        }
    }
}

/// The status takes a look at every realm: its hosts, cache and shield.
async fn ask(socket: &Path) -> io::Result<()> {
    let request = Request { id: 1, timeout_ms: None, call: Call::Status };
    let request = frame::encode(&request).map_err(io::Error::other)?;
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(&request).await?;
    let mut header = [0; frame::HEADER];
    stream.read_exact(&mut header).await?;
    let mut body = vec![0; frame::length(header).map_err(io::Error::other)?];
    stream.read_exact(&mut body).await?;
    let answer: Answer = frame::decode(&body).map_err(io::Error::other)?;
    match answer.reply {
        Reply::Status(_) => Ok(()),
        _ => Err(io::Error::other("it answers something else")),
    }
}
