//! What the language knows and this version does not do, all of it: to build a capability is also
//! to delete its lines here. Whoever asks for one of these is told, instead of getting less than
//! they asked for.

use toml::Spanned;

use super::problem::{Fault, Findings};
use super::raw::{self, Kind, Referrals, Word};

/// Values that are refused, with their spelling.
const REFERRALS: [(Referrals, &str); 1] = [(Referrals::Follow, "follow")];

/// The message.
pub(super) fn told(what: &str) -> String {
    format!("\"{what}\" is not supported in this version")
}

/// Refuses what a realm may not ask for.
pub(super) fn in_realm(realm: &raw::Realm, findings: &mut Findings<'_>) {
    words("referrals", realm.referrals.as_ref(), &REFERRALS, findings);
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
