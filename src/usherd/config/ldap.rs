//! What only `type = "ldap"` has.

use std::time::Duration;

use toml::Spanned;

use super::filter::Filter;
use super::problem::{Fault, Findings};
use super::raw;
use super::realm::{Named, word};
use super::settings::{Groups, Host, Ldap, Pool, Scope, Security};
use super::{Surroundings, account, hosts, name, units};

/// Most attributes that can hold a login.
const MAX_LOGIN_ATTRIBUTES: usize = 16;

pub(super) fn ldap(
    realm: &Named<'_>,
    around: &Surroundings,
    findings: &mut Findings<'_>,
) -> Option<Ldap> {
    let raw = realm.raw;
    let base_dn = realm
        .required("base_dn", raw.base_dn.as_ref(), findings)
        .and_then(|(at, text)| findings.take("base_dn", at, name::distinguished(text)));
    let account = account::account(raw, around, findings);
    let filter = raw.filter.as_ref().and_then(|given| {
        let wrong = |what| Fault::new(format!("does not follow RFC 4515: {what}"));
        findings.take("filter", given.span(), Filter::parse(given.get_ref()).map_err(wrong))
    });
    let login_attributes = login_attributes(raw, findings);
    let groups = groups(raw, findings);
    let pool = pool(raw, findings);
    let (hosts, security) = hosts::hosts(realm, around, findings)?;
    refuse_nameless_sasl(raw, &hosts, &security, findings);
    Some(Ldap {
        hosts,
        security,
        account,
        base_dn: base_dn?,
        filter,
        scope: word(raw.search_scope.as_ref(), Scope::Subtree),
        login_attributes,
        groups,
        pool,
    })
}

/// SASL EXTERNAL needs somebody outside of LDAP who says who we are.
fn refuse_nameless_sasl(
    raw: &raw::Realm,
    hosts: &[Host],
    security: &Security,
    findings: &mut Findings<'_>,
) {
    let Some(sasl) = &raw.sasl else { return };
    let by_certificate = security.tls().is_some_and(|tls| tls.client.is_some());
    let by_socket = hosts.iter().all(|host| matches!(host, Host::Unix(_)));
    if !by_certificate && !by_socket {
        let fault = Fault::new("sasl \"external\" has nothing that names the account")
            .hint("set client_certificate and client_key, or use an ldapi:// host");
        findings.refuse_what_else(sasl.span(), fault);
    }
}

fn login_attributes(raw: &raw::Realm, findings: &mut Findings<'_>) -> Vec<String> {
    let Some(list) = &raw.login_attribute else {
        return vec!["uid".to_owned()];
    };
    let written = list.get_ref().each(list.span());
    if !(1..=MAX_LOGIN_ATTRIBUTES).contains(&written.len()) {
        let what = format!("login_attribute needs 1 to {MAX_LOGIN_ATTRIBUTES} names");
        findings.refuse(list.span(), Fault::new(what));
    }
    let mut names: Vec<String> = Vec::new();
    for (at, text) in written {
        let Some(name) =
            findings.take("login_attribute", at.clone(), name::filtered_attribute(text))
        else {
            continue;
        };
        if names.iter().any(|other| other.eq_ignore_ascii_case(&name)) {
            findings.refuse(at, Fault::new(format!("login_attribute has {name:?} twice")));
        }
        names.push(name);
    }
    names
}

fn groups(raw: &raw::Realm, findings: &mut Findings<'_>) -> Option<Groups> {
    let table = raw.groups.as_ref()?;
    let groups = table.get_ref();
    let searched = groups.base_dn.as_ref().or(groups.filter.as_ref());
    let Some(attribute) = &groups.attribute else {
        if searched.is_none() {
            findings.refuse(table.span(), Fault::new("groups needs attribute"));
        }
        return None;
    };
    if let Some(searched) = searched {
        let what = "groups are either in the user's own attribute or searched, not both";
        findings.refuse(searched.span(), Fault::new(what));
    }
    let read = |name: &String| name::attribute(name);
    let attribute =
        findings.take("attribute", attribute.span(), name::attribute(attribute.get_ref()))?;
    let name_attribute =
        findings.read("name_attribute", &groups.name_attribute, "cn".to_owned(), read);
    Some(Groups { attribute, name_attribute })
}

fn pool(raw: &raw::Realm, findings: &mut Findings<'_>) -> Pool {
    let none = raw::Pool::default();
    let raw = raw.pool.as_ref().map_or(&none, Spanned::get_ref);
    let lanes = || units::count(1..=1024);
    let wait = || units::duration(Duration::from_millis(10)..=Duration::from_secs(300));
    let (connect, operation) = (Duration::from_secs(2), Duration::from_secs(3));
    let while_idle = || units::duration(Duration::from_millis(100)..=Duration::from_secs(86_400));
    let (hedge, probe) = (Duration::from_millis(300), Duration::from_secs(30));
    Pool {
        search_lanes: findings.read("search_lanes", &raw.search_lanes, 2, lanes()),
        bind_lanes: findings.read("bind_lanes", &raw.bind_lanes, 16, lanes()),
        connect_timeout: findings.read("connect_timeout", &raw.connect_timeout, connect, wait()),
        operation_timeout: findings.read(
            "operation_timeout",
            &raw.operation_timeout,
            operation,
            wait(),
        ),
        hedge_after: findings.read("hedge_after", &raw.hedge_after, hedge, wait()),
        idle_probe: findings.read("idle_probe", &raw.idle_probe, probe, while_idle()),
        max_age: findings.read("max_age", &raw.max_age, Duration::from_secs(600), while_idle()),
    }
}
