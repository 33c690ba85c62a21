//! A daemon for the unit tests: it answers what it is told to.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use tempfile::TempDir;
use usher_protocol::{
    Answer, Call, Identity, Profile, Query, Reason, Refusal, Reply, Request, Source, Verdict, frame,
};

/// A listening socket. Its threads end with their connections.
pub(crate) struct Fake {
    socket: PathBuf,
    seen: Arc<Mutex<(usize, Vec<Call>)>>,
    _folder: TempDir,
}

impl Fake {
    pub(crate) fn start(answer: impl Fn(&Call) -> Verdict + Send + Sync + 'static) -> Self {
        let folder = TempDir::new().unwrap();
        let socket = folder.path().join("usher.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let seen = Arc::new(Mutex::new((0, Vec::new())));
        let (answer, shared) = (Arc::new(answer), Arc::clone(&seen));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                shared.lock().unwrap().0 += 1;
                let (answer, shared) = (Arc::clone(&answer), Arc::clone(&shared));
                thread::spawn(move || while serve(&stream, &*answer, &shared).is_some() {});
            }
        });
        Self { socket, seen, _folder: folder }
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.lock().unwrap().0
    }

    /// What was asked so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.seen.lock().unwrap().1.clone()
    }
}

fn serve(
    mut stream: &UnixStream,
    answer: &dyn Fn(&Call) -> Verdict,
    seen: &Mutex<(usize, Vec<Call>)>,
) -> Option<()> {
    let mut header = [0; frame::HEADER];
    stream.read_exact(&mut header).ok()?;
    let mut body = vec![0; frame::length(header).unwrap()];
    stream.read_exact(&mut body).ok()?;
    let request: Request = frame::decode(&body).unwrap();
    let reply = Reply::Verdict(answer(&request.call));
    seen.lock().unwrap().1.push(request.call);
    stream.write_all(&frame::encode(&Answer { id: request.id, reply }).unwrap()).ok()
}

/// An identity in the groups `dev` and `ops`.
pub(crate) fn identity(user: &str) -> Identity {
    Identity {
        profile: Profile::new(user, "corp", &[("X_REMOTE_USER", user)], &["dev", "Domain Admins"]),
        source: Source::Directory,
        age_s: 0,
        warning: None,
    }
}

pub(crate) fn found(user: &str) -> Verdict {
    Verdict::Found(identity(user))
}

pub(crate) fn refusal(reason: Reason) -> Refusal {
    Refusal::new(reason, reason.as_str())
}

pub(crate) fn lookup(user: &str) -> Call {
    Call::Lookup(Query { user: user.to_owned(), ..Query::default() })
}
