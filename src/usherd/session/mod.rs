//! One connection: frames in, answers out, each by its deadline.

mod reader;
mod seat;
mod writer;

use std::mem;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::poll;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc::{self, Sender};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::ReusableBoxFuture;
use usher_protocol::{Answer, Call, Password, Query, Reason, Refusal, Reply, Request, Verdict};

use crate::config::Peers;
use crate::control::{Control, Rules};
use crate::telemetry::{Decision, Notes};
use reader::{Reader, Trouble};
use seat::Work;
use writer::{Outgoing, write_answers};

pub use seat::Seat;

/// Who is at the other end (SO_PEERCRED), and through which door.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Came through the admin socket.
    pub admin: bool,
}

/// Serves a connection until it ends or is given up. Requests that were read are answered in any
/// case.
pub async fn serve(stream: UnixStream, peer: Peer, seat: Arc<Seat>, control: Arc<Control>) {
    let listen = control.rules().listen.clone();
    let (read, write) = stream.into_split();
    let (outbox, outgoing) = mpsc::channel(listen.max_in_flight);
    let write = Arc::new(write);
    let (stream, unread) = (Arc::clone(&write), Arc::clone(&seat));
    let writer = tokio::spawn(async move {
        write_answers(stream, outgoing, listen.request_timeout).await;
        unread.give_up();
    });
    let session = Session {
        client: Arc::new(Client { peer, control }),
        seat,
        stream: write,
        outbox,
        turns: Arc::new(Semaphore::new(listen.max_in_flight)),
        most_turns: listen.max_in_flight,
        waiting: Arc::new(Semaphore::new(1)),
        patience: listen.request_timeout,
    };
    session.read_requests(&mut Reader::new(read)).await;
    // The writer ends when the last request under way has handed its answer over.
    drop(session);
    let _ = writer.await;
}

struct Session {
    client: Arc<Client>,
    seat: Arc<Seat>,
    stream: Arc<OwnedWriteHalf>,
    outbox: Sender<Outgoing>,
    /// One for each request in work, until its answer is written.
    turns: Arc<Semaphore>,
    most_turns: usize,
    /// The one place for what was answered at once and could not be written at once.
    waiting: Arc<Semaphore>,
    /// For the rest of a frame, and for an answer to be taken.
    patience: Duration,
}

/// What is at hand while requests are read.
struct Desk {
    /// Answers that are ready, to be sent together; its memory is used again.
    ready: Outgoing,
    /// The road of the request that was read last, in memory that the next one uses again.
    road: ReusableBoxFuture<'static, Answer>,
}

impl Desk {
    fn new() -> Self {
        Self { ready: Outgoing::default(), road: ReusableBoxFuture::new(std::future::pending()) }
    }
}

impl Session {
    /// What has arrived is answered, whatever else happens meanwhile.
    async fn read_requests(&self, reader: &mut Reader<OwnedReadHalf>) {
        let mut desk = Desk::new();
        let trouble = self.read_on(reader, &mut desk).await;
        self.flush(&mut desk.ready).await;
        if let Some(text) = trouble {
            self.complain(text).await;
        }
    }

    /// Reads and answers until no more comes, or something that cannot be read.
    async fn read_on(&self, reader: &mut Reader<OwnedReadHalf>, desk: &mut Desk) -> Option<String> {
        let mut end = pin!(self.seat.given_up());
        let mut ending = false;
        // What has been read is answered, unless nobody reads answers any more.
        while (!ending || reader.has_request()) && !self.outbox.is_closed() {
            if !reader.has_request() || desk.ready.is_full() {
                self.flush(&mut desk.ready).await;
            }
            self.wait_for_turn(&mut desk.ready).await;
            // Who has to wait sees the end meanwhile, and hardly anybody never has to.
            let busy = reader.has_more();
            let more = tokio::select! {
                biased;
                more = reader.wait() => more,
                () = &mut end => false,
            };
            if !more {
                return None;
            }
            ending = busy && self.seat.is_given_up();
            let begun = Instant::now();
            self.seat.asks(begun);
            // Hardly any frame comes in pieces, so hardly any needs a timer.
            let (request, received) = if reader.has_request() {
                (reader.request().await, begun)
            } else {
                let _work = Work::begin(&self.seat);
                let patience = self.patience;
                let Ok(request) = timeout(patience, reader.request()).await else {
                    return Some(format!("the rest of a frame did not come in {patience:?}"));
                };
                (request, Instant::now())
            };
            match request {
                Ok(request) => self.answer(request, received, desk),
                Err(Trouble::Gone) => return None,
                Err(Trouble::Frame(error)) => return Some(error.to_string()),
            }
        }
        None
    }

    /// Waits until one more request may be in work. Nobody else takes turns.
    async fn wait_for_turn(&self, ready: &mut Outgoing) {
        if self.turns.available_permits() == 0 {
            self.flush(ready).await;
            drop(self.permit(&self.turns).await);
        }
    }

    /// None if the writer has ended: what it held may never be given back.
    async fn permit(&self, of: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        tokio::select! {
            permit = Arc::clone(of).acquire_owned() => permit.ok(),
            () = self.outbox.closed() => None,
        }
    }

    /// Sends the answers that are ready. Where nothing else is on its way, they are written here:
    /// waking the writer would cost more than finding the answer did.
    async fn flush(&self, ready: &mut Outgoing) {
        if ready.is_empty() {
            return;
        }
        let alone = self.turns.available_permits() == self.most_turns
            && self.waiting.available_permits() > 0;
        // Looked at after that: a writer that gives up says so before it gives anything back.
        if self.outbox.is_closed() {
            // Nobody waits for answers any more, and half of one may have been written.
            *ready = Outgoing::default();
        } else if !alone || !ready.try_write(&self.stream) {
            ready.hold(self.permit(&self.waiting).await);
            let _ = self.outbox.send(mem::take(ready)).await;
        }
    }

    /// Answers at once if nothing need be waited for, else in a task of its own, so that requests
    /// overtake each other.
    fn answer(&self, request: Request, received: Instant, desk: &mut Desk) {
        desk.road.set(Arc::clone(&self.client).answer(request, received));
        let mut nobody = Context::from_waker(Waker::noop());
        if let Poll::Ready(answer) = desk.road.poll(&mut nobody) {
            desk.ready.add(&answer);
            return;
        }
        let road = mem::replace(&mut desk.road, Desk::new().road);
        let (outbox, work) = (self.outbox.clone(), Work::begin(&self.seat));
        let turn = Arc::clone(&self.turns).try_acquire_owned().ok();
        tokio::spawn(async move {
            send(&outbox, &road.await, turn).await;
            drop(work);
        });
    }

    /// Says what could not be read. The connection is closed then: where the next frame would
    /// begin is unknown.
    async fn complain(&self, text: String) {
        self.client.control.counters.malformed_frames.one();
        if self.client.control.complaints.due(Instant::now()) {
            tracing::warn!(
                uid = self.client.peer.uid,
                "closed a connection of a client that does not speak as usher-protocol(7) says: \
                 {text}"
            );
        }
        let verdict = Verdict::Invalid(Refusal::new(Reason::BadRequest, text));
        send(&self.outbox, &Answer { id: 0, reply: Reply::Verdict(verdict) }, None).await;
    }
}

/// Who asks, and whom. Shared by the requests of a connection, so that those of different ones
/// count nothing together.
struct Client {
    peer: Peer,
    control: Arc<Control>,
}

impl Client {
    /// The road begins: may this peer ask this, and by when must it be answered?
    async fn answer(self: Arc<Self>, request: Request, received: Instant) -> Answer {
        let Self { peer, control } = &*self;
        let rules = control.rules();
        let limit = rules.listen.request_timeout;
        let wish = request.timeout_ms.map(|ms| Duration::from_millis(ms.into()));
        let deadline = received + wish.map_or(limit, |wish| wish.min(limit));
        let case = Case { control, peer: *peer, id: request.id, received, deadline };
        let reply = match request.call {
            Call::Authenticate(query, password) => {
                Reply::Verdict(case.authenticate(&rules, &query, &password).await)
            }
            Call::Lookup(query) => Reply::Verdict(case.lookup(&rules, &query).await),
            Call::Metrics { skip } => match refusal(*peer, rules.access.metrics.as_ref()) {
                Some(refusal) if !peer.admin => Reply::Verdict(Verdict::Forbidden(refusal)),
                _ => control.metrics(skip, received),
            },
            Call::Status if peer.admin => Reply::Status(Box::new(control.status(received))),
            Call::Reload if peer.admin => control.reload().await,
            Call::Flush { realm, user } if peer.admin => {
                control.flush(realm.as_deref(), user.as_deref())
            }
            Call::Unblock { realm, user } if peer.admin => control.unblock(realm.as_deref(), &user),
            Call::Explain(query, password) if peer.admin => {
                Box::pin(case.explain(&rules, &query, password.as_ref())).await
            }
            Call::Compare { file, seconds } if peer.admin => {
                let duration = Duration::from_secs(seconds.into());
                Box::pin(control.compare(file.into(), duration)).await
            }
            Call::Status
            | Call::Reload
            | Call::Flush { .. }
            | Call::Unblock { .. }
            | Call::Explain(..)
            | Call::Compare { .. } => {
                let text = "commands are given on the admin socket";
                let refusal = Refusal::new(Reason::PeerNotAllowed, text);
                Reply::Verdict(Verdict::Forbidden(refusal))
            }
        };
        Answer { id: request.id, reply }
    }
}

/// A question about a user: who asks, since when, and until when.
pub struct Case<'a> {
    /// Whom to ask.
    pub control: &'a Control,
    /// Who asks.
    pub peer: Peer,
    /// The request's id, which its client chose.
    pub id: u64,
    /// Since when.
    pub received: Instant,
    /// Until when.
    pub deadline: Instant,
}

impl Case<'_> {
    /// Is this the user's password?
    pub async fn authenticate(&self, rules: &Rules, query: &Query, password: &Password) -> Verdict {
        let mut notes = Notes::default();
        let verdict = {
            let road = pin!(rules.realms.authenticate(query, password, &mut notes, self.deadline));
            self.decide(rules.access.authenticate.as_ref(), road).await
        };
        self.tell(rules, "authenticate", query, &notes, &verdict);
        self.control.answered(query, Some(password), &verdict);
        verdict
    }

    /// Who is this user?
    async fn lookup(&self, rules: &Rules, query: &Query) -> Verdict {
        let mut notes = Notes::default();
        let verdict = {
            let road = pin!(rules.realms.lookup(query, &mut notes, self.deadline));
            self.decide(rules.access.lookup.as_ref(), road).await
        };
        self.tell(rules, "lookup", query, &notes, &verdict);
        self.control.answered(query, None, &verdict);
        verdict
    }

    /// Answers as to anybody, so it counts and is recorded, and tells how that came about.
    async fn explain(&self, rules: &Rules, query: &Query, password: Option<&Password>) -> Reply {
        let mut notes = Notes::default();
        let explaining = rules.realms.explain(query, password, &mut notes, self.deadline);
        let (verdict, explanation) = explaining.await;
        self.tell(rules, "explain", query, &notes, &verdict);
        Reply::Explained(verdict, Box::new(explanation))
    }

    /// Takes the road, if this peer may and there is time.
    async fn decide(&self, listed: Option<&Peers>, road: impl Future<Output = Verdict>) -> Verdict {
        if let Some(refusal) = refusal(self.peer, listed) {
            Verdict::Forbidden(refusal)
        } else if self.deadline <= self.received {
            overdue()
        } else {
            self.in_time(road).await
        }
    }

    /// Counts and records what was decided.
    fn tell(
        &self,
        rules: &Rules,
        method: &'static str,
        query: &Query,
        notes: &Notes<'_>,
        verdict: &Verdict,
    ) {
        let took = Instant::now().saturating_duration_since(self.received);
        notes.tally.unwrap_or(&self.control.counters.elsewhere).answer(verdict, took);
        let (uid, request) = (self.peer.uid, self.id);
        rules.audit.decision(&Decision { method, query, verdict, notes, uid, request, took });
    }

    /// What is known already needs no timer.
    async fn in_time(&self, road: impl Future<Output = Verdict>) -> Verdict {
        let mut road = pin!(road);
        match poll!(&mut road) {
            Poll::Ready(verdict) => verdict,
            Poll::Pending => timeout_at(self.deadline, road).await.unwrap_or_else(|_| overdue()),
        }
    }
}

fn overdue() -> Verdict {
    let text = "the request's deadline passed before there was an answer";
    Verdict::Unavailable(Refusal::new(Reason::Deadline, text))
}

/// Why this peer may not ask this, if it may not.
fn refusal(peer: Peer, listed: Option<&Peers>) -> Option<Refusal> {
    let listed = listed?;
    if listed.uids.contains(&peer.uid) || listed.gids.contains(&peer.gid) {
        return None;
    }
    let text = format!("[access] does not list the user with id {} for this", peer.uid);
    Some(Refusal::new(Reason::PeerNotAllowed, text))
}

/// Hands an answer to the writer; if that has ended, nobody waits for the answer any more.
async fn send(outbox: &Sender<Outgoing>, answer: &Answer, turn: Option<OwnedSemaphorePermit>) {
    let mut outgoing = Outgoing::default();
    outgoing.add(answer);
    outgoing.hold(turn);
    let _ = outbox.send(outgoing).await;
}
