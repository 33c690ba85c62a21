//! What the settings of each plugin mean.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::Settings;
use crate::import::described::{Described, Part, Realm};
use crate::import::{filter, url};

/// What a plugin has no equal for, or what is to be known of it.
const INTERNAL: &str = "auth_internal: Kallithea's own users stay in its database. Where it is to \
    let in whom a web server has authenticated, put them into a local realm: users.toml takes the \
    bcrypt hashes of its table users.";

/// The settings of the plugin for LDAP.
const KNOWN: [&str; 15] = [
    "enabled",
    "host",
    "port",
    "dn_user",
    "dn_pass",
    "tls_kind",
    "tls_reqcert",
    "cacertdir",
    "base_dn",
    "filter",
    "search_scope",
    "attr_login",
    "attr_firstname",
    "attr_lastname",
    "attr_email",
];

pub(super) fn describe(settings: &Settings) -> Result<Described, String> {
    let mut described = Described::default();
    for plugin in plugins(settings) {
        let of_plugin = Plugin::new(settings, plugin);
        match plugin {
            "ldap" => described.realms.push(ldap(&of_plugin)?),
            "pam" => described.realms.push(pam(&of_plugin)),
            "crowd" => described.realms.push(crowd(&of_plugin)?),
            "container" => container(&of_plugin, &mut described),
            "internal" => described.remarks.push(INTERNAL.to_owned()),
            other => described.remarks.push(format!("The plugin auth_{other} has no equal.")),
        }
    }
    match described.realms.as_mut_slice() {
        [] => return Err("none of the plugins ldap, pam and crowd is configured".to_owned()),
        [only] => only.name = "kallithea".to_owned(),
        several => {
            let names: Vec<_> = several.iter().map(|realm| realm.name.clone()).collect();
            described.realms.push(chain(names));
            described.default_realm = Some("kallithea".to_owned());
        }
    }
    Ok(described)
}

/// The plugins that are on, in the order in which they are asked. Where the settings do not say
/// which are, those that have settings.
fn plugins(settings: &Settings) -> Vec<&str> {
    let listed = settings.get("auth_plugins").filter(|list| !list.is_empty());
    if let Some(list) = listed {
        let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
        let names = names.map(|name| name.rsplit('.').next().unwrap_or(name));
        let names = names.map(|name| name.strip_prefix("auth_").unwrap_or(name));
        return names.filter(|name| is_on(settings, name)).collect();
    }
    ["ldap", "crowd", "pam", "container"]
        .into_iter()
        .filter(|name| {
            let prefix = format!("auth_{name}_");
            settings.keys().any(|key| key.starts_with(&prefix)) && is_on(settings, name)
        })
        .collect()
}

fn is_on(settings: &Settings, plugin: &str) -> bool {
    let said = settings.get(&format!("auth_{plugin}_enabled"));
    said.is_none_or(|said| ["true", "1", "yes", "on"].contains(&said.to_ascii_lowercase().as_str()))
}

/// The settings of a plugin, without their prefix.
struct Plugin<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Plugin<'a> {
    fn new(settings: &'a Settings, name: &str) -> Self {
        let prefix = format!("auth_{name}_");
        let own = settings.iter().filter_map(|(key, value)| {
            Some((key.strip_prefix(&prefix)?, value.trim())).filter(|(_, value)| !value.is_empty())
        });
        Self(own.collect())
    }

    fn get(&self, key: &str) -> Option<&'a str> {
        self.0.get(key).copied()
    }
}

fn ldap(plugin: &Plugin<'_>) -> Result<Realm, String> {
    let mut realm = Realm::new("ldap", "ldap");
    let login = plugin.get("attr_login").unwrap_or("uid");
    let active_directory =
        ["samaccountname", "userprincipalname"].contains(&login.to_ascii_lowercase().as_str());
    if active_directory {
        realm.remark("The login attribute is Active Directory's.");
        realm.set("directory", "active_directory");
    }
    let hosts = plugin.get("host").ok_or("auth_ldap_host is missing")?;
    let hosts: Vec<_> = hosts.split(',').map(|host| host.trim().to_owned()).collect();
    realm.set_list("host", &hosts);
    if let Some(port) = plugin.get("port") {
        let port: u16 = port.parse().map_err(|_| format!("auth_ldap_port is {port:?}"))?;
        realm.set("port", i64::from(port));
    }
    security(plugin, &mut realm)?;
    account(plugin, &mut realm);
    if !realm.has(Part::Own, "user_dn") {
        url::set_base(&mut realm, plugin.get("base_dn").unwrap_or_default());
        let scope = plugin.get("search_scope").unwrap_or("SUBTREE").to_ascii_lowercase();
        realm.set("search_scope", url::scope(Some(&scope)));
    }
    match plugin.get("filter") {
        Some(text) => realm.set("filter", filter::whole(text)),
        None if active_directory => realm.set("filter", "(objectClass=*)"),
        None => {}
    }
    realm.set("login_attribute", login);
    for (key, setting) in [
        ("email_attribute", "attr_email"),
        ("first_name_attribute", "attr_firstname"),
        ("last_name_attribute", "attr_lastname"),
    ] {
        if let Some(attribute) = plugin.get(setting) {
            realm.set(key, attribute);
        }
    }
    for key in plugin.0.keys().filter(|key| !KNOWN.contains(key)) {
        realm.remark(format!("No equal: auth_ldap_{key}"));
    }
    realm.remark(
        "Where a name has several entries, Kallithea tries the password with each; here that is \
         an error, ambiguous_user, until the filter tells them apart.",
    );
    Ok(realm)
}

fn security(plugin: &Plugin<'_>, realm: &mut Realm) -> Result<(), String> {
    let kind = plugin.get("tls_kind").unwrap_or("LDAPS").to_ascii_lowercase();
    if !["plain", "ldaps", "start_tls"].contains(&kind.as_str()) {
        return Err(format!("auth_ldap_tls_kind is {kind:?}"));
    }
    realm.set("connection_security", kind.as_str());
    if kind == "plain" {
        return Ok(());
    }
    let checks = plugin.get("tls_reqcert").unwrap_or("DEMAND").to_ascii_lowercase();
    if !["never", "allow", "try", "demand", "hard"].contains(&checks.as_str()) {
        return Err(format!("auth_ldap_tls_reqcert is {checks:?}"));
    }
    if ["never", "allow", "try"].contains(&checks.as_str()) {
        realm.remark("\"demand\" is safe; name the authority in ca_certificates.");
    }
    realm.set("certificate_checks", checks);
    if let Some(folder) = plugin.get("cacertdir") {
        realm.set_file("ca_certificates", folder);
    }
    Ok(())
}

/// With a name and no password, Kallithea binds as the user, whose name stands for `$login`.
fn account(plugin: &Plugin<'_>, realm: &mut Realm) {
    match (plugin.get("dn_user"), plugin.get("dn_pass")) {
        (Some(dn), Some(password)) => realm.account(dn, Zeroizing::new(password.to_owned())),
        (Some(dn), None) if dn.contains("$login") && dn.contains('=') => {
            realm.remark("Each user reads their own entry, as with $login and no password before.");
            realm.set("user_dn", dn.replace("$login", "%u"));
        }
        (Some(dn), None) => realm.remark(format!(
            "The account {dn:?} has no password, so that Kallithea binds with the user's. Give it \
             one, or name the DN of users in user_dn; until then, searches are anonymous."
        )),
        (None, _) => {}
    }
}

fn pam(plugin: &Plugin<'_>) -> Realm {
    let mut realm = Realm::new("pam", "pam");
    let service = plugin.get("service").unwrap_or("login");
    realm.set("service", service);
    realm.remark(
        "usherd.service runs no program itself: systemctl enable --now usher-pam.socket, then",
    );
    realm.remark("uncomment this. It asks for the service usher alone, unless systemctl edit");
    realm.remark(format!("usher-pam@ names {service} too; see usher-pam(8)."));
    realm.remark("helper = \"/run/usher/pam.sock\"");
    if let Some(pattern) = plugin.get("gecos") {
        realm.remark(format!("The pattern for the gecos field has no equal: {pattern}"));
    }
    realm
}

/// Crowd knows nobody but its applications, each by a password.
fn crowd(plugin: &Plugin<'_>) -> Result<Realm, String> {
    let needed = |key: &str| plugin.get(key).ok_or(format!("auth_crowd_{key} is missing"));
    let mut realm = Realm::new("crowd", "crowd");
    let host = plugin.get("host").unwrap_or("127.0.0.1");
    let port = plugin.get("port").unwrap_or("8095");
    let method = plugin.get("method").unwrap_or("http");
    if method == "http" {
        realm.remark("Passwords travel unencrypted: Crowd speaks https as well.");
    }
    realm.set("host", format!("{method}://{host}:{port}/crowd"));
    let password = Zeroizing::new(needed("app_password")?.to_owned());
    realm.account(needed("app_name")?, password);
    if let Some(groups) = plugin.get("admin_groups") {
        realm.remark(format!(
            "Kallithea makes administrators of the groups {groups}: do that in Kallithea."
        ));
    }
    Ok(realm)
}

/// It names headers of requests, which are the web server's to set.
fn container(plugin: &Plugin<'_>, described: &mut Described) {
    described.remarks.push(
        "auth_container: the web server authenticates, and asks usherd for the rest: usherctl \
         snippet prints its configuration."
            .to_owned(),
    );
    for (setting, name) in [
        ("header", "X_REMOTE_USER"),
        ("fallback_header", "X_REMOTE_USER"),
        ("email_header", "X_REMOTE_EMAIL"),
        ("firstname_header", "X_REMOTE_FIRSTNAME"),
        ("lastname_header", "X_REMOTE_LASTNAME"),
    ] {
        if let Some(header) = plugin.get(setting) {
            described.remarks.push(format!(
                "auth_container_{setting} = {header}: {name} is what is told; let the web server \
                 set that header, or change the setting to HTTP_{name}."
            ));
        }
    }
    if plugin.get("clean_username").is_some_and(|it| it.eq_ignore_ascii_case("true")) {
        described.remarks.push(
            "auth_container_clean_username: list the domains that are to be cut off in domains. \
             strip_domain = \"any\" cuts off all, which makes one person of two."
                .to_owned(),
        );
    }
}

fn chain(names: Vec<String>) -> Realm {
    let mut realm = Realm::new("kallithea", "chain");
    realm.remark("The first realm that knows the user decides; Kallithea goes on to the next");
    realm.remark("after a wrong password too.");
    realm.set("realms", names);
    realm
}
