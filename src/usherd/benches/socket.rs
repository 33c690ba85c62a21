//! Known users over the socket, against a bare echo: a server that reads as many bytes as a
//! request has and writes as many as an answer has, and does nothing else.

use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use usher_protocol::{Call, Password, Query, Request, frame};

use crate::configure;

const CONNECTIONS: usize = 16;
/// Many and short: what else the machine does changes from second to second, and both of a round
/// are to have the same of it.
const ROUNDS: usize = 40;
const ROUND: Duration = Duration::from_millis(150);

pub(crate) fn measure() {
    println!("\nAuthenticates over {CONNECTIONS} connections (goal: 0.8 of a bare echo's rate)");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("usher.toml");
    std::fs::write(&path, configure(folder.path())).expect("the configuration");
    let mut usherd = Command::new(env!("CARGO_BIN_EXE_usherd"));
    let _daemon = Running::start(usherd.arg("--config").arg(&path));
    let mut echo = Command::new(std::env::current_exe().expect("this program"));
    let _echo = Running::start(echo.arg("echo").arg(folder.path().join("echo.sock")));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        for in_flight in [1, 16] {
            compare(folder.path(), in_flight).await;
        }
    });
}

/// In turn, so that whatever else the machine does concerns both.
async fn compare(folder: &Path, in_flight: usize) {
    let call = Call::Authenticate(
        Query { user: "alice".to_owned(), ..Query::default() },
        Password::from("alice-secret"),
    );
    let request = Request { id: 1, timeout_ms: None, call };
    let request = frame::encode(&request).expect("encodes").to_vec();
    let usher = folder.join("usher.sock");
    let answer = answer_size(&usher, &request).await;
    // The echo is told first how many bytes to read and to write.
    let sizes = [request.len(), answer].map(|size| u32::try_from(size).expect("small"));
    let greeting: Vec<u8> = sizes.into_iter().flat_map(u32::to_le_bytes).collect();
    let echo = folder.join("echo.sock");
    let (mut ratios, before) = (Vec::new(), Machine::now());
    for _ in 0..ROUNDS {
        let theirs = rate(&echo, &greeting, &request, answer, in_flight).await;
        let ours = rate(&usher, &[], &request, answer, in_flight).await;
        ratios.push((ours / theirs, ours, theirs));
    }
    ratios.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (ratio, ours, theirs) = ratios[ROUNDS / 2];
    println!(
        "  {in_flight:2} at once on each: usherd {ours:7.0}/s, echo {theirs:7.0}/s, ratio \
         {ratio:.2} (half of them {:.2} to {:.2}); others had {:.0} % of the machine",
        ratios[ROUNDS / 4].0,
        ratios[ROUNDS * 3 / 4].0,
        Machine::now().stolen_since(&before) * 100.0
    );
}

async fn connect(path: &Path) -> UnixStream {
    loop {
        match UnixStream::connect(path).await {
            Ok(stream) => return stream,
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// The size of an answer from memory.
async fn answer_size(path: &Path, request: &[u8]) -> usize {
    let mut stream = connect(path).await;
    let mut size = 0;
    for _ in 0..2 {
        stream.write_all(request).await.expect("written");
        let length = stream.read_u32().await.expect("a length");
        let mut body = vec![0; usize::try_from(length).expect("small")];
        stream.read_exact(&mut body).await.expect("an answer");
        size = frame::HEADER + body.len();
    }
    size
}

/// Answers a second.
async fn rate(
    path: &Path,
    greeting: &[u8],
    request: &[u8],
    answer: usize,
    in_flight: usize,
) -> f64 {
    let begin = Instant::now();
    let asking = (0..CONNECTIONS).map(|_| {
        let (path, greeting) = (path.to_path_buf(), greeting.to_vec());
        let request = request.repeat(in_flight);
        tokio::spawn(async move {
            let mut stream = connect(&path).await;
            stream.write_all(&greeting).await.expect("greeted");
            let mut answers = vec![0; answer * in_flight];
            let mut count = 0;
            while begin.elapsed() < ROUND {
                stream.write_all(&request).await.expect("written");
                stream.read_exact(&mut answers).await.expect("answers");
                count += in_flight;
            }
            count
        })
    });
    let mut answers = 0;
    for asked in asking.collect::<Vec<_>>() {
        answers += asked.await.expect("answered");
    }
    answers as f64 / begin.elapsed().as_secs_f64()
}

/// The bare echo, in a process and a runtime like the daemon's.
pub(crate) fn echo(path: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let listener = UnixListener::bind(path).expect("a socket");
        loop {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            tokio::spawn(async move {
                let mut sizes = [0; 2];
                for size in &mut sizes {
                    *size = usize::try_from(stream.read_u32_le().await?).expect("small");
                }
                let (mut request, answer) = (vec![0; sizes[0]], vec![0; sizes[1]]);
                loop {
                    stream.read_exact(&mut request).await?;
                    stream.write_all(&answer).await?;
                }
                #[expect(unreachable_code, reason = "says what the errors are")]
                std::io::Result::Ok(())
            });
        }
    });
}

/// What the machine's time has been spent on so far, as `/proc/stat` tells it (proc(5)).
struct Machine(Vec<f64>);

impl Machine {
    fn now() -> Self {
        let stat = std::fs::read_to_string("/proc/stat").expect("proc(5)");
        let all = stat.lines().next().expect("a line").split_whitespace().skip(1).take(8);
        Self(all.map(|time| time.parse().expect("a number")).collect())
    }

    /// The part that other guests of a virtual machine's host have taken since: such times say
    /// little.
    fn stolen_since(&self, before: &Self) -> f64 {
        const STEAL: usize = 7;
        let spent = |machine: &Self| machine.0.iter().sum::<f64>();
        (self.0[STEAL] - before.0[STEAL]) / (spent(self) - spent(before))
    }
}

/// A server, until it is dropped.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(command.spawn().expect("it starts"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
