//! What httpd's authentication and authorization ask.

use usher_protocol::Identity;

use crate::asked::{Answer, CannotTell, Question};
use crate::require::{Requirement, Test};

/// Whether any of the tests holds of the user.
///
/// # Errors
/// If nobody could be asked.
pub fn satisfied(
    question: &mut Question<'_>,
    requirement: &Requirement,
) -> Result<bool, CannotTell> {
    for test in &requirement.0 {
        let holds = match test {
            Test::Groups(names) => match question.about() {
                Ok(Answer::Known(identity)) => is_member(identity, names),
                Ok(Answer::Unknown | Answer::Refused(_)) => false,
                Err(cannot_tell) => return Err(cannot_tell.clone()),
            },
            Test::Rule(rule) => question.holds(rule)?,
        };
        if holds {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Names are compared whole and without case, as the daemon compares them.
fn is_member(identity: &Identity, names: &[String]) -> bool {
    let same = |one: &str, other: &str| one.to_lowercase() == other.to_lowercase();
    identity.profile.groups().any(|group| names.iter().any(|name| same(group, name)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use usher_protocol::{Call, Reason, Verdict};

    use super::*;
    use crate::asked::{Asked, Whom};
    use crate::connections::Connections;
    use crate::fake::{Fake, found, refusal};

    fn judged(
        answer: impl Fn(&Call) -> Verdict + Send + Sync + 'static,
        provider: &str,
        line: &str,
    ) -> Result<bool, CannotTell> {
        let fake = Fake::start(answer);
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
        satisfied(&mut question, &Requirement::parse(provider, line).unwrap())
    }

    #[test]
    fn any_of_the_groups_will_do_whole_and_in_any_case() {
        for (line, holds) in [
            ("dev", true),
            ("ops DEV", true),
            ("\"domain admins\"", true),
            ("de developers", false),
        ] {
            assert_eq!(judged(|_| found("alice"), "usher-group", line), Ok(holds), "{line}");
        }
    }

    #[test]
    fn any_of_the_rules_will_do() {
        let answer = |call: &Call| match call {
            Call::Lookup(query) if query.require == ["attribute:a=1"] => found("alice"),
            _ => Verdict::Denied(refusal(Reason::Rule)),
        };
        assert_eq!(judged(answer, "usher-attribute", "b=2 a=1"), Ok(true));
        assert_eq!(judged(answer, "usher-rule", "attribute:b=2"), Ok(false));
    }

    #[test]
    fn an_unknown_user_satisfies_nothing_and_an_outage_is_no_answer() {
        let unknown = |_: &Call| Verdict::NotFound(refusal(Reason::NoSuchUser));
        assert_eq!(judged(unknown, "usher-group", "dev"), Ok(false));
        let down = |_: &Call| Verdict::Unavailable(refusal(Reason::NoHost));
        assert!(judged(down, "usher-group", "dev").is_err());
        assert!(judged(down, "usher-rule", "attribute:a=1").is_err());
    }
}
