//! One connection: HTTP/1.1 with bounded answers, over TLS or not.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper::{Method, rt};
use hyper_util::rt::TokioIo;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::config;
use crate::directory::net::{plain, tcp};
use crate::directory::tls::Tls;
use crate::directory::{Attempt, SPENT};

/// Larger answers are refused: a user with attributes, or a thousand groups, is far smaller.
const MOST_BODY: usize = 4 << 20;
const MOST_HEAD: usize = 64 << 10;
const MOST_HEADERS: usize = 64;
/// Where an application asks for users.
const API: &str = "/rest/usermanagement/1";

/// A question.
pub(super) struct Request<'a> {
    path: String,
    password: Option<(Zeroizing<Vec<u8>>, Attempt<'a>)>,
}

impl<'a> Request<'a> {
    pub(super) fn get(path: impl Into<String>) -> Self {
        Self { path: path.into(), password: None }
    }

    /// With a password, which is JSON already.
    pub(super) fn post(path: String, body: Zeroizing<Vec<u8>>, attempt: Attempt<'a>) -> Self {
        Self { path, password: Some((body, attempt)) }
    }

    /// What is asked, without about whom.
    pub(super) fn what(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    /// All of it but a password.
    pub(super) fn whole(&self) -> String {
        format!("{} {API}{}", if self.counts() { "POST" } else { "GET" }, self.path)
    }

    /// Whether Crowd may count it as a failed password.
    pub(super) fn counts(&self) -> bool {
        self.password.is_some()
    }

    /// Whether it may be sent now: a password has to ask.
    fn may_go(&self) -> bool {
        self.password.as_ref().is_none_or(|(_, attempt)| attempt.may_go())
    }
}

/// An answer, whole.
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) body: Bytes,
    /// Which host answered what.
    pub(super) of: String,
}

/// There was no answer.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) text: String,
    pub(super) cause: Cause,
}

/// What became of a question without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The server has not got it, or has not looked at it.
    Unsent,
    /// The connection was closed before a byte of an answer came. The server may have got it.
    Closed,
    /// The server may have got it.
    Sent,
    /// All connections were in use.
    Busy,
    /// The password was not let go, which says nothing of the server.
    Spent,
}

/// How a server is reached, and what all questions to it have.
pub(super) struct Door {
    place: config::CrowdHost,
    url: String,
    tls: Option<Tls>,
    host: HeaderValue,
    authorization: HeaderValue,
    connect_timeout: Duration,
    lanes: usize,
}

impl Door {
    pub(super) fn new(
        realm: &str,
        place: &config::CrowdHost,
        settings: &config::Crowd,
    ) -> Result<Self, String> {
        let tls = settings.tls.as_ref().map(|tls| Tls::new(realm, &place.name, tls)).transpose()?;
        let mut pair = Zeroizing::new(settings.application.clone().into_bytes());
        pair.push(b':');
        pair.extend_from_slice(settings.password.as_bytes());
        let credentials = Zeroizing::new(format!("Basic {}", STANDARD.encode(&*pair)));
        let header = |text: &str| {
            HeaderValue::try_from(text).map_err(|_| "cannot stand in a header of HTTP".to_owned())
        };
        let mut authorization = header(&credentials)?;
        authorization.set_sensitive(true);
        Ok(Self {
            place: place.clone(),
            url: place.url(),
            tls,
            host: header(&place.authority())?,
            authorization,
            connect_timeout: settings.connect_timeout,
            lanes: settings.lanes,
        })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// When the certificate that was shown last expires, in seconds since 1970.
    pub(super) fn certificate_expires(&self) -> Option<u64> {
        self.tls.as_ref()?.certificate_expires()
    }

    pub(super) fn lanes(&self) -> usize {
        self.lanes
    }

    pub(super) async fn open(&self) -> Result<Connection, Failure> {
        let failed = |text: String| Failure {
            text: format!("cannot connect: {text}"),
            cause: Cause::Unsent,
        };
        let late = |_| failed(format!("no answer in {} ms", self.connect_timeout.as_millis()));
        let opened = timeout(self.connect_timeout, self.reach()).await;
        opened.map_err(late)?.map_err(failed)
    }

    async fn reach(&self) -> Result<Connection, String> {
        let stream = tcp(&self.place.name, self.place.port).await.map_err(|error| plain(&error))?;
        match &self.tls {
            None => Connection::begin(TokioIo::new(stream)).await,
            Some(tls) => Connection::begin(TokioIo::new(tls.secure(stream).await?)).await,
        }
    }

    fn request(&self, request: &Request<'_>) -> Result<hyper::Request<Full<Bytes>>, String> {
        let path = format!("{}{API}{}", self.place.path, request.path);
        let built = hyper::Request::builder()
            .uri(path)
            .header(HOST, &self.host)
            .header(AUTHORIZATION, &self.authorization)
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, concat!("usherd/", env!("CARGO_PKG_VERSION")));
        let built = match &request.password {
            None => built.method(Method::GET).body(Full::default()),
            // Wiped when hyper has sent it.
            Some((body, _)) => built
                .method(Method::POST)
                .header(CONTENT_TYPE, "application/json")
                .body(Full::new(Bytes::from_owner(body.clone()))),
        };
        built.map_err(|error| error.to_string())
    }
}

pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: AbortHandle,
}

impl Connection {
    async fn begin<S>(stream: S) -> Result<Self, String>
    where
        S: rt::Read + rt::Write + Unpin + Send + 'static,
    {
        let handshake = http1::Builder::new()
            .max_buf_size(MOST_HEAD)
            .max_headers(MOST_HEADERS)
            .handshake(stream)
            .await;
        let (sender, connection) = handshake.map_err(|error| error.to_string())?;
        // What ends it is told to whoever asks.
        let driver = tokio::spawn(async move { drop(connection.await) }).abort_handle();
        Ok(Self { sender, driver })
    }

    pub(super) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    pub(super) async fn ask(
        &mut self,
        door: &Door,
        request: &Request<'_>,
    ) -> Result<Response, Failure> {
        let of = format!("{} about {}", door.url, request.what());
        let built = door.request(request);
        let built = built.map_err(|text| Failure { text, cause: Cause::Sent })?;
        let broken = |error: hyper::Error| {
            let closed = error.is_canceled() || error.is_closed() || error.is_incomplete_message();
            let cause = if closed { Cause::Closed } else { Cause::Sent };
            Failure { text: format!("HTTP failed: {error}"), cause }
        };
        self.sender.ready().await.map_err(broken)?;
        if !request.may_go() {
            return Err(Failure { text: SPENT.to_owned(), cause: Cause::Spent });
        }
        let response = self.sender.send_request(built).await.map_err(broken)?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), MOST_BODY).collect().await;
        let body = body.map_err(|error| Failure {
            text: format!("its answer cannot be read: {error}"),
            cause: Cause::Sent,
        })?;
        Ok(Response { status, body: body.to_bytes(), of })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
