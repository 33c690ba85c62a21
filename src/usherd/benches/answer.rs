//! What the road of a known user costs, and allocates, on one processor and on all.

use std::thread;

use usher_protocol::{Call, Password, Query, Request, Verdict, frame};
use usherd::config;
use usherd::realm::Realms;
use usherd::telemetry::Notes;

use crate::road::{answer, in_a_minute};
use crate::{configure, cost};

const RUNS: usize = 200_000;

pub(crate) fn measure() {
    println!("\nA known user, inside the daemon (goal: an authenticate below 2000 ns)");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("usher.toml");
    let settings = config::parse(&configure(folder.path()), &path).expect("valid").settings;
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let _context = runtime.enter();
    let realms = Realms::open(&settings, None).expect("realms");
    runtime.block_on(async {
        let password = Password::from("alice-secret");
        let verdict =
            realms.authenticate(&query(), &password, &mut Notes::default(), in_a_minute()).await;
        assert!(matches!(verdict, Verdict::Granted(_)), "{verdict:?}");
    });
    let authenticate = Call::Authenticate(query(), Password::from("alice-secret"));
    for (name, call) in [("authenticate", authenticate), ("lookup", Call::Lookup(query()))] {
        let request = frame::encode(&Request { id: 1, timeout_ms: None, call }).expect("encodes");
        let mut frames = Vec::new();
        let road = |_| answer(&realms, &request, &mut frames);
        let (nanoseconds, allocations) = cost(RUNS, road);
        println!("  {name:<13} {nanoseconds:6.0} ns, {allocations:.1} allocations");
    }
    on_all_cores(&realms);
}

fn on_all_cores(realms: &Realms) {
    let request = Request {
        id: 1,
        timeout_ms: None,
        call: Call::Authenticate(query(), Password::from("alice-secret")),
    };
    let request = frame::encode(&request).expect("encodes");
    let cores = thread::available_parallelism().map_or(1, usize::from);
    for threads in 1..=cores {
        let begin = std::time::Instant::now();
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    let mut frames = Vec::new();
                    (0..RUNS).for_each(|_| answer(realms, &request, &mut frames));
                });
            }
        });
        let rate = (threads * RUNS) as f64 / begin.elapsed().as_secs_f64();
        println!("  on {threads} threads  {rate:7.0} authenticates a second");
    }
}

fn query() -> Query {
    Query { user: "alice".to_owned(), ..Query::default() }
}
