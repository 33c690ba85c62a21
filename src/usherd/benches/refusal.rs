//! Whether the time of a refusal tells who exists: wrong passwords of a user and of nobody.

use std::time::{Duration, Instant};

use usher_protocol::{Password, Query, Verdict};
use usherd::config;
use usherd::realm::Realms;
use usherd::telemetry::Notes;

use crate::configure;

const TRIES: usize = 1000;

pub(crate) fn measure() {
    println!(
        "\nRefusals of wrong passwords, {TRIES} each in turn (goal: 50 % cannot be told apart)"
    );
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("usher.toml");
    let settings = config::parse(&configure(folder.path()), &path).expect("valid").settings;
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (mut known, mut unknown) = runtime.block_on(async {
        let realms = Realms::open(&settings, None).expect("realms");
        let (mut known, mut unknown) = (Vec::new(), Vec::new());
        for number in 0..TRIES {
            known.push(refused(&realms, "alice", number).await);
            unknown.push(refused(&realms, "nobody", number).await);
        }
        (known, unknown)
    });
    // A guesser who is shown one of each and says that the faster is nobody.
    let faster = unknown.iter().flat_map(|nobody| known.iter().map(move |alice| nobody < alice));
    let told = faster.filter(|faster| *faster).count() as f64 / (TRIES * TRIES) as f64;
    for (name, times) in [("alice", &mut known), ("nobody", &mut unknown)] {
        times.sort_unstable();
        println!(
            "  {name:<7} median {:?}, 95 in 100 below {:?}",
            times[TRIES / 2],
            times[TRIES * 95 / 100]
        );
    }
    println!("  nobody is faster in {:.0} % of pairs", told * 100.0);
}

async fn refused(realms: &Realms, user: &str, number: usize) -> Duration {
    let begin = Instant::now();
    let query = Query { user: user.to_owned(), ..Query::default() };
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    let password = Password::from(format!("guess-{number}").as_str());
    let verdict = realms.authenticate(&query, &password, &mut Notes::default(), deadline).await;
    assert!(matches!(verdict, Verdict::Denied(_)), "{verdict:?}");
    begin.elapsed()
}
