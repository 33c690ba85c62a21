//! What only `type = "ldap"` has.

use std::time::Duration;

use toml::Spanned;

use super::filter::Filter;
use super::problem::{Fault, Findings};
use super::raw::{self, Referrals};
use super::realm::{Named, word};
use super::rule::{Rule, Test};
use super::settings::{Host, Ldap, Pool, Scope, Security, Users};
use super::{Surroundings, account, active_directory, groups, hosts, name, units};

/// Most attributes that can hold a login.
const MAX_LOGIN_ATTRIBUTES: usize = 16;

pub(super) fn ldap(
    realm: &Named<'_>,
    around: &Surroundings,
    findings: &mut Findings<'_>,
) -> Option<Ldap> {
    let raw = realm.raw;
    let active_directory = raw.directory.is_some();
    let users = users(realm, findings);
    let account = account::account(raw, around, findings);
    let filter = match &raw.filter {
        None if active_directory => Filter::parse(active_directory::FILTER).ok(),
        given => filter(given.as_ref(), findings),
    };
    let login_attributes = login_attributes(raw, findings);
    let groups = groups::groups(raw, findings);
    refuse_groupless_rules(realm, findings);
    let pool = pool(raw, findings);
    let dns = hosts::name_servers(raw, findings);
    let (hosts, security) = hosts::hosts(realm, around, findings)?;
    refuse_nameless_sasl(raw, &hosts, &security, findings);
    Some(Ldap {
        hosts,
        dns,
        security,
        account,
        active_directory,
        follow_referrals: word(raw.referrals.as_ref(), Referrals::Ignore) == Referrals::Follow,
        users: users?,
        filter,
        login_attributes,
        groups,
        pool,
    })
}

/// Where nobody is in any group, a rule of groups lets nobody in.
fn refuse_groupless_rules(realm: &Named<'_>, findings: &mut Findings<'_>) {
    let require = realm.raw.rules.as_ref().and_then(|rules| rules.get_ref().require.as_ref());
    let Some(require) = require.filter(|_| realm.raw.groups.is_none()) else { return };
    for (at, text) in require.get_ref().each(require.span()) {
        if matches!(Rule::parse(text), Ok(Rule { test: Test::Group(_), .. })) {
            let what = format!("the rule {text:?} lets nobody in: the realm knows no groups");
            let hint = format!("say in [realm.{}.groups] where they are", realm.name);
            findings.refuse(at, Fault::new(what).hint(hint));
        }
    }
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

/// The entries are searched, unless it is known where each is.
fn users(realm: &Named<'_>, findings: &mut Findings<'_>) -> Option<Users> {
    let raw = realm.raw;
    let given = raw.user_dn.as_ref();
    let is_name = |text: &Spanned<String>| active_directory::is_name_of_a_bind(text.get_ref());
    if let Some(given) = given.filter(|text| is_name(text)) {
        return named(realm, given, findings);
    }
    if let Some(given) = given {
        let template = name::template(given.get_ref());
        return findings.take("user_dn", given.span(), template).map(Users::At);
    }
    let (base_dn, scope) = below(realm, findings)?;
    Some(Users::Below { base_dn, scope })
}

/// Where users are searched.
fn below(realm: &Named<'_>, findings: &mut Findings<'_>) -> Option<(String, Scope)> {
    let (at, text) = realm.required("base_dn", realm.raw.base_dn.as_ref(), findings)?;
    let base_dn = findings.take("base_dn", at, name::distinguished(text))?;
    Some((base_dn, word(realm.raw.search_scope.as_ref(), Scope::Subtree)))
}

/// Users whose binds are by a name that only Active Directory takes.
fn named(
    realm: &Named<'_>,
    template: &Spanned<String>,
    findings: &mut Findings<'_>,
) -> Option<Users> {
    if realm.raw.directory.is_none() {
        let fault =
            Fault::new(format!("user_dn {:?} is no distinguished name", template.get_ref()))
                .hint("only with directory = \"active_directory\" are there names like this");
        findings.refuse(template.span(), fault);
    }
    if let Some(logins) = &realm.raw.login_attribute {
        let fault =
            Fault::new("login_attribute contradicts user_dn, which says by what users bind")
                .hint("leave login_attribute out");
        findings.refuse(logins.span(), fault);
    }
    let (base_dn, scope) = below(realm, findings)?;
    Some(Users::Named { template: template.get_ref().clone(), base_dn, scope })
}

pub(super) fn filter(
    given: Option<&Spanned<String>>,
    findings: &mut Findings<'_>,
) -> Option<Filter> {
    let given = given?;
    let wrong = |what| {
        Fault::new(format!("does not follow RFC 4515: {what}"))
            .hint("such as \"(objectClass=person)\", or \"(&(a=b)(!(c=d)))\"")
    };
    findings.take("filter", given.span(), Filter::parse(given.get_ref()).map_err(wrong))
}

fn login_attributes(raw: &raw::Realm, findings: &mut Findings<'_>) -> Vec<String> {
    let Some(list) = &raw.login_attribute else {
        let names: &[&str] =
            if raw.directory.is_some() { &active_directory::LOGINS } else { &["uid"] };
        return names.iter().map(|name| (*name).to_owned()).collect();
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
