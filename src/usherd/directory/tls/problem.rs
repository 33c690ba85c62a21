//! What went wrong with TLS, and what to do about it.

use std::io;

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

/// The cause in words, if it lies with TLS.
pub(in crate::directory) fn problem(error: &io::Error) -> Option<String> {
    error.get_ref()?.downcast_ref::<Error>().map(words)
}

/// Whether the server's certificate is to blame.
pub(super) fn is_of_certificate(error: &io::Error) -> bool {
    let error = error.get_ref().and_then(|error| error.downcast_ref::<Error>());
    matches!(error, Some(Error::InvalidCertificate(_)))
}

pub(super) fn words(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(problem) => format!("its certificate {}", certificate(problem)),
        // What answers in plain text is no record of TLS.
        Error::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
        ) => "it does not speak TLS there; check port and connection_security".to_owned(),
        Error::AlertReceived(alert) => refused(*alert),
        Error::PeerIncompatible(what) => {
            format!("it has no TLS 1.2 or 1.3 as we speak it ({what:?}); its TLS must be renewed")
        }
        other => format!("TLS failed: {other}"),
    }
}

fn refused(alert: AlertDescription) -> String {
    let advice = match alert {
        AlertDescription::CertificateRequired => {
            "it wants a certificate of ours; set client_certificate and client_key"
        }
        AlertDescription::HandshakeFailure
        | AlertDescription::ProtocolVersion
        | AlertDescription::InsufficientSecurity => {
            "it has no TLS 1.2 or 1.3 as we speak it, has no certificate to show, or wants one of \
             ours"
        }
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied => "it does not accept our client_certificate",
        _ => "its own log may say why",
    };
    format!("it refuses TLS ({alert:?}): {advice}")
}

fn certificate(problem: &CertificateError) -> String {
    match problem {
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("expired on {}; it must be renewed", day(*not_after))
        }
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("is valid from {} only; check the clocks here and there", day(*not_before))
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let expected = expected.to_str();
            let names: Vec<&str> = presented.iter().map(|name| bare(name)).collect();
            if names.is_empty() {
                format!(
                    "has no subjectAltName (a common name does not count, RFC 9525 2); it must be \
                     issued again with one for {expected}"
                )
            } else {
                format!(
                    "is for {}, not for {expected}; name the host as the certificate does",
                    names.join(", ")
                )
            }
        }
        CertificateError::UnknownIssuer => {
            "is signed by nobody whom we trust; add the authority's to ca_certificates".to_owned()
        }
        // The text names the library's rule: the certificate is marked as an authority's.
        CertificateError::Other(other) if other.to_string() == "CaUsedAsEndEntity" => {
            "is self-signed or an authority's own; add just this one to ca_certificates".to_owned()
        }
        CertificateError::BadEncoding => "cannot be read".to_owned(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "is not one for servers; it must be issued again (extendedKeyUsage serverAuth)"
                .to_owned()
        }
        other => format!("is not good: {other}"),
    }
}

/// `ldap.example.com` of `DnsName("ldap.example.com")`.
fn bare(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"')
}

/// The day in UTC, as people write it (<https://howardhinnant.github.io/date_algorithms.html>).
fn day(time: UnixTime) -> String {
    let days = time.as_secs() / 86_400 + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_told_as_dates() {
        for (seconds, date) in [
            (0, "1970-01-01"),
            (951_782_399, "2000-02-28"),
            (951_782_400, "2000-02-29"),
            (1_767_225_599, "2025-12-31"),
            (4_102_444_800, "2100-01-01"),
        ] {
            let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
            assert_eq!(day(time), date);
        }
    }
}
