//! What the language knows and this version does not do, all of it: to build a capability is also
//! to delete its lines here. Whoever asks for one of these is told, instead of getting less than
//! they asked for.

use toml::Spanned;

use super::problem::{Fault, Findings};
use super::raw::{self, Format, Kind, Quantity, Referrals, Security, Whole, Word};
use super::{settings, units};

/// Keys that are refused whatever they say.
const REALM: [&str; 2] = ["certificate_checks", "ca_certificates"];
const SHIELD: [&str; 2] = ["window", "block"];

/// Values that are refused, with their spelling.
const REFERRALS: [(Referrals, &str); 1] = [(Referrals::Follow, "follow")];
const FORMATS: [(Format, &str); 1] = [(Format::Htpasswd, "htpasswd")];

/// The message.
pub(super) fn told(what: &str) -> String {
    format!("\"{what}\" is not supported in this version")
}

/// Refuses what the file may not ask for outside its realms.
pub(super) fn in_file(file: &raw::File, findings: &mut Findings<'_>) {
    if let Some(http) = &file.http {
        findings.refuse_what_else(http.span(), Fault::new(told("http")));
    }
}

/// Refuses what a realm may not ask for. Values that mean "off" are let through.
pub(super) fn in_realm(realm: &raw::Realm, findings: &mut Findings<'_>) {
    keys("", realm.given(), &REALM, findings);
    words("referrals", realm.referrals.as_ref(), &REFERRALS, findings);
    words("format", realm.format.as_ref(), &FORMATS, findings);
    if let Some(cache) = &realm.cache {
        in_cache(cache.get_ref(), findings);
    }
    if let Some(shield) = &realm.shield {
        in_shield(shield.get_ref(), findings);
    }
}

fn in_cache(cache: &raw::Cache, findings: &mut Findings<'_>) {
    let offline = cache.offline_authentication.as_ref();
    off("cache.stale", cache.stale.as_ref(), is_no_time, "\"0s\"", findings);
    off("cache.offline_authentication", offline, is_no_time, "\"0s\"", findings);
    off("cache.refresh_ahead", cache.refresh_ahead.as_ref(), |part| *part == 0.0, "0", findings);
}

fn in_shield(shield: &raw::Shield, findings: &mut Findings<'_>) {
    keys("shield.", shield.given(), &SHIELD, findings);
    off("shield.failures", shield.failures.as_ref(), is_none, "0", findings);
    off("shield.per_client", shield.per_client.as_ref(), is_none, "0", findings);
}

/// The types of realm that can be built.
pub(super) enum Supported {
    Ldap,
    Local,
}

/// The type of a realm, if this version has it.
pub(super) fn kind(asked: Kind) -> Result<Supported, Fault> {
    match asked {
        Kind::Ldap => Ok(Supported::Ldap),
        Kind::Local => Ok(Supported::Local),
        Kind::Pam | Kind::Crowd | Kind::Chain => Err(Fault::new(told(asked.word()))),
    }
}

/// How connections are secured, if this version can do that.
pub(super) fn security(asked: Security) -> Result<settings::Security, Fault> {
    match asked {
        Security::Plain => Ok(settings::Security::Plain),
        Security::Ldaps | Security::StartTls => Err(Fault::new(told(asked.word()))
            .hint("set connection_security = \"plain\" (passwords travel unencrypted!)")),
    }
}

fn keys(
    table: &str,
    given: Vec<(&'static str, raw::Span)>,
    refused: &[&str],
    findings: &mut Findings<'_>,
) {
    for (key, at) in given {
        if refused.contains(&key) {
            findings.refuse_what_else(at, Fault::new(told(&format!("{table}{key}"))));
        }
    }
}

fn words<T: Copy + PartialEq>(
    key: &str,
    given: Option<&Spanned<Word<T>>>,
    refused: &[(T, &str)],
    findings: &mut Findings<'_>,
) {
    let Some(given) = given else { return };
    if let Some((_, word)) = refused.iter().find(|(value, _)| *value == given.get_ref().0) {
        findings.refuse_what_else(given.span(), Fault::new(format!("{key} {}", told(word))));
    }
}

fn off<T>(
    key: &str,
    given: Option<&Spanned<T>>,
    is_off: impl FnOnce(&T) -> bool,
    off: &str,
    findings: &mut Findings<'_>,
) {
    let Some(given) = given else { return };
    if !is_off(given.get_ref()) {
        let fault = Fault::new(told(key)).hint(format!("{off} turns it off"));
        findings.refuse_what_else(given.span(), fault);
    }
}

fn is_none(count: &Whole) -> bool {
    count.0 == 0
}

fn is_no_time(quantity: &Quantity) -> bool {
    units::any_duration(quantity).is_ok_and(|duration| duration.is_zero())
}
