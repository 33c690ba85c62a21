//! The doors: sockets, limits, and who stands at the other end.

mod passed;
mod sockets;

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use tokio::net::unix::SocketAddr;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use usher_protocol::{Answer, Reason, Refusal, Reply, Verdict, frame};

use crate::control::Control;
use crate::saslauthd;
use crate::session::{self, Peer, Seat};

pub use sockets::Sockets;

/// The connections there are.
type Seats = Arc<Mutex<HashMap<u64, Arc<Seat>>>>;

/// Where a connection came in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Entrance {
    Public,
    Admin,
    Saslauthd,
}

/// Accepts connections on all sockets until `stop`, and returns when the last one has ended.
pub async fn run(sockets: Sockets, control: Arc<Control>, stop: CancellationToken) {
    let door = Door {
        seats: Seats::default(),
        questions: Arc::new(Semaphore::new(most_questions(&control))),
        control,
        stop,
        sessions: TaskTracker::new(),
    };
    let mut next = 0;
    loop {
        let (accepted, entrance) = tokio::select! {
            () = door.stop.cancelled() => break,
            accepted = sockets.public.accept() => (accepted, Entrance::Public),
            accepted = sockets.admin.accept() => (accepted, Entrance::Admin),
            accepted = accept(sockets.saslauthd.as_ref()) => (accepted, Entrance::Saslauthd),
        };
        match accepted {
            Ok((stream, _)) => {
                next += 1;
                door.admit(next, stream, entrance);
            }
            Err(error) => door.pause(&error).await,
        }
    }
    // Nobody new from here on; who is being served is served to the end.
    drop(sockets);
    door.sessions.close();
    door.sessions.wait().await;
}

fn most_questions(control: &Control) -> usize {
    control.rules().saslauthd.clone().unwrap_or_default().max_connections
}

/// A socket that is not there has no connections.
async fn accept(listener: Option<&Listener>) -> io::Result<(UnixStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

struct Door {
    seats: Seats,
    /// For the connections of saslauthd's clients.
    questions: Arc<Semaphore>,
    control: Arc<Control>,
    stop: CancellationToken,
    sessions: TaskTracker,
}

impl Door {
    fn admit(&self, id: u64, stream: UnixStream, entrance: Entrance) {
        let Ok(credentials) = getsockopt(&stream, PeerCredentials) else {
            return;
        };
        let admin = entrance == Entrance::Admin;
        let peer = Peer { uid: credentials.uid(), gid: credentials.gid(), admin };
        if entrance == Entrance::Saslauthd {
            return self.admit_question(stream, peer);
        }
        let seat = Arc::new(Seat::new(Instant::now(), &self.stop));
        // Commands are the administrator's way in when everything else is full.
        if !admin && !self.make_room() {
            return turn_away(&stream);
        }
        let leaving = (!admin).then(|| self.take_seat(id, &seat));
        let control = Arc::clone(&self.control);
        self.sessions.spawn(async move {
            session::serve(stream, peer, seat, control).await;
            drop(leaving);
        });
    }

    /// A client of saslauthd comes with one question and has none to be idle between.
    fn admit_question(&self, stream: UnixStream, peer: Peer) {
        let Ok(place) = Arc::clone(&self.questions).try_acquire_owned() else {
            self.control.counters.connections_shed.one();
            if self.control.complaints.due(Instant::now()) {
                tracing::warn!(
                    "max_connections of [saslauthd] is reached; clients are turned away"
                );
            }
            return saslauthd::turn_away(&stream);
        };
        let (control, stop) = (Arc::clone(&self.control), self.stop.clone());
        self.sessions.spawn(async move {
            saslauthd::serve(stream, peer, control, stop).await;
            drop(place);
        });
    }

    /// Where every seat is taken, the connection that has been idle longest makes room: its
    /// client will come back when it has a question. False if all are at work.
    fn make_room(&self) -> bool {
        let most = self.control.rules().listen.max_connections;
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        if seats.len() < most {
            return true;
        }
        self.control.counters.connections_shed.one();
        if self.control.complaints.due(Instant::now()) {
            tracing::warn!(
                name: "connections_full",
                "max_connections = {most} is reached; idle connections are closed"
            );
        }
        let idle = |(id, seat): (&u64, &Arc<Seat>)| seat.idle_since().map(|since| (since, *id));
        let Some((_, oldest)) = seats.iter().filter_map(idle).min() else {
            return false;
        };
        if let Some(seat) = seats.remove(&oldest) {
            seat.give_up();
        }
        true
    }

    fn take_seat(&self, id: u64, seat: &Arc<Seat>) -> Leaving {
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        seats.insert(id, Arc::clone(seat));
        self.control.counters.connections_opened.one();
        self.control.connections(seats.len());
        Leaving { id, seats: Arc::clone(&self.seats), control: Arc::clone(&self.control) }
    }

    /// Most errors of accept(2) are of the one connection. Where file descriptors or memory are
    /// short, waiting lets some be given back.
    async fn pause(&self, error: &io::Error) {
        const PAUSE: Duration = Duration::from_millis(50);
        if error.kind() == io::ErrorKind::ConnectionAborted {
            return;
        }
        if self.control.complaints.due(Instant::now()) {
            tracing::error!(
                "cannot accept a connection: {error}; is the limit of open files (LimitNOFILE in \
                 the unit) below max_connections?"
            );
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Gives the seat back when the session ends, however it does.
struct Leaving {
    id: u64,
    seats: Seats,
    control: Arc<Control>,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        let mut seats = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        seats.remove(&self.id);
        self.control.connections(seats.len());
    }
}

/// Says why before closing, as far as the socket takes it without waiting.
fn turn_away(stream: &UnixStream) {
    let text = "every connection is at work (max_connections)";
    let verdict = Verdict::Unavailable(Refusal::new(Reason::Overloaded, text));
    if let Ok(frame) = frame::encode(&Answer { id: 0, reply: Reply::Verdict(verdict) }) {
        let _ = stream.try_write(&frame);
    }
}

/// The listeners' own type, for `Sockets`.
type Listener = UnixListener;
