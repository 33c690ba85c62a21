//! What the language knows and this version does not do, all of it: to build a capability is also
//! to delete its lines here. Whoever asks for one of these is told, instead of getting less than
//! they asked for.

use toml::Spanned;

use super::problem::{Fault, Findings};
use super::raw::{self, Format, Kind, Referrals, Whole, Word};

/// Keys that are refused whatever they say.
const REALM: [&str; 2] = ["directory", "user_dn"];
const GROUPS: [&str; 2] = ["base_dn", "filter"];

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
    off("reveal_account_state", realm.reveal_account_state.as_ref(), |on| !on, "false", findings);
    if let Some(groups) = &realm.groups {
        keys("groups.", groups.get_ref().given(), &GROUPS, findings);
        off("groups.nested", groups.get_ref().nested.as_ref(), is_none, "0", findings);
    }
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
