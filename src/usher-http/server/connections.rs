//! Connections: accepted, limited, served, and drained at the end.

use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use sd_notify::NotifyState;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook_tokio::Signals;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Endpoints, PATIENCE, Service, Shim};
use crate::client::Pool;
use crate::listener::Listener;
use crate::metrics::Metrics;
use crate::network::Network;

/// How long a connection may take to bring a request's head, and so also how long it may be idle:
/// longer than a proxy keeps one (nginx at most 75 s), or it would ask just as it is closed.
const HEAD_TIMEOUT: Duration = Duration::from_secs(90);
/// Longest head of a request; of headers, hyper takes 100.
const MOST_HEAD: usize = 16 << 10;
/// Most connections; more wait at the door.
const MOST_CONNECTIONS: usize = 4096;
/// Longer than any answer takes.
const LINGER: Duration = PATIENCE.saturating_add(Duration::from_secs(2));

/// Serves until SIGTERM or SIGINT, then answers what was asked and returns. A second signal ends
/// it at once.
///
/// # Errors
/// A text for people: what could not be started and why.
pub fn run(service: Service) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers())
        .enable_io()
        .enable_time()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    runtime.block_on(serve(service))
}

/// A quarter of the processors: what asks here has several times as much to do for each request,
/// and where fewer threads meet, more questions travel together.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, |processors| processors.get().div_ceil(4))
}

async fn serve(service: Service) -> Result<(), String> {
    let signals = Signals::new([SIGTERM, SIGINT]);
    let mut signals = signals.map_err(|error| format!("cannot receive signals: {error}"))?;
    let (listener, door) = open(service)?;
    eprintln!("usher-http: {} listens at {}", env!("CARGO_PKG_VERSION"), listener.place());
    notify(NotifyState::Ready);
    tokio::select! {
        () = door.accept(&listener) => {}
        _ = signals.next() => {}
    }
    notify(NotifyState::Stopping);
    // Nobody new from here on; who is being served is served to the end.
    drop(listener);
    door.stop.cancel();
    door.tasks.close();
    tokio::select! {
        () = door.tasks.wait() => {}
        _ = signals.next() => eprintln!("usher-http: ends at once"),
        () = tokio::time::sleep(LINGER) => eprintln!("usher-http: ends with requests left"),
    }
    Ok(())
}

/// The socket, and what stands behind it.
fn open(service: Service) -> Result<(Listener, Door), String> {
    let (listener, endpoints, peers) = match service {
        Service::Echo(address) => {
            (Listener::bind(&address, 0o666, None)?, Endpoints::Echo, Vec::new())
        }
        Service::Shim(config) => {
            let listener = match Listener::inherited()? {
                Some(listener) => listener,
                None => Listener::bind(&config.listen, config.socket_mode, config.socket_group)?,
            };
            if config.trusted_user_header.is_some() {
                listener.is_private(&config.peers)?;
            }
            let shim = Shim {
                clients: Pool::new(&config.daemon),
                metrics: Metrics::default(),
                probes: AtomicU64::new(0),
                complained: Mutex::new(None),
                config: *config,
            };
            let peers = shim.config.peers.clone();
            (listener, Endpoints::Shim(Box::new(shim)), peers)
        }
    };
    let door = Door {
        endpoints: Arc::new(endpoints),
        peers,
        seats: Arc::new(Semaphore::new(MOST_CONNECTIONS)),
        stop: CancellationToken::new(),
        tasks: TaskTracker::new(),
    };
    Ok((listener, door))
}

struct Door {
    endpoints: Arc<Endpoints>,
    peers: Vec<Network>,
    seats: Arc<Semaphore>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Door {
    async fn accept(&self, listener: &Listener) {
        loop {
            // Never closed, so this is no error.
            let Ok(seat) = Arc::clone(&self.seats).acquire_owned().await else { return };
            let accepted = match listener {
                Listener::Unix(unix, _) => {
                    unix.accept().await.map(|(stream, _)| self.serve(stream, true, seat))
                }
                Listener::Tcp(tcp) => tcp.accept().await.map(|(stream, from)| {
                    let is_listed = self.peers.iter().any(|peers| peers.contains(from.ip()));
                    // Whoever can connect could try passwords.
                    if is_listed || from.ip().to_canonical().is_loopback() {
                        let _ = stream.set_nodelay(true);
                        // Without a list, the port is this machine's alone.
                        self.serve(stream, is_listed || self.peers.is_empty(), seat);
                    }
                }),
            };
            if let Err(error) = accepted {
                pause(&error).await;
            }
        }
    }

    /// Serves a connection; of a trusted one, the proxy's word for a user is taken.
    fn serve<S>(&self, stream: S, is_trusted: bool, seat: OwnedSemaphorePermit)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (endpoints, stop) = (Arc::clone(&self.endpoints), self.stop.clone());
        if let Endpoints::Shim(shim) = &*endpoints {
            shim.metrics.connected();
        }
        self.tasks.spawn(async move {
            let _seat = seat;
            let answer = service_fn(|request| endpoints.answer(request, is_trusted));
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
            // Bodies are empty or short, but for that of /metrics: they are copied behind their heads.
            http.writev(false).max_buf_size(MOST_HEAD).title_case_headers(true);
            let connection = http.serve_connection(TokioIo::new(stream), answer);
            tokio::pin!(connection);
            // A connection that ends in an error is its peer's affair.
            let _ = tokio::select! {
                ended = &mut connection => ended,
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
        });
    }
}

/// Most errors of accept(2) are of the one connection. Where file descriptors or memory are
/// short, waiting lets some be given back.
async fn pause(error: &io::Error) {
    const PAUSE: Duration = Duration::from_millis(50);
    if error.kind() != io::ErrorKind::ConnectionAborted {
        tokio::time::sleep(PAUSE).await;
    }
}

/// Tells systemd; without one, nobody.
fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        eprintln!("usher-http: cannot notify systemd: {error}");
    }
}
