//! wrk, and who used the processors meanwhile.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use crate::support::process;
use crate::support::programs::installed;
use crate::support::text_of;

pub(crate) const CONNECTIONS: usize = 64;
/// Short, and often in turn: what else the machine does changes from second to second.
const SECONDS: &str = "1";

/// What was measured.
pub(crate) struct Run {
    pub(crate) rate: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// Ticks of processor time by the program's name.
    cpu: BTreeMap<String, u64>,
}

impl Run {
    /// Who used how many per cent, the largest first.
    pub(crate) fn shares(&self) -> Vec<(&str, f64)> {
        let all: u64 = self.cpu.values().sum();
        let share = |ticks: u64| 100.0 * ticks as f64 / all.max(1) as f64;
        let shares = self.cpu.iter().map(|(name, ticks)| (name.as_str(), share(*ticks)));
        let mut shares: Vec<_> = shares.filter(|(_, share)| *share >= 0.5).collect();
        shares.sort_by(|one, other| other.1.total_cmp(&one.1));
        shares
    }
}

/// Alice asks for the page, again and again.
pub(crate) fn run(port: u16) -> Run {
    let before = cpu();
    let mut wrk = Command::new(installed("wrk", "wrk"));
    wrk.args(["--latency", "-t", "2", "-d", SECONDS, "-c", &CONNECTIONS.to_string()]);
    wrk.args(["-H", "Authorization: Basic YWxpY2U6YWxpY2Utc2VjcmV0"]);
    wrk.arg(format!("http://127.0.0.1:{port}/page.txt"));
    let said = process::run(&mut wrk, b"").success().stdout;
    assert!(!said.contains("Non-2xx"), "{said}");
    let mut cpu = cpu();
    for (name, ticks) in before {
        cpu.entry(name).and_modify(|after| *after = after.saturating_sub(ticks));
    }
    let value = |name: &str| {
        let line = said.lines().find_map(|line| line.trim().strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in {said}")).trim().to_owned()
    };
    Run {
        rate: value("Requests/sec:").parse().expect("a number"),
        p50_ms: milliseconds(&value("50%")),
        p99_ms: milliseconds(&value("99%")),
        cpu,
    }
}

/// The run with the middle rate.
pub(crate) fn median(mut runs: Vec<Run>) -> Run {
    runs.sort_by(|one, other| one.rate.total_cmp(&other.rate));
    let middle = runs.len() / 2;
    runs.swap_remove(middle)
}

/// As wrk writes them: `3.51ms`, `812.00us`, `1.02s`.
fn milliseconds(text: &str) -> f64 {
    let (number, factor) = if let Some(number) = text.strip_suffix("us") {
        (number, 0.001)
    } else if let Some(number) = text.strip_suffix("ms") {
        (number, 1.0)
    } else {
        (text.trim_end_matches('s'), 1000.0)
    };
    number.parse::<f64>().expect("a number") * factor
}

/// Ticks of every process that this one started, by name; wrk is the one that has ended.
fn cpu() -> BTreeMap<String, u64> {
    let mut families = vec![std::process::id().to_string()];
    let mut ticks = BTreeMap::new();
    let processes: Vec<Vec<String>> = fs::read_dir("/proc")
        .expect("/proc")
        .flatten()
        // `self` and `thread-self` are there besides.
        .filter(|entry| entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit))
        .filter_map(|entry| stat(&text_of(&entry.path().join("stat"))))
        .collect();
    // A child may stand before its parent in the list.
    for _ in 0..3 {
        for process in &processes {
            if families.contains(&process[3]) && !families.contains(&process[0]) {
                families.push(process[0].clone());
            }
        }
    }
    let number = |process: &[String], field: usize| process[field].parse::<u64>().expect("ticks");
    for process in processes.iter().filter(|process| families.contains(&process[0])) {
        let (name, own) = if process[0] == families[0] {
            ("wrk".to_owned(), number(process, 15) + number(process, 16))
        } else {
            (process[1].clone(), number(process, 13) + number(process, 14))
        };
        *ticks.entry(name).or_default() += own;
    }
    ticks
}

/// The fields of proc_pid_stat(5), from the process's id on; the name may hold blanks.
fn stat(text: &str) -> Option<Vec<String>> {
    let (head, tail) = text.rsplit_once(") ")?;
    let (pid, name) = head.split_once(" (")?;
    let fields = [pid, name].into_iter().chain(tail.split(' '));
    Some(fields.map(str::to_owned).collect())
}
