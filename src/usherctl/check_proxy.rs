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
use crate::snippet::{OTHER_SIGNS, OTHERS, aliases, header};
use page::{Page, Place, Seen};

/// Why nothing could be found out.
type Failure = (Exit, String);

/// What was found of one header.
#[derive(Debug, Serialize)]
struct Finding {
    header: String,
    /// The spellings that changed what the application is told.
    reached: Vec<String>,
    /// Likewise, such as `X+Remote+User`, which few servers take for the header.
    odd: Vec<String>,
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
    let plain = match page.get(&[], Place::Last)? {
        Seen::Application(plain) => plain,
        Seen::Status(status) => return Err(nothing_to_check(page, &asked.url, status)),
    };
    let names = asked.header.iter().map(|key| header(key));
    let names: Vec<String> = names.chain(OTHERS.map(str::to_owned)).collect();
    let mut findings = Vec::new();
    for header in &names {
        let before = told(&plain, header);
        let passes = |forged: &Vec<String>, place| match page.get(forged, place)? {
            Seen::Application(seen) => Ok(told(&seen, header) != before),
            // A proxy that refuses such a request is as good as one that drops the header,
            // provided that it is the header which it refuses.
            Seen::Status(400 | 403 | 431) => is_still(page, &plain, &names).map(|()| false),
            Seen::Status(status) => Err(inconclusive(status, &forged.join(" and "))),
        };
        let passing = |forgeries: &[Vec<String>]| {
            let mut reached = Vec::new();
            for forged in forgeries {
                if passes(forged, Place::Last)? || passes(forged, Place::BeforeHost)? {
                    reached.push(forged.join(" and "));
                }
            }
            Ok(reached)
        };
        let (usual, odd) = (forgeries(header), odd_forgeries(header));
        findings.push(Finding {
            header: header.clone(),
            reached: passing(&usual)?,
            odd: passing(&odd)?,
            tried: usual.len() + odd.len(),
        });
    }
    is_still(page, &plain, &names)?;
    Ok((findings, !told(&plain, "Authorization").is_empty()))
}

fn nothing_to_check(page: &Page, url: &str, status: u16) -> Failure {
    let hint = if page.logs_in() { "" } else { " (does it need --user?)" };
    let what = "is not the page of usher-http --echo, or the proxy let nobody see it";
    (Exit::Usage, format!("{url} {what}: it answered {status}{hint}"))
}

/// Whether the page without any forgery is what it was.
fn is_still(page: &Page, plain: &str, names: &[String]) -> Result<(), Failure> {
    match page.get(&[], Place::Last)? {
        Seen::Application(now) => {
            let same = names.iter().all(|name| told(&now, name) == told(plain, name));
            let what = "what the application is told changed meanwhile; please try again";
            same.then_some(()).ok_or((Exit::Unavailable, what.to_owned()))
        }
        Seen::Status(status) => Err(inconclusive(status, "nothing forged")),
    }
}

/// It may limit requests, or its daemon may be away: what was not shown was not kept out.
fn inconclusive(status: u16, sent: &str) -> Failure {
    let what = "so nothing can be said of it: does something limit requests, or trouble it?";
    (Exit::Unavailable, format!("the proxy answered {status} to a request with {sent}, {what}"))
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

fn line(name: &str) -> String {
    format!("{name}: usherctl-check-proxy")
}

/// Ways to send the header, each a few lines.
fn forgeries(name: &str) -> Vec<Vec<String>> {
    let mut spellings = vec![name.to_owned(), name.to_uppercase(), name.to_lowercase()];
    spellings.extend(aliases(name));
    spellings.push(name.to_uppercase().replace('-', "_"));
    let mut forged: Vec<Vec<String>> = spellings.iter().map(|name| vec![line(name)]).collect();
    forged.push(vec![line(name), line(name)]);
    forged.push(vec![format!("{name}:")]);
    forged.push(vec![format!("{name}:"), line(&name.replace('-', "_"))]);
    forged.push(vec![line(&name.replace('-', "_")), format!("{}:", name.replace('-', "."))]);
    forged
}

/// Ways that count only before a server which makes an underscore of every sign.
fn odd_forgeries(name: &str) -> Vec<Vec<String>> {
    if !name.contains('-') {
        return Vec::new();
    }
    let each = OTHER_SIGNS.map(|sign| name.replace('-', &sign.to_string()));
    // A list of names in a proxy's configuration cannot have all mixtures.
    let mixed = name.replacen('-', "+", 1).replace('-', "!");
    let mut forged: Vec<_> = each.iter().chain([&mixed]).map(|name| vec![line(name)]).collect();
    // Whether a proxy that looks at one of two takes the harmless one.
    forged.push(vec![line(&name.replace('-', "+")), format!("{}:", name.replace('-', "~"))]);
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
    for Finding { header, reached, tried, .. } in findings {
        match reached.as_slice() {
            [] => text.push_str(&format!("{header}: kept out ({tried} forgeries)\n")),
            reached => {
                text.push_str(&format!("{header}: REACHES THE APPLICATION, sent as\n"));
                reached.iter().for_each(|line| text.push_str(&format!("    {line}\n")));
            }
        }
    }
    if let Some(odd) = findings.iter().flat_map(|finding| &finding.odd).next() {
        text.push_str(&format!(
            "note: names with odd signs pass, such as {odd}; a server that makes an underscore of \
             every sign (lighttpd) must not stand behind this proxy\n"
        ));
    }
    if password_passes {
        text.push_str("note: the password (Authorization) goes on to the application\n");
    }
    Report::answer(exit, text)
}
