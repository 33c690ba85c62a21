//! Certificates, good and bad, as servers and clients show them.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, date_time_ymd,
};

/// Who signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    pub(crate) pem: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = certificate(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, key()).expect("an authority"))
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate that this authority signed.
    pub(crate) fn signs(&self, params: &CertificateParams) -> Certificate {
        let key = key();
        let signed = params.signed_by(&key, &self.0).expect("a certificate");
        Certificate { pem: signed.pem(), key: key.serialize_pem() }
    }
}

/// A certificate that signs itself and is marked as an authority's, as `openssl req -x509` makes.
pub(crate) fn self_signed(mut params: CertificateParams) -> Certificate {
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = key();
    let signed = params.self_signed(&key).expect("a certificate");
    Certificate { pem: signed.pem(), key: key.serialize_pem() }
}

/// A certificate to be signed, with this common name and these subjectAltNames.
pub(crate) fn certificate(name: &str, alternatives: &[&str]) -> CertificateParams {
    let alternatives: Vec<_> = alternatives.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(alternatives).expect("names");
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2120, 1, 1);
    params
}

/// The certificate of a server on this machine.
pub(crate) fn of_this_machine() -> CertificateParams {
    certificate("slapd", &["localhost", "127.0.0.1", "::1"])
}

pub(crate) fn expired() -> CertificateParams {
    let mut params = of_this_machine();
    params.not_after = date_time_ymd(2020, 2, 29);
    params
}

pub(crate) fn not_yet_valid() -> CertificateParams {
    let mut params = of_this_machine();
    params.not_before = date_time_ymd(2119, 12, 31);
    params
}

/// A certificate for clients alone.
pub(crate) fn of_client(name: &str) -> CertificateParams {
    let mut params = certificate(name, &[]);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}
