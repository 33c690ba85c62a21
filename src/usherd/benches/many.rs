//! Whether an answer takes longer beside many known users than beside few: a part of `make bench`,
//! which takes some five gigabytes for it.
//!
//! A hit looks at four places in memory, one after the other: the group and the slot of the hash
//! table, the entry, the person. Of a thousand users the processor has them at hand; of a million
//! each is a way to the memory itself, and nothing that is written down elsewhere than in the
//! processor is free of that. So beside the hit and the whole answer stands what a bare look costs
//! in as much memory, each at a place that the one before tells.
//!
//! Users are asked for in three ways: the same hundred of them, spread over all, who stay at hand
//! beside however many others, so this is what the number of known users costs alone; as they come
//! (the second most frequent half as often as the first, and so on: Zipf's law); and anybody (each
//! as likely as the next, which is the worst). All sizes are measured in turn, so that whatever
//! else the machine does concerns them alike.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a measurement that cannot go on panics, and reads the real clock"
)]

mod clock;
mod road;
#[allow(dead_code, reason = "other measurements stand on more of it")]
mod sample;

use std::fs;
use std::hint::black_box;
use std::ops::Range;

use mimalloc::MiMalloc;
use tokio::runtime::Runtime;
use tokio::time::Instant;
use usher_protocol::{Call, Password, Query, Request, Verdict, frame};
use usherd::cache::{Cache, Memory, Who};
use usherd::config;
use usherd::realm::{Person, Realms};
use usherd::telemetry::Notes;

/// The daemon's.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const SIZES: [usize; 3] = [1_000, 100_000, 1_000_000];
/// The median counts.
const ROUNDS: usize = 9;
/// Questions in a round.
const RUNS: usize = 20_000;
/// Users who are asked for again and again.
const ACTIVE: usize = 100;
/// `secret`, in a form that is checked quickly.
const PASSWORD: &str = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";

fn main() {
    let runtime = Runtime::new().expect("a runtime");
    let _context = runtime.enter();
    let all: Vec<Users> = SIZES.iter().map(|users| Users::known(*users, &runtime)).collect();
    let mut times = vec![[const { Vec::new() }; 7]; all.len()];
    for round in 0..ROUNDS {
        for (users, times) in all.iter().zip(&mut times) {
            let measured = users.measure(round * RUNS..(round + 1) * RUNS);
            times.iter_mut().zip(measured).for_each(|(times, time)| times.push(time));
        }
    }
    println!("\nNanoseconds beside so many known users (goal: an authenticate below 2000)");
    println!("           a hit                       an authenticate             bare look");
    println!("    users  a hundred as they come anybody  a hundred as they come anybody");
    for (users, times) in SIZES.iter().zip(times) {
        let [hits @ .., a, b, c, look] = times.map(median);
        let three = |[active, come, any]: [f64; 3]| format!("{active:9.0} {come:12.0} {any:7.0}");
        println!("{users:9}  {}  {} {look:10.0}", three(hits), three([a, b, c]));
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// So many users, known to a cache alone and to a realm.
struct Users {
    cache: Cache<Person>,
    since: Instant,
    realms: Realms,
    asked: [Asked; 3],
    /// Each tells the next.
    places: Vec<usize>,
}

/// Whom the questions are about, and the questions.
struct Asked {
    names: Vec<String>,
    requests: Vec<Vec<u8>>,
}

impl Users {
    fn known(users: usize, runtime: &Runtime) -> Self {
        let (cache, realm, since) = (sample::cache(), sample::realm(), Instant::now());
        for number in 0..users {
            sample::learn(&cache, &realm, &sample::entry(number), since);
        }
        let asked = [
            Asked::new(|part| (part * ACTIVE as f64) as usize * (users / ACTIVE)),
            Asked::new(|part| (users as f64).powf(part) as usize - 1),
            Asked::new(|part| (part * users as f64) as usize),
        ];
        let realms = realms(users);
        runtime.block_on(async {
            for number in 0..users {
                let query = Query { user: sample::name(number), ..Query::default() };
                let verdict =
                    realms.lookup(&query, &mut Notes::default(), road::in_a_minute()).await;
                assert!(matches!(verdict, Verdict::Found(_)), "{verdict:?}");
            }
            for name in asked.iter().flat_map(|asked| &asked.names) {
                let (query, password) = question(name);
                let (mut notes, deadline) = (Notes::default(), road::in_a_minute());
                let verdict = realms.authenticate(&query, &password, &mut notes, deadline).await;
                assert!(matches!(verdict, Verdict::Granted(_)), "{verdict:?}");
            }
        });
        let places = places(cache.status().bytes as usize);
        Self { cache, since, realms, asked, places }
    }

    fn measure(&self, part: Range<usize>) -> [f64; 7] {
        let [a, b, c] = self.asked.each_ref().map(|asked| self.hit(&asked.names[part.clone()]));
        let answer = |asked: &Asked| self.answer(&asked.requests[part.clone()]);
        let [d, e, f] = self.asked.each_ref().map(answer);
        [a, b, c, d, e, f, self.look()]
    }

    fn hit(&self, names: &[String]) -> f64 {
        let password = Password::from("secret");
        time_of(names, |name| {
            let (who, memory, _) = self.cache.recall_both(name, &password, self.since);
            assert!(matches!(who, Who::Fresh { .. }) && matches!(memory, Memory::Right(_)));
        })
    }

    fn answer(&self, requests: &[Vec<u8>]) -> f64 {
        let mut frames = Vec::new();
        time_of(requests, |request| road::answer(&self.realms, request, &mut frames))
    }

    fn look(&self) -> f64 {
        let mut place = 0;
        let time = time_of(&[(); RUNS], |()| place = self.places[place]);
        black_box(place);
        time
    }
}

impl Asked {
    /// `choose` says who, from a part of one.
    fn new(choose: impl Fn(f64) -> usize) -> Self {
        // Parts without an order, which no processor foresees; the golden ratio spreads them evenly.
        let part = |run: usize| (run as f64 * 0.618_033_988_749_895).fract();
        let names: Vec<_> = (0..ROUNDS * RUNS).map(|run| sample::name(choose(part(run)))).collect();
        let request = |name| {
            let (query, password) = question(name);
            let call = Call::Authenticate(query, password);
            frame::encode(&Request { id: 1, timeout_ms: None, call }).expect("encodes").to_vec()
        };
        let requests = names.iter().map(|name: &String| request(name)).collect();
        Self { names, requests }
    }
}

fn question(name: &str) -> (Query, Password) {
    (Query { user: name.to_owned(), ..Query::default() }, Password::from("secret"))
}

/// A realm with so many users in a file.
fn realms(users: usize) -> Realms {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, text) =
        (folder.path().join("users.toml"), (0..users).map(account).collect::<String>());
    fs::write(&file, text).expect("the users");
    let text = format!(
        "[realm.home]\ntype = \"local\"\nfile = {file:?}\n\
         cache = {{ ttl = \"1d\", max_bytes = \"2GiB\" }}\n\
         shield = {{ failures = 0, per_client = 0 }}\n"
    );
    let path = folder.path().join("usher.toml");
    let settings = config::parse(&text, &path).expect("valid").settings;
    Realms::open(&settings, None).expect("realms")
}

fn account(number: usize) -> String {
    let name = sample::name(number);
    format!(
        "[user.{name}]\npassword = \"{PASSWORD}\"\nemail = \"{name}@example.com\"\n\
         first_name = \"Alice\"\nlast_name = \"Archer-{number}\"\ngroups = [\"dev\", \"staff\"]\n"
    )
}

/// One round through about half of so many bytes, without an order: a generator of numbers of full
/// period.
fn places(bytes: usize) -> Vec<usize> {
    /// Numbers in what a processor reads at once.
    const LINE: usize = 64 / size_of::<usize>();
    let lines = (bytes / 64).next_power_of_two() / 2;
    let next = |line: usize| (line * 1_664_525 + 1_013_904_223) % lines;
    let mut places = vec![0; lines * LINE];
    (0..lines).for_each(|line| places[line * LINE] = next(line) * LINE);
    places
}

/// Nanoseconds that each takes, once some are done.
fn time_of<T>(all: &[T], mut run: impl FnMut(&T)) -> f64 {
    all.iter().take(RUNS / 10).for_each(&mut run);
    let begin = clock::on_cpu();
    all.iter().for_each(&mut run);
    (clock::on_cpu() - begin) / all.len() as f64
}
