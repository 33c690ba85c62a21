//! Encryption, and where secrets stand.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use serde::Deserialize;

/// What encrypted connections rest on.
#[derive(Debug, Clone, PartialEq)]
pub struct Tls {
    /// What a server's certificate must be.
    pub checks: CertificateChecks,
    /// Who may sign it.
    pub authorities: Authorities,
    /// What is shown to servers that ask for a certificate.
    pub client: Option<ClientCertificate>,
}

/// `certificate_checks`, as the `TLS_REQCERT` of ldap.conf(5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CertificateChecks {
    /// Any certificate is taken.
    Never,
    /// A bad certificate is taken, and logged.
    Allow,
    /// As `Demand`: a server of TLS always shows a certificate.
    Try,
    /// It must be trusted, in date, and name the host.
    Demand,
    /// As `Demand`.
    Hard,
}

impl CertificateChecks {
    /// Whether a bad certificate ends the connection.
    pub fn refuses(self) -> bool {
        matches!(self, Self::Try | Self::Demand | Self::Hard)
    }
}

/// The certificates that are trusted.
#[derive(Debug, Clone, PartialEq)]
pub struct Authorities {
    /// The file or the folder that they were read from; none: the system's store.
    pub path: Option<PathBuf>,
    /// What was read.
    pub certificates: Arc<[CertificateDer<'static>]>,
}

/// A certificate of ours.
#[derive(Debug, Clone)]
pub struct ClientCertificate {
    /// The file with it and its chain.
    pub certificate: PathBuf,
    /// The file with its key.
    pub key: PathBuf,
    /// What was read.
    pub pair: Arc<CertifiedKey>,
}

impl PartialEq for ClientCertificate {
    /// The certificate holds the public half of the key, so the keys need no comparison.
    fn eq(&self, other: &Self) -> bool {
        (&self.certificate, &self.key, &self.pair.cert)
            == (&other.certificate, &other.key, &other.pair.cert)
    }
}

/// Where a password stands. Its text is for people: `file /etc/usher/ldap.secret`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In the configuration itself.
    Inline,
    /// In a file of its own.
    File(PathBuf),
    /// In systemd's credential of this name.
    Credential(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline => f.write_str("configuration"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Credential(name) => write!(f, "credential {name}"),
        }
    }
}
