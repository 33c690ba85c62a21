//! Connections over TCP, and what went wrong with them, in words.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::sleep;

use super::tls::problem;

/// A peer that vanished is noticed by then, however idle the connection.
const KEEPALIVE: Duration = Duration::from_secs(30);
const USER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an address has the field to itself (RFC 8305 section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// A new connection to a host that the system finds.
pub(super) async fn tcp(name: &str, port: u16) -> io::Result<TcpStream> {
    connect(lookup(name, port).await?).await
}

/// Where the system finds a host.
pub(super) async fn lookup(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let found = lookup_host((name, port)).await.map_err(|error| {
        io::Error::other(format!("{name} is not found: {error}; check the name and the DNS"))
    })?;
    Ok(found.collect())
}

/// A new connection to whichever of a host's addresses answers first. They are tried one after the
/// other, and each has but a short start on the next (RFC 8305): one that answers nothing, as where
/// IPv6 leads nowhere, does not use up the time of the others.
pub(super) async fn connect(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut waiting = in_turns(addresses).into_iter();
    let mut tried = FuturesUnordered::new();
    let mut failure = io::Error::new(io::ErrorKind::AddrNotAvailable, "the host has no address");
    loop {
        if tried.is_empty() {
            let Some(address) = waiting.next() else { return Err(failure) };
            tried.push(TcpStream::connect(address));
        }
        tokio::select! {
            Some(outcome) = tried.next() => match outcome {
                Ok(stream) => return tuned(stream),
                Err(error) => failure = error,
            },
            () = sleep(HEAD_START), if waiting.len() > 0 => {
                tried.extend(waiting.next().map(TcpStream::connect));
            }
        }
    }
}

/// The families of addresses by turns, beginning with the first (RFC 8305 section 4).
fn in_turns(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (one, other): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first);
    let mut other = other.into_iter();
    let mut all: Vec<_> =
        one.into_iter().flat_map(|it| [Some(it), other.next()]).flatten().collect();
    all.extend(other);
    all
}

/// Without TCP_NODELAY the first operation would wait for a delayed acknowledgement.
fn tuned(stream: TcpStream) -> io::Result<TcpStream> {
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
        io::ErrorKind::ConnectionRefused => {
            "connection refused; does the server run, and is this its port?".to_owned()
        }
        io::ErrorKind::ConnectionReset => "connection reset".to_owned(),
        io::ErrorKind::UnexpectedEof => "the server closed the connection".to_owned(),
        io::ErrorKind::NotFound => {
            "no such socket; does the server run, and is this its path?".to_owned()
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use socket2::{Domain, Socket, Type};
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use super::*;

    /// An address on which nobody takes a connection and nobody refuses one: the queue of this
    /// listener is full. With what must be kept for that.
    async fn silence() -> (SocketAddr, Vec<Socket>) {
        let new = || Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let listener = new();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut kept = vec![listener];
        for _ in 0..4 {
            let client = new();
            client.set_nonblocking(true).unwrap();
            let _ = client.connect(&address);
            kept.push(client);
        }
        let address = address.as_socket().unwrap();
        let wait = timeout(Duration::from_millis(100), TcpStream::connect(address)).await;
        assert!(wait.is_err(), "somebody answers");
        (address, kept)
    }

    #[tokio::test]
    async fn an_address_that_answers_nothing_does_not_hide_one_that_answers() {
        let (dead, _kept) = silence().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let alive = listener.local_addr().unwrap();
        // Far less than the kernel waits for the first.
        let limit = Duration::from_secs(20);
        let stream = timeout(limit, connect(vec![dead, dead, alive])).await.unwrap().unwrap();
        assert_eq!(stream.peer_addr().unwrap(), alive);
    }

    #[tokio::test]
    async fn where_no_address_answers_the_last_one_says_why() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closed = listener.local_addr().unwrap();
        drop(listener);
        let error = connect(vec![closed, closed]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let none = connect(Vec::new()).await.unwrap_err();
        assert_eq!(plain(&none), "the host has no address");
    }

    #[tokio::test]
    async fn connections_are_quick_and_notice_that_the_peer_is_gone() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = tcp("127.0.0.1", listener.local_addr().unwrap().port()).await.unwrap();
        let socket = SockRef::from(&stream);
        assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), KEEPALIVE);
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), USER_TIMEOUT);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(USER_TIMEOUT));
    }

    #[test]
    fn families_take_turns() {
        let read = |text: &str| text.split(' ').map(|it| it.parse().unwrap()).collect();
        let all = in_turns(read("[::1]:1 [::2]:1 [::3]:1 1.0.0.1:1 1.0.0.2:1"));
        assert_eq!(all, read("[::1]:1 1.0.0.1:1 [::2]:1 1.0.0.2:1 [::3]:1"));
        let all = in_turns(read("1.0.0.1:1 [::1]:1 [::2]:1"));
        assert_eq!(all, read("1.0.0.1:1 [::1]:1 [::2]:1"));
    }
}
