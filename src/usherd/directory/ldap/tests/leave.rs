//! A password asks leave before each time that it is sent, and never else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::time::Instant;
use usher_protocol::{HostState, Password};

use super::hostile::{Answer, Server, Way};
use super::wire::BIND;
use super::{LIMIT, pool_of, settings, well};
use crate::directory::ldap::dns::Place;
use crate::directory::ldap::held::Held;
use crate::directory::ldap::host::Host;
use crate::directory::ldap::pool::Pool;
use crate::directory::ldap::{Bind, Failure};
use crate::directory::{Attempt, SPENT, Unavailable, Verification};

/// Lets a password go so often.
struct Leave {
    most: usize,
    asked: AtomicUsize,
}

impl Leave {
    fn new(most: usize) -> Self {
        Self { most, asked: AtomicUsize::new(0) }
    }

    fn ask(&self) -> bool {
        self.asked.fetch_add(1, Ordering::Relaxed) < self.most
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// A bind on a host that has no keeper.
    async fn bind(&self, host: &str) -> Result<Verification, Failure> {
        let settings = settings(host, "");
        let host = Host::new("corp", &Place::written(&settings.hosts[0]), &settings).unwrap();
        let (password, ask) = (Password::from("secret"), || self.ask());
        let bind = Bind::new("cn=alice", Attempt::new(&password, &ask)).unwrap();
        Ok(Arc::new(host).bind(bind, Instant::now() + LIMIT).await?.0)
    }

    async fn bind_somewhere(&self, pool: &Pool) -> Result<(Verification, Held), Unavailable> {
        let (password, ask) = (Password::from("secret"), || self.ask());
        let bind = Bind::new("cn=alice", Attempt::new(&password, &ask)).unwrap();
        pool.bind(bind, Instant::now() + LIMIT).await
    }
}

#[tokio::test]
async fn a_refused_connection_asks_no_leave() {
    let leave = Leave::new(usize::MAX);
    let refused = leave.bind("127.0.0.1:1").await;
    assert!(matches!(refused, Err(Failure::Host(_))), "{refused:?}");
    assert_eq!(leave.asked(), 0);
}

#[tokio::test]
async fn a_bind_that_is_sent_once_more_asks_once_more() {
    static BINDS: AtomicUsize = AtomicUsize::new(0);
    let lost = |id, op| {
        if op != BIND {
            return well(id, op);
        }
        BINDS.fetch_add(1, Ordering::Relaxed);
        Answer::Close(Vec::new())
    };
    let server = Server::start(Way::Plain, lost).await;
    let leave = Leave::new(usize::MAX);
    let twice = leave.bind(&server.host()).await;
    assert!(matches!(twice, Err(Failure::Lost(_))), "{twice:?}");
    assert_eq!((leave.asked(), BINDS.swap(0, Ordering::Relaxed)), (2, 2));
    let leave = Leave::new(1);
    match leave.bind(&server.host()).await {
        // What became of the first is not forgotten.
        Err(Failure::Spent(why)) => {
            assert!(why.contains("closed the connection") && why.ends_with(SPENT), "{why}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!((leave.asked(), BINDS.load(Ordering::Relaxed)), (2, 1));
}

/// Whether the first host of [`two_hosts`] leaves binds without an answer, and how many the second
/// has got, those of its keeper among them.
struct Seen {
    hangs: AtomicBool,
    binds: AtomicUsize,
}

impl Seen {
    const fn new() -> Self {
        Self { hangs: AtomicBool::new(false), binds: AtomicUsize::new(0) }
    }
}

/// Two hosts whose keepers have nothing more to do, the first of which has become silent.
async fn two_hosts(seen: &'static Seen) -> (Server, Server, Pool) {
    let first = Server::start(Way::Plain, |id, op| match seen.hangs.load(Ordering::Relaxed) {
        true if op == BIND => Answer::Send(Vec::new()),
        _ => well(id, op),
    });
    let second = Server::start(Way::Plain, |id, op| {
        if op == BIND {
            seen.binds.fetch_add(1, Ordering::Relaxed);
        }
        well(id, op)
    });
    let (first, second) = (first.await, second.await);
    // Longer than the test may take.
    let lines = "pool = { operation_timeout = \"5m\", idle_probe = \"1d\", max_age = \"1d\" }";
    let pool = pool_of(&format!("{}, {}", first.host(), second.host()), lines);
    let ready = async {
        while pool.status().iter().any(|host| host.state != HostState::Up) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, ready).await.expect("the hosts do not come up");
    seen.hangs.store(true, Ordering::Relaxed);
    seen.binds.store(0, Ordering::Relaxed);
    (first, second, pool)
}

#[tokio::test]
async fn a_bind_to_a_silent_host_and_then_to_another_asks_twice() {
    static SEEN: Seen = Seen::new();
    let (_first, _second, pool) = two_hosts(&SEEN).await;
    let leave = Leave::new(2);
    let (verification, _) = leave.bind_somewhere(&pool).await.unwrap();
    assert_eq!(verification, Verification::Right(None));
    assert_eq!((leave.asked(), SEEN.binds.load(Ordering::Relaxed)), (2, 1));
}

#[tokio::test]
async fn without_leave_the_next_host_gets_no_bind_and_no_blame() {
    static SEEN: Seen = Seen::new();
    let (first, second, pool) = two_hosts(&SEEN).await;
    let leave = Leave::new(1);
    let Err(why) = leave.bind_somewhere(&pool).await else { panic!("it was let go") };
    let begins = format!("ldap://{}: given up, since the host is down: ", first.host());
    let ends = format!("; ldap://{}: {SPENT}", second.host());
    assert!(why.message.starts_with(&begins) && why.message.ends_with(&ends), "{why:?}");
    assert_eq!((leave.asked(), SEEN.binds.load(Ordering::Relaxed)), (2, 0));
    let host = pool.status().remove(1);
    assert_eq!((host.state, host.last_error, host.bind_lanes), (HostState::Up, None, 1));
}
