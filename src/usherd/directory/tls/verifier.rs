//! Whether a server's certificate is good, and whether that matters.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_cert::Certificate;
use x509_cert::der::Decode;

use super::problem::words;
use crate::config::{self, CertificateChecks};
use crate::telemetry::harmless;

/// The judge of one server's certificates.
#[derive(Debug)]
pub(super) struct Verifier {
    realm: String,
    host: String,
    checks: CertificateChecks,
    roots: RootCertStore,
    /// What an administrator names is trusted as it is, even where it is not an authority's.
    pinned: Arc<[CertificateDer<'static>]>,
    algorithms: WebPkiSupportedAlgorithms,
    shown: Arc<Shown>,
    /// Whether the log knows already that a bad certificate was taken.
    told: AtomicBool,
}

impl Verifier {
    pub(super) fn new(
        realm: &str,
        host: &str,
        settings: &config::Tls,
        provider: &CryptoProvider,
        shown: Arc<Shown>,
    ) -> Self {
        let authorities = &settings.authorities;
        let mut roots = RootCertStore::empty();
        // Stores have certificates that are too odd to be read; those are not trusted.
        roots.add_parsable_certificates(authorities.certificates.iter().cloned());
        let pinned = match authorities.path {
            Some(_) => Arc::clone(&authorities.certificates),
            None => Arc::default(),
        };
        Self {
            realm: realm.to_owned(),
            host: host.to_owned(),
            checks: settings.checks,
            roots,
            pinned,
            algorithms: provider.signature_verification_algorithms,
            shown,
            told: AtomicBool::new(false),
        }
    }

    fn examine(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        let parsed = ParsedCertificate::try_from(certificate)?;
        let signed = verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &self.roots,
            intermediates,
            now,
            self.algorithms.all,
        );
        match signed {
            // A self-signed certificate is often marked as an authority's, which the library does
            // not take from a server. Time is what it looks at first, so this one is in date.
            Err(Error::InvalidCertificate(problem))
                if !is_untimely(&problem) && self.pinned.iter().any(|one| one == certificate) => {}
            other => other?,
        }
        verify_server_name(&parsed, name)
    }

    /// What comes of an examination of this certificate.
    fn conclude(
        &self,
        certificate: &CertificateDer<'_>,
        examine: impl FnOnce() -> Result<(), Error>,
    ) -> Result<(), Error> {
        match self.checks {
            CertificateChecks::Never => Ok(()),
            CertificateChecks::Allow => {
                if let Err(error) = examine()
                    && !self.told.swap(true, Ordering::Relaxed)
                {
                    let (realm, host, why) = (&self.realm, &self.host, words(&error));
                    let whose = whose(certificate);
                    tracing::warn!(
                        name: "bad_certificate",
                        realm,
                        host,
                        "a bad certificate is taken: {why} {whose}"
                    );
                }
                Ok(())
            }
            CertificateChecks::Try | CertificateChecks::Demand | CertificateChecks::Hard => {
                examine().inspect_err(|_| self.shown.refused(certificate))
            }
        }
    }
}

/// What is known of the certificate that a server has shown last.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// In seconds since 1970; 0 where that cannot be read.
    expires: AtomicU64,
    /// Of one that was refused.
    whose: Mutex<String>,
}

impl Shown {
    /// When it expires.
    pub(super) fn expires(&self) -> Option<u64> {
        Some(self.expires.load(Ordering::Relaxed)).filter(|expires| *expires > 0)
    }

    /// Whose the one is that was refused, and who signed it.
    pub(super) fn whose(&self) -> String {
        self.whose.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn refused(&self, certificate: &CertificateDer<'_>) {
        *self.whose.lock().unwrap_or_else(PoisonError::into_inner) = whose(certificate);
    }
}

/// Whose a certificate is and who signed it, in brackets.
fn whose(certificate: &CertificateDer<'_>) -> String {
    let Ok(certificate) = Certificate::from_der(certificate) else { return String::new() };
    let body = certificate.tbs_certificate();
    let [subject, issuer] = [body.subject(), body.issuer()].map(ToString::to_string);
    format!("(of \"{}\", issued by \"{}\")", harmless(&subject), harmless(&issuer))
}

/// RFC 5280 4.1.2.5. What cannot be read is refused elsewhere.
fn expiry(certificate: &CertificateDer<'_>) -> Option<u64> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let expires = certificate.tbs_certificate().validity().not_after.to_unix_duration();
    Some(expires.as_secs())
}

fn is_untimely(problem: &CertificateError) -> bool {
    matches!(
        problem,
        CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. }
    )
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.shown.expires.store(expiry(end_entity).unwrap_or_default(), Ordering::Relaxed);
        self.conclude(end_entity, || self.examine(end_entity, intermediates, server_name, now))
            .map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verify = || verify_tls12_signature(message, cert, dss, &self.algorithms).map(drop);
        self.conclude(cert, verify).map(|()| HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verify = || verify_tls13_signature(message, cert, dss, &self.algorithms).map(drop);
        self.conclude(cert, verify).map(|()| HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
