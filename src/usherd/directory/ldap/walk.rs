//! A walk to one host, for whoever wants to know whether a configuration works: connect, TLS,
//! bind, search, with what was found on the way and how long it took. Then `ahead` has a look at
//! what nobody misses before the first complaint.

use std::net::IpAddr;
use std::time::Duration;

use ldap3::SearchEntry;
use tokio::time::{Instant, timeout};
use tokio_rustls::rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::der::Decode;

use super::ahead::{self, Ahead, Seen};
use super::connection::{Connection, Search, silent};
use super::dns::{Dns, Place};
use super::endpoint::{Endpoint, Link};
use super::host::took;
use super::{Failure, filter, roster};
use crate::config::{self, Scope, Users};
use crate::directory::Walk;
use crate::telemetry::harmless;

/// A certificate that expires in fewer days is worth a warning: many are renewed by hand.
const SOON: u64 = 14;
/// Users whose entries are looked at.
const SAMPLE: usize = 20;

/// Tries each host of a realm.
pub(in crate::directory) async fn walk(
    realm: &config::Realm,
    settings: &config::Ldap,
) -> Vec<Walk> {
    let mut walks = Vec::with_capacity(settings.hosts.len());
    for (host, served) in roster::places(settings).await {
        match served {
            Err(why) => {
                walks.push(Walk {
                    name: host.to_string(),
                    steps: Vec::new(),
                    warnings: Vec::new(),
                    outcome: Err(why),
                });
            }
            Ok(served) => {
                for place in served.places {
                    walks.push(walk_to_place(realm, &place, settings).await);
                }
            }
        }
    }
    walks
}

async fn walk_to_place(realm: &config::Realm, place: &Place, settings: &config::Ldap) -> Walk {
    let mut seen = Seen::default();
    seen.steps.extend(place.domain.iter().map(|domain| format!("named by srv:{domain}")));
    let endpoint = Endpoint::new(&realm.name, place, &settings.security, Dns::of(settings));
    let (name, outcome) = match endpoint {
        Err(error) => (place.host.to_string(), Err(error)),
        Ok(endpoint) => {
            let outcome = walk_to(&endpoint, realm, settings, &mut seen).await;
            (endpoint.url(), outcome.map_err(|failure| failure.text().to_owned()))
        }
    };
    Walk { name, steps: seen.steps, warnings: seen.warnings, outcome }
}

async fn walk_to(
    endpoint: &Endpoint,
    realm: &config::Realm,
    settings: &config::Ldap,
    seen: &mut Seen,
) -> Result<(), Failure> {
    let (connect, operation) = (settings.pool.connect_timeout, settings.pool.operation_timeout);
    let in_time = |_| Err(silent("connect", connect));
    // An address needs no finding.
    if let Some((name, port)) = endpoint.address()
        && name.parse::<IpAddr>().is_err()
    {
        let began = Instant::now();
        let found = timeout(connect, endpoint.resolve(name, port)).await.unwrap_or_else(|_| {
            let text = format!("{name} is not found: no answer in {} ms", connect.as_millis());
            Err(Failure::Host(format!("{text}; check the name servers and the way to them")))
        })?;
        let found: Vec<_> = found.iter().map(|address| address.ip().to_string()).collect();
        seen.steps.push(format!("resolved to {} in {}", found.join(", "), took(began)));
    }
    let began = Instant::now();
    let link = timeout(connect, endpoint.link()).await.unwrap_or_else(in_time)?;
    let how = describe(&link, &mut seen.warnings);
    seen.steps.push(format!("connected{how} in {}", took(began)));
    drop(link);

    let mut connection = Connection::open(endpoint, connect).await?;
    let began = Instant::now();
    connection.bind_account(&settings.account, operation).await?;
    seen.steps.push(format!("bound{} in {}", whom(&settings.account), took(began)));

    // Where users are at a DN made of their name, there is nothing to be searched, and where only
    // they see themselves, nothing to be seen.
    let mut sample = Vec::new();
    if let Users::Below { base_dn, scope } | Users::Named { base_dn, scope, .. } = &settings.users
        && !settings.users_read_themselves()
    {
        let began = Instant::now();
        let attributes = ahead::attributes(realm, settings);
        sample = find_users(&connection, settings, base_dn, *scope, attributes).await?;
        seen.steps.push(format!("found users in {}", took(began)));
    }
    Ahead { connection: &connection, realm, settings, seen }.look(&sample).await;
    Ok(())
}

/// What a user's entry has, by a few of them.
async fn find_users(
    connection: &Connection,
    settings: &config::Ldap,
    base_dn: &str,
    scope: Scope,
    attributes: Vec<String>,
) -> Result<Vec<SearchEntry>, Failure> {
    let limit = settings.pool.operation_timeout;
    let base = Search { base: base_dn.to_owned(), ..Search::of_entry("", filter::ANY, []) };
    connection.search(&Search { may_be_absent: false, ..base }, limit).await?;
    let anybody = filter::of_anybody(settings.filter.as_ref(), &settings.login_attributes);
    let search = Search {
        base: base_dn.to_owned(),
        scope,
        filter: anybody.clone(),
        attributes,
        most: SAMPLE,
        may_be_absent: false,
    };
    let found = connection.search(&search, limit).await?;
    if found.is_empty() {
        return Err(Failure::Answer(format!(
            "no user: nothing in {base_dn:?} matches {anybody}; check base_dn, search_scope, \
             filter and login_attribute, and what the account may see"
        )));
    }
    Ok(found)
}

fn whom(account: &config::Account) -> String {
    match account {
        config::Account::Anonymous => " anonymously".to_owned(),
        config::Account::Simple { dn, .. } => format!(" as {dn}"),
        config::Account::External => " by SASL EXTERNAL".to_owned(),
    }
}

fn describe(link: &Link, warnings: &mut Vec<String>) -> String {
    let Link::Tls(stream) = link else { return ", not encrypted,".to_owned() };
    let (_, session) = stream.get_ref();
    let version = session.protocol_version().and_then(|it| it.as_str()).unwrap_or("TLS");
    let leaf = session.peer_certificates().and_then(|chain| chain.first());
    let certificate =
        leaf.map_or_else(|| "no certificate".to_owned(), |leaf| certificate(leaf, warnings));
    format!(" by {} ({certificate})", version.replace('_', "."))
}

/// Whose it is, and for how long.
fn certificate(der: &CertificateDer<'_>, warnings: &mut Vec<String>) -> String {
    let Ok(certificate) = Certificate::from_der(der) else {
        return "a certificate that cannot be read".to_owned();
    };
    let body = certificate.tbs_certificate();
    let until = body.validity().not_after;
    let left = until.to_unix_duration().saturating_sub(now());
    let days = left.as_secs() / 86_400;
    if days < SOON {
        warnings.push(format!("the certificate has {days} days left: have it renewed"));
    }
    let subject = body.subject().to_string();
    format!("certificate of {}, {days} days left, until {until}", harmless(&subject))
}

#[expect(clippy::disallowed_methods, reason = "the days that are left are counted from today")]
pub(super) fn now() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}
