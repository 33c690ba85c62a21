//! The life of the program, and what each endpoint answers.

mod connections;

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hyper::body::Incoming;
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
use crate::request::{Head, only};
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
    async fn answer(
        &self,
        request: Request<Incoming>,
        is_trusted: bool,
    ) -> Result<Answer, Infallible> {
        let shim = match self {
            Self::Echo => return Ok(echo::page(request).await),
            Self::Shim(shim) => shim,
        };
        let head = Head::of(&request);
        let (endpoint, answer) = match head.endpoint {
            "/auth" => ("auth", shim.authenticate(head).await),
            "/lookup" => ("lookup", shim.lookup(head, is_trusted).await),
            "/healthz" => ("healthz", shim.health().await),
            "/readyz" => ("readyz", shim.readiness().await),
            "/metrics" => ("metrics", answer::text(StatusCode::OK, shim.metrics().await)),
            _ => ("other", answer::text(StatusCode::NOT_FOUND, String::new())),
        };
        shim.metrics.answered(endpoint, answer.status());
        Ok(answer)
    }
}

impl Shim {
    async fn authenticate(&self, head: Head<'_>) -> Answer {
        let (user, password) = match basic::credentials(head.headers) {
            Ok(pair) => pair,
            Err(unusable) => {
                let reason = match unusable {
                    Unusable::Missing => "no_credentials",
                    Unusable::Malformed => Reason::BadCredentials.as_str(),
                };
                let no = No::new(StatusCode::UNAUTHORIZED, reason);
                return answer::refusal(&self.config, no, head.takes_html());
            }
        };
        self.ask(user, head, |query| Call::Authenticate(query, password)).await
    }

    /// Anybody on this machine can connect to a port of it, and name any user.
    async fn lookup(&self, head: Head<'_>, is_trusted: bool) -> Answer {
        let refusal = |reason| {
            let no = No::new(StatusCode::FORBIDDEN, reason);
            answer::refusal(&self.config, no, head.takes_html())
        };
        if !is_trusted {
            return refusal(Reason::PeerNotAllowed.as_str());
        }
        let header = self.config.trusted_user_header.as_ref();
        let Some(user) = header.and_then(|name| only(head.headers, name)) else {
            return refusal("no_credentials");
        };
        self.ask(user, head, Call::Lookup).await
    }

    async fn ask(&self, user: String, head: Head<'_>, call: impl FnOnce(Query) -> Call) -> Answer {
        let refusal = |no| answer::refusal(&self.config, no, head.takes_html());
        let Ok(Wish { realm, require }) = Wish::read(head.headers, head.query) else {
            return refusal(No::BAD_REQUEST);
        };
        let change = self.config.password_change_url.as_ref().map(|url| (url, user.clone()));
        let call = call(Query { realm, user, client: head.client(), require });
        let password_asked = matches!(call, Call::Authenticate(..));
        match self.clients.ask(call, PATIENCE).await {
            Ok(Reply::Verdict(verdict)) if answer::fits(&verdict, password_asked) => {
                let change = change.filter(|_| wants_a_change(&verdict));
                let change = change.and_then(|(url, user)| url.of(&user, &head.wanted()));
                answer::of_verdict(&self.config, &verdict, head.takes_html(), change)
            }
            Ok(_) => refusal(No::new(StatusCode::SERVICE_UNAVAILABLE, Reason::BadRequest.as_str())),
            Err(error) => {
                self.complain(&error);
                refusal(No::from(&error))
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

    /// Our own metrics and the daemon's, which come in as many answers as it takes.
    async fn metrics(&self) -> String {
        let mut known = String::new();
        let up = loop {
            let skip = u32::try_from(known.lines().count()).unwrap_or(u32::MAX);
            match self.clients.ask(Call::Metrics { skip }, PATIENCE).await {
                Ok(Reply::Metrics { text, more }) => {
                    known.push_str(&text);
                    if !more || text.is_empty() {
                        break true;
                    }
                }
                // It may keep them to itself: `[access]` says who may ask.
                Ok(_) => break true,
                Err(_) => break false,
            }
        };
        self.metrics.text(up) + &known
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

/// Whether the user can help themselves by a new password.
fn wants_a_change(verdict: &Verdict) -> bool {
    let reason = verdict.refusal().map(|refusal| refusal.reason);
    matches!(reason, Some(Reason::PasswordMustChange | Reason::PasswordExpired))
}
