//! Questions and steers usherd over its sockets. The manual is usherctl(1).
//!
//! In the order of a run: `arguments` are read, a password by `secret`, the daemon is asked by
//! `ask` or `admin`, `verdict` puts its answer into words, and `report` prints them.
//! It knows the daemon by the protocol alone: nothing here speaks LDAP or reads a configuration.
#![forbid(unsafe_code)]

mod admin;
mod arguments;
mod ask;
mod bench;
mod check;
mod check_proxy;
mod compare;
mod escape;
mod explain;
mod hash;
mod import;
mod report;
mod secret;
mod snippet;
mod status;
mod top;
mod verdict;

#[cfg(test)]
mod fake;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};

use crate::arguments::{Cli, Command};
use crate::report::{Exit, Report};

fn main() -> ExitCode {
    keep_out_of_core_dumps();
    match Cli::try_parse() {
        Ok(cli) => run(&cli).deliver(),
        // --help and --version come this way too, with the status 0.
        Err(message) => {
            // Nobody is left to tell when even this cannot be written.
            let _ = message.print();
            u8::try_from(message.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
        }
    }
}

fn run(cli: &Cli) -> Report {
    match &cli.command {
        Command::Authenticate(asked) => ask::authenticate(&cli.global, asked),
        Command::Lookup(asked) => ask::lookup(&cli.global, asked),
        Command::Explain(asked) => explain::run(&cli.global, asked),
        Command::Status => admin::status(&cli.global),
        Command::Flush { realm, user } => admin::flush(&cli.global, realm.clone(), user.clone()),
        Command::Unblock { realm, user } => {
            admin::unblock(&cli.global, realm.clone(), user.clone())
        }
        Command::Reload => admin::reload(&cli.global),
        Command::Top => top::run(&cli.global),
        Command::Metrics => admin::metrics(&cli.global),
        Command::Check { file } => check::run(&cli.global, file),
        Command::Compare { file, duration } => compare::run(&cli.global, file, *duration),
        Command::HashPassword { scheme } => hash::run(*scheme),
        Command::CheckProxy(asked) => check_proxy::run(&cli.global, asked),
        Command::Import(asked) => import::run(asked),
        Command::Snippet(asked) => snippet::run(&cli.global.socket, asked),
        Command::Bench(asked) => bench::run(&cli.global, asked),
        Command::Completions { shell } => completions(*shell),
    }
}

/// The generator panics where it cannot write, so it writes to memory.
fn completions(shell: clap_complete::Shell) -> Report {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "usherctl", &mut script);
    Report::answer(Exit::Yes, String::from_utf8_lossy(&script).into_owned())
}

/// A crash must not leave a password on the disk. Where a sandbox forbids these calls the tool is
/// still of use, so it goes on.
fn keep_out_of_core_dumps() {
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    let _ = prctl::set_dumpable(false);
}
