//! `authenticate` and `lookup`: the questions that web servers ask, from the command line.

use usher_protocol::client::Client;
use usher_protocol::{Call, Query, Reply, Verdict};

use crate::arguments::{Authenticate, Global, Lookup};
use crate::report::Report;
use crate::{escape, secret, verdict};

/// Is this the user's password, and do the rules hold?
pub(crate) fn authenticate(global: &Global, asked: &Authenticate) -> Report {
    let prompt = format!("Password of {}: ", escape::line(&asked.about.user));
    match secret::read(&prompt) {
        Ok(password) => {
            let query = Query { client: asked.client, ..query(&asked.about) };
            put(global, Call::Authenticate(query, password))
        }
        Err(error) => Report::usage(error.to_string()),
    }
}

/// Who is this, and do the rules hold?
pub(crate) fn lookup(global: &Global, asked: &Lookup) -> Report {
    put(global, Call::Lookup(query(asked)))
}

fn query(asked: &Lookup) -> Query {
    let Lookup { realm, require, user } = asked;
    Query { realm: realm.clone(), user: user.clone(), client: None, require: require.clone() }
}

fn put(global: &Global, call: Call) -> Report {
    let password_asked = matches!(call, Call::Authenticate(..));
    match Client::new(&global.socket).ask(call, global.timeout) {
        Ok(Reply::Verdict(verdict)) if fits(&verdict, password_asked) => {
            verdict::report(global.format, &verdict)
        }
        Ok(_) => verdict::astray(global.format),
        Err(error) => verdict::no_answer(global.format, &error),
    }
}

/// Somebody who was merely found has not shown that the password is right.
fn fits(verdict: &Verdict, password_asked: bool) -> bool {
    match verdict {
        Verdict::Granted(_) => password_asked,
        Verdict::Found(_) | Verdict::NotFound(_) => !password_asked,
        Verdict::Denied(_)
        | Verdict::Unavailable(_)
        | Verdict::Forbidden(_)
        | Verdict::Invalid(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use usher_protocol::{Identity, Password, Profile, Reason, Refusal, Source};

    use super::*;
    use crate::fake;
    use crate::report::Exit;

    fn bob() -> Identity {
        Identity {
            profile: Profile::new("bob", "corp", &[("", ""); 0], &[""; 0]),
            source: Source::Directory,
            age_s: 0,
            warning: None,
        }
    }

    fn question() -> Lookup {
        let require = vec!["group=dev".to_owned()];
        Lookup { realm: Some("corp".to_owned()), require, user: "bob".to_owned() }
    }

    fn authentication() -> Call {
        Call::Authenticate(query(&question()), Password::from("secret"))
    }

    #[test]
    fn the_question_reaches_the_daemon_as_it_was_asked() {
        let daemon = fake::Daemon::answering(Reply::Verdict(Verdict::Found(bob())));
        let report = lookup(&daemon.global(), &question());
        assert_eq!(report.answer, "found: bob (realm corp, from directory)\n");
        assert_eq!(report.exit, Exit::Yes);
        let expected = Query {
            realm: Some("corp".to_owned()),
            user: "bob".to_owned(),
            client: None,
            require: vec!["group=dev".to_owned()],
        };
        assert_eq!(daemon.asked(), Call::Lookup(expected));
    }

    #[test]
    fn a_wrong_password_is_a_no() {
        let refusal = Refusal::new(Reason::BadCredentials, "wrong user or password");
        let daemon = fake::Daemon::answering(Reply::Verdict(Verdict::Denied(refusal)));
        let report = put(&daemon.global(), authentication());
        assert_eq!(report.answer, "denied (bad_credentials): wrong user or password\n");
        assert_eq!(report.exit, Exit::No);
    }

    #[test]
    fn an_answer_to_another_question_is_never_a_yes() {
        for reply in [Reply::Verdict(Verdict::Found(bob())), Reply::Done("granted".to_owned())] {
            let daemon = fake::Daemon::answering(reply);
            assert_eq!(put(&daemon.global(), authentication()).exit, Exit::Unavailable);
        }
        let daemon = fake::Daemon::answering(Reply::Verdict(Verdict::Granted(bob())));
        assert_eq!(lookup(&daemon.global(), &question()).exit, Exit::Unavailable);
    }

    #[test]
    fn without_a_daemon_nobody_can_tell() {
        let report = lookup(&fake::nobody(), &question());
        assert_eq!(report.exit, Exit::Unavailable);
        assert!(report.complaint.expect("a complaint").contains("is it running?"));
    }
}
