//! `import sssd`: the domains of sssd.conf whose users are on LDAP servers.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::described::{Described, Part, Realm, free_name, plain};
use super::rules::{self, Demand, Members};
use super::{filter, ini, url};

/// What is told where something else was meant by a key.
const NO_EQUAL: [(&str, &str); 13] = [
    ("chpass_provider", "usherd changes no passwords"),
    ("sudo_provider", "usherd knows no rules of sudo"),
    ("krb5_server", "usherd speaks no Kerberos: a realm of the type pam can"),
    ("krb5_realm", "usherd speaks no Kerberos: a realm of the type pam can"),
    ("use_fully_qualified_names", "a name may have its domain or not: see domains"),
    ("full_name_format", "see domains and strip_domain"),
    ("enumerate", "users are asked for one by one"),
    ("min_id", "write it into filter: (uidNumber>=1000)"),
    ("max_id", "write it into filter: (uidNumber<=60000)"),
    ("ldap_tls_cipher_suite", "the ciphers are those of TLS 1.2 and 1.3"),
    ("ldap_account_expire_policy", "the directory decides at the bind"),
    ("ad_gpo_access_control", "policies of groups are not read"),
    ("ldap_id_mapping", "users have no numbers here but those of the directory"),
];

/// Keys that are put into words of ours.
const KNOWN: [&str; 49] = [
    "id_provider",
    "auth_provider",
    "access_provider",
    "ldap_uri",
    "ldap_backup_uri",
    "ldap_schema",
    "ldap_search_base",
    "ldap_user_search_base",
    "ldap_group_search_base",
    "ldap_user_object_class",
    "ldap_user_name",
    "ldap_user_email",
    "ldap_group_object_class",
    "ldap_group_name",
    "ldap_group_member",
    "ldap_group_nesting_level",
    "ldap_default_bind_dn",
    "ldap_default_authtok_type",
    "ldap_default_authtok",
    "ldap_sasl_mech",
    "ldap_id_use_start_tls",
    "ldap_tls_reqcert",
    "ldap_tls_cacert",
    "ldap_tls_cacertdir",
    "ldap_tls_cert",
    "ldap_tls_key",
    "ldap_access_filter",
    "ldap_access_order",
    "ldap_network_timeout",
    "ldap_search_timeout",
    "ad_domain",
    "ad_server",
    "ad_backup_server",
    "ad_access_filter",
    "ad_use_ldaps",
    "simple_allow_users",
    "simple_allow_groups",
    "simple_deny_users",
    "simple_deny_groups",
    "case_sensitive",
    "cache_credentials",
    "entry_cache_timeout",
    "entry_cache_nowait_percentage",
    "entry_negative_timeout",
    "ldap_referrals",
    "ad_site",
    "dns_discovery_domain",
    "description",
    "debug_level",
];

/// The keys of a domain.
type Keys = BTreeMap<String, String>;

pub(super) fn describe(text: &str) -> Result<Described, String> {
    let sections = ini::sections(text)?;
    let mut domains: Vec<(&str, &Keys)> = sections
        .iter()
        .filter_map(|section| Some((section.name.strip_prefix("domain/")?, &section.keys)))
        .collect();
    if domains.is_empty() {
        return Err("has no [domain/NAME]".to_owned());
    }
    let mut described = Described::default();
    let listed = sections.iter().find(|section| section.name == "sssd");
    if let Some(order) = listed.and_then(|sssd| sssd.keys.get("domains")) {
        let order: Vec<_> = order.split(',').map(str::trim).collect();
        let place = |name: &str| order.iter().position(|listed| listed.eq_ignore_ascii_case(name));
        domains.retain(|(name, _)| place(name).is_some());
        domains.sort_by_key(|(name, _)| place(name));
    }
    for (name, keys) in domains {
        match keys.get("id_provider").map_or("ldap", String::as_str) {
            "ldap" => described.realms.push(domain(name, keys, false)),
            "ad" => described.realms.push(domain(name, keys, true)),
            other => described.remarks.push(format!(
                "[domain/{name}] has id_provider = {other}, which has no equal: ldap and ad have."
            )),
        }
    }
    match described.realms.as_slice() {
        [] => Err("no domain has id_provider = ldap or ad".to_owned()),
        [_] => Ok(described),
        several => {
            let mut chain = Realm::new(&free_name(several, "sssd"), "chain");
            let names: Vec<_> = several.iter().map(|realm| realm.name.clone()).collect();
            chain.set("realms", names);
            described.default_realm = Some(chain.name.clone());
            described.realms.push(chain);
            Ok(described)
        }
    }
}

fn domain(name: &str, keys: &Keys, active_directory: bool) -> Realm {
    let mut realm = Realm::new(&plain(name), "ldap");
    if active_directory {
        realm.set("directory", "active_directory");
    }
    hosts(name, keys, active_directory, &mut realm);
    account(keys, active_directory, &mut realm);
    search(name, keys, active_directory, &mut realm);
    names(name, keys, &mut realm);
    access(keys, active_directory, &mut realm);
    cache(keys, &mut realm);
    // Active Directory's are passed over unless somebody says so.
    realm.set_referrals(is_true(keys, "ldap_referrals").or(active_directory.then_some(false)));
    for (key, value) in keys.iter().filter(|(key, _)| !KNOWN.contains(&key.as_str())) {
        let why = NO_EQUAL.iter().find(|(known, _)| known == key);
        let why = why.map_or(String::new(), |(_, why)| format!(": {why}"));
        realm.remark(format!("No equal: {key} = {value}{why}."));
    }
    match keys.get("auth_provider").map(String::as_str) {
        None | Some("ldap" | "ad") => {}
        Some(other) => realm.remark(format!(
            "auth_provider = {other}: here passwords are tried by a bind to the directory. A realm \
             of the type pam can leave them to others."
        )),
    }
    realm
}

fn is_true(keys: &Keys, key: &str) -> Option<bool> {
    keys.get(key).map(|text| text.eq_ignore_ascii_case("true"))
}

fn hosts(name: &str, keys: &Keys, active_directory: bool, realm: &mut Realm) {
    let own = if active_directory {
        ["ad_server", "ad_backup_server"]
    } else {
        ["ldap_uri", "ldap_backup_uri"]
    };
    let given = own.iter().filter_map(|key| keys.get(*key)).flat_map(|list| list.split(','));
    let given: Vec<_> = given.map(str::trim).filter(|host| !host.is_empty()).collect();
    let by_dns = |host: &str| host.eq_ignore_ascii_case("_srv_");
    let first = given.iter().find(|host| !by_dns(host));
    let secure = first.is_some_and(|url| url.starts_with("ldaps://"))
        || is_true(keys, "ad_use_ldaps") == Some(true);
    let local = first.is_some_and(|url| url.starts_with("ldapi://"));
    let host = |text: &&str| match text.strip_prefix("ldap://").or(text.strip_prefix("ldaps://")) {
        Some(host) => host.trim_end_matches('/').to_owned(),
        None if by_dns(text) => discovered(name, keys),
        None => (*text).to_owned(),
    };
    let mut hosts: Vec<_> = given.iter().map(host).collect();
    if hosts.is_empty() {
        hosts.push(discovered(name, keys));
    }
    let told = active_directory || keys.contains_key("dns_discovery_domain");
    if !told && hosts.iter().any(|host| host.starts_with("srv:")) {
        realm.remark("sssd asks for the SRV records of this machine's own domain: is it this one?");
    }
    realm.set_list("host", &hosts);
    if local {
        return realm.set("connection_security", "plain");
    }
    if !secure && is_true(keys, "ldap_id_use_start_tls").is_none() {
        realm
            .remark("sssd sends no password over a plain connection either: it starts TLS for it.");
    }
    realm.set("connection_security", if secure { "ldaps" } else { "start_tls" });
    let checks = keys.get("ldap_tls_reqcert").map_or("hard", String::as_str).to_ascii_lowercase();
    let known = ["never", "allow", "try", "demand", "hard"].contains(&checks.as_str());
    realm.set("certificate_checks", if known { checks.as_str() } else { "demand" });
    if let Some(path) = keys.get("ldap_tls_cacert").or_else(|| keys.get("ldap_tls_cacertdir")) {
        realm.set_file("ca_certificates", path);
    }
    if let (Some(certificate), Some(key)) = (keys.get("ldap_tls_cert"), keys.get("ldap_tls_key")) {
        realm.set_pair(certificate, key);
    }
}

/// The hosts that the DNS names for the domain, or for a site of it.
fn discovered(name: &str, keys: &Keys) -> String {
    let domain = keys.get("dns_discovery_domain").or_else(|| keys.get("ad_domain"));
    let domain = domain.map_or(name, String::as_str).to_ascii_lowercase();
    match keys.get("ad_site") {
        Some(site) => format!("srv:{site}._sites.{domain}"),
        None => format!("srv:{domain}"),
    }
}

fn account(keys: &Keys, active_directory: bool, realm: &mut Realm) {
    let kind = keys.get("ldap_default_authtok_type").map_or("password", String::as_str);
    match (keys.get("ldap_default_bind_dn"), keys.get("ldap_default_authtok")) {
        (Some(dn), Some(password)) if kind == "password" => {
            realm.account(dn, Zeroizing::new(password.clone()));
        }
        (Some(dn), _) => realm.remark(format!(
            "The account {dn:?} has no password here ({kind}): set account and password. Until \
             then, searches are anonymous."
        )),
        (None, _) if active_directory || keys.contains_key("ldap_sasl_mech") => realm.remark(
            "sssd searches as this machine, by Kerberos: give the service an account and its \
             password. Until then, searches are anonymous, which Active Directory refuses.",
        ),
        (None, _) => {}
    }
}

/// A search base of sssd: `DN[?SCOPE?[FILTER]]`, and then perhaps `?` and another.
fn search(name: &str, keys: &Keys, active_directory: bool, realm: &mut Realm) {
    let bases = keys.get("ldap_user_search_base").or_else(|| keys.get("ldap_search_base"));
    let domain = keys.get("ad_domain").map_or(name, String::as_str);
    let default = if active_directory { of_domain(domain) } else { String::new() };
    let mut parts = bases.map_or(default.as_str(), String::as_str).split('?').map(str::trim);
    url::set_base(realm, parts.next().unwrap_or_default());
    let scope = parts.next().filter(|scope| !scope.is_empty());
    realm.set("search_scope", url::scope(scope));
    let own = parts.next().filter(|filter| !filter.is_empty());
    if parts.next().is_some() {
        realm.remark(
            "More search bases were given: write a base_dn above all, or realms in a chain.",
        );
    }
    let class = keys.get("ldap_user_object_class").map_or("posixAccount", String::as_str);
    let class = (!active_directory).then(|| format!("(objectClass={class})"));
    let tests: Vec<_> = class.into_iter().chain(own.map(filter::whole)).collect();
    if !tests.is_empty() {
        realm.set("filter", filter::all(&tests));
    }
}

fn of_domain(domain: &str) -> String {
    let parts = domain.split('.').map(|part| format!("dc={}", part.to_ascii_lowercase()));
    parts.collect::<Vec<_>>().join(",")
}

fn login(keys: &Keys) -> String {
    keys.get("ldap_user_name").cloned().unwrap_or_else(|| "uid".to_owned())
}

fn names(name: &str, keys: &Keys, realm: &mut Realm) {
    if keys.contains_key("ldap_user_name") || !realm.has(Part::Own, "directory") {
        realm.set("login_attribute", login(keys));
    }
    if let Some(attribute) = keys.get("ldap_user_email") {
        realm.set("email_attribute", attribute.as_str());
    }
    let domain = keys.get("ad_domain").map_or(name, String::as_str);
    if domain.contains('.') || realm.has(Part::Own, "directory") {
        realm.set("domains", domain);
    }
    if matches!(
        keys.get("case_sensitive").map(String::as_str),
        Some("true" | "True" | "preserving")
    ) {
        realm.set("case", "keep");
    }
}

fn access(keys: &Keys, active_directory: bool, realm: &mut Realm) {
    let provider = keys.get("access_provider").map_or("permit", String::as_str);
    match provider {
        "permit" => groups(keys, active_directory, realm),
        "ldap" => {
            groups(keys, active_directory, realm);
            match keys.get("ldap_access_filter") {
                Some(text) => realm.require(format!("filter={}", filter::whole(text))),
                None => realm.let_nobody_in("access_provider = ldap has no ldap_access_filter."),
            }
            if let Some(order) = keys.get("ldap_access_order").filter(|order| *order != "filter") {
                realm.remark_in(
                    Part::Rules,
                    format!("Of ldap_access_order = {order}, filter alone has an equal."),
                );
            }
        }
        "ad" => {
            groups(keys, active_directory, realm);
            if let Some(text) = keys.get("ad_access_filter") {
                realm.require(format!("filter={}", filter::whole(text)));
            }
        }
        "simple" => {
            groups(keys, active_directory, realm);
            simple(keys, realm);
        }
        "deny" => realm.let_nobody_in("access_provider = deny."),
        other => realm.let_nobody_in(&format!("access_provider = {other} has no equal.")),
    }
}

/// Where groups are, as the schema has it.
fn groups(keys: &Keys, active_directory: bool, realm: &mut Realm) {
    let get =
        |key: &str, default: &str| keys.get(key).cloned().unwrap_or_else(|| default.to_owned());
    if active_directory {
        realm.remark_in(Part::Groups, "Active Directory's.");
        return;
    }
    let by_name = get("ldap_schema", "rfc2307").eq_ignore_ascii_case("rfc2307");
    let bases = keys.get("ldap_group_search_base").or_else(|| keys.get("ldap_search_base"));
    let base = bases.map(|base| base.split('?').next().unwrap_or_default().trim());
    let Some(base) = base.filter(|base| !base.is_empty()) else { return };
    let (member, sign) = if by_name { ("memberUid", "%u") } else { ("member", "%d") };
    let class = get("ldap_group_object_class", "posixGroup");
    let member = get("ldap_group_member", member);
    realm.set_in(Part::Groups, "base_dn", base);
    realm.set_in(Part::Groups, "filter", format!("(&(objectClass={class})({member}={sign}))"));
    if let Some(name) = keys.get("ldap_group_name") {
        realm.set_in(Part::Groups, "name_attribute", name.as_str());
    }
    let level = get("ldap_group_nesting_level", "2").parse::<i64>().unwrap_or(2);
    if !by_name {
        realm.set_in(Part::Groups, "nested", level.clamp(0, 32));
    }
}

fn simple(keys: &Keys, realm: &mut Realm) {
    let list = |key: &str| -> Vec<String> {
        let list = keys.get(key).map_or("", String::as_str);
        list.split(',').map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned).collect()
    };
    let (users, groups) = (list("simple_allow_users"), list("simple_allow_groups"));
    let none = Members { attributes: Vec::new(), by_dn: true, nested: 0 };
    match (users.is_empty(), groups.is_empty()) {
        (true, true) => {}
        (false, true) => rules::require(realm, &Demand::Users(users), &login(keys), &none),
        (_, false) => {
            realm.require(format!("group={}", groups.join("|")));
            if !users.is_empty() {
                realm.remark_in(Part::Rules, format!(
                    "simple_allow_users = {}: a rule has no alternatives of different kinds: put \
                     these users into one of the groups.",
                    users.join(", ")
                ));
            }
        }
    }
    let denied = list("simple_deny_users");
    if !denied.is_empty() {
        let demand = Demand::Not(Box::new(Demand::Users(denied)));
        rules::require(realm, &demand, &login(keys), &none);
    }
    let denied = list("simple_deny_groups");
    if !denied.is_empty() {
        realm.let_nobody_in(&format!(
            "simple_deny_groups = {}: write a rule filter=(!(memberOf=DN)).",
            denied.join(", ")
        ));
    }
}

fn cache(keys: &Keys, realm: &mut Realm) {
    let seconds = |key: &str, most: u64| {
        let text = keys.get(key)?;
        text.parse::<u64>().ok().map(|seconds| format!("{}s", seconds.min(most)))
    };
    let week = 7 * 86_400;
    if let Some(text) = keys.get("entry_cache_timeout") {
        realm.remark_in(
            Part::Cache,
            format!(
                "entry_cache_timeout = {text}: sssd remembers entries for so long, but asks for \
                 every password. ttl, 5m if not given, is for both."
            ),
        );
    }
    if let Some(ttl) = seconds("entry_negative_timeout", week) {
        realm.set_in(Part::Cache, "negative_ttl", ttl);
    }
    if let Some(ttl) = seconds("entry_cache_nowait_percentage", 100) {
        let percent = ttl.trim_end_matches('s').parse::<f64>().unwrap_or(0.0);
        realm.set_in(Part::Cache, "refresh_ahead", percent / 100.0);
    }
    if is_true(keys, "cache_credentials") == Some(true) {
        realm.remark_in(Part::Cache, "cache_credentials = true: for so long after an outage began, the last right password is taken.");
        realm.set_in(Part::Cache, "offline_authentication", "1d");
    }
    for (key, ours) in
        [("ldap_network_timeout", "connect_timeout"), ("ldap_search_timeout", "operation_timeout")]
    {
        if let Some(timeout) = seconds(key, 300).filter(|text| text != "0s") {
            realm.set_in(Part::Pool, ours, timeout);
        }
    }
}
