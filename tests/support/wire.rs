//! The daemon's socket without a client's manners: any bytes, in any order.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use usher_protocol::{Answer, Call, Password, Query, Refusal, Reply, Request, Verdict, frame};

use super::PATIENCE;

/// One connection.
#[derive(Debug)]
pub(crate) struct Wire(UnixStream);

impl Wire {
    pub(crate) fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket)
            .unwrap_or_else(|error| panic!("cannot connect to {}: {error}", socket.display()));
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        stream.set_write_timeout(Some(PATIENCE)).expect("a time-out");
        Self(stream)
    }

    pub(crate) fn stream(&self) -> &UnixStream {
        &self.0
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("the daemon reads");
    }

    pub(crate) fn send(&mut self, id: u64, call: Call) {
        self.send_request(&Request { id, timeout_ms: None, call });
    }

    pub(crate) fn send_request(&mut self, request: &Request) {
        self.send_bytes(&frame::encode(request).expect("a request"));
    }

    pub(crate) fn answer(&mut self) -> Answer {
        let mut header = [0; frame::HEADER];
        self.0.read_exact(&mut header).expect("an answer's header");
        let mut body = vec![0; frame::length(header).expect("an answer's length")];
        self.0.read_exact(&mut body).expect("an answer's body");
        frame::decode(&body).expect("an answer")
    }

    /// Asks one thing and takes the answer to it.
    pub(crate) fn ask(&mut self, call: Call) -> Reply {
        self.send(1, call);
        let answer = self.answer();
        assert_eq!(answer.id, 1, "{answer:?}");
        answer.reply
    }

    /// The complaint about what cannot be read, after which the daemon closes.
    pub(crate) fn complaint(&mut self) -> Refusal {
        let answer = self.answer();
        assert_eq!(answer.id, 0, "{answer:?}");
        match answer.reply {
            Reply::Verdict(Verdict::Invalid(refusal)) => refusal,
            other => panic!("not a complaint: {other:?}"),
        }
    }

    /// Waits for the daemon to close, and gives the bytes that it sent before.
    pub(crate) fn until_closed(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.0.read_to_end(&mut bytes) {
            Ok(_) => bytes,
            // It closed with unread bytes of ours in its buffer.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => bytes,
            Err(error) => panic!("the daemon does not close the connection: {error}"),
        }
    }
}

pub(crate) fn query(user: &str) -> Query {
    Query { user: user.to_owned(), ..Query::default() }
}

pub(crate) fn lookup(user: &str) -> Call {
    Call::Lookup(query(user))
}

pub(crate) fn authenticate(user: &str, password: &str) -> Call {
    Call::Authenticate(query(user), Password::from(password))
}

/// The verdict in a reply.
pub(crate) fn verdict(reply: Reply) -> Verdict {
    match reply {
        Reply::Verdict(verdict) => verdict,
        other => panic!("not a verdict: {other:?}"),
    }
}
