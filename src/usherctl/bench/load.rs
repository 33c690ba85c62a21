//! The load: a thread for each connection, which always has the same number of questions under way.

use std::collections::BTreeMap;
use std::io::{self, BufReader, IsTerminal, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use usher_protocol::client::{self, ClientError};
use usher_protocol::{Answer, Call, Query, Reply, Request, frame};
use zeroize::{Zeroize, Zeroizing};

use super::people::Person;

/// What is asked, how, and for how long.
pub(super) struct Load<'a> {
    pub(super) socket: &'a Path,
    /// How long an answer is waited for.
    pub(super) timeout: Duration,
    pub(super) connections: u32,
    /// Questions under way on each connection.
    pub(super) in_flight: u32,
    pub(super) until: Until,
    pub(super) lookup: bool,
    pub(super) realm: Option<&'a str>,
    pub(super) people: &'a [Person],
}

/// When no more is asked.
#[derive(Clone, Copy)]
pub(super) enum Until {
    Past(Duration),
    Asked(u64),
}

/// What came back.
pub(super) struct Tally {
    pub(super) outcomes: BTreeMap<&'static str, u64>,
    /// Nanoseconds from a question to its answer.
    pub(super) latency: Histogram<u64>,
    pub(super) took: Duration,
}

impl Tally {
    /// Nothing yet; the histogram is an empty one, which grows as it must.
    pub(super) fn new(latency: Histogram<u64>) -> Self {
        Self { outcomes: BTreeMap::new(), latency, took: Duration::ZERO }
    }

    pub(super) fn count(&mut self, reply: &Reply, latency: Duration) {
        let outcome = match reply {
            Reply::Verdict(verdict) => verdict.outcome(),
            _ => "astray",
        };
        *self.outcomes.entry(outcome).or_default() += 1;
        // The histogram grows as it must; no time-out allows for a latency that it could not hold.
        let _ = self.latency.record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
    }

    fn add(&mut self, other: &Self) {
        for (outcome, count) in &other.outcomes {
            *self.outcomes.entry(outcome).or_default() += count;
        }
        // A growing histogram takes all that another could.
        let _ = self.latency.add(&other.latency);
    }
}

/// What the threads share.
struct Shared {
    begun: Instant,
    asked: AtomicU64,
    answered: AtomicU64,
}

impl Load<'_> {
    /// Everything that was answered, and why a connection ended early if one did.
    pub(super) fn run(&self, mut total: Tally) -> (Tally, Option<ClientError>) {
        let shared = Shared { begun: now(), asked: AtomicU64::new(0), answered: AtomicU64::new(0) };
        let (done, results) = mpsc::channel();
        let (empty, mut error) = (total.latency.clone(), None);
        thread::scope(|scope| {
            for turn in 0..self.connections {
                let (done, shared) = (done.clone(), &shared);
                let mut tally = Tally::new(empty.clone());
                scope.spawn(move || {
                    let end = self.connection(turn, shared, &mut tally);
                    // The receiver waits for all.
                    let _ = done.send((tally, end));
                });
            }
            drop(done);
            let mut progress = Progress::new();
            loop {
                match results.recv_timeout(Duration::from_secs(1)) {
                    Ok((tally, end)) => {
                        total.add(&tally);
                        error = error.take().or(end.err());
                    }
                    Err(RecvTimeoutError::Timeout) => progress.tell(&shared),
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
            progress.clear();
        });
        total.took = now() - shared.begun;
        (total, error)
    }

    fn connection(&self, turn: u32, shared: &Shared, tally: &mut Tally) -> Result<(), ClientError> {
        let stream = client::connect(self.socket, now() + self.timeout)?;
        stream.set_read_timeout(Some(self.timeout)).map_err(ClientError::Io)?;
        stream.set_write_timeout(Some(self.timeout)).map_err(ClientError::Io)?;
        let mut pipe = Pipe::new(&stream);
        // Each connection begins with somebody else.
        let mut people = self.people.iter().cycle().skip(turn as usize % self.people.len());
        let mut since = vec![None; self.in_flight as usize];
        let mut ask = |slot: usize, pipe: &mut Pipe<'_>, since: &mut [Option<Instant>]| {
            let at = now();
            if let (true, Some(person), Some(place)) =
                (self.more(shared, at), people.next(), since.get_mut(slot))
            {
                pipe.queue(&self.question(slot, person))?;
                *place = Some(at);
            }
            Ok(())
        };
        for slot in 0..since.len() {
            ask(slot, &mut pipe, &mut since)?;
        }
        while since.iter().any(Option::is_some) {
            let answer = pipe.receive()?;
            let slot = usize::try_from(answer.id).unwrap_or_default().wrapping_sub(1);
            let Some(begun) = since.get_mut(slot).and_then(Option::take) else { continue };
            tally.count(&answer.reply, now() - begun);
            shared.answered.fetch_add(1, Ordering::Relaxed);
            ask(slot, &mut pipe, &mut since)?;
        }
        Ok(())
    }

    /// Whether one more is asked.
    fn more(&self, shared: &Shared, now: Instant) -> bool {
        match self.until {
            Until::Past(duration) => now < shared.begun + duration,
            Until::Asked(requests) => shared.asked.fetch_add(1, Ordering::Relaxed) < requests,
        }
    }

    /// The place in the window is the id, so that an answer tells where it belongs.
    fn question(&self, slot: usize, person: &Person) -> Request {
        let query = Query {
            realm: self.realm.map(str::to_owned),
            user: person.user.clone(),
            ..Query::default()
        };
        let call = if self.lookup {
            Call::Lookup(query)
        } else {
            Call::Authenticate(query, person.password.clone())
        };
        let timeout_ms = u32::try_from(self.timeout.as_millis()).ok();
        Request { id: slot as u64 + 1, timeout_ms, call }
    }
}

/// A connection on which questions are sent together, when there is nothing more to read.
struct Pipe<'a> {
    stream: &'a UnixStream,
    reader: BufReader<&'a UnixStream>,
    unsent: Zeroizing<Vec<u8>>,
    body: Vec<u8>,
}

impl<'a> Pipe<'a> {
    fn new(stream: &'a UnixStream) -> Self {
        let reader = BufReader::with_capacity(frame::MAX_LENGTH, stream);
        // Room for what one connection may have under way, so that it seldom grows and leaves
        // passwords behind.
        Self {
            stream,
            reader,
            unsent: Zeroizing::new(Vec::with_capacity(1 << 16)),
            body: Vec::new(),
        }
    }

    fn queue(&mut self, request: &Request) -> Result<(), ClientError> {
        self.unsent.extend_from_slice(&frame::encode(request).map_err(ClientError::Frame)?);
        Ok(())
    }

    fn receive(&mut self) -> Result<Answer, ClientError> {
        if self.reader.buffer().is_empty() && !self.unsent.is_empty() {
            (&mut &*self.stream).write_all(&self.unsent).map_err(failed)?;
            self.unsent.zeroize();
        }
        let mut header = [0; frame::HEADER];
        self.reader.read_exact(&mut header).map_err(failed)?;
        self.body.resize(frame::length(header).map_err(ClientError::Frame)?, 0);
        self.reader.read_exact(&mut self.body).map_err(failed)?;
        frame::decode(&self.body).map_err(ClientError::Frame)
    }
}

fn failed(error: io::Error) -> ClientError {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ClientError::Deadline,
        io::ErrorKind::UnexpectedEof => ClientError::Closed,
        _ => ClientError::Io(error),
    }
}

/// What a terminal is shown meanwhile.
struct Progress {
    terminal: bool,
    before: u64,
}

impl Progress {
    fn new() -> Self {
        Self { terminal: io::stderr().is_terminal(), before: 0 }
    }

    fn tell(&mut self, shared: &Shared) {
        let answered = shared.answered.load(Ordering::Relaxed);
        let rate = answered - self.before;
        self.before = answered;
        let seconds = (now() - shared.begun).as_secs();
        self.show(&format!("{seconds} s: {rate} answers a second"));
    }

    fn clear(&self) {
        self.show("");
    }

    /// Progress that cannot be shown is no failure.
    fn show(&self, text: &str) {
        if self.terminal {
            let _ = write!(io::stderr(), "\r\x1b[K{text}");
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "what is measured is the real time")]
fn now() -> Instant {
    Instant::now()
}
