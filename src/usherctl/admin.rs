//! `status`, `metrics`, `flush`, `unblock` and `reload`, over the admin socket.

use std::time::SystemTime;

use serde::Serialize;
use usher_protocol::client::{Client, ClientError};
use usher_protocol::{Call, Reply};

use crate::arguments::{Format, Global};
use crate::report::{Exit, Report};
use crate::{escape, status, verdict};

/// How is the daemon?
pub(crate) fn status(global: &Global) -> Report {
    match put(global, Call::Status) {
        Ok(Reply::Status(status)) => {
            let answer = match global.format {
                Format::Text => status::text(&status, now()),
                Format::Json => escape::json(&status::Json::from(&*status)),
            };
            Report::answer(Exit::Yes, answer)
        }
        result => no_such_answer(global.format, result),
    }
}

/// The daemon's metrics: the same text in every format, in as many answers as it takes.
pub(crate) fn metrics(global: &Global) -> Report {
    let mut client = Client::new(&global.admin_socket);
    let mut known = String::new();
    loop {
        let skip = u32::try_from(known.lines().count()).unwrap_or(u32::MAX);
        match client.ask(Call::Metrics { skip }, global.timeout) {
            Ok(Reply::Metrics { text, more }) => {
                known.push_str(&text);
                if !more || text.is_empty() {
                    return Report::answer(Exit::Yes, known);
                }
            }
            result => return no_such_answer(global.format, result),
        }
    }
}

/// Read the configuration again.
pub(crate) fn reload(global: &Global) -> Report {
    carry_out(global, Call::Reload, "reloaded")
}

/// Forget what directories said.
pub(crate) fn flush(global: &Global, realm: Option<String>, user: Option<String>) -> Report {
    carry_out(global, Call::Flush { realm, user }, "flushed")
}

/// Lift a user's block.
pub(crate) fn unblock(global: &Global, realm: Option<String>, user: String) -> Report {
    carry_out(global, Call::Unblock { realm, user }, "unblocked")
}

/// Seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "how long a certificate is still good")]
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

fn carry_out(global: &Global, call: Call, done: &'static str) -> Report {
    match put(global, call) {
        Ok(Reply::Done(message)) => {
            Report::answer(Exit::Yes, outcome(global.format, done, &message))
        }
        Ok(Reply::Failed(message)) => Report {
            answer: outcome(global.format, "failed", &message),
            complaint: None,
            exit: Exit::Usage,
        },
        result => no_such_answer(global.format, result),
    }
}

fn put(global: &Global, call: Call) -> Result<Reply, ClientError> {
    Client::new(&global.admin_socket).ask(call, global.timeout)
}

/// The daemon refused, or nobody answered.
pub(crate) fn no_such_answer(format: Format, result: Result<Reply, ClientError>) -> Report {
    match result {
        Ok(Reply::Verdict(verdict)) if verdict.identity().is_none() => {
            verdict::report(format, &verdict)
        }
        Ok(_) => verdict::astray(format),
        Err(error) => verdict::no_answer(format, &error),
    }
}

fn outcome(format: Format, outcome: &'static str, message: &str) -> String {
    match format {
        Format::Text => format!("{outcome}: {}\n", escape::lines(message)),
        Format::Json => escape::json(&Outcome { outcome, message }),
    }
}

#[derive(Serialize)]
struct Outcome<'a> {
    outcome: &'static str,
    message: &'a str,
}

#[cfg(test)]
mod tests {
    use usher_protocol::{Reason, Refusal, Verdict};

    use super::*;
    use crate::fake;

    #[test]
    fn a_reload_tells_what_was_done() {
        let daemon = fake::Daemon::answering(Reply::Done("3 realms".to_owned()));
        let report = reload(&daemon.global());
        assert_eq!((report.answer.as_str(), report.exit), ("reloaded: 3 realms\n", Exit::Yes));
        assert_eq!(daemon.asked(), Call::Reload);
    }

    #[test]
    fn a_reload_that_failed_tells_why_line_by_line() {
        let daemon = fake::Daemon::answering(Reply::Failed("line 3:\n  \u{1b}bad".to_owned()));
        let report = reload(&daemon.global());
        assert_eq!(report.answer, "failed: line 3:\n  \\u{1b}bad\n");
        assert_eq!(report.exit, Exit::Usage);
    }

    #[test]
    fn a_flush_and_an_unblock_say_whom_they_are_about() {
        let daemon = fake::Daemon::answering(Reply::Done("forgot alice".to_owned()));
        let report = flush(&daemon.global(), None, Some("alice".to_owned()));
        assert_eq!(report.answer, "flushed: forgot alice\n");
        let asked = Call::Flush { realm: None, user: Some("alice".to_owned()) };
        assert_eq!(daemon.asked(), asked);
        let daemon = fake::Daemon::answering(Reply::Failed("no realm \"x\"".to_owned()));
        let report = unblock(&daemon.global(), Some("x".to_owned()), "alice".to_owned());
        assert_eq!(
            (report.answer.as_str(), report.exit),
            ("failed: no realm \"x\"\n", Exit::Usage)
        );
        let asked = Call::Unblock { realm: Some("x".to_owned()), user: "alice".to_owned() };
        assert_eq!(daemon.asked(), asked);
    }

    #[test]
    fn metrics_are_printed_as_they_come() {
        let text = "usher_connections 1\n".to_owned();
        let daemon = fake::Daemon::answering(Reply::Metrics { text: text.clone(), more: false });
        assert_eq!(metrics(&daemon.global()), Report::answer(Exit::Yes, text));
        assert_eq!(daemon.asked(), Call::Metrics { skip: 0 });
    }

    #[test]
    fn a_reload_in_json_is_one_line() {
        assert_eq!(
            outcome(Format::Json, "failed", "line 3:\nbad"),
            "{\"outcome\":\"failed\",\"message\":\"line 3:\\nbad\"}\n"
        );
    }

    #[test]
    fn who_may_not_ask_is_told_so() {
        let refusal = Refusal::new(Reason::PeerNotAllowed, "on the admin socket only");
        let daemon = fake::Daemon::answering(Reply::Verdict(Verdict::Forbidden(refusal)));
        let report = status(&daemon.global());
        assert_eq!(report.answer, "forbidden (peer_not_allowed): on the admin socket only\n");
        assert_eq!(report.exit, Exit::Forbidden);
    }

    #[test]
    fn without_a_daemon_there_is_no_status() {
        assert_eq!(status(&fake::nobody()).exit, Exit::Unavailable);
        assert_eq!(reload(&fake::nobody()).exit, Exit::Unavailable);
    }
}
