//! HTTP as bytes: what a proxy or a browser could send, and what came back.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::PATIENCE;

/// Where a server listens.
#[derive(Debug, Clone)]
pub(crate) enum Server {
    Tcp(u16),
    Unix(PathBuf),
}

impl Server {
    pub(crate) fn connect(&self) -> Conversation {
        let stream: Box<dyn Stream> = match self {
            Self::Tcp(port) => {
                let stream = TcpStream::connect(("127.0.0.1", *port)).expect("a server");
                stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
                Box::new(stream)
            }
            Self::Unix(path) => {
                let stream = UnixStream::connect(path).expect("a server");
                stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
                Box::new(stream)
            }
        };
        Conversation { stream, read: Vec::new() }
    }

    /// One request on a connection of its own: `METHOD PATH`, and header lines. One of them may be
    /// `Host`.
    pub(crate) fn ask(&self, request: &str, headers: &[&str]) -> Response {
        let mut conversation = self.connect();
        let headers = [headers, &["Connection: close"]].concat();
        conversation.send(head(request, &headers).as_bytes());
        conversation.response(request.starts_with("HEAD"))
    }
}

/// The head of a request, with the empty line.
pub(crate) fn head(request: &str, headers: &[&str]) -> String {
    let host =
        if headers.iter().any(|line| line.starts_with("Host: ")) { "" } else { "Host: test\r\n" };
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    format!("{request} HTTP/1.1\r\n{host}{headers}\r\n")
}

/// `Authorization` with these credentials.
pub(crate) fn basic(user: &str, password: &str) -> String {
    basic_bytes(format!("{user}:{password}").as_bytes())
}

/// `Authorization` with whatever instead of credentials.
pub(crate) fn basic_bytes(plain: &[u8]) -> String {
    format!("Authorization: Basic {}", STANDARD.encode(plain))
}

/// Header lines with credentials that are wrong or make no sense: each is to be a 401.
pub(crate) fn invalid_credentials() -> Vec<String> {
    let plains: [&[u8]; 12] = [
        b"alice:wrong",
        b"mallory:alice-secret",
        b"",
        b":",
        b"alice",
        b"alice:",
        b":alice-secret",
        b"alice\0:alice-secret",
        b"al\xffice:alice-secret",
        b"alice\xff:\xfe",
        b"alice:\xe9\xe8",
        b"alice:a\r\nb",
    ];
    let plains = plains.iter().map(|plain| basic_bytes(plain));
    let values =
        ["Basic", "Basic !", "Basic ???", "Basic YTpi=", "Bearer x", "Negotiate YII", "Basic é"];
    let values = values.iter().map(|value| format!("Authorization: {value}"));
    // Most proxies take lines of 8 kB and no longer ones.
    let long = [257, 1025, 5_000].map(|length| "x".repeat(length));
    let long = long.iter().flat_map(|text| [basic(text, "p"), basic("alice", text)]);
    plains.chain(values).chain(long).collect()
}

/// A connection.
pub(crate) struct Conversation {
    stream: Box<dyn Stream>,
    /// What was read beyond the last answer.
    read: Vec<u8>,
}

trait Stream: Read + Write {}
impl Stream for TcpStream {}
impl Stream for UnixStream {}

impl Conversation {
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the server reads");
    }

    /// The next answer; one to HEAD has no body.
    pub(crate) fn response(&mut self, to_head: bool) -> Response {
        let end = loop {
            if let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            assert!(self.read_more(), "closed within a head: {:?}", self.text());
        };
        let head: Vec<u8> = self.read.drain(..end).collect();
        let mut response = Response::of_head(&String::from_utf8_lossy(&head));
        response.head_length = end;
        let length = response.header("content-length").and_then(|length| length.parse().ok());
        let length = if to_head { 0 } else { length.unwrap_or(usize::MAX) };
        while self.read.len() < length && self.read_more() {}
        let length = length.min(self.read.len());
        let body: Vec<u8> = self.read.drain(..length).collect();
        response.body = String::from_utf8_lossy(&body).into_owned();
        response
    }

    /// Whatever comes until the server closes.
    pub(crate) fn until_closed(&mut self) -> String {
        while self.read_more() {}
        self.text()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.read).into_owned()
    }

    fn read_more(&mut self) -> bool {
        let mut buffer = [0; 16 << 10];
        match self.stream.read(&mut buffer) {
            Ok(length) => {
                self.read.extend_from_slice(&buffer[..length]);
                length > 0
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("no answer: {error}; so far: {:?}", self.text()),
        }
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    pub(crate) head_length: usize,
}

impl Response {
    fn of_head(head: &str) -> Self {
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()));
        Self {
            status: status.unwrap_or_else(|| panic!("not HTTP: {head:?}")),
            headers: headers.collect(),
            body: String::new(),
            head_length: 0,
        }
    }

    /// The value of a header; there must not be two.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(other, _)| other == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} twice: {self:#?}");
        value
    }

    /// Checks status and reason in one.
    pub(crate) fn is(&self, status: u16, reason: &str) {
        let is = (self.status, self.header("x-usher-reason").unwrap_or("none"));
        assert_eq!(is, (status, reason), "{self:#?}");
    }

    /// The lines of the echo page that have the name of one of these headers in any spelling that
    /// some application takes for it, sorted.
    pub(crate) fn reached(&self, names: &[&str]) -> Vec<&str> {
        assert!(self.body.starts_with("usher-http echo\n"), "not the echo page: {self:#?}");
        let folded = |name: &str| name.replace(|c: char| !c.is_alphanumeric(), "-").to_lowercase();
        let names: Vec<String> = names.iter().map(|name| folded(name)).collect();
        let lines = self.body.lines().skip(2);
        let mut lines: Vec<&str> = lines
            .filter(|line| {
                let name = line.split(':').next().unwrap_or_default();
                names.contains(&folded(name))
            })
            .collect();
        lines.sort_unstable();
        lines
    }
}
