//! The blocking client: one connection, one request at a time, every wait bounded.
//!
//! It needs no runtime and no thread, so it fits into a web server's module or a small tool.

mod connection;

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fmt, io};

use socket2::{Domain, SockAddr, Socket, Type};

use crate::frame::{self, FrameError};
use crate::{Call, Reply, Request};
use connection::Connection;

/// A connection to the daemon, opened at the first question and again whenever it broke.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
    connection: Option<Connection>,
    last_id: u64,
}

impl Client {
    /// A client of the daemon that listens at `path`. Nothing is opened yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), connection: None, last_id: 0 }
    }

    /// Where the daemon listens.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Asks, and waits at most `timeout` for the answer.
    ///
    /// The daemon learns of the time-out and answers in time itself when it can. A connection
    /// that was open from an earlier question may have been closed meanwhile (the daemon was
    /// restarted), and a new one too just as it was opened: then the question is asked once more on
    /// another; both kinds are safe to ask twice.
    ///
    /// # Errors
    /// See [`ClientError`]. The next question opens a new connection.
    pub fn ask(&mut self, call: Call, timeout: Duration) -> Result<Reply, ClientError> {
        let deadline = now() + timeout;
        self.last_id += 1;
        let timeout_ms = Some(u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX));
        let request = Request { id: self.last_id, timeout_ms, call };
        let frame = frame::encode(&request).map_err(ClientError::Frame)?;
        if let Some(mut connection) = self.connection.take() {
            match connection.exchange(&frame, request.id, deadline) {
                Err(ClientError::Closed | ClientError::Io(_)) => {}
                result => return self.keep(connection, result),
            }
        }
        let mut connection = Connection::new(connect(&self.path, deadline)?);
        let mut result = connection.exchange(&frame, request.id, deadline);
        // A daemon that is about to end may have accepted it as the last thing it did.
        if let Err(ClientError::Closed | ClientError::Io(_)) = result {
            connection = Connection::new(connect(&self.path, deadline)?);
            result = connection.exchange(&frame, request.id, deadline);
        }
        self.keep(connection, result)
    }

    /// Only a connection whose last question was answered is in a known state.
    fn keep(
        &mut self,
        connection: Connection,
        result: Result<Reply, ClientError>,
    ) -> Result<Reply, ClientError> {
        if result.is_ok() {
            self.connection = Some(connection);
        }
        result
    }
}

/// A connection for those who put several questions at once. [`Client`] needs no help with this.
///
/// `std`'s connect has no time-out and waits for as long as the listener's queue is full; Linux
/// honours the send time-out if it is set before.
///
/// # Errors
/// [`ClientError::Connect`] and [`ClientError::Deadline`].
pub fn connect(path: &Path, deadline: Instant) -> Result<UnixStream, ClientError> {
    let failed = |error| ClientError::Connect(path.to_path_buf(), error);
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(failed)?;
    socket.set_write_timeout(Some(left(deadline)?)).map_err(failed)?;
    let address = SockAddr::unix(path).map_err(failed)?;
    match socket.connect(&address) {
        Ok(()) => Ok(socket.into()),
        Err(error) if timed_out(&error) => Err(ClientError::Deadline),
        Err(error) => Err(failed(error)),
    }
}

/// A socket's time-out shows as EAGAIN ("Resource temporarily unavailable").
fn timed_out(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// What is left of the time; a time-out of zero would mean "for ever".
fn left(deadline: Instant) -> Result<Duration, ClientError> {
    match deadline.saturating_duration_since(now()) {
        Duration::ZERO => Err(ClientError::Deadline),
        left => Ok(left),
    }
}

#[expect(clippy::disallowed_methods, reason = "a blocking wait is measured by the real clock")]
fn now() -> Instant {
    Instant::now()
}

/// Why there is no answer. All of these mean "cannot tell", never "no".
#[derive(Debug)]
pub enum ClientError {
    /// The daemon cannot be reached: it does not run, or this user may not use its socket.
    Connect(PathBuf, io::Error),
    /// The time was up.
    Deadline,
    /// The daemon closed the connection without an answer.
    Closed,
    /// The connection broke.
    Io(io::Error),
    /// What came is no answer, or the request does not fit in a frame.
    Frame(FrameError),
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(path, error) => {
                write!(f, "cannot connect to usherd at {}: {error}", path.display())?;
                match error.kind() {
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                        f.write_str(" (is it running?)")
                    }
                    io::ErrorKind::PermissionDenied => {
                        f.write_str(" (may this user use the socket? see socket_group)")
                    }
                    _ => Ok(()),
                }
            }
            Self::Deadline => f.write_str("usherd did not answer in time"),
            Self::Closed => f.write_str("usherd closed the connection without an answer"),
            Self::Io(error) => write!(f, "the connection to usherd broke: {error}"),
            Self::Frame(error) => {
                write!(f, "usherd and this client do not understand each other: {error}")
            }
        }
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Connect(_, error) | Self::Io(error) => Some(error),
            Self::Frame(error) => Some(error),
            Self::Deadline | Self::Closed => None,
        }
    }
}
