//! A daemon for the tests: it takes one question and gives the answer it was made with.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tempfile::TempDir;
use usher_protocol::{Answer, Call, Reply, Request, frame};

use crate::arguments::{Format, Global};

pub(crate) struct Daemon {
    folder: TempDir,
    asked: JoinHandle<Call>,
}

impl Daemon {
    pub(crate) fn answering(reply: Reply) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = UnixListener::bind(folder.path().join("socket")).expect("a socket");
        let asked = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut header = [0; frame::HEADER];
            stream.read_exact(&mut header).expect("a header");
            let mut body = vec![0; frame::length(header).expect("a length")];
            stream.read_exact(&mut body).expect("a body");
            let request: Request = frame::decode(&body).expect("a request");
            let answer = frame::encode(&Answer { id: request.id, reply }).expect("encodes");
            stream.write_all(&answer).expect("answered");
            request.call
        });
        Self { folder, asked }
    }

    pub(crate) fn global(&self) -> Global {
        global(self.folder.path().join("socket"))
    }

    pub(crate) fn asked(self) -> Call {
        self.asked.join().expect("asked")
    }
}

/// The way to a socket that is not there.
pub(crate) fn nobody() -> Global {
    global("/nonexistent/usher.sock".into())
}

fn global(socket: std::path::PathBuf) -> Global {
    let timeout = Duration::from_secs(10);
    Global { socket: socket.clone(), admin_socket: socket, format: Format::Text, timeout }
}
