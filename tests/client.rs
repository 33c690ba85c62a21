//! The asynchronous client: many questions at once over one connection.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, mpsc};
use std::thread;

use tokio::task::JoinSet;
use usher_http::{Client, Pool};
use usher_protocol::client::{Client as BlockingClient, ClientError};
use usher_protocol::{Answer, Reply, Request, Verdict, frame};

use crate::support::PATIENCE;
use crate::support::daemon::{self, Daemon, LOCAL};
use crate::support::wire::{authenticate, lookup, verdict};

fn assert_found(reply: Result<Reply, ClientError>) {
    let found = verdict(reply.expect("an answer"));
    assert!(matches!(found, Verdict::Found(_)), "{found:?}");
}

#[tokio::test]
async fn a_hundred_askers_share_one_connection_and_each_gets_its_own_answer() {
    let daemon = Daemon::start(LOCAL);
    let client = Arc::new(Client::new(daemon.socket()));
    let mut askers = JoinSet::new();
    for number in 0..100 {
        let client = Arc::clone(&client);
        askers.spawn(async move {
            let user = if number % 2 == 0 { "alice" } else { "bob" };
            (user, client.ask(lookup(user), PATIENCE).await)
        });
    }
    while let Some(asked) = askers.join_next().await {
        let (user, reply) = asked.expect("no panic");
        let found = verdict(reply.expect("an answer"));
        assert_eq!(found.identity().map(|who| who.profile.user()), Some(user));
    }
    assert_eq!(daemon.status()["connections"], 1);
}

/// Tells how many questions come with each read, and answers them.
fn answer_all(mut stream: UnixStream, together: &mpsc::Sender<usize>) {
    let mut bytes = vec![0; 1 << 16];
    loop {
        let length = stream.read(&mut bytes).expect("questions");
        let mut rest = &bytes[..length];
        let (mut count, mut answers) = (0, Vec::new());
        while let Some((header, behind)) = rest.split_first_chunk() {
            let (body, behind) = behind.split_at(frame::length(*header).expect("a length"));
            let Request { id, .. } = frame::decode(body).expect("a request");
            let answer = Answer { id, reply: Reply::Done(String::new()) };
            answers.extend_from_slice(&frame::encode(&answer).expect("a frame"));
            (rest, count) = (behind, count + 1);
        }
        if count == 0 {
            break;
        }
        together.send(count).expect("somebody counts");
        stream.write_all(&answers).expect("a client");
    }
}

/// With one thread, so that the questions are put before what they wake can run.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn questions_of_a_moment_travel_together_and_moments_take_turns() {
    const CONNECTIONS: usize = 4;
    const QUESTIONS: usize = 16;
    let folder = tempfile::TempDir::new().expect("temporary folder");
    let socket = folder.path().join("usher.sock");
    let listener = UnixListener::bind(&socket).expect("a socket");
    let (tell, told) = mpsc::channel();
    let daemon = thread::spawn(move || {
        for _ in 0..CONNECTIONS {
            let (stream, _) = listener.accept().expect("a connection");
            let tell = tell.clone();
            thread::spawn(move || answer_all(stream, &tell));
        }
    });
    let pool = Arc::new(Pool::new(&socket));
    for _ in 0..CONNECTIONS {
        pool.ask(lookup("alice"), PATIENCE).await.expect("an answer");
    }
    daemon.join().expect("each moment has opened another connection");
    let asking = tokio::spawn(async move {
        let mut askers = JoinSet::new();
        for _ in 0..QUESTIONS {
            let pool = Arc::clone(&pool);
            askers.spawn(async move { pool.ask(lookup("alice"), PATIENCE).await });
        }
        askers.join_all().await
    });
    assert!(asking.await.expect("no panic").iter().all(Result::is_ok));
    // It ends since the pool, and with it each connection, has ended.
    let together = tokio::task::spawn_blocking(move || told.iter().collect::<Vec<_>>());
    assert_eq!(together.await.expect("no panic"), [1, 1, 1, 1, QUESTIONS]);
}

#[tokio::test]
async fn a_client_outlives_the_daemons_restart() {
    let daemon = Daemon::start(LOCAL);
    let client = Client::new(daemon.socket());
    assert_found(client.ask(lookup("alice"), PATIENCE).await);
    let folder = daemon.crash();
    let error = client.ask(lookup("alice"), PATIENCE).await.expect_err("nobody listens");
    assert!(matches!(error, ClientError::Connect(..)), "{error}");
    let _daemon = Daemon::start_in(folder, |command| command);
    assert_found(client.ask(lookup("alice"), PATIENCE).await);
}

/// A daemon that is told to end closes what it has just accepted; the next one answers.
#[test]
fn a_blocking_client_asks_again_whose_new_connection_is_closed() {
    let folder = tempfile::TempDir::new().expect("temporary folder");
    let socket = folder.path().join("usher.sock");
    let listener = UnixListener::bind(&socket).expect("a socket");
    let daemon = thread::spawn(move || {
        drop(listener.accept().expect("the first connection"));
        let (mut stream, _) = listener.accept().expect("the second");
        let mut header = [0; frame::HEADER];
        stream.read_exact(&mut header).expect("a frame");
        let mut body = vec![0; frame::length(header).expect("its length")];
        stream.read_exact(&mut body).expect("all of it");
        let request: Request = frame::decode(&body).expect("a request");
        let answer = Answer { id: request.id, reply: Reply::Done("answered".to_owned()) };
        stream.write_all(&frame::encode(&answer).expect("a frame")).expect("a client");
    });
    let reply = BlockingClient::new(&socket).ask(lookup("alice"), PATIENCE).expect("an answer");
    assert_eq!(reply, Reply::Done("answered".to_owned()));
    daemon.join().expect("the daemon");
}

#[tokio::test]
async fn who_gives_up_disturbs_nobody() {
    let daemon = Daemon::start(&format!("{LOCAL}[realm.home.shield]\nfailures = 0\n"));
    let client = Client::new(daemon.socket());
    assert_found(client.ask(lookup("alice"), PATIENCE).await);
    for round in 0..20 {
        // Dropped before it is answered: hashing takes longer than nothing.
        let asking = client.ask(authenticate("bob", &format!("wrong {round}")), PATIENCE);
        assert!(tokio::time::timeout(std::time::Duration::ZERO, asking).await.is_err());
        assert_found(client.ask(lookup("alice"), PATIENCE).await);
    }
}

#[tokio::test]
async fn where_nobody_listens_the_error_says_where() {
    let folder = daemon::folder(LOCAL);
    let socket = folder.path().join("usher.sock");
    let error = Client::new(&socket).ask(lookup("alice"), PATIENCE).await.expect_err("nobody");
    assert!(error.to_string().contains(&*socket.to_string_lossy()), "{error}");
}
