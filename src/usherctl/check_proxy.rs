//! `check-proxy`: whether a client could tell the application behind a proxy who it is.
//!
//! It asks for the same page again and again, each time with one forged header, and compares what
//! the stand-in for the application (`usher-http --echo`) saw.

mod page;
mod tls;

use serde::Serialize;

use crate::arguments::{CheckProxy, Format, Global};
use crate::escape;
use crate::report::{Exit, Report};
use crate::snippet::{OTHERS, aliases, header};
use page::Page;

/// Why nothing could be found out.
type Failure = (Exit, String);

/// What was found of one header.
#[derive(Debug, Serialize)]
struct Finding {
    header: String,
    /// The spellings that changed what the application is told.
    reached: Vec<String>,
    #[serde(skip)]
    tried: usize,
}

/// Tries every spelling through the proxy.
pub(crate) fn run(global: &Global, asked: &CheckProxy) -> Report {
    let outcome = Page::of(global.timeout, asked).and_then(|page| check(&page, asked));
    match outcome {
        Ok((findings, password_passes)) => report(global.format, &findings, password_passes),
        Err((exit, complaint)) => {
            Report { answer: String::new(), complaint: Some(escape::line(&complaint)), exit }
        }
    }
}

fn check(page: &Page, asked: &CheckProxy) -> Result<(Vec<Finding>, bool), Failure> {
    let plain = page.get(&[])?.ok_or_else(|| {
        let hint = if page.logs_in() { "" } else { " (does it need --user?)" };
        let what = "is not the page of usher-http --echo, or the proxy let nobody see it";
        (Exit::Usage, format!("{} {what}{hint}", asked.url))
    })?;
    let mut findings = Vec::new();
    let names = asked.header.iter().map(|key| header(key));
    for header in names.chain(OTHERS.map(str::to_owned)) {
        let before = told(&plain, &header);
        let mut finding = Finding { reached: Vec::new(), tried: 0, header };
        for forged in forgeries(&finding.header) {
            finding.tried += 1;
            // A proxy that refuses the request as a whole is as good as one that drops the header.
            let Some(seen) = page.get(&forged)? else { continue };
            if told(&seen, &finding.header) != before {
                finding.reached.push(forged.join(" and "));
            }
        }
        findings.push(finding);
    }
    Ok((findings, !told(&plain, "Authorization").is_empty()))
}

/// The lines of the echo page which an application could take for this header.
fn told<'a>(page: &'a str, header: &str) -> Vec<&'a str> {
    let folded = |name: &str| name.replace(|c: char| !c.is_alphanumeric(), "-").to_lowercase();
    let header = folded(header);
    let name = |line: &str| folded(line.split(':').next().unwrap_or_default());
    let mut lines: Vec<&str> = page.lines().filter(|line| name(line) == header).collect();
    lines.sort_unstable();
    lines
}

/// Ways to send the header, each a few lines.
fn forgeries(name: &str) -> Vec<Vec<String>> {
    let line = |name: &str| format!("{name}: usherctl-check-proxy");
    let mut spellings = vec![name.to_owned(), name.to_uppercase(), name.to_lowercase()];
    spellings.extend(aliases(name));
    spellings.push(name.to_uppercase().replace('-', "_"));
    let mut forged: Vec<Vec<String>> = spellings.iter().map(|name| vec![line(name)]).collect();
    forged.push(vec![line(name), line(name)]);
    forged.push(vec![format!("{name}:")]);
    forged.push(vec![format!("{name}:"), line(&name.replace('-', "_"))]);
    forged
}

fn report(format: Format, findings: &[Finding], password_passes: bool) -> Report {
    #[derive(Serialize)]
    struct Json<'a> {
        sound: bool,
        password_passes: bool,
        headers: &'a [Finding],
    }
    let sound = findings.iter().all(|finding| finding.reached.is_empty());
    let exit = if sound { Exit::Yes } else { Exit::No };
    if format == Format::Json {
        let json = Json { sound, password_passes, headers: findings };
        return Report::answer(exit, escape::json(&json));
    }
    let mut text = String::new();
    for Finding { header, reached, tried } in findings {
        match reached.as_slice() {
            [] => text.push_str(&format!("{header}: kept out ({tried} forgeries)\n")),
            reached => {
                text.push_str(&format!("{header}: REACHES THE APPLICATION, sent as\n"));
                reached.iter().for_each(|line| text.push_str(&format!("    {line}\n")));
            }
        }
    }
    if password_passes {
        text.push_str("note: the password (Authorization) goes on to the application\n");
    }
    Report::answer(exit, text)
}
