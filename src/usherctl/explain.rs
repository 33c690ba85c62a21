//! `explain`: every step of a request's road with what it found, and what may be amiss.

use serde::Serialize;
use usher_protocol::client::Client;
use usher_protocol::{Call, Explanation, Query, Reply, Step, Verdict};

use crate::arguments::{Explain, Format, Global};
use crate::report::Report;
use crate::{escape, secret, verdict};

/// The answer, and how it came about.
pub(crate) fn run(global: &Global, asked: &Explain) -> Report {
    let prompt = format!("Password of {}: ", escape::line(&asked.about.user));
    let password = match asked.password.then(|| secret::read(&prompt)).transpose() {
        Ok(password) => password,
        Err(error) => return Report::usage(error.to_string()),
    };
    let about = &asked.about;
    let query = Query {
        realm: about.realm.clone(),
        user: about.user.clone(),
        require: about.require.clone(),
        client: asked.client,
    };
    match Client::new(&global.admin_socket).ask(Call::Explain(query, password), global.timeout) {
        Ok(Reply::Explained(verdict, explanation)) => report(global.format, &verdict, &explanation),
        Ok(Reply::Verdict(refused)) if refused.identity().is_none() => {
            verdict::report(global.format, &refused)
        }
        Ok(_) => verdict::astray(global.format),
        Err(error) => verdict::no_answer(global.format, &error),
    }
}

fn report(format: Format, verdict: &Verdict, explanation: &Explanation) -> Report {
    let answer = verdict::report(format, verdict);
    let text = match format {
        Format::Text => {
            let steps = explanation.steps.iter().map(line);
            let hints = explanation.hints.iter();
            let hints = hints.map(|hint| format!("hint: {}\n", escape::line(hint)));
            steps.chain([answer.answer]).chain(hints).collect()
        }
        Format::Json => escape::json(&Json {
            answer: serde_json::from_str(&answer.answer).unwrap_or_default(),
            steps: explanation.steps.iter().map(JsonStep::from).collect(),
            hints: &explanation.hints,
        }),
    };
    Report { answer: text, ..answer }
}

fn line(step: &Step) -> String {
    let Step { stage, text, after_us } = step;
    let after = std::time::Duration::from_micros(*after_us).as_secs_f64() * 1e3;
    format!("{after:>8.1} ms  {:<10} {}\n", escape::line(stage), escape::line(text))
}

#[derive(Serialize)]
struct Json<'a> {
    #[serde(flatten)]
    answer: serde_json::Map<String, serde_json::Value>,
    steps: Vec<JsonStep<'a>>,
    hints: &'a [String],
}

#[derive(Serialize)]
struct JsonStep<'a> {
    stage: &'a str,
    text: &'a str,
    after_us: u64,
}

impl<'a> From<&'a Step> for JsonStep<'a> {
    fn from(step: &'a Step) -> Self {
        Self { stage: &step.stage, text: &step.text, after_us: step.after_us }
    }
}

#[cfg(test)]
mod tests {
    use usher_protocol::{Reason, Refusal};

    use super::*;
    use crate::arguments::Lookup;
    use crate::fake;
    use crate::report::Exit;

    fn nobody() -> Verdict {
        Verdict::NotFound(Refusal::new(Reason::NoSuchUser, "no such user"))
    }

    fn explanation() -> Explanation {
        let step = |stage: &str, text: &str, after_us| Step {
            stage: stage.to_owned(),
            text: text.to_owned(),
            after_us,
        };
        Explanation {
            steps: vec![step("realm", "corp", 12), step("entry", "no\u{1b} entry", 1_234)],
            hints: vec!["look\nthere".to_owned()],
        }
    }

    fn asked(password: bool) -> Explain {
        let about = Lookup { realm: None, require: Vec::new(), user: "bob".to_owned() };
        Explain { about, password, client: None }
    }

    #[test]
    fn steps_come_before_the_answer_and_hints_after_it() {
        let reply = Reply::Explained(nobody(), Box::new(explanation()));
        let daemon = fake::Daemon::answering(reply);
        let report = run(&daemon.global(), &asked(false));
        let expected = concat!(
            "     0.0 ms  realm      corp\n",
            "     1.2 ms  entry      no\\u{1b} entry\n",
            "not_found (no_such_user): no such user\n",
            "hint: look\\nthere\n",
        );
        assert_eq!((report.answer.as_str(), report.exit), (expected, Exit::No));
        let query = Query { user: "bob".to_owned(), ..Query::default() };
        assert_eq!(daemon.asked(), Call::Explain(query, None));
    }

    #[test]
    fn json_is_the_answer_and_the_steps() {
        let report = report(Format::Json, &nobody(), &explanation());
        let json: serde_json::Value = serde_json::from_str(&report.answer).expect("JSON");
        assert_eq!(json["outcome"], "not_found");
        assert_eq!(json["steps"][0]["stage"], "realm");
        assert_eq!(json["hints"][0], "look\nthere");
        assert_eq!(report.answer.matches('\n').count(), 1);
    }
}
