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

/// Larger answers are refused: a user with attributes, or a thousand groups, is far smaller.
const MOST_BODY: usize = 4 << 20;
const MOST_HEAD: usize = 64 << 10;
const MOST_HEADERS: usize = 64;
/// Where an application asks for users.
const API: &str = "/rest/usermanagement/1";

/// A question.
pub(super) struct Request {
    path: String,
    body: Option<Zeroizing<Vec<u8>>>,
}

impl Request {
    pub(super) fn get(path: impl Into<String>) -> Self {
        Self { path: path.into(), body: None }
    }

    /// With a password, which is JSON already.
    pub(super) fn post(path: String, body: Zeroizing<Vec<u8>>) -> Self {
        Self { path, body: Some(body) }
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
        self.body.is_some()
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
    /// Whether the server may have got the question all the same.
    pub(super) may_count: bool,
}

/// An exchange that failed.
pub(super) struct Broken {
    text: String,
    /// Whether the connection was closed before a byte of an answer came.
    pub(super) is_closed: bool,
}

impl From<Broken> for Failure {
    fn from(broken: Broken) -> Self {
        Self { text: broken.text, may_count: true }
    }
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
        let failed =
            |text: String| Failure { text: format!("cannot connect: {text}"), may_count: false };
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

    fn request(&self, request: &Request) -> Result<hyper::Request<Full<Bytes>>, String> {
        let path = format!("{}{API}{}", self.place.path, request.path);
        let built = hyper::Request::builder()
            .uri(path)
            .header(HOST, &self.host)
            .header(AUTHORIZATION, &self.authorization)
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, concat!("usherd/", env!("CARGO_PKG_VERSION")));
        let built = match &request.body {
            None => built.method(Method::GET).body(Full::default()),
            // Wiped when hyper has sent it.
            Some(body) => built
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

    pub(super) async fn ask(&mut self, door: &Door, request: &Request) -> Result<Response, Broken> {
        let of = format!("{} about {}", door.url, request.what());
        let request = door.request(request).map_err(|text| Broken { text, is_closed: false })?;
        let broken = |error: hyper::Error| Broken {
            is_closed: error.is_canceled() || error.is_closed() || error.is_incomplete_message(),
            text: format!("HTTP failed: {error}"),
        };
        self.sender.ready().await.map_err(broken)?;
        let response = self.sender.send_request(request).await.map_err(broken)?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), MOST_BODY).collect().await;
        let body = body.map_err(|error| Broken {
            text: format!("its answer cannot be read: {error}"),
            is_closed: false,
        })?;
        Ok(Response { status, body: body.to_bytes(), of })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
