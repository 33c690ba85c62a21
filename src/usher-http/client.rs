//! The asynchronous client: many questions at once over one connection.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot};
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, sleep, timeout_at};
use usher_protocol::client::ClientError;
use usher_protocol::frame::{self, HEADER};
use usher_protocol::{Answer, Call, Reply, Request};
use zeroize::Zeroizing;

/// Questions waiting to be written; more have to wait their turn.
const OUTBOX: usize = 64;

/// How long the daemon may be away for its restart before questions are turned down at once.
const RESTART: Duration = Duration::from_secs(5);
/// How often it is looked for meanwhile.
const LOOK: Duration = Duration::from_millis(20);
/// A daemon that ends may take one more connection and close it unanswered, and then another is
/// restarted in turn; a question that ends daemons must end as well.
const ATTEMPTS: usize = 5;

/// A client of the daemon. Its connection is opened at the first question and again whenever it
/// broke; any number of tasks may ask at once, and answers come as they are found.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
    last_id: AtomicU64,
    line: AsyncMutex<Line>,
    turn: Turn,
}

/// Which client's turn it is: the next one's when questions have been written, those of a moment in
/// one go, or when they cannot be.
type Turn = Arc<AtomicUsize>;

#[derive(Debug, Default)]
struct Line {
    open: Option<Arc<Connection>>,
    /// Since when the daemon cannot be reached.
    down: Option<Instant>,
}

/// A few clients that take turns, since a connection has a limit of questions under way. The
/// questions of a moment are for one of them, so that they travel together.
#[derive(Debug)]
pub struct Pool {
    clients: [Client; 4],
    turn: Turn,
}

impl Pool {
    /// Clients of the daemon that listens at `path`. Nothing is opened yet.
    pub fn new(path: &Path) -> Self {
        let turn = Turn::default();
        let client = |_| Client { turn: Arc::clone(&turn), ..Client::new(path) };
        Self { clients: std::array::from_fn(client), turn }
    }

    /// As [`Client::ask`].
    ///
    /// # Errors
    /// See [`ClientError`]: none of them means "no".
    pub async fn ask(&self, call: Call, timeout: Duration) -> Result<Reply, ClientError> {
        let turn = self.turn.load(Ordering::Relaxed) % self.clients.len();
        match self.clients.get(turn) {
            Some(client) => client.ask(call, timeout).await,
            None => Err(ClientError::Closed),
        }
    }
}

/// A question as bytes; it holds a password, and may have to be sent more than once.
type Frame = Arc<Zeroizing<Vec<u8>>>;
type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Reply>>>>;

#[derive(Debug)]
struct Connection {
    outbox: mpsc::Sender<Frame>,
    waiting: Waiting,
    /// Reads and writes; ends both when the connection is dropped.
    _tasks: JoinSet<()>,
}

impl Client {
    /// A client of the daemon that listens at `path`. Nothing is opened yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let (last_id, turn) = (AtomicU64::new(0), Turn::default());
        Self { path: path.into(), last_id, line: AsyncMutex::default(), turn }
    }

    /// Asks, and waits at most `timeout` for the answer.
    ///
    /// A connection may be closed meanwhile (the daemon is restarted): then the question is asked
    /// again on a new one. Whoever drops the future loses the answer and disturbs nobody.
    ///
    /// # Errors
    /// See [`ClientError`]: none of them means "no".
    pub async fn ask(&self, call: Call, timeout: Duration) -> Result<Reply, ClientError> {
        let deadline = Instant::now() + timeout;
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let timeout_ms = Some(u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX));
        let frame = frame::encode(&Request { id, timeout_ms, call }).map_err(ClientError::Frame)?;
        let frame = Arc::new(frame);
        let asking = async {
            let mut result = Err(ClientError::Closed);
            for _ in 0..ATTEMPTS {
                if !matches!(result, Err(ClientError::Closed)) {
                    break;
                }
                result = self.connection().await?.exchange(id, &frame, &self.turn).await;
            }
            result
        };
        timeout_at(deadline, asking).await.unwrap_or(Err(ClientError::Deadline))
    }

    /// The connection, opened if need be. A daemon that is away is waited for as long as a restart
    /// takes, by everybody together, and from then on each question looks for it once.
    async fn connection(&self) -> Result<Arc<Connection>, ClientError> {
        let mut line = self.line.lock().await;
        if let Some(open) = line.open.as_ref().filter(|open| !open.outbox.is_closed()) {
            return Ok(Arc::clone(open));
        }
        loop {
            let error = match UnixStream::connect(&self.path).await {
                Ok(stream) => {
                    let connection = Connection::new(stream, Arc::clone(&self.turn));
                    let connection = Arc::new(connection);
                    *line = Line { open: Some(Arc::clone(&connection)), down: None };
                    return Ok(connection);
                }
                Err(error) => error,
            };
            self.turn.fetch_add(1, Ordering::Relaxed);
            let down = *line.down.get_or_insert_with(Instant::now);
            if !may_pass(&error) || down.elapsed() > RESTART {
                return Err(ClientError::Connect(self.path.clone(), error));
            }
            sleep(LOOK).await;
        }
    }
}

/// Whether this is what a restart looks like: no socket, nobody at it or any more, a full queue.
fn may_pass(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, NotFound, WouldBlock};
    matches!(error.kind(), ConnectionRefused | ConnectionReset | NotFound | WouldBlock)
}

impl Connection {
    fn new(stream: UnixStream, turn: Turn) -> Self {
        let (read, write) = stream.into_split();
        let (outbox, outgoing) = mpsc::channel(OUTBOX);
        let waiting = Waiting::default();
        let mut tasks = JoinSet::new();
        let end = End(Arc::clone(&waiting));
        tasks.spawn(async move {
            // Whichever ends first ends the connection.
            tokio::select! {
                () = write_requests(write, outgoing, turn) => {}
                () = read_answers(read, &end.0) => {}
            }
        });
        Self { outbox, waiting, _tasks: tasks }
    }

    async fn exchange(&self, id: u64, frame: &Frame, turn: &Turn) -> Result<Reply, ClientError> {
        let (tell, told) = oneshot::channel();
        lock(&self.waiting).insert(id, tell);
        let _leaving = Leaving { id, waiting: &self.waiting };
        if self.outbox.capacity() == 0 {
            turn.fetch_add(1, Ordering::Relaxed);
        }
        self.outbox.send(Arc::clone(frame)).await.map_err(|_| ClientError::Closed)?;
        told.await.map_err(|_| ClientError::Closed)
    }
}

/// The end of a connection: all waiting ends, once no question is taken any more.
struct End(Waiting);

impl Drop for End {
    fn drop(&mut self) {
        lock(&self.0).clear();
    }
}

/// Takes a question off the list, also when nobody waits for its answer any more.
struct Leaving<'a> {
    id: u64,
    waiting: &'a Waiting,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        lock(self.waiting).remove(&self.id);
    }
}

/// Writes what waits in one go: a busy proxy asks many questions at once. Whoever is about to ask
/// when the first question comes may do so before.
async fn write_requests(
    mut stream: OwnedWriteHalf,
    mut outgoing: mpsc::Receiver<Frame>,
    turn: Turn,
) {
    let mut frames = Vec::with_capacity(OUTBOX);
    while let Some(first) = outgoing.recv().await {
        frames.push(first);
        yield_now().await;
        while frames.len() < OUTBOX
            && let Ok(another) = outgoing.try_recv()
        {
            frames.push(another);
        }
        turn.fetch_add(1, Ordering::Relaxed);
        // Long enough from the start: a buffer that grows leaves passwords behind.
        let length = frames.iter().map(|frame| frame.len()).sum();
        let mut bytes = Zeroizing::new(Vec::with_capacity(length));
        frames.drain(..).for_each(|frame| bytes.extend_from_slice(&frame));
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

/// Hands answers out until the connection ends or says something that is no answer.
async fn read_answers(stream: OwnedReadHalf, waiting: &Waiting) {
    let (mut stream, mut body) = (BufReader::new(stream), Vec::new());
    while let Some(answer) = read_answer(&mut stream, &mut body).await {
        let asker = lock(waiting).remove(&answer.id);
        if let Some(tell) = asker {
            // Whoever asked may have stopped waiting.
            let _ = tell.send(answer.reply);
        }
    }
}

/// The next answer, through memory that the one before has used.
async fn read_answer(stream: &mut BufReader<OwnedReadHalf>, body: &mut Vec<u8>) -> Option<Answer> {
    let mut header = [0; HEADER];
    stream.read_exact(&mut header).await.ok()?;
    body.resize(frame::length(header).ok()?, 0);
    stream.read_exact(body).await.ok()?;
    frame::decode(body).ok()
}

fn lock(waiting: &Waiting) -> std::sync::MutexGuard<'_, HashMap<u64, oneshot::Sender<Reply>>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}
