//! The servers of a realm, and how connections to them are secured.

use toml::Spanned;

use super::host::{Address, Server};
use super::problem::{Fault, Findings};
use super::raw::{self, Security, Span, Strings, Word};
use super::realm::Named;
use super::{settings, units, unsupported};

/// What plain LDAP listens on. (RFC 4511 5.1)
const PLAIN_PORT: u16 = 389;

/// The hosts in order of preference, and how all of them are secured. A contradiction is told
/// before what is merely unsupported.
pub(super) fn hosts(
    realm: &Named<'_>,
    findings: &mut Findings<'_>,
) -> Option<(Vec<settings::Host>, settings::Security)> {
    let port = findings.read("port", &realm.raw.port, PLAIN_PORT, units::port);
    let (at, written) = realm.required("host", realm.raw.host.as_ref(), findings)?;
    let servers = servers(at.clone(), written, findings)?;
    refuse_useless_port(realm.raw, &servers, findings);
    let security = security(realm.raw, at.clone(), &servers, findings)?;
    if security == Security::Plain {
        refuse_certificates(realm.raw, findings);
    }
    let secured_at = realm.raw.connection_security.as_ref().map_or(at.clone(), Spanned::span);
    let security =
        findings.take("connection_security", secured_at, unsupported::security(security))?;
    if let Some(name) = servers.iter().find_map(|server| server.address.remote()) {
        findings.warn(at, &format!("passwords travel unencrypted to {name}"));
    }
    let hosts = servers.into_iter().map(|server| server.address.on(port)).collect();
    Some((hosts, security))
}

/// The servers, if all of them can be understood.
fn servers(at: Span, written: &Strings, findings: &mut Findings<'_>) -> Option<Vec<Server>> {
    let each: Vec<_> = match written {
        Strings::One(list) => list.split(',').map(|text| (at.clone(), text.trim())).collect(),
        Strings::Many(_) => written.each(at.clone()),
    };
    if each.is_empty() {
        findings.refuse(at, Fault::new("host is empty"));
        return None;
    }
    let mut servers = Vec::new();
    let mut all = true;
    for (at, text) in each {
        let server = findings.take("host", at.clone(), Server::parse(text));
        all &= server.is_some();
        let Some(server) = server else { continue };
        if servers.contains(&server) {
            findings.refuse(at, Fault::new(format!("host has {text:?} twice")));
        }
        servers.push(server);
    }
    all.then_some(servers)
}

fn refuse_useless_port(raw: &raw::Realm, servers: &[Server], findings: &mut Findings<'_>) {
    let Some(port) = &raw.port else { return };
    if servers.iter().all(|server| matches!(server.address, Address::Unix(_))) {
        findings.refuse(port.span(), Fault::new("port contradicts ldapi://: a socket has no port"));
    }
}

/// What the key and the URLs agree on. Without either, connections are encrypted.
fn security(
    raw: &raw::Realm,
    at: Span,
    servers: &[Server],
    findings: &mut Findings<'_>,
) -> Option<Security> {
    let Some(given) = &raw.connection_security else {
        let mut each = servers.iter().map(|server| server.security.unwrap_or(Security::Ldaps));
        let first = each.next()?;
        if each.any(|other| other != first) {
            let fault = Fault::new("host mixes servers with and without encryption")
                .hint("set connection_security, and leave the schemes out");
            findings.refuse(at, fault);
            return None;
        }
        return Some(first);
    };
    let Word(security) = *given.get_ref();
    for server in servers {
        let is_socket = matches!(server.address, Address::Unix(_));
        let scheme = match (server.security, security) {
            (Some(Security::Ldaps), Security::Plain | Security::StartTls) => "ldaps://",
            (_, Security::Ldaps | Security::StartTls) if is_socket => "ldapi://",
            (Some(Security::Plain), Security::Ldaps) => "ldap://",
            _ => continue,
        };
        let what = format!("connection_security {:?} contradicts {scheme}", security.word());
        findings.refuse(given.span(), Fault::new(what));
        return None;
    }
    Some(security)
}

fn refuse_certificates(raw: &raw::Realm, findings: &mut Findings<'_>) {
    let checks = raw.certificate_checks.as_ref().map(|key| ("certificate_checks", key.span()));
    let authorities = raw.ca_certificates.as_ref().map(|key| ("ca_certificates", key.span()));
    for (key, at) in checks.into_iter().chain(authorities) {
        let what = format!("{key} contradicts connection_security \"plain\": there are none");
        findings.refuse(at, Fault::new(what).hint(format!("leave {key} out")));
    }
}
