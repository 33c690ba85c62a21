//! A directory server that does to a search what no server should, as the user's name says.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// It answers until the test ends.
#[derive(Debug)]
pub(crate) struct Hostile {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    accepted: AtomicUsize,
    /// Binds of users.
    binds: AtomicUsize,
    /// Whether binds with `held-secret` are answered now.
    released: Mutex<bool>,
    release: Condvar,
}

impl Hostile {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let shared = Arc::<Shared>::default();
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serving.accepted.fetch_add(1, Ordering::AcqRel);
                // A connection that the daemon cuts is what is asked for.
                let shared = Arc::clone(&serving);
                thread::spawn(move || converse(stream, &shared));
            }
        });
        Self { address, shared }
    }

    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Connections so far.
    pub(crate) fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::Acquire)
    }

    /// How often a user's password was tried so far.
    pub(crate) fn binds(&self) -> usize {
        self.shared.binds.load(Ordering::Acquire)
    }

    /// Answers the binds with `held-secret`.
    pub(crate) fn release(&self) {
        *self.shared.released.lock().expect("not poisoned") = true;
        self.shared.release.notify_all();
    }
}

fn converse(mut stream: TcpStream, shared: &Shared) -> Option<()> {
    loop {
        let request = request(&mut stream)?;
        let (id, rest) = request.split_at_checked(2 + usize::from(*request.get(1)?))?;
        let op = *rest.first()?;
        let says = |name: &str| request.windows(name.len()).any(|part| part == name.as_bytes());
        if op == 0x60 && says("uid=alice") {
            shared.binds.fetch_add(1, Ordering::AcqRel);
        }
        match op {
            0x60 if says("held-secret") => {
                let released = shared.released.lock().expect("not poisoned");
                drop(shared.release.wait_while(released, |released| !*released));
                stream.write_all(&message(id, 0x61, &RESULT)).ok()?;
            }
            // When nobody waits for it any more.
            0x60 if says("late-secret") => {
                let _ = stream.read(&mut [0]);
                stream.write_all(&message(id, 0x61, &REFUSED)).ok()?;
            }
            0x60 => stream.write_all(&message(id, 0x61, &RESULT)).ok()?,
            0x63 if says("huge") => huge(&mut stream, id)?,
            0x63 if says("endless") => loop {
                stream.write_all(&reference(id)).ok()?;
            },
            0x63 if says("unending") => loop {
                stream.write_all(&entry(id, &element(0x04, b"alice"))).ok()?;
            },
            0x63 if says("many") => {
                stream.write_all(&entry(id, &[0x04, 0x00].repeat(40_000))).ok()?;
            }
            0x63 if says("hollow") => {
                let hollow = entry(id, &[0x04, 0x00].repeat(30_000));
                (0..60).try_for_each(|_| stream.write_all(&hollow).ok())?;
                stream.write_all(&message(id, 0x65, &RESULT)).ok()?;
            }
            0x63 if says("deep") => stream.write_all(&deep()).ok()?,
            0x63 => {
                stream.write_all(&entry(id, &element(0x04, b"alice"))).ok()?;
                stream.write_all(&message(id, 0x65, &RESULT)).ok()?;
            }
            _ => {}
        }
    }
}

/// Success, with nothing more.
const RESULT: [u8; 7] = [0x0a, 1, 0, 4, 0, 4, 0];

/// invalidCredentials.
const REFUSED: [u8; 7] = [0x0a, 1, 49, 4, 0, 4, 0];

/// An entry with an attribute of 100 MB.
fn huge(stream: &mut TcpStream, id: &[u8]) -> Option<()> {
    const MEGABYTE: usize = 1 << 20;
    let head = [&[0x30, 0x84, 0x06, 0x40, 0, 0][..], id, &[0x64, 0x84, 0x06, 0x3f, 0xff, 0xf7]];
    stream.write_all(&head.concat()).ok()?;
    (0..100).try_for_each(|_| stream.write_all(&[0; MEGABYTE]).ok())
}

fn reference(id: &[u8]) -> Vec<u8> {
    message(id, 0x73, &element(0x04, b"ldap://elsewhere/dc=example,dc=com"))
}

/// An entry whose `uid` has these values.
fn entry(id: &[u8], values: &[u8]) -> Vec<u8> {
    let attribute = [element(0x04, b"uid"), element(0x31, values)].concat();
    let attributes = element(0x30, &element(0x30, &attribute));
    message(id, 0x64, &[element(0x04, b"uid=alice,dc=example,dc=com"), attributes].concat())
}

/// Sequences in sequences.
fn deep() -> Vec<u8> {
    (0..10_000).fold(Vec::new(), |content, _| element(0x30, &content))
}

fn message(id: &[u8], op: u8, content: &[u8]) -> Vec<u8> {
    element(0x30, &[id, &element(op, content)].concat())
}

/// An element of BER with its length in four bytes.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).expect("a length").to_be_bytes();
    [&[tag, 0x84], &length[..], content].concat()
}

/// The content of the next message; its requests are short.
fn request(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut head = [0; 2];
    stream.read_exact(&mut head).ok()?;
    let mut length = usize::from(head[1]);
    if head[1] == 0x81 {
        let mut digit = [0; 1];
        stream.read_exact(&mut digit).ok()?;
        length = usize::from(digit[0]);
    }
    let mut content = vec![0; length];
    stream.read_exact(&mut content).ok()?;
    Some(content)
}
