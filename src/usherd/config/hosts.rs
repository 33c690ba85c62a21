//! The servers of a realm, and how connections to them are secured.

use std::net::SocketAddr;

use toml::Spanned;

use super::host::{Address, Server, name_server};
use super::problem::{Fault, Findings};
use super::raw::{self, Security, Span, Strings, Word};
use super::realm::Named;
use super::{Surroundings, settings, tls, units};

/// Where LDAP listens (RFC 4511 5.1), also for StartTLS.
const LDAP_PORT: u16 = 389;
/// Where LDAP inside of TLS listens.
const LDAPS_PORT: u16 = 636;

/// The hosts in order of preference, and how all of them are secured.
pub(super) fn hosts(
    realm: &Named<'_>,
    around: &Surroundings,
    findings: &mut Findings<'_>,
) -> Option<(Vec<settings::Host>, settings::Security)> {
    let raw = realm.raw;
    let port = raw
        .port
        .as_ref()
        .and_then(|port| findings.take("port", port.span(), units::port(port.get_ref())));
    let (at, written) = realm.required("host", raw.host.as_ref(), findings)?;
    let servers = servers(at.clone(), written, findings)?;
    refuse_useless_port(raw, &servers, findings);
    let (security, usual_port) = match security(raw, at.clone(), &servers, findings)? {
        Security::Plain => {
            refuse_certificates(raw, findings);
            (settings::Security::Plain, LDAP_PORT)
        }
        Security::Ldaps => {
            (settings::Security::Ldaps(tls::tls(raw, around, findings)?), LDAPS_PORT)
        }
        Security::StartTls => {
            (settings::Security::StartTls(tls::tls(raw, around, findings)?), LDAP_PORT)
        }
    };
    if let Some(name) = servers.iter().find_map(|server| server.address.remote()) {
        warn_of_listeners(name, &security, at, findings);
    }
    let port = port.unwrap_or(usual_port);
    let hosts = servers.into_iter().map(|server| server.address.on(port)).collect();
    Some((hosts, security))
}

/// Who is asked for the names of hosts; nobody in particular: whom the system asks.
pub(super) fn name_servers(raw: &raw::Realm, findings: &mut Findings<'_>) -> Vec<SocketAddr> {
    let Some(given) = &raw.dns else { return Vec::new() };
    let written = given.get_ref().each(given.span());
    if written.is_empty() {
        findings.refuse(given.span(), Fault::new("dns is empty"));
    }
    let read = |(at, text): (Span, &str)| findings.take("dns", at, name_server(text));
    written.into_iter().filter_map(read).collect()
}

/// Warns where whoever is on the way to `name` can read passwords.
fn warn_of_listeners(
    name: &str,
    security: &settings::Security,
    at: Span,
    findings: &mut Findings<'_>,
) {
    match security.tls() {
        None => findings.warn(at, &format!("passwords travel unencrypted to {name}")),
        Some(tls) if !tls.checks.refuses() => {
            let what = format!("passwords travel to whoever answers for {name}");
            findings.warn(at, &format!("{what}: its certificate may be a false one"));
        }
        Some(_) => {}
    }
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
        let fault = Fault::new("port contradicts ldapi://: a socket has no port");
        findings.refuse(port.span(), fault.hint("leave port out"));
    } else if !servers.iter().any(|server| matches!(server.address, Address::Tcp(..))) {
        let fault = Fault::new("port contradicts srv:, whose records tell it");
        findings.refuse(port.span(), fault.hint("leave port out"));
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

/// There are no certificates without encryption.
pub(super) fn refuse_certificates(raw: &raw::Realm, findings: &mut Findings<'_>) {
    let keys = [
        ("certificate_checks", raw.certificate_checks.as_ref().map(Spanned::span)),
        ("ca_certificates", raw.ca_certificates.as_ref().map(Spanned::span)),
        ("client_certificate", raw.client_certificate.as_ref().map(Spanned::span)),
        ("client_key", raw.client_key.as_ref().map(Spanned::span)),
    ];
    for (key, at) in keys {
        let Some(at) = at else { continue };
        let what = format!("{key} contradicts connection_security \"plain\": there are none");
        findings.refuse(at, Fault::new(what).hint(format!("leave {key} out")));
    }
}
