//! Connections to the daemon, kept by the process and shared by its threads.
//!
//! A thread takes one out, asks, and puts it back; the lock is held only for taking and putting.
//! The one used last is taken first, so there are as many as are in use at the same time.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use usher_protocol::client::{Client, ClientError};
use usher_protocol::{Call, Reply};

/// Most connections that wait for the next question; a process rarely has more threads.
const MOST_IDLE: usize = 64;

/// Those of this process.
pub static CONNECTIONS: Connections = Connections::new();

/// Connections that nobody uses at the moment.
#[derive(Debug)]
pub struct Connections(Mutex<Vec<Client>>);

impl Connections {
    /// None yet; they are opened when somebody asks.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Asks the daemon at `socket`, and waits at most `timeout`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn ask(&self, socket: &Path, call: Call, timeout: Duration) -> Result<Reply, ClientError> {
        let mut client = self.take(socket).unwrap_or_else(|| Client::new(socket));
        let reply = client.ask(call, timeout)?;
        self.put(client);
        Ok(reply)
    }

    /// Closes those that nobody uses.
    pub fn close(&self) {
        self.idle().clear();
    }

    fn take(&self, socket: &Path) -> Option<Client> {
        let mut idle = self.idle();
        let last = idle.iter().rposition(|client| client.path() == socket)?;
        Some(idle.remove(last))
    }

    fn put(&self, client: Client) {
        let mut idle = self.idle();
        if idle.len() < MOST_IDLE {
            idle.push(client);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Client>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Connections {
    fn default() -> Self {
        Self::new()
    }
}

/// The time, for what waits or repeats itself.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "a blocking wait is measured by the real clock")]
pub fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{Fake, found, lookup};

    const TIMEOUT: Duration = Duration::from_secs(10);

    #[test]
    fn questions_one_after_the_other_share_a_connection_and_close_ends_it() {
        let connections = Connections::new();
        let fake = Fake::start(|_| found("alice"));
        for _ in 0..3 {
            connections.ask(fake.socket(), lookup("alice"), TIMEOUT).unwrap();
        }
        assert_eq!((fake.connections(), connections.idle().len()), (1, 1));
        connections.close();
        connections.ask(fake.socket(), lookup("alice"), TIMEOUT).unwrap();
        assert_eq!(fake.connections(), 2);
    }

    #[test]
    fn a_connection_is_used_for_its_own_socket_only() {
        let connections = Connections::new();
        let (one, other) = (Fake::start(|_| found("alice")), Fake::start(|_| found("bob")));
        for fake in [&one, &other, &one, &other] {
            connections.ask(fake.socket(), lookup("x"), TIMEOUT).unwrap();
        }
        assert_eq!((one.connections(), other.connections()), (1, 1));
    }

    #[test]
    fn a_connection_that_failed_is_not_kept() {
        let connections = Connections::new();
        let nowhere = Path::new("/nonexistent/usher.sock");
        let error = connections.ask(nowhere, lookup("alice"), TIMEOUT).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/usher.sock"), "{error}");
        assert!(connections.idle().is_empty());
    }

    #[test]
    fn no_more_than_the_most_are_kept() {
        let connections = Connections::new();
        for _ in 0..MOST_IDLE + 5 {
            connections.put(Client::new("/x"));
        }
        assert_eq!(connections.idle().len(), MOST_IDLE);
    }
}
