//! `check`: whether a configuration works. Only the daemon's program can read one, so that is
//! asked to.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Serialize;

use crate::arguments::{Format, Global};
use crate::escape;
use crate::report::{Exit, Report};

/// Where packages install it.
const INSTALLED: &str = "/usr/sbin/usherd";

#[derive(Serialize)]
struct Json<'a> {
    outcome: &'static str,
    hosts: Vec<&'a str>,
}

/// Validates the file, then tries each host of each realm.
pub(crate) fn run(global: &Global, file: &Path) -> Report {
    let program = usherd();
    let mut usherd = Command::new(&program);
    usherd.args(["--check-hosts", "--log-format", "text", "--config"]).arg(file);
    // What is wrong with the configuration goes where it would without us.
    let run = usherd.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    match run {
        Ok(output) => {
            report(global, &String::from_utf8_lossy(&output.stdout), output.status.code())
        }
        Err(error) => Report::usage(format!("cannot run {}: {error}", program.display())),
    }
}

fn report(global: &Global, lines: &str, code: Option<i32>) -> Report {
    let exit = match code {
        Some(0) => Exit::Yes,
        Some(1) => Exit::No,
        _ => Exit::Usage,
    };
    let answer = match global.format {
        Format::Text => lines.lines().map(|line| escape::line(line) + "\n").collect(),
        Format::Json => {
            let outcome = if exit == Exit::Yes { "ok" } else { "failed" };
            escape::json(&Json { outcome, hosts: lines.lines().collect() })
        }
    };
    Report::answer(exit, answer)
}

/// Beside this program, as it is built; else where it is installed.
fn usherd() -> PathBuf {
    let beside = std::env::current_exe().ok().map(|program| program.with_file_name("usherd"));
    beside.filter(|program| program.exists()).unwrap_or_else(|| PathBuf::from(INSTALLED))
}
