//! What only `type = "crowd"` has.

use std::time::Duration;

use toml::Spanned;

use super::host::{self, Address};
use super::problem::{Fault, Findings};
use super::raw::{self, Span, Strings};
use super::realm::Named;
use super::settings::{Account, Crowd, CrowdHost};
use super::{Surroundings, account, hosts, tls, units};

/// The keys of its pool.
const POOL: [&str; 3] = ["bind_lanes", "connect_timeout", "operation_timeout"];

pub(super) fn crowd(
    realm: &Named<'_>,
    around: &Surroundings,
    findings: &mut Findings<'_>,
) -> Option<Crowd> {
    let raw = realm.raw;
    let account = account::account(raw, around, findings);
    if raw.account.is_none() && raw.password.is_none() {
        realm.refuse("needs account and password: those of an application in Crowd", findings);
    }
    let none = raw::Pool::default();
    let pool = raw.pool.as_ref().map_or(&none, Spanned::get_ref);
    refuse_others(pool, findings);
    let wait = || units::duration(Duration::from_millis(10)..=Duration::from_secs(300));
    let (connect, operation) = (Duration::from_secs(2), Duration::from_secs(3));
    let lanes = findings.read("bind_lanes", &pool.bind_lanes, 16, units::count(1..=1024));
    let connect_timeout = findings.read("connect_timeout", &pool.connect_timeout, connect, wait());
    let operation_timeout =
        findings.read("operation_timeout", &pool.operation_timeout, operation, wait());
    let (at, written) = realm.required("host", raw.host.as_ref(), findings)?;
    let hosts = places(at.clone(), written, findings)?;
    let tls = if hosts.iter().any(|host| host.secure) {
        Some(tls::tls(raw, around, findings)?)
    } else {
        hosts::refuse_certificates(raw, findings);
        None
    };
    warn_of_listeners(&hosts, tls.as_ref().is_none_or(|tls| !tls.checks.refuses()), at, findings);
    let Account::Simple { dn: application, password, origin } = account else { return None };
    Some(Crowd {
        hosts,
        tls,
        application,
        password,
        origin,
        lanes,
        connect_timeout,
        operation_timeout,
    })
}

fn refuse_others(pool: &raw::Pool, findings: &mut Findings<'_>) {
    for (key, at) in pool.given() {
        if !POOL.contains(&key) {
            let what = format!("{key} is not a key of a crowd realm's pool");
            findings.refuse(at, Fault::new(what).hint(format!("these are: {}", POOL.join(", "))));
        }
    }
}

/// The servers, if all can be understood and are of one kind.
fn places(at: Span, written: &Strings, findings: &mut Findings<'_>) -> Option<Vec<CrowdHost>> {
    let each: Vec<_> = match written {
        Strings::One(list) => list.split(',').map(|text| (at.clone(), text.trim())).collect(),
        Strings::Many(_) => written.each(at.clone()),
    };
    let mut places: Vec<CrowdHost> = Vec::new();
    let mut all = !each.is_empty();
    for (at, text) in each {
        match findings.take("host", at.clone(), place(text)) {
            None => all = false,
            Some(place) if places.contains(&place) => {
                findings.refuse(at, Fault::new(format!("host has {text:?} twice")));
            }
            Some(place) => places.push(place),
        }
    }
    if places.iter().any(|place| Some(place.secure) != places.first().map(|it| it.secure)) {
        findings.refuse(at, Fault::new("host mixes servers with and without encryption"));
        return None;
    }
    all.then_some(places)
}

/// `https://NAME:PORT/PATH`
fn place(text: &str) -> Result<CrowdHost, Fault> {
    let no_url = || {
        Fault::new(format!("is not the base URL of Crowd: {text:?}"))
            .hint("as in https://crowd.example.com/crowd")
    };
    let (scheme, rest) = text.split_once("://").ok_or_else(no_url)?;
    let (secure, usual) = match scheme.to_ascii_lowercase().as_str() {
        "https" => (true, 443),
        "http" => (false, 80),
        _ => return Err(no_url()),
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let Address::Tcp(name, port) = host::tcp(authority)? else { return Err(no_url()) };
    let path = path.trim_end_matches('/');
    let segment = |it: &str| {
        !it.is_empty()
            && !it.starts_with('.')
            && it.bytes().all(|it| it.is_ascii_alphanumeric() || b"-._~".contains(&it))
    };
    if !path.is_empty() && !path.split('/').all(segment) {
        return Err(no_url());
    }
    let path = if path.is_empty() { String::new() } else { format!("/{path}") };
    Ok(CrowdHost { secure, name, port: port.unwrap_or(usual), path })
}

/// Warns where whoever is on the way can read passwords.
fn warn_of_listeners(places: &[CrowdHost], open: bool, at: Span, findings: &mut Findings<'_>) {
    let remote = |place: &&CrowdHost| Address::Tcp(place.name.clone(), None).remote().is_some();
    if let Some(place) = places.iter().find(remote).filter(|_| open) {
        let what = match place.secure {
            false => format!("passwords travel unencrypted to {}", place.name),
            true => format!(
                "passwords travel to whoever answers for {}: its certificate may be a false one",
                place.name
            ),
        };
        findings.warn(at, &what);
    }
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn a_base_url_has_a_scheme_a_name_and_perhaps_a_path() {
        for (text, url) in [
            ("https://crowd.example.com/crowd", "https://crowd.example.com/crowd"),
            ("HTTPS://crowd.example.com:8443/a/b/", "https://crowd.example.com:8443/a/b"),
            ("http://127.0.0.1:8095", "http://127.0.0.1:8095"),
            ("https://[::1]/crowd", "https://[::1]/crowd"),
        ] {
            assert_eq!(place(text).map(|place| place.url()), Ok(url.to_owned()));
        }
        for text in [
            "",
            "crowd.example.com",
            "ldap://crowd",
            "https://",
            "https:///crowd",
            "https://a b/",
            "https://crowd/../etc",
            "https://crowd//x",
            "https://crowd/a?b",
            "https://crowd/a#b",
            "https://user@crowd/",
            "https://crowd:0/",
            "https://crowd/%2e",
        ] {
            assert!(place(text).is_err(), "{text}");
        }
    }
}
