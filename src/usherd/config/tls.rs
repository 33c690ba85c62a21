//! What encrypted connections rest on: certificates and keys. They are read here, so that a reload
//! notices when one of them changed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use toml::Spanned;

use super::problem::{Fault, Findings};
use super::realm::word;
use super::settings::{Authorities, CertificateChecks, ClientCertificate, Tls};
use super::{Surroundings, raw, secret};

pub(super) fn tls(
    raw: &raw::Realm,
    around: &Surroundings,
    findings: &mut Findings<'_>,
) -> Option<Tls> {
    let checks = word(raw.certificate_checks.as_ref(), CertificateChecks::Demand);
    let client = client(raw, around, findings);
    Some(Tls { checks, authorities: authorities(raw, checks, around, findings)?, client })
}

fn authorities(
    raw: &raw::Realm,
    checks: CertificateChecks,
    around: &Surroundings,
    findings: &mut Findings<'_>,
) -> Option<Authorities> {
    if let Some(given) = &raw.ca_certificates {
        let read = around.path(given.get_ref()).and_then(|path| {
            let certificates = if path.is_dir() { folder(&path) } else { file(&path) };
            Ok(Authorities { certificates: certificates?, path: Some(path) })
        });
        return findings.take("ca_certificates", given.span(), read);
    }
    let certificates = match checks {
        CertificateChecks::Never => Vec::new(),
        _ => rustls_native_certs::load_native_certs().certs,
    };
    if certificates.is_empty() && checks.refuses() {
        let at = raw.host.as_ref().map_or(0..0, Spanned::span);
        let fault = Fault::new("this system has no store of certificate authorities")
            .hint("set ca_certificates, or install the package ca-certificates");
        findings.refuse(at, fault);
        return None;
    }
    Some(Authorities { path: None, certificates: certificates.into() })
}

/// The certificates in a file.
fn file(path: &Path) -> Result<Arc<[CertificateDer<'static>]>, Fault> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| unreadable(path, &error))?;
    if certificates.is_empty() {
        let path = path.display();
        return Err(Fault::new(format!("finds no certificate in PEM in {path}"))
            .hint(format!("if it is in DER: openssl x509 -inform der -in {path}")));
    }
    Ok(certificates.into())
}

/// The certificates in a folder, as OpenSSL takes them: from files named by hashes alone, so that
/// a file that merely lies there is not trusted.
fn folder(path: &Path) -> Result<Arc<[CertificateDer<'static>]>, Fault> {
    let unreadable = |error: io::Error| unreadable(path, &pem::Error::Io(error));
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in path.read_dir().map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        // A link whose file is gone stays behind until the next `openssl rehash`.
        if entry.file_name().to_str().is_some_and(is_hash) && entry.path().is_file() {
            files.push(entry.path());
        }
    }
    if files.is_empty() {
        return Err(Fault::new(format!("finds no hashed certificates in {}", path.display()))
            .hint(format!("run: openssl rehash {}", path.display())));
    }
    files.sort();
    let mut certificates = Vec::new();
    for path in files {
        certificates.extend(file(&path)?.iter().cloned());
    }
    Ok(certificates.into())
}

/// Whether a file is named as `openssl rehash` does: `9d66eef0.0`.
fn is_hash(name: &str) -> bool {
    name.split_once('.').is_some_and(|(hash, number)| {
        hash.len() == 8
            && hash.bytes().all(|b| b.is_ascii_hexdigit())
            && !number.is_empty()
            && number.bytes().all(|b| b.is_ascii_digit())
    })
}

fn client(
    raw: &raw::Realm,
    around: &Surroundings,
    findings: &mut Findings<'_>,
) -> Option<ClientCertificate> {
    let (given, key_given) = match (&raw.client_certificate, &raw.client_key) {
        (None, None) => return None,
        (Some(certificate), None) => {
            let fault = Fault::new("client_certificate has no client_key")
                .hint("where both are in one file, name it twice");
            findings.refuse(certificate.span(), fault);
            return None;
        }
        (None, Some(key)) => {
            let fault = Fault::new("client_key has no client_certificate")
                .hint("where both are in one file, name it twice");
            findings.refuse(key.span(), fault);
            return None;
        }
        (Some(certificate), Some(key)) => (certificate, key),
    };
    let chain = around.path(given.get_ref()).and_then(|path| Ok((file(&path)?.to_vec(), path)));
    let chain = findings.take("client_certificate", given.span(), chain);
    let key = around.path(key_given.get_ref()).and_then(|path| Ok((private(&path)?, path)));
    let key = findings.take("client_key", key_given.span(), key);
    let ((chain, certificate), (secret, key)) = (chain?, key?);
    if key.metadata().is_ok_and(|metadata| secret::is_exposed(&metadata)) {
        findings.warn(key_given.span(), &secret::exposed(&key));
    }
    let pair = CertifiedKey::from_der(chain, secret, &default_provider()).map_err(|error| {
        let files = (key.display(), certificate.display());
        Fault::new(format!("in {} does not fit the certificate in {}: {error}", files.0, files.1))
            .hint("the certificate of the key itself comes first in the file, before its issuers")
    });
    let pair = findings.take("client_key", key_given.span(), pair)?.into();
    Some(ClientCertificate { certificate, key, pair })
}

fn private(path: &Path) -> Result<PrivateKeyDer<'static>, Fault> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| match error {
        pem::Error::NoItemsFound => {
            Fault::new(format!("finds no private key in PEM in {}", path.display()))
                .hint("an encrypted key cannot be used: nobody is there to type its passphrase")
        }
        error => unreadable(path, &error),
    })
}

fn unreadable(path: &Path, error: &pem::Error) -> Fault {
    match error {
        pem::Error::Io(error) => secret::unreadable(path, error),
        other => Fault::new(format!("cannot be read from {}: {other}", path.display())),
    }
}
