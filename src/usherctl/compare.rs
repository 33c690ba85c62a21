//! `compare`: whether another configuration would answer real requests as the present one does.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;
use usher_protocol::client::Client;
use usher_protocol::{Call, Comparison, Reply};

use crate::arguments::{Format, Global};
use crate::report::{Exit, Report};
use crate::{admin, escape};

/// Has the daemon ask the configuration in the file what it is asked itself, for so long.
pub(crate) fn run(global: &Global, file: &Path, duration: Duration) -> Report {
    let file = match std::path::absolute(file) {
        Ok(file) => file.to_string_lossy().into_owned(),
        Err(error) => return Report::usage(format!("{}: {error}", file.display())),
    };
    let seconds = u32::try_from(duration.as_secs()).unwrap_or(u32::MAX).max(1);
    let call = Call::Compare { file, seconds };
    match Client::new(&global.admin_socket).ask(call, duration + global.timeout) {
        Ok(Reply::Compared(comparison)) => report(global.format, &comparison),
        Ok(Reply::Failed(message)) => Report::usage(escape::lines(&message)),
        result => admin::no_such_answer(global.format, result),
    }
}

fn report(format: Format, comparison: &Comparison) -> Report {
    let exit = if comparison.different == 0 { Exit::Yes } else { Exit::No };
    let answer = match format {
        Format::Text => text(comparison),
        Format::Json => escape::json(&Json::from(comparison)),
    };
    Report::answer(exit, answer)
}

fn text(comparison: &Comparison) -> String {
    let Comparison { compared, different, refused, passed_over, differences } = comparison;
    let mut text = format!("{compared} answers compared, {different} differ\n");
    for difference in differences {
        let realm = difference.realm.as_ref();
        let realm = realm.map_or_else(String::new, |realm| format!(" (realm {realm})"));
        let whom = escape::line(&format!("{}{realm}", difference.user));
        let (now, then) = (escape::line(&difference.now), escape::line(&difference.then));
        text.push_str(&format!("  {whom}: {now}; then {then}\n"));
    }
    if *refused > 0 {
        text.push_str(&format!("{refused} wrong passwords, which are not tried a second time\n"));
    }
    if *passed_over > 0 {
        text.push_str(&format!(
            "{passed_over} requests not compared, for want of time or of a host\n"
        ));
    }
    text
}

#[derive(Serialize)]
struct Json<'a> {
    compared: u64,
    different: u64,
    refused: u64,
    passed_over: u64,
    differences: Vec<JsonDifference<'a>>,
}

#[derive(Serialize)]
struct JsonDifference<'a> {
    realm: Option<&'a str>,
    user: &'a str,
    now: &'a str,
    then: &'a str,
}

impl<'a> From<&'a Comparison> for Json<'a> {
    fn from(comparison: &'a Comparison) -> Self {
        let differences = comparison.differences.iter().map(|it| JsonDifference {
            realm: it.realm.as_deref(),
            user: &it.user,
            now: &it.now,
            then: &it.then,
        });
        Self {
            compared: comparison.compared,
            different: comparison.different,
            refused: comparison.refused,
            passed_over: comparison.passed_over,
            differences: differences.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use usher_protocol::Difference;

    use super::*;
    use crate::fake;

    #[test]
    fn differences_are_told_one_a_line() {
        let comparison = Comparison {
            compared: 12,
            different: 3,
            refused: 1,
            passed_over: 2,
            differences: vec![Difference {
                realm: Some("corp".to_owned()),
                user: "ali\u{1b}ce".to_owned(),
                now: "granted".to_owned(),
                then: "denied (rule)".to_owned(),
            }],
        };
        let daemon = fake::Daemon::answering(Reply::Compared(Box::new(comparison)));
        let report = run(&daemon.global(), Path::new("/new.toml"), Duration::from_secs(5));
        let expected = "12 answers compared, 3 differ\n  \
                        ali\\u{1b}ce (realm corp): granted; then denied (rule)\n\
                        1 wrong passwords, which are not tried a second time\n\
                        2 requests not compared, for want of time or of a host\n";
        assert_eq!((report.answer.as_str(), report.exit), (expected, Exit::No));
        let asked = Call::Compare { file: "/new.toml".to_owned(), seconds: 5 };
        assert_eq!(daemon.asked(), asked);
    }
}
