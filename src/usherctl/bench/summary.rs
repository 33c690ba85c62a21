//! What came of it, in words and as JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::load::Tally;
use crate::arguments::Bench;
use crate::report::Exit;

/// The longest bar of the histogram.
const WIDTH: u64 = 40;

#[derive(Serialize)]
pub(super) struct Summary {
    question: &'static str,
    connections: u32,
    in_flight: u32,
    seconds: f64,
    answers: u64,
    answers_per_second: f64,
    outcomes: BTreeMap<&'static str, u64>,
    latency_us: Quantiles,
    histogram: Vec<Bucket>,
}

#[derive(Serialize)]
struct Quantiles {
    p50: f64,
    p90: f64,
    p99: f64,
    p99_9: f64,
    longest: f64,
}

/// How many answers took up to so long, and longer than the bucket before says.
#[derive(Serialize)]
struct Bucket {
    up_to_us: u64,
    answers: u64,
}

impl Summary {
    pub(super) fn new(asked: &Bench, tally: &Tally) -> Self {
        let latency = &tally.latency;
        let quantile = |part| microseconds(latency.value_at_quantile(part));
        let seconds = tally.took.as_secs_f64();
        let answers = latency.len();
        Self {
            question: if asked.lookup { "lookup" } else { "authenticate" },
            connections: asked.connections,
            in_flight: asked.in_flight,
            seconds: round(seconds),
            answers,
            answers_per_second: round(answers as f64 / seconds),
            outcomes: tally.outcomes.clone(),
            latency_us: Quantiles {
                p50: quantile(0.5),
                p90: quantile(0.9),
                p99: quantile(0.99),
                p99_9: quantile(0.999),
                longest: microseconds(latency.max()),
            },
            histogram: histogram(tally),
        }
    }

    /// A yes only where every answer was one.
    pub(super) fn exit(&self) -> Exit {
        let count = |outcome| self.outcomes.get(outcome).copied().unwrap_or(0);
        match self.answers - count("granted") - count("found") {
            0 if self.answers > 0 => Exit::Yes,
            no if no == count("denied") + count("not_found") && no > 0 => Exit::No,
            no if no == count("forbidden") && no > 0 => Exit::Forbidden,
            _ => Exit::Unavailable,
        }
    }

    pub(super) fn text(&self) -> String {
        let Self { question, connections, in_flight, seconds, answers, .. } = self;
        let mut text = format!(
            "{question}: {connections} connections, {in_flight} in flight on each, {seconds:.2} s\n\
             {answers} answers, {:.0} a second\n",
            self.answers_per_second
        );
        for (outcome, count) in &self.outcomes {
            text.push_str(&format!("  {outcome:<12}{count}\n"));
        }
        if self.answers > 0 {
            let Quantiles { p50, p90, p99, p99_9, longest } = &self.latency_us;
            text.push_str(&format!(
                "latency: p50 {}, p90 {}, p99 {}, p99.9 {}, longest {}\n",
                shown(*p50),
                shown(*p90),
                shown(*p99),
                shown(*p99_9),
                shown(*longest)
            ));
        }
        let most = self.histogram.iter().map(|bucket| bucket.answers).max().unwrap_or(0);
        for Bucket { up_to_us, answers } in &self.histogram {
            let bar =
                "#".repeat(usize::try_from((answers * WIDTH).div_ceil(most.max(1))).unwrap_or(0));
            let limit = shown(*up_to_us as f64);
            text.push_str(format!("{limit:>10} {answers:>10} {bar}").trim_end());
            text.push('\n');
        }
        text
    }
}

/// By powers of two, from the first that has an answer to the last.
fn histogram(tally: &Tally) -> Vec<Bucket> {
    let mut buckets = Vec::new();
    let (mut up_to, mut counted, all) = (1, 0, tally.latency.len());
    while counted < all {
        let limit = Duration::from_micros(up_to).as_nanos();
        let below = tally.latency.count_between(0, u64::try_from(limit).unwrap_or(u64::MAX));
        if below > counted || !buckets.is_empty() {
            buckets.push(Bucket { up_to_us: up_to, answers: below.saturating_sub(counted) });
        }
        counted = below;
        up_to *= 2;
    }
    buckets
}

fn microseconds(nanoseconds: u64) -> f64 {
    round(nanoseconds as f64 / 1e3)
}

fn round(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

fn shown(us: f64) -> String {
    match us {
        ..1e3 => format!("{us:.0} us"),
        ..1e6 => format!("{:.1} ms", us / 1e3),
        _ => format!("{:.2} s", us / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use hdrhistogram::Histogram;
    use usher_protocol::Reply;

    use super::*;

    fn asked() -> Bench {
        Bench {
            connections: 2,
            in_flight: 3,
            duration: None,
            requests: None,
            lookup: false,
            realm: None,
            users: None,
            user: None,
        }
    }

    fn summary(outcomes: &[(&'static str, u64)], latencies_us: &[u64]) -> Summary {
        let mut tally = Tally::new(Histogram::new(3).expect("three digits"));
        tally.took = Duration::from_secs(2);
        tally.outcomes = outcomes.iter().copied().collect();
        for us in latencies_us {
            tally.count(&Reply::Done(String::new()), Duration::from_micros(*us));
        }
        tally.outcomes.remove("astray");
        Summary::new(&asked(), &tally)
    }

    #[test]
    fn the_text_has_the_rate_the_quantiles_and_a_bar_for_each_doubling() {
        let text = summary(&[("granted", 4)], &[90, 100, 110, 900]).text();
        let expected = "\
authenticate: 2 connections, 3 in flight on each, 2.00 s
4 answers, 2 a second
  granted     4
latency: p50 100 us, p90 900 us, p99 900 us, p99.9 900 us, longest 900 us
    128 us          3 ########################################
    256 us          0
    512 us          0
    1.0 ms          1 ##############
";
        assert_eq!(text, expected);
    }

    #[test]
    fn only_an_answer_that_is_a_yes_each_time_is_one() {
        for (outcomes, exit) in [
            (&[("granted", 2)][..], Exit::Yes),
            (&[("found", 2)], Exit::Yes),
            (&[("granted", 1), ("denied", 1)], Exit::No),
            (&[("not_found", 2)], Exit::No),
            (&[("forbidden", 2)], Exit::Forbidden),
            (&[("granted", 1), ("unavailable", 1)], Exit::Unavailable),
            (&[("denied", 1), ("unavailable", 1)], Exit::Unavailable),
        ] {
            assert_eq!(summary(outcomes, &[1, 1]).exit(), exit, "{outcomes:?}");
        }
        assert_eq!(summary(&[], &[]).exit(), Exit::Unavailable);
    }
}
