//! `bench`: load on the daemon's socket. `people` are whom to ask about, `load` asks, and `summary`
//! puts into words what came of it.

mod load;
mod people;
mod summary;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use hdrhistogram::Histogram;
use usher_protocol::Password;
use usher_protocol::client::ClientError;

use crate::arguments::{Bench, Format, Global};
use crate::report::{Exit, Report};
use crate::{escape, secret};
use load::{Load, Tally, Until};
use people::Person;
use summary::Summary;

/// As long as neither `--duration` nor `--requests` says otherwise.
const USUAL_DURATION: Duration = Duration::from_secs(5);

/// Asks as fast as the daemon answers, and tells how fast that was.
pub(crate) fn run(global: &Global, asked: &Bench) -> Report {
    // Right to three digits.
    let begin = Histogram::new(3).map_err(|error| error.to_string());
    let (people, latency) = match people(asked).and_then(|people| Ok((people, begin?))) {
        Ok(begun) => begun,
        Err(complaint) => return Report::usage(complaint),
    };
    let until = match (asked.requests, asked.duration) {
        (Some(requests), _) => Until::Asked(requests),
        (None, duration) => Until::Past(duration.unwrap_or(USUAL_DURATION)),
    };
    let load = Load {
        socket: &global.socket,
        timeout: global.timeout,
        connections: asked.connections,
        in_flight: asked.in_flight,
        until,
        lookup: asked.lookup,
        realm: asked.realm.as_deref(),
        people: &people,
    };
    let (tally, error) = load.run(Tally::new(latency));
    let summary = Summary::new(asked, &tally);
    let answer = match global.format {
        Format::Text if tally.outcomes.is_empty() => String::new(),
        Format::Text => summary.text(),
        Format::Json => escape::json(&summary),
    };
    let exit = if error.is_some() { Exit::Unavailable } else { summary.exit() };
    Report { answer, complaint: error.as_ref().map(broken), exit }
}

fn broken(error: &ClientError) -> String {
    format!("a connection ended before its time: {}", escape::line(&error.to_string()))
}

/// The one user, or those of the file.
fn people(asked: &Bench) -> Result<Vec<Person>, String> {
    let Some(file) = &asked.users else {
        let user = asked.user.clone().unwrap_or_default();
        let password = if asked.lookup {
            Password::from("")
        } else {
            let prompt = format!("Password of {}: ", escape::line(&user));
            secret::read(&prompt).map_err(|error| error.to_string())?
        };
        return Ok(vec![Person { user, password }]);
    };
    let read = open(file).and_then(|input| people::read(input, asked.lookup));
    read.map_err(|error| format!("cannot use the users in {}: {error}", file.display()))
}

fn open(file: &Path) -> io::Result<Box<dyn Read>> {
    Ok(if file == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(file)?) })
}
