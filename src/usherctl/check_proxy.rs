//! `check-proxy`: whether a client could tell the application behind a proxy who it is.
//!
//! It asks for the same page again and again, each time with one forged header, and compares what
//! the stand-in for the application (`usher-http --echo`) saw.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::arguments::{CheckProxy, Format, Global};
use crate::report::{Exit, Report};
use crate::snippet::{OTHERS, aliases, header};
use crate::{escape, secret};

/// The first line of the echo page.
const MARK: &str = "usher-http echo";
/// The longest page that is read.
const MOST_BYTES: u64 = 256 << 10;

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
        let hint = if page.authorization.is_some() { "" } else { " (does it need --user?)" };
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

type Failure = (Exit, String);

/// The page that is asked for.
struct Page {
    authority: String,
    path: String,
    authorization: Option<Zeroizing<String>>,
    timeout: Duration,
}

impl Page {
    fn of(timeout: Duration, asked: &CheckProxy) -> Result<Self, Failure> {
        let rest = asked.url.strip_prefix("http://").ok_or_else(|| {
            let what = "speaks http:// only; let the proxy listen on a port of this machine too";
            (Exit::Usage, format!("check-proxy {what}: {}", asked.url))
        })?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let authorization = match &asked.user {
            None => None,
            Some(user) => {
                let prompt = format!("Password of {}: ", escape::line(user));
                let password =
                    secret::read(&prompt).map_err(|error| (Exit::Usage, error.to_string()))?;
                let pair = [user.as_bytes(), b":", password.as_bytes()].concat();
                Some(Zeroizing::new(STANDARD.encode(Zeroizing::new(pair))))
            }
        };
        let path = if path.is_empty() { "/" } else { path };
        Ok(Self { authority: authority.to_owned(), path: path.to_owned(), authorization, timeout })
    }

    /// The page with these headers sent along; none where the answer is something else.
    fn get(&self, headers: &[String]) -> Result<Option<String>, Failure> {
        let answer = self.fetch(headers).map_err(|error| {
            (Exit::Unavailable, format!("cannot ask the proxy at {}: {error}", self.authority))
        })?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let is_page = head.split(' ').nth(1) == Some("200") && body.contains(MARK);
        Ok(is_page.then(|| body.to_owned()))
    }

    fn fetch(&self, headers: &[String]) -> io::Result<String> {
        let port = if self.authority.contains(':') { "" } else { ":80" };
        let mut addresses = format!("{}{port}", self.authority).to_socket_addrs()?;
        let address = addresses.next().ok_or(io::ErrorKind::NotFound)?;
        let mut stream = TcpStream::connect_timeout(&address, self.timeout)?;
        stream.set_read_timeout(Some(self.timeout))?;
        stream.set_write_timeout(Some(self.timeout))?;
        let mut request = Zeroizing::new(format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n",
            self.path, self.authority
        ));
        if let Some(authorization) = &self.authorization {
            request.push_str("Authorization: Basic ");
            request.push_str(authorization);
            request.push_str("\r\n");
        }
        headers.iter().for_each(|line| request.push_str(&format!("{line}\r\n")));
        request.push_str("\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        stream.take(MOST_BYTES).read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}
