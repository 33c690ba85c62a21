//! usher-pam(8): one question to PAM, in a process of its own. A module may hang, keep state or
//! crash; whoever asks waits as long as they like, and ends the process.
//!
//! The question is on the standard input, to its end: milliseconds, service, user and password,
//! with a NUL between them. The answer is a line on the standard output: a word, and more about it.
#![forbid(unsafe_code)]

mod conversation;
mod question;
mod verdict;

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::process::ExitCode;

use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::alarm;
use pam_client2::{Context, Flag};
use zeroize::Zeroizing;

use conversation::Conversation;
use question::Question;
use verdict::{Phase, Verdict};

fn main() -> ExitCode {
    harden();
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let verdict = match allowed(&arguments) {
        Ok(services) => answer(&services),
        Err(usage) => {
            let _ = writeln!(io::stderr(), "usher-pam: {usage}");
            return ExitCode::from(2);
        }
    };
    match writeln!(io::stdout(), "{verdict}") {
        Ok(()) => ExitCode::SUCCESS,
        // Nobody waits any more.
        Err(_) => ExitCode::FAILURE,
    }
}

/// The services that may be asked for; none given: all.
fn allowed(arguments: &[OsString]) -> Result<Vec<&str>, &'static str> {
    const USAGE: &str = "usage: usher-pam [SERVICE]...; the question is on standard input";
    let services = arguments.iter().map(|argument| argument.to_str().ok_or(USAGE));
    let services = services.collect::<Result<Vec<_>, _>>()?;
    if services.iter().any(|service| service.starts_with('-')) { Err(USAGE) } else { Ok(services) }
}

fn answer(services: &[&str]) -> Verdict {
    // Who connects and says nothing would keep the process.
    alarm::set(question::PATIENCE);
    let mut bytes = Zeroizing::new(Vec::with_capacity(question::MOST));
    let read = io::stdin().take(question::MOST as u64).read_to_end(&mut bytes);
    let question = match read.map_err(|error| error.to_string()) {
        Ok(_) => Question::parse(&bytes),
        Err(error) => Err(error),
    };
    match question {
        Err(error) => Verdict::unavailable(format!("the question cannot be read: {error}")),
        Ok(it) if !services.is_empty() && !services.contains(&it.service) => {
            Verdict::unavailable(format!("the service {:?} is not allowed", it.service))
        }
        Ok(it) => ask(&it),
    }
}

fn ask(question: &Question<'_>) -> Verdict {
    // Whoever asked has given up by then, and cannot end a process that another user runs.
    alarm::set(question.seconds);
    let conversation = Conversation::new(question.password);
    let context = Context::new(question.service, Some(question.user), conversation);
    let mut context = match context {
        Ok(context) => context,
        Err(error) => return Verdict::unavailable(format!("PAM cannot begin: {error}")),
    };
    let flags = Flag::SILENT | Flag::DISALLOW_NULL_AUTHTOK;
    if let Err(error) = context.authenticate(flags) {
        return Verdict::of(Phase::Authentication, error.code(), context.conversation());
    }
    match context.acct_mgmt(flags) {
        Ok(()) => Verdict::Right,
        Err(error) => Verdict::of(Phase::Account, error.code(), context.conversation()),
    }
}

/// A password passes through: no core dumps, no debugger of the same user.
fn harden() {
    let _ = nix::sys::prctl::set_dumpable(false);
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
}
