//! How a server is reached: the socket, TLS where it is asked for, and the guard in front.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use super::Failure;
use super::dns::{Dns, Place};
use super::guard::{self, Guard, Request};
use super::host::describe;
use crate::config::{self, Security};
use crate::directory::net::{connect, lookup, plain};
use crate::directory::tls::Tls;

/// RFC 4511 4.14.1.
const START_TLS: &str = "1.3.6.1.4.1.1466.20037";

/// How long the DNS is waited for where it has told the addresses before: less than a connection
/// may take.
const DNS_PATIENCE: Duration = Duration::from_millis(500);

/// One server of a realm.
pub(super) struct Endpoint {
    host: config::Host,
    /// Who knows its address; none: the system does.
    dns: Option<Dns>,
    /// What the DNS said last, for when it is silent.
    known: Mutex<Vec<IpAddr>>,
    security: Secured,
}

enum Secured {
    Plain,
    Ldaps(Tls),
    StartTls(Tls),
}

impl Endpoint {
    /// An error for people, where the server's name does not do.
    pub(super) fn new(
        realm: &str,
        place: &Place,
        security: &Security,
        dns: Option<Dns>,
    ) -> Result<Self, String> {
        let host = &place.host;
        let tls = |settings| match host {
            config::Host::Tcp(..) => Tls::new(realm, place.named(), settings),
            config::Host::Unix(_) | config::Host::Srv(_) => Err(format!("{host} has no TLS")),
        };
        let security = match security {
            Security::Plain => Secured::Plain,
            Security::Ldaps(settings) => Secured::Ldaps(tls(settings)?),
            Security::StartTls(settings) => Secured::StartTls(tls(settings)?),
        };
        Ok(Self { host: host.clone(), dns, known: Mutex::default(), security })
    }

    /// The name and the port, where it has such.
    pub(super) fn address(&self) -> Option<(&str, u16)> {
        match &self.host {
            config::Host::Tcp(name, port) => Some((name, *port)),
            config::Host::Unix(_) | config::Host::Srv(_) => None,
        }
    }

    /// The address as an LDAP URL (RFC 4516).
    pub(super) fn url(&self) -> String {
        let scheme = if matches!(self.security, Secured::Ldaps(_)) { "ldaps" } else { "ldap" };
        match &self.host {
            config::Host::Tcp(name, port) if name.contains(':') => {
                format!("{scheme}://[{name}]:{port}")
            }
            config::Host::Tcp(name, port) => format!("{scheme}://{name}:{port}"),
            host => host.to_string(),
        }
    }

    /// When the certificate that was shown last expires, in seconds since 1970.
    pub(super) fn certificate_expires(&self) -> Option<u64> {
        match &self.security {
            Secured::Plain => None,
            Secured::Ldaps(tls) | Secured::StartTls(tls) => tls.certificate_expires(),
        }
    }

    /// A new connection behind its guard, secured as it is asked for.
    pub(super) async fn connect(&self) -> Result<(Guard, StdUnixStream), Failure> {
        let guarded = match self.link().await? {
            Link::Unix(stream) => Guard::post(stream),
            Link::Tcp(stream) => Guard::post(stream),
            Link::Tls(stream) => Guard::post(*stream),
        };
        guarded.map_err(|error| failed(plain(&error)))
    }

    /// Where the host is by the DNS; where that is silent, where it was.
    async fn addresses(&self, dns: &Dns, name: &str) -> Result<Vec<IpAddr>, Failure> {
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known().clone();
        let told = if before.is_empty() {
            dns.addresses(name).await
        } else {
            let told = timeout(DNS_PATIENCE, dns.addresses(name)).await;
            told.unwrap_or_else(|_| Err(dns.silent()))
        };
        match told {
            Ok(addresses) => {
                known().clone_from(&addresses);
                Ok(addresses)
            }
            Err(_) if !before.is_empty() => Ok(before),
            Err(error) => Err(failed(error)),
        }
    }

    /// Where the host is.
    pub(super) async fn resolve(&self, name: &str, port: u16) -> Result<Vec<SocketAddr>, Failure> {
        match &self.dns {
            None => lookup(name, port).await.map_err(|error| failed(plain(&error))),
            Some(dns) => {
                let addresses = self.addresses(dns, name).await?;
                Ok(addresses.into_iter().map(|it| (it, port).into()).collect())
            }
        }
    }

    /// A new connection, secured as it is asked for.
    pub(super) async fn link(&self) -> Result<Link, Failure> {
        let broken = |error| failed(plain(&error));
        let (name, port) = match &self.host {
            config::Host::Unix(path) => {
                return UnixStream::connect(path).await.map(Link::Unix).map_err(broken);
            }
            config::Host::Srv(domain) => {
                return Err(failed(format!("{domain} is the name of no host")));
            }
            config::Host::Tcp(name, port) => (name, *port),
        };
        let addresses = self.resolve(name, port).await?;
        let mut stream = connect(addresses).await.map_err(broken)?;
        let tls = match &self.security {
            Secured::Plain => return Ok(Link::Tcp(stream)),
            Secured::Ldaps(tls) => tls,
            Secured::StartTls(tls) => {
                start_tls(&mut stream).await?;
                tls
            }
        };
        Ok(Link::Tls(Box::new(tls.secure(stream).await.map_err(failed)?)))
    }
}

/// A connection to a server.
pub(super) enum Link {
    Unix(UnixStream),
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

fn failed(why: impl std::fmt::Display) -> Failure {
    Failure::Host(format!("cannot connect: {why}"))
}

/// Both sides agree in plain text to speak TLS from here on (RFC 4511 4.14). Not a byte behind the
/// answer is read: what somebody slips in there is taken for TLS, and fails.
async fn start_tls(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Result<(), Failure> {
    let failed = |why: &str| Failure::Host(format!("StartTLS: {why}"));
    let broken = |error: io::Error| failed(&plain(&error));
    let id = guard::FIRST_ID;
    stream.write_all(&Request::Extended(START_TLS).bytes(id)).await.map_err(broken)?;
    let mut message = Vec::new();
    loop {
        if let Some(answer) =
            guard::extended_result(&message, id).map_err(|end| failed(&end.why))?
        {
            return match answer.rc {
                0 => Ok(()),
                _ => Err(failed(&format!(
                    "the server refuses: {}; has it a certificate? else use ldaps",
                    describe(&answer)
                ))),
            };
        }
        message.push(stream.read_u8().await.map_err(broken)?);
    }
}
