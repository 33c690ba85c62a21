//! TLS to one server: whom we trust, who we are, and what went wrong, in words.

mod problem;
mod verifier;

use std::io;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub(super) use problem::problem;

use self::problem::is_of_certificate;
use self::verifier::{Shown, Verifier};
use super::net::plain;
use crate::config;

/// What is needed to speak TLS with one server.
pub(super) struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
    shown: Arc<Shown>,
}

impl Tls {
    /// For the server of this name or address; an error for people.
    pub(super) fn new(realm: &str, name: &str, settings: &config::Tls) -> Result<Self, String> {
        // The dot that ends an absolute name is not a part of it (RFC 6066 3).
        let name = name.strip_suffix('.').unwrap_or(name);
        let server = ServerName::try_from(name.to_owned())
            .map_err(|_| format!("{name:?} cannot be the name of a server of TLS"))?;
        let provider = Arc::new(default_provider());
        let shown = Arc::<Shown>::default();
        let verifier = Verifier::new(realm, name, settings, &provider, Arc::clone(&shown));
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("TLS cannot be set up: {error}"))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match &settings.client {
            Some(client) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(
                Arc::clone(&client.pair),
            ))),
            None => builder.with_no_client_auth(),
        };
        // A session that is resumed would leave out the certificate, which may have expired.
        config.resumption = Resumption::disabled();
        Ok(Self { connector: Arc::new(config).into(), name: server, shown })
    }

    /// When the certificate that was shown last expires, in seconds since 1970.
    pub(super) fn certificate_expires(&self) -> Option<u64> {
        self.shown.expires()
    }

    /// The handshake; an error for people.
    pub(super) async fn secure<S>(&self, stream: S) -> Result<TlsStream<S>, String>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let handshake = self.connector.connect(self.name.clone(), stream).await;
        handshake.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => "the server closed the connection during the TLS \
                                             handshake; it may have no TLS 1.2 or 1.3 there: \
                                             check port and connection_security"
                .to_owned(),
            _ if is_of_certificate(&error) => format!("{} {}", plain(&error), self.shown.whose()),
            _ => plain(&error),
        })
    }
}
