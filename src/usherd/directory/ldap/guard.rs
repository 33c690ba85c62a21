//! Between a server and ldap3, which takes what it is given at its word: nested messages overflow
//! its stack, malformed ones make it panic, and it buffers whatever length it is told. So the
//! daemon owns the connection and ldap3 has one end of a socket pair, through which comes what is
//! a message, well-formed, and an answer to what was asked; anything else ends the connection.
//!
//! ldap3 searches and does nothing else. A bind is a question to the guard itself, one at a time,
//! with an id of its own: a second answer to it is not taken for that to the next.
//!
//! A connection holds at most one message of [`MAX_MESSAGE`] (twice that while its buffer grows),
//! the result in the answer to a bind, and what the kernel buffers; a search lets at most
//! [`MAX_SEARCH`] and [`MAX_ELEMENTS`] through, and all that are under way on a connection
//! [`MAX_HELD`] of these.

mod ber;
mod dialogue;
mod message;
mod request;

use std::io;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use ldap3::LdapResult;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use self::ber::{Header, tag};
use self::dialogue::{Dialogue, Verdict};
use self::message::Kind;
use crate::directory::net::plain;

pub(super) use self::request::{FIRST_ID, Request};

/// Longest message; the entry of a user with thousands of groups has a tenth of it.
const MAX_MESSAGE: usize = 1 << 20;
/// Most bytes that the messages of one search may have.
const MAX_SEARCH: usize = 4 << 20;
/// Most messages of one search.
const MAX_ANSWERS: usize = 10_000;
/// Most values and attributes in the messages of one search, and most URLs and controls in any
/// message: each costs the reader more memory than it costs the sender.
const MAX_ELEMENTS: usize = 32_768;
/// How many times as much all searches may hold that are under way on one connection.
const MAX_HELD: usize = 4;
/// Most requests without an answer.
const MAX_ASKED: usize = 1_024;

/// How much is read at once, and kept for the next message.
const CHUNK: usize = 16 << 10;

const GIVEN_UP: &str = "the connection was given up";

/// Why nothing more is let through.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Violation {
    /// It is no message, or no answer to what was asked.
    Wrong(&'static str),
    /// It is more than anybody should have to take; and the request it answers, if that is known.
    TooMuch(String, Option<u32>),
    /// It is the server's notice that it closes (RFC 4511 4.4.1), with its reason.
    Notice(String),
}

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) why: String,
    /// The request whose answer was too large to be taken.
    pub(super) too_much_for: Option<u32>,
}

/// The task at the connection.
pub(super) struct Guard {
    task: JoinHandle<()>,
    questions: mpsc::Sender<Question>,
    /// Questions so far.
    asked: u32,
    ending: Arc<OnceLock<Ending>>,
}

/// What the daemon asks itself.
struct Question {
    id: u32,
    /// It may hold a password.
    request: Zeroizing<Vec<u8>>,
    answer: Kind,
    /// Whom the answer is to be told.
    tell: oneshot::Sender<LdapResult>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Guard {
    /// Stands guard at this connection; what comes back is ldap3's end.
    pub(super) fn post<S>(server: S) -> io::Result<(Self, StdUnixStream)>
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (ours, theirs) = UnixStream::pair()?;
        let ending = Arc::new(OnceLock::new());
        let (questions, asked) = mpsc::channel(1);
        let task = tokio::spawn(run(server, ours, asked, Arc::clone(&ending)));
        Ok((Self { task, questions, asked: 0, ending }, theirs.into_std()?))
    }

    /// What the server answers to this; none where the connection ends first. There must be no
    /// other question, and no search (RFC 4511 4.2.1).
    pub(super) async fn ask(&mut self, request: Request<'_>) -> Option<LdapResult> {
        let (tell, told) = oneshot::channel();
        let id = FIRST_ID | (self.asked % FIRST_ID);
        self.asked = self.asked.wrapping_add(1);
        let (answer, request) = (request.answer(), request.bytes(id));
        self.questions.send(Question { id, request, answer, tell }).await.ok()?;
        told.await.ok()
    }

    /// Why the connection ended, once it has.
    pub(super) fn ending(&self) -> Option<&Ending> {
        self.ending.get()
    }

    /// Ends the connection.
    pub(super) fn dismiss(&self) {
        // Unless it has ended for another reason before.
        let _ = self.ending.set(Ending::because(GIVEN_UP));
        self.task.abort();
    }
}

async fn run<S>(
    server: S,
    client: UnixStream,
    mut questions: mpsc::Receiver<Question>,
    reason: Arc<OnceLock<Ending>>,
) where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let (mut from_client, mut to_client) = client.into_split();
    let dialogue = Mutex::new(Dialogue::default());
    let ending = tokio::select! {
        ending = inward(&mut from_server, &mut to_client, &dialogue) => ending,
        ending = outward(&mut from_client, &mut questions, &mut to_server, &dialogue) => ending,
    };
    tracing::debug!("an LDAP connection ended: {}", ending.why);
    // The socket pair is closed after this: whoever notices that looks here.
    let _ = reason.set(ending);
}

/// From the server to whom it is for: what passes.
async fn inward(
    server: &mut (impl AsyncRead + Unpin),
    client: &mut (impl AsyncWrite + Unpin),
    dialogue: &Mutex<Dialogue>,
) -> Ending {
    let mut buffer = Vec::new();
    let mut silent = true;
    loop {
        let (passed, violation) = check(&mut buffer, dialogue);
        // What was right before something went wrong is still an answer.
        if client.write_all(buffer.get(..passed).unwrap_or_default()).await.is_err() {
            return Ending::because(GIVEN_UP);
        }
        buffer.drain(..passed);
        if let Some(violation) = violation {
            return violation.into();
        }
        if buffer.is_empty() {
            buffer.shrink_to(CHUNK);
        }
        buffer.reserve(CHUNK);
        match server.read_buf(&mut buffer).await {
            Ok(length) if length > 0 => silent = false,
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
                return Ending::because(plain(&error));
            }
            // Some servers say in no other way that they want a certificate.
            _ if silent => {
                let why = "the server closed the connection without a word; its log may say why";
                return Ending::because(why);
            }
            _ => return Ending::because("the server closed the connection"),
        }
    }
}

/// How many bytes of whole messages may pass to ldap3, and why nothing after them may. What is not
/// for ldap3 is taken out.
fn check(buffer: &mut Vec<u8>, dialogue: &Mutex<Dialogue>) -> (usize, Option<Violation>) {
    let mut dialogue = lock(dialogue);
    let mut passed = 0;
    loop {
        let rest = buffer.get(passed..).unwrap_or_default();
        let judge = |(content, length)| Ok((dialogue.heard(content)?, length));
        match frame(rest).and_then(|framed| framed.map(judge).transpose()) {
            Ok(Some((Verdict::Pass, length))) => passed += length,
            Ok(Some((Verdict::Aside, length))) => drop(buffer.drain(passed..passed + length)),
            Ok(None) => return (passed, None),
            Err(violation) => return (passed, Some(violation)),
        }
    }
}

/// To the server: what ldap3 and the daemon itself ask. It is noted before it is sent, so that no
/// answer comes sooner.
async fn outward(
    client: &mut (impl AsyncRead + Unpin),
    questions: &mut mpsc::Receiver<Question>,
    server: &mut (impl AsyncWrite + Unpin),
    dialogue: &Mutex<Dialogue>,
) -> Ending {
    let mut buffer = Vec::with_capacity(CHUNK);
    loop {
        let sent = tokio::select! {
            read = client.read_buf(&mut buffer) => {
                if matches!(read, Ok(0) | Err(_)) {
                    return Ending::because(GIVEN_UP);
                }
                let noted = match note(&buffer, dialogue) {
                    Ok(noted) => noted,
                    Err(violation) => return violation.into(),
                };
                let sent = send(server, buffer.get(..noted).unwrap_or_default()).await;
                buffer.drain(..noted);
                buffer.reserve(CHUNK);
                sent
            }
            Some(Question { id, request, answer, tell }) = questions.recv() => {
                lock(dialogue).ask(id, answer, tell);
                send(server, &request).await
            }
        };
        if sent.is_err() {
            // The server has closed; what it said before that is yet to be read.
            return std::future::pending().await;
        }
    }
}

async fn send(server: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    server.write_all(bytes).await?;
    server.flush().await
}

/// Notes the whole requests of ldap3's that there are: how many bytes that is.
fn note(buffer: &[u8], dialogue: &Mutex<Dialogue>) -> Result<usize, Violation> {
    let mut dialogue = lock(dialogue);
    let mut noted = 0;
    while let Some((content, length)) = frame(buffer.get(noted..).unwrap_or_default())? {
        dialogue.asked(content)?;
        noted += length;
    }
    Ok(noted)
}

fn lock(dialogue: &Mutex<Dialogue>) -> MutexGuard<'_, Dialogue> {
    dialogue.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The content of the message at the front of these bytes, and its length in all; none where it
/// has not come whole.
fn frame(bytes: &[u8]) -> Result<Option<(&[u8], usize)>, Violation> {
    let Some(header) = Header::read(bytes)? else { return Ok(None) };
    if header.tag != tag::SEQUENCE {
        return Err(Violation::Wrong("something that is no message"));
    }
    let (_, content) = bytes.split_at_checked(header.length).unwrap_or_default();
    if header.content > MAX_MESSAGE {
        let what = format!("a message of {} bytes, more than {MAX_MESSAGE}", header.content);
        // Whom it answers is told by the id, which has up to six bytes.
        return match message::id(content) {
            None if content.len() < 6 => Ok(None),
            id => Err(Violation::TooMuch(what, id)),
        };
    }
    Ok(content.get(..header.content).map(|content| (content, header.length + header.content)))
}

/// The result in the answer to the extended request with this id, where there is no guard yet; none
/// where it has not come whole.
pub(super) fn extended_result(bytes: &[u8], id: u32) -> Result<Option<LdapResult>, Ending> {
    let Some((content, _)) = frame(bytes)? else { return Ok(None) };
    Ok(Some(dialogue::extended_result(content, id)?))
}

impl Ending {
    fn because(why: impl Into<String>) -> Self {
        Self { why: why.into(), too_much_for: None }
    }
}

impl From<Violation> for Ending {
    fn from(violation: Violation) -> Self {
        let (what, too_much_for) = match violation {
            Violation::Notice(why) => {
                return Self::because(format!("the server ends the connection: {why}"));
            }
            Violation::Wrong(what) => (what.to_owned(), None),
            Violation::TooMuch(what, id) => (what, id),
        };
        Self { why: format!("the server was cut off: it sent {what}"), too_much_for }
    }
}

#[cfg(test)]
mod tests;
