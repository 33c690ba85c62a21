//! The page behind the proxy, asked for with headers that no HTTP library would send.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::Failure;
use super::tls::Tls;
use crate::arguments::CheckProxy;
use crate::report::Exit;
use crate::{escape, secret};

/// The first line of the echo page.
const MARK: &str = "usher-http echo";
/// The longest page that is read.
const MOST_BYTES: u64 = 256 << 10;

/// Where a request has its forged headers: nginx judges those before `Host` by the rules of another
/// server than those after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    BeforeHost,
    Last,
}

/// What stands at the page's place.
pub(super) enum Seen {
    /// The echo page.
    Application(String),
    /// Another answer, by its status; 0 for what is no answer of HTTP.
    Status(u16),
}

pub(super) struct Page {
    /// None for `http://`.
    tls: Option<Tls>,
    authority: String,
    path: String,
    authorization: Option<Zeroizing<String>>,
    timeout: Duration,
}

impl Page {
    pub(super) fn of(timeout: Duration, asked: &CheckProxy) -> Result<Self, Failure> {
        let usage = |text: String| (Exit::Usage, text);
        let (scheme, rest) = asked.url.split_once("://").unwrap_or(("", &asked.url));
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let tls = match scheme {
            "http" if asked.ca_file.is_some() || asked.insecure => {
                return Err(usage("--ca-file and --insecure are for https://".to_owned()));
            }
            "http" => None,
            "https" => {
                let tls =
                    Tls::new(host_and_port(authority).0, asked.ca_file.as_deref(), asked.insecure);
                Some(tls.map_err(usage)?)
            }
            _ => return Err(usage(format!("not a URL of http:// or https://: {}", asked.url))),
        };
        let authorization = asked.user.as_deref().map(authorization).transpose()?;
        let path = if path.is_empty() { "/" } else { path };
        let (authority, path) = (authority.to_owned(), path.to_owned());
        Ok(Self { tls, authority, path, authorization, timeout })
    }

    /// Whether a password goes along.
    pub(super) fn logs_in(&self) -> bool {
        self.authorization.is_some()
    }

    /// The page with these headers sent along.
    pub(super) fn get(&self, headers: &[String], place: Place) -> Result<Seen, Failure> {
        let answer = self.fetch(headers, place).map_err(|error| {
            (Exit::Unavailable, format!("cannot ask the proxy at {}: {error}", self.authority))
        })?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let is_page = status == 200 && body.contains(MARK);
        Ok(if is_page { Seen::Application(body.to_owned()) } else { Seen::Status(status) })
    }

    fn fetch(&self, headers: &[String], place: Place) -> io::Result<String> {
        let (host, port) = host_and_port(&self.authority);
        let port = port.unwrap_or(if self.tls.is_some() { "443" } else { "80" });
        let port = port.parse().map_err(|_| io::Error::other("the port is no number"))?;
        let mut addresses = (host, port).to_socket_addrs()?;
        let address = addresses.next().ok_or(io::ErrorKind::NotFound)?;
        let stream = TcpStream::connect_timeout(&address, self.timeout)?;
        stream.set_read_timeout(Some(self.timeout))?;
        stream.set_write_timeout(Some(self.timeout))?;
        let request = self.request(headers, place);
        match &self.tls {
            None => converse(stream, &request),
            Some(tls) => converse(tls.over(stream)?, &request),
        }
    }

    fn request(&self, headers: &[String], place: Place) -> Zeroizing<String> {
        let forged: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        let (first, last) = match place {
            Place::BeforeHost => (forged.as_str(), ""),
            Place::Last => ("", forged.as_str()),
        };
        let mut request = Zeroizing::new(format!(
            "GET {} HTTP/1.1\r\n{first}Host: {}\r\nConnection: close\r\n",
            self.path, self.authority
        ));
        if let Some(authorization) = &self.authorization {
            request.push_str("Authorization: Basic ");
            request.push_str(authorization);
            request.push_str("\r\n");
        }
        request.push_str(last);
        request.push_str("\r\n");
        request
    }
}

/// The user's name and password, which is asked for, as RFC 7617 has them.
fn authorization(user: &str) -> Result<Zeroizing<String>, Failure> {
    let prompt = format!("Password of {}: ", escape::line(user));
    let password = secret::read(&prompt).map_err(|error| (Exit::Usage, error.to_string()))?;
    let pair = Zeroizing::new([user.as_bytes(), b":", password.as_bytes()].concat());
    Ok(Zeroizing::new(STANDARD.encode(pair)))
}

/// `[::1]:8443` is `::1` and `8443`.
fn host_and_port(authority: &str) -> (&str, Option<&str>) {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    (host.trim_start_matches('[').trim_end_matches(']'), port)
}

fn converse(mut stream: impl Read + Write, request: &str) -> io::Result<String> {
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let mut answer = Vec::new();
    stream.take(MOST_BYTES).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_a_host_and_perhaps_a_port() {
        assert_eq!(host_and_port("www.example.com"), ("www.example.com", None));
        assert_eq!(host_and_port("127.0.0.1:8443"), ("127.0.0.1", Some("8443")));
        assert_eq!(host_and_port("[::1]:8443"), ("::1", Some("8443")));
        assert_eq!(host_and_port("[::1]"), ("::1", None));
    }
}
