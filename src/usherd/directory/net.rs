//! Connections over TCP, and what went wrong with them, in words.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use super::tls::problem;

/// A peer that vanished is noticed by then, however idle the connection.
const KEEPALIVE: Duration = Duration::from_secs(30);
const USER_TIMEOUT: Duration = Duration::from_secs(10);

/// A new connection.
pub(super) async fn tcp(name: &str, port: u16) -> io::Result<TcpStream> {
    tuned(TcpStream::connect((name, port)).await?)
}

/// Without TCP_NODELAY the first operation would wait for a delayed acknowledgement.
pub(super) fn tuned(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(&stream);
    socket
        .set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(USER_TIMEOUT))?;
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    Ok(stream)
}

/// What went wrong with a connection, in words.
pub(super) fn plain(error: &io::Error) -> String {
    if let Some(problem) = problem(error) {
        return problem;
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset".to_owned(),
        io::ErrorKind::UnexpectedEof => "the server closed the connection".to_owned(),
        io::ErrorKind::NotFound => "no such socket".to_owned(),
        _ => error.to_string(),
    }
}
