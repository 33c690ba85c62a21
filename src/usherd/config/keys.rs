//! Which keys a realm of each type has.

use super::problem::{Fault, Findings};
use super::raw::{self, Kind};

/// The keys of every type but a chain.
const COMMON: [&str; 13] = [
    "type",
    "metadata_from",
    "email_attribute",
    "first_name_attribute",
    "last_name_attribute",
    "domains",
    "strip_domain",
    "case",
    "rules",
    "metadata",
    "cache",
    "shield",
    "reveal_account_state",
];
/// Those that each type has besides.
const LOCAL: [&str; 2] = ["file", "format"];
const CROWD: [&str; 8] = [
    "host",
    "certificate_checks",
    "ca_certificates",
    "client_certificate",
    "client_key",
    "account",
    "password",
    "pool",
];
const PAM: [&str; 3] = ["service", "helper", "pool"];
/// The keys of a chain.
const CHAIN: [&str; 5] = ["type", "realms", "on_unavailable", "domains", "strip_domain"];
/// The keys that no LDAP realm has; it has all the others.
const NOT_LDAP: [&str; 6] = ["file", "format", "service", "helper", "realms", "on_unavailable"];

/// Refuses what this type of realm does not have.
pub(super) fn refuse_others(kind: Kind, raw: &raw::Realm, findings: &mut Findings<'_>) {
    for (key, at) in raw.given() {
        let has = |own: &[&str]| COMMON.contains(&key) || own.contains(&key);
        let own = match kind {
            Kind::Ldap => !NOT_LDAP.contains(&key),
            Kind::Local => has(&LOCAL),
            Kind::Pam => has(&PAM),
            Kind::Chain => CHAIN.contains(&key),
            Kind::Crowd => has(&CROWD),
        };
        if !own {
            let whose = match kind {
                Kind::Ldap => "an ldap realm".to_owned(),
                Kind::Chain => "a chain: its realms have their own".to_owned(),
                other => format!("a {} realm", other.word()),
            };
            findings.refuse(at, Fault::new(format!("{key} is not a key of {whose}")));
        }
    }
}
