//! The daemon's answer, or why there is none, in words and as JSON.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use usher_protocol::client::ClientError;
use usher_protocol::frame::FrameError;
use usher_protocol::{Identity, Reason, Refusal, Source, Verdict, Warning};

use crate::arguments::Format;
use crate::escape;
use crate::report::{Exit, Report};

/// What the daemon decided.
pub(crate) fn report(format: Format, verdict: &Verdict) -> Report {
    let answer = match verdict {
        Verdict::Granted(identity) | Verdict::Found(identity) => match format {
            Format::Text => yes_text(verdict.outcome(), identity),
            Format::Json => escape::json(&Yes::new(verdict.outcome(), identity)),
        },
        Verdict::Denied(refusal)
        | Verdict::NotFound(refusal)
        | Verdict::Unavailable(refusal)
        | Verdict::Forbidden(refusal)
        | Verdict::Invalid(refusal) => match format {
            Format::Text => no_text(verdict.outcome(), refusal),
            Format::Json => escape::json(&No::new(verdict.outcome(), refusal)),
        },
    };
    Report::answer(exit(verdict), answer)
}

fn exit(verdict: &Verdict) -> Exit {
    match verdict {
        Verdict::Granted(_) | Verdict::Found(_) => Exit::Yes,
        Verdict::Denied(_) | Verdict::NotFound(_) => Exit::No,
        Verdict::Unavailable(_) => Exit::Unavailable,
        Verdict::Forbidden(_) => Exit::Forbidden,
        Verdict::Invalid(_) => Exit::Usage,
    }
}

/// The daemon did not answer. Programs get the answer it would have given; people, the message.
pub(crate) fn no_answer(format: Format, error: &ClientError) -> Report {
    let refusal = |reason| Refusal::new(reason, error.to_string());
    undecided(
        format,
        &match error {
            ClientError::Deadline => Verdict::Unavailable(refusal(Reason::Deadline)),
            ClientError::Frame(FrameError::TooLong(_)) => {
                Verdict::Invalid(refusal(Reason::BadRequest))
            }
            ClientError::Connect(..)
            | ClientError::Closed
            | ClientError::Io(_)
            | ClientError::Frame(_) => Verdict::Unavailable(refusal(Reason::NoHost)),
        },
    )
}

/// The daemon's answer belongs to another question. Above all it is no yes.
pub(crate) fn astray(format: Format) -> Report {
    let message = "usherd gave an answer that does not fit the question";
    undecided(format, &Verdict::Unavailable(Refusal::new(Reason::NoHost, message)))
}

fn undecided(format: Format, verdict: &Verdict) -> Report {
    let mut report = report(format, verdict);
    report.complaint = verdict.refusal().map(|refusal| escape::line(&refusal.message));
    if format == Format::Text {
        report.answer.clear();
    }
    report
}

fn yes_text(outcome: &str, identity: &Identity) -> String {
    let age = identity.age_s;
    let source = match identity.source {
        Source::Directory => "from directory".to_owned(),
        Source::Cache => format!("from cache, {age} s old"),
        Source::Stale => format!("stale, {age} s old"),
    };
    let who = &identity.profile;
    let (user, realm) = (escape::line(who.user()), escape::line(who.realm()));
    let mut text = format!("{outcome}: {user} (realm {realm}, {source})\n");
    for (name, value) in who.metadata() {
        text.push_str(&format!("{}={}\n", escape::line(name), escape::line(value)));
    }
    if let Some(warning) = identity.warning {
        text.push_str(&format!("warning: {}\n", in_words(warning)));
    }
    let groups: Vec<&str> = who.groups().collect();
    if !groups.is_empty() {
        text.push_str(&format!("groups: {}\n", escape::line(&groups.join(", "))));
    }
    text
}

fn in_words(warning: Warning) -> String {
    match warning {
        Warning::PasswordExpires(seconds) => format!("the password expires in {seconds} s"),
        Warning::GraceLogins(count) => {
            format!("the password has expired, and is taken {count} times more")
        }
    }
}

fn no_text(outcome: &str, refusal: &Refusal) -> String {
    let message = escape::line(&refusal.message);
    let retry = refusal
        .retry_after_s
        .map_or_else(String::new, |seconds| format!("; asking again makes sense in {seconds} s"));
    format!("{outcome} ({}): {message}{retry}\n", refusal.reason.as_str())
}

#[derive(Serialize)]
struct Yes<'a> {
    outcome: &'static str,
    user: &'a str,
    realm: &'a str,
    #[serde(serialize_with = "in_order")]
    metadata: Vec<(&'a str, &'a str)>,
    groups: Vec<&'a str>,
    source: &'static str,
    age_s: u64,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "by_name")]
    warning: Option<Warning>,
}

impl<'a> Yes<'a> {
    fn new(outcome: &'static str, identity: &'a Identity) -> Self {
        let Identity { profile, source, age_s, warning } = identity;
        Self {
            outcome,
            user: profile.user(),
            realm: profile.realm(),
            metadata: profile.metadata().collect(),
            groups: profile.groups().collect(),
            source: source.as_str(),
            age_s: *age_s,
            warning: *warning,
        }
    }
}

/// As an object that keeps the configured order.
fn in_order<S: Serializer>(pairs: &[(&str, &str)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(pairs.len()))?;
    for (name, value) in pairs {
        map.serialize_entry(name, value)?;
    }
    map.end()
}

/// As `{"password_expires_s": 86400}` or `{"grace_logins": 2}`.
fn by_name<S: Serializer>(warning: &Option<Warning>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    match warning {
        Some(Warning::PasswordExpires(seconds)) => {
            map.serialize_entry("password_expires_s", seconds)?;
        }
        Some(Warning::GraceLogins(count)) => map.serialize_entry("grace_logins", count)?,
        None => {}
    }
    map.end()
}

#[derive(Serialize)]
struct No<'a> {
    outcome: &'static str,
    reason: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<u32>,
}

impl<'a> No<'a> {
    fn new(outcome: &'static str, refusal: &'a Refusal) -> Self {
        let Refusal { reason, message, retry_after_s } = refusal;
        Self { outcome, reason: reason.as_str(), message, retry_after_s: *retry_after_s }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use usher_protocol::Profile;

    use super::*;

    fn alice() -> Identity {
        let metadata = [
            ("X_REMOTE_USER", "alice"),
            ("X_REMOTE_EMAIL", "alice@example.com"),
            ("A_FIRST", "Alice"),
        ];
        Identity {
            profile: Profile::new("alice", "corp", &metadata, &["dev", "ops"]),
            source: Source::Directory,
            age_s: 0,
            warning: None,
        }
    }

    #[test]
    fn a_yes_in_json_keeps_the_configured_order() {
        let report = report(Format::Json, &Verdict::Granted(alice()));
        assert_eq!(
            report.answer,
            concat!(
                r#"{"outcome":"granted","user":"alice","realm":"corp","metadata":{"#,
                r#""X_REMOTE_USER":"alice","X_REMOTE_EMAIL":"alice@example.com","#,
                r#""A_FIRST":"Alice"},"groups":["dev","ops"],"source":"directory","age_s":0}"#,
                "\n"
            )
        );
        assert_eq!((report.complaint, report.exit), (None, Exit::Yes));
    }

    #[test]
    fn a_yes_in_text_reads_well() {
        let mut identity = alice();
        identity.source = Source::Cache;
        identity.age_s = 12;
        let report = report(Format::Text, &Verdict::Found(identity));
        assert_eq!(
            report.answer,
            "found: alice (realm corp, from cache, 12 s old)\nX_REMOTE_USER=alice\n\
             X_REMOTE_EMAIL=alice@example.com\nA_FIRST=Alice\ngroups: dev, ops\n"
        );
    }

    #[test]
    fn a_warning_about_the_password_is_told() {
        for (warning, text, json) in [
            (
                Warning::PasswordExpires(86_400),
                "warning: the password expires in 86400 s\n",
                r#""age_s":0,"warning":{"password_expires_s":86400}}"#,
            ),
            (
                Warning::GraceLogins(2),
                "warning: the password has expired, and is taken 2 times more\n",
                r#""age_s":0,"warning":{"grace_logins":2}}"#,
            ),
        ] {
            let verdict = Verdict::Granted(Identity { warning: Some(warning), ..alice() });
            assert!(report(Format::Text, &verdict).answer.contains(text));
            assert!(report(Format::Json, &verdict).answer.ends_with(&format!("{json}\n")));
        }
    }

    #[test]
    fn a_refusal_tells_reason_message_and_patience() {
        let mut refusal = Refusal::new(Reason::Throttled, "too many failures");
        let verdict = Verdict::Denied(refusal.clone());
        let json = r#"{"outcome":"denied","reason":"throttled","message":"too many failures"}"#;
        assert_eq!(report(Format::Json, &verdict).answer, format!("{json}\n"));
        refusal.retry_after_s = Some(30);
        let verdict = Verdict::Denied(refusal);
        assert!(report(Format::Json, &verdict).answer.ends_with(",\"retry_after_s\":30}\n"));
        assert_eq!(
            report(Format::Text, &verdict).answer,
            "denied (throttled): too many failures; asking again makes sense in 30 s\n"
        );
    }

    #[test]
    fn a_directory_cannot_steer_the_terminal() {
        let refusal = Refusal::new(Reason::NoHost, "\u{1b}]0;owned\u{7}\ngranted: alice");
        let verdict = Verdict::Unavailable(refusal);
        for format in [Format::Text, Format::Json] {
            let answer = report(format, &verdict).answer;
            assert_eq!(answer.chars().filter(|c| c.is_control()).count(), 1, "{answer}");
            assert!(answer.ends_with('\n'));
        }
    }

    #[test]
    fn every_outcome_has_its_exit_status() {
        let refusal = || Refusal::new(Reason::BadRequest, "");
        for (verdict, status) in [
            (Verdict::Granted(alice()), 0),
            (Verdict::Found(alice()), 0),
            (Verdict::Denied(refusal()), 1),
            (Verdict::NotFound(refusal()), 1),
            (Verdict::Invalid(refusal()), 2),
            (Verdict::Unavailable(refusal()), 3),
            (Verdict::Forbidden(refusal()), 4),
        ] {
            assert_eq!(report(Format::Text, &verdict).exit as u8, status, "{verdict:?}");
        }
    }

    #[test]
    fn a_daemon_out_of_reach_is_told_to_people_and_to_programs() {
        let gone = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let error = ClientError::Connect("/x".into(), gone());
        let text = no_answer(Format::Text, &error);
        assert_eq!((text.answer.as_str(), text.exit), ("", Exit::Unavailable));
        assert!(text.complaint.expect("a complaint").contains("cannot connect to usherd at /x"));
        let json = no_answer(Format::Json, &error);
        assert!(json.answer.starts_with(r#"{"outcome":"unavailable","reason":"no_host","mess"#));
        assert!(json.complaint.is_some());
        let late = no_answer(Format::Json, &ClientError::Deadline);
        assert!(late.answer.starts_with(r#"{"outcome":"unavailable","reason":"deadline","#));
        let long = no_answer(Format::Json, &ClientError::Frame(FrameError::TooLong(70_000)));
        assert!(long.answer.starts_with(r#"{"outcome":"invalid","reason":"bad_request","#));
        assert_eq!(long.exit, Exit::Usage);
    }
}
