//! Something between client and server that can stop letting bytes through without a word, as a
//! firewall does that has forgotten a connection.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// A proxy on a loopback port. Its threads end with their connections.
pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    server: SocketAddr,
    accepted: AtomicUsize,
    /// Connections with a smaller number are forgotten.
    forgotten: AtomicUsize,
    /// Whether new ones are ended at once.
    refuses: AtomicBool,
}

impl Proxy {
    /// In front of a server on this port.
    pub(crate) fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let server = SocketAddr::from(([127, 0, 0, 1], server));
        let shared = Arc::new(Shared {
            server,
            accepted: AtomicUsize::new(0),
            forgotten: AtomicUsize::new(0),
            refuses: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                accepting.clone().carry(&client);
            }
        });
        Self { port, shared }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::Acquire)
    }

    /// From now on, new connections are ended at once; those that there are go on.
    pub(crate) fn refuse_connections(&self) {
        self.shared.refuses.store(true, Ordering::Release);
    }

    /// From now on, nothing passes on the connections that there are; new ones work.
    pub(crate) fn forget_connections(&self) {
        self.shared.forgotten.store(self.accepted(), Ordering::Release);
    }
}

impl Shared {
    fn carry(self: Arc<Self>, client: &TcpStream) {
        let number = self.accepted.fetch_add(1, Ordering::AcqRel);
        if self.refuses.load(Ordering::Acquire) {
            return;
        }
        let Ok(server) = TcpStream::connect(self.server) else { return };
        for (from, to) in [(client, &server), (&server, client)] {
            let (from, to) =
                (from.try_clone().expect("a handle"), to.try_clone().expect("a handle"));
            let shared = Arc::clone(&self);
            thread::spawn(move || shared.copy(number, from, to));
        }
    }

    fn copy(&self, number: usize, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            let passes = number >= self.forgotten.load(Ordering::Acquire);
            if passes && to.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    }
}
