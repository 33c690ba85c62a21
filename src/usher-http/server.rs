//! The life of the program, and what each endpoint answers.

mod connections;

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName};
use hyper::{Request, StatusCode};
use tokio::time::Instant;
use usher_protocol::client::ClientError;
use usher_protocol::{Call, Query, Reason, Reply, Verdict};

use crate::answer::{self, Answer, No};
use crate::basic::{self, Unusable};
use crate::client::Pool;
use crate::config::{Address, Config};
use crate::echo;
use crate::metrics::Metrics;
use crate::wish::Wish;

pub use connections::run;

/// How long the daemon may take: longer than its own `request_timeout` usually is.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the program is to be.
pub enum Service {
    /// Between proxies and the daemon.
    Shim(Box<Config>),
    /// In an application's place.
    Echo(Address),
}

/// What answers requests.
enum Endpoints {
    Shim(Box<Shim>),
    Echo,
}

struct Shim {
    config: Config,
    clients: Pool,
    metrics: Metrics,
    probes: AtomicU64,
    complained: Mutex<Option<Instant>>,
}

impl Endpoints {
    /// The body is never read, but by the application's stand-in.
    async fn answer(&self, request: Request<Incoming>) -> Result<Answer, Infallible> {
        let shim = match self {
            Self::Echo => return Ok(echo::page(request).await),
            Self::Shim(shim) => shim,
        };
        let path = request.uri().path();
        let (endpoint, rest) =
            path.split_at(path.bytes().skip(1).take_while(|b| *b != b'/').count() + 1);
        // Below the endpoint's own path the request is one that a proxy put there whole (Envoy
        // does): its query comes from a client and is none of ours.
        let query = request.uri().query().filter(|_| rest.is_empty());
        let headers = request.headers();
        let (endpoint, answer) = match endpoint {
            "/auth" => ("auth", shim.authenticate(headers, query).await),
            "/lookup" => ("lookup", shim.lookup(headers, query).await),
            "/healthz" => ("healthz", shim.health().await),
            "/readyz" => ("readyz", shim.readiness().await),
            "/metrics" => ("metrics", answer::text(StatusCode::OK, shim.metrics.text())),
            _ => ("other", answer::text(StatusCode::NOT_FOUND, String::new())),
        };
        shim.metrics.answered(endpoint, answer.status());
        Ok(answer)
    }
}

impl Shim {
    async fn authenticate(&self, headers: &HeaderMap, query: Option<&str>) -> Answer {
        let (user, password) = match basic::credentials(headers) {
            Ok(pair) => pair,
            Err(unusable) => {
                let reason = match unusable {
                    Unusable::Missing => "no_credentials",
                    Unusable::Malformed => Reason::BadCredentials.as_str(),
                };
                let no = No::new(StatusCode::UNAUTHORIZED, reason);
                return answer::refusal(&self.config, no, headers);
            }
        };
        let asked = |query| Call::Authenticate(query, password);
        self.ask(user, headers, query, asked).await
    }

    async fn lookup(&self, headers: &HeaderMap, query: Option<&str>) -> Answer {
        let header = self.config.trusted_user_header.as_ref();
        let Some(user) = header.and_then(|name| only(headers, name)) else {
            let no = No::new(StatusCode::FORBIDDEN, "no_credentials");
            return answer::refusal(&self.config, no, headers);
        };
        self.ask(user, headers, query, Call::Lookup).await
    }

    async fn ask(
        &self,
        user: String,
        headers: &HeaderMap,
        query: Option<&str>,
        call: impl FnOnce(Query) -> Call,
    ) -> Answer {
        let Ok(Wish { realm, require }) = Wish::read(headers, query) else {
            return answer::refusal(&self.config, No::BAD_REQUEST, headers);
        };
        let call = call(Query { realm, user, client: client(headers), require });
        let password_asked = matches!(call, Call::Authenticate(..));
        match self.clients.ask(call, PATIENCE).await {
            Ok(Reply::Verdict(verdict)) if answer::fits(&verdict, password_asked) => {
                answer::of_verdict(&self.config, &verdict, headers)
            }
            Ok(_) => {
                let no = No::new(StatusCode::SERVICE_UNAVAILABLE, Reason::BadRequest.as_str());
                answer::refusal(&self.config, no, headers)
            }
            Err(error) => {
                self.complain(&error);
                answer::refusal(&self.config, No::from(&error), headers)
            }
        }
    }

    /// Once in a while: an outage has as many errors as there are requests.
    fn complain(&self, error: &ClientError) {
        const SELDOM: Duration = Duration::from_secs(10);
        let mut last = self.complained.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| last.elapsed() > SELDOM) {
            *last = Some(Instant::now());
            eprintln!("usher-http: {error}");
        }
    }

    /// Any verdict shows that the daemon answers. Nobody has an empty name, so no directory is
    /// asked.
    async fn health(&self) -> Answer {
        match self.clients.ask(Call::Lookup(Query::default()), PATIENCE).await {
            Ok(_) => answer::text(StatusCode::OK, "usherd answers\n".to_owned()),
            Err(error) => answer::text(StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")),
        }
    }

    /// Asks each realm for somebody whom nobody asked for before, so that no answer is a memory.
    async fn readiness(&self) -> Answer {
        let probe = self.probes.fetch_add(1, Ordering::Relaxed);
        let user = format!("usher-readyz-{}-{probe}", std::process::id());
        let (mut status, mut text) = (StatusCode::OK, String::new());
        for realm in &self.config.realms {
            let query =
                Query { realm: Some(realm.clone()), user: user.clone(), ..Query::default() };
            let wrong = match self.clients.ask(Call::Lookup(query), PATIENCE).await {
                Ok(Reply::Verdict(
                    Verdict::Found(_) | Verdict::NotFound(_) | Verdict::Denied(_),
                )) => None,
                Ok(Reply::Verdict(other)) => other.refusal().map(|no| no.message.clone()),
                Ok(_) => Some("another kind of answer".to_owned()),
                Err(error) => Some(error.to_string()),
            };
            if wrong.is_some() {
                status = StatusCode::SERVICE_UNAVAILABLE;
            }
            let wrong = wrong.as_deref().unwrap_or("ready").replace(char::is_control, " ");
            text.push_str(&format!("{realm}: {wrong}\n"));
        }
        answer::text(status, text)
    }
}

/// The value of a header that may be there once.
fn only(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    let value = std::str::from_utf8(value.as_bytes()).ok()?.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

/// Whence the user comes, for the throttling of guessers: `X-Real-IP`, else the last address of
/// `X-Forwarded-For`, which is the one that the nearest proxy saw.
fn client(headers: &HeaderMap) -> Option<IpAddr> {
    let last = |name: &str| headers.get_all(name).iter().next_back()?.to_str().ok();
    let address = |text: &str| text.rsplit(',').next().and_then(|last| last.trim().parse().ok());
    last("x-real-ip").and_then(address).or_else(|| last("x-forwarded-for").and_then(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn the_clients_address_is_the_one_that_the_nearest_proxy_saw() {
        let real = ("x-real-ip", "192.0.2.1");
        let forwarded = ("x-forwarded-for", "203.0.113.9, 2001:db8::1");
        let of = |lines: &[_]| client(&headers(lines)).map(|address| address.to_string());
        assert_eq!(of(&[real, forwarded]).as_deref(), Some("192.0.2.1"));
        assert_eq!(of(&[forwarded]).as_deref(), Some("2001:db8::1"));
        assert_eq!(of(&[("x-real-ip", "unix:"), forwarded]).as_deref(), Some("2001:db8::1"));
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn a_trusted_user_is_named_exactly_once() {
        let name = HeaderName::from_static("x-forwarded-user");
        let of = |lines: &[_]| only(&headers(lines), &name);
        assert_eq!(of(&[("x-forwarded-user", " alice ")]).as_deref(), Some("alice"));
        assert_eq!(of(&[("x-forwarded-user", "")]), None);
        assert_eq!(of(&[("x-forwarded-user", "alice"), ("x-forwarded-user", "alice")]), None);
        assert_eq!(of(&[("x-forwarded-userx", "alice")]), None);
    }
}
