//! Constant load: clients that ask without a pause for breath and count every answer.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use usher_protocol::Verdict;
use usher_protocol::client::Client;

use super::wire::{authenticate, lookup, verdict};

/// As many as a busy web server has workers that need an answer at the same time.
const CLIENTS: usize = 32;
/// Between two requests of a client: together a few hundred a second, however fast the answers.
const PACE: Duration = Duration::from_millis(100);
/// The users `user000` to `user299` of the directory.
const USERS: usize = 300;

/// Clients at work.
pub(crate) struct Load {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    end: AtomicBool,
    answered: AtomicUsize,
    failures: Mutex<Vec<Failed>>,
    slowest: Mutex<Duration>,
}

/// A request that got no yes.
#[derive(Debug, Clone)]
pub(crate) struct Failed {
    /// When it was told.
    pub(crate) at: Instant,
    pub(crate) text: String,
}

impl Load {
    /// Asks the daemon at this socket: every user may log in and is found.
    pub(crate) fn start(socket: &Path) -> Self {
        let shared = Arc::new(Shared::default());
        let client = |number| {
            let (shared, socket) = (Arc::clone(&shared), socket.to_path_buf());
            thread::spawn(move || shared.ask(Client::new(socket), number))
        };
        Self { clients: (0..CLIENTS).map(client).collect(), shared }
    }

    /// Waits until so many more have been answered.
    pub(crate) fn answers(&self, more: usize) {
        let before = self.shared.answered.load(Ordering::Acquire);
        super::until_true("answers", || {
            self.shared.answered.load(Ordering::Acquire) >= before + more
        });
    }

    /// The slowest answer since the last call.
    pub(crate) fn slowest(&self) -> Duration {
        std::mem::take(&mut *self.shared.slowest.lock().expect("not poisoned"))
    }

    /// The failures since the last call.
    pub(crate) fn failures(&self) -> Vec<Failed> {
        std::mem::take(&mut *self.shared.failures.lock().expect("not poisoned"))
    }

    /// Ends it, with the failures since the last call.
    pub(crate) fn end(self) -> Vec<Failed> {
        self.shared.end.store(true, Ordering::Release);
        for client in self.clients {
            client.join().expect("a client");
        }
        let failures = self.shared.failures.lock().expect("not poisoned");
        failures.clone()
    }
}

impl Shared {
    fn ask(&self, mut client: Client, number: usize) {
        let mut turn = number;
        while !self.end.load(Ordering::Acquire) {
            turn += CLIENTS + 1;
            let user = format!("user{:03}", turn % USERS);
            let call = match turn % 2 {
                0 => lookup(&user),
                _ => authenticate(&user, &format!("{user}-secret")),
            };
            let start = Instant::now();
            let answer = client.ask(call, Duration::from_secs(10));
            let took = start.elapsed();
            let failure = match answer.map(verdict) {
                Ok(Verdict::Granted(_) | Verdict::Found(_)) => None,
                Ok(other) => Some(format!("{user} after {took:?}: {other:?}")),
                Err(error) => Some(format!("{user} after {took:?}: {error}")),
            };
            let failure = failure.map(|text| Failed { at: Instant::now(), text });
            self.failures.lock().expect("not poisoned").extend(failure);
            let mut slowest = self.slowest.lock().expect("not poisoned");
            *slowest = took.max(*slowest);
            drop(slowest);
            self.answered.fetch_add(1, Ordering::AcqRel);
            // The pace of the load, not a wait for anything.
            thread::sleep(PACE.saturating_sub(took));
        }
    }
}
