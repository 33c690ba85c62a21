//! The metadata of an authenticated user, and what becomes of a request that has none.

use std::borrow::Cow;

use crate::asked::{Answer, CannotTell, Question};
use crate::directives::OnError;

/// What is to be done with a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// These names and values belong into its environment.
    Told(Vec<(&'a str, Cow<'a, str>)>),
    /// There is nothing to be told of its user.
    Missing(Missing),
}

/// Why there is no metadata, and what follows from it.
#[derive(Debug, PartialEq, Eq)]
pub struct Missing {
    /// The request is refused with this; none lets it go on.
    pub status: Option<Status>,
    /// The trouble with the daemon or the directory, if they are at fault and not this request.
    pub trouble: Option<String>,
    /// For the error log.
    pub text: String,
}

/// How a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// 403
    Forbidden,
    /// 503
    ServiceUnavailable,
}

/// Asks who the user is.
pub fn metadata<'a>(question: &'a mut Question<'_>, on_error: OnError) -> Outcome<'a> {
    let user = question.whom.user.clone();
    match question.about() {
        Ok(Answer::Known(identity)) => {
            let metadata = identity.profile.metadata();
            Outcome::Told(metadata.map(|(name, value)| (name, harmless(value))).collect())
        }
        Ok(Answer::Unknown) => refused(&user, "the directory has no such user", on_error),
        Ok(Answer::Refused(refusal)) => refused(&user, &refusal.message, on_error),
        Err(cannot_tell) => unavailable(&user, cannot_tell, on_error),
    }
}

/// What becomes of a request for which nobody could be asked.
#[must_use]
pub fn unavailable(user: &str, why: &CannotTell, on_error: OnError) -> Outcome<'static> {
    let status = (on_error == OnError::Deny).then_some(Status::ServiceUnavailable);
    let trouble = Some(why.trouble.clone());
    Outcome::Missing(Missing { status, trouble, text: told(user, &why.why) })
}

fn refused(user: &str, why: &str, on_error: OnError) -> Outcome<'static> {
    let status = (on_error == OnError::Deny).then_some(Status::Forbidden);
    Outcome::Missing(Missing { status, trouble: None, text: told(user, why) })
}

fn told(user: &str, why: &str) -> String {
    format!("no metadata of {user}: {why}")
}

/// The daemon lets no control character out either; but here is where one would do harm.
fn harmless(value: &str) -> Cow<'_, str> {
    if value.chars().any(char::is_control) {
        return value.replace(char::is_control, " ").into();
    }
    value.into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use usher_protocol::{Profile, Reason, Verdict};

    use super::*;
    use crate::asked::{Asked, Whom};
    use crate::connections::Connections;
    use crate::fake::{Fake, identity, refusal};

    fn outcome(verdict: Verdict, on_error: OnError, judge: impl FnOnce(Outcome<'_>)) {
        let fake = Fake::start(move |_| verdict.clone());
        let user = "alice".to_owned();
        let mut question = Question {
            whom: Whom { socket: fake.socket().into(), realm: None, user },
            client: None,
            timeout: Duration::from_secs(10),
            asked: &mut Asked::default(),
            rules: &[],
            connections: &Connections::new(),
            reuse: None,
        };
        judge(metadata(&mut question, on_error));
    }

    fn missing(verdict: Verdict, on_error: OnError) -> (Option<Status>, bool) {
        let mut seen = None;
        outcome(verdict, on_error, |outcome| match outcome {
            Outcome::Missing(missing) => seen = Some((missing.status, missing.trouble.is_some())),
            Outcome::Told(told) => panic!("told: {told:?}"),
        });
        seen.unwrap()
    }

    #[test]
    fn what_is_told_cannot_break_a_header() {
        let mut identity = identity("alice");
        identity.profile = Profile::new("alice", "corp", &[("A", "b\r\nX-Admin: 1\0ö")], &[""; 0]);
        let expected = Outcome::Told(vec![("A", "b  X-Admin: 1 ö".into())]);
        outcome(Verdict::Found(identity), OnError::Pass, |it| assert_eq!(it, expected));
    }

    #[test]
    fn an_outage_and_a_no_are_told_apart() {
        let unavailable = || Verdict::Unavailable(refusal(Reason::NoHost));
        let unknown = || Verdict::NotFound(refusal(Reason::NoSuchUser));
        let disabled = || Verdict::Denied(refusal(Reason::AccountDisabled));
        assert_eq!(missing(unavailable(), OnError::Pass), (None, true));
        assert_eq!(missing(unknown(), OnError::Pass), (None, false));
        assert_eq!(missing(disabled(), OnError::Pass), (None, false));
        let unavailable = missing(unavailable(), OnError::Deny);
        assert_eq!(unavailable, (Some(Status::ServiceUnavailable), true));
        for no in [unknown(), disabled()] {
            assert_eq!(missing(no, OnError::Deny), (Some(Status::Forbidden), false));
        }
    }
}
