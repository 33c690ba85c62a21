//! `import apache`: what mod_ldap and mod_authnz_ldap are told in httpd's configuration.
//!
//! A section with a URL of its own is a realm. What stands around it holds in it too.

mod require;
mod syntax;

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::described::{Described, Part, Realm, free_name};
use super::rules::{self, Members};
use super::url::Url;
use require::demand;
use syntax::Node;

/// What is told of directives without an equal. Those that begin like these and are not here are
/// told without a why.
const NO_EQUAL: [(&str, &str); 16] = [
    ("authldapauthorizeprefix", "what is told of a user is in [realm.NAME.metadata]"),
    ("authldapbindauthoritative", "unavailable is never taken for a no"),
    ("authldapcharsetconfig", "names and passwords are UTF-8"),
    ("authldapcompareasuser", "rules are read by the account"),
    ("authldapcomparednonserver", "groups are compared by their names"),
    ("authldapdereferencealiases", "aliases are not followed"),
    ("authldapremoteuserisdn", "tell the DN by an attribute such as entryDN in the metadata"),
    ("authldapsearchasuser", "searches are the account's"),
    ("authldapsubgroupattribute", "groups in groups are found by the filter of [groups]"),
    ("authldapsubgroupclass", "groups in groups are found by the filter of [groups]"),
    ("ldapcacheentries", "see max_bytes of [realm.NAME.cache]"),
    ("ldapopcacheentries", "see max_bytes of [realm.NAME.cache]"),
    ("ldapreferralhoplimit", "up to 5 referrals in a row are followed"),
    ("ldapsharedcachefile", "the cache is in the daemon's memory"),
    ("ldapsharedcachesize", "see max_bytes of [realm.NAME.cache]"),
    ("ldaplibrarydebug", "see usherctl explain"),
];
/// Directives that are put into words of ours.
const KNOWN: [&str; 18] = [
    "authldapurl",
    "authldapbinddn",
    "authldapbindpassword",
    "authldapgroupattribute",
    "authldapgroupattributeisdn",
    "authldapmaxsubgroupdepth",
    "authldapinitialbindasuser",
    "authldapinitialbindpattern",
    "authldapremoteuserattribute",
    "ldaptrustedglobalcert",
    "ldaptrustedclientcert",
    "ldaptrustedmode",
    "ldapverifyservercert",
    "ldaptimeout",
    "ldapconnectiontimeout",
    "ldapcachettl",
    "ldapopcachettl",
    "ldapreferrals",
];

/// Directives that hold, each with all its occurrences. The last that stands innermost counts.
type Directives<'a> = BTreeMap<&'a str, Vec<&'a Node>>;

pub(super) fn describe(text: &str) -> Result<Described, String> {
    let nodes = syntax::parse(text)?;
    let mut found = Found::default();
    found.walk(&nodes, &Directives::new(), "apache");
    if let Some(why) = found.wrong {
        return Err(why);
    }
    if found.realms.is_empty() {
        return Err("has no AuthLDAPURL".to_owned());
    }
    let mut described = Described { realms: found.realms, ..Described::default() };
    described.remarks.push(
        "Rules hold for every request to a realm. They can stay in httpd instead: mod_usher has \
         Require usher-group, usher-attribute and usher-rule."
            .to_owned(),
    );
    described.remarks.extend(found.remarks);
    if let [_, _, ..] = described.realms.as_slice() {
        described.remarks.push("Each section asks its realm: UsherRealm NAME.".to_owned());
        described.default_realm = described.realms.first().map(|realm| realm.name.clone());
    }
    Ok(described)
}

#[derive(Default)]
struct Found {
    realms: Vec<Realm>,
    remarks: Vec<String>,
    wrong: Option<String>,
}

impl Found {
    /// Everything in a section, with what holds around it.
    fn walk<'a>(&mut self, nodes: &'a [Node], around: &Directives<'a>, name: &str) {
        let mut directives = around.clone();
        for node in nodes.iter().filter(|node| node.inside.is_none()) {
            let of_ldap = node.name.starts_with("authldap") || node.name.starts_with("ldap");
            match node.name.as_str() {
                "include" | "includeoptional" => self
                    .remarks
                    .push(format!("Not followed: Include {}. Read that file too.", node.text)),
                "authbasicprovider" if node.arguments.len() > 1 => self.remarks.push(format!(
                    "AuthBasicProvider {}: a realm of the type chain asks several in turn.",
                    node.text
                )),
                name if name.starts_with("ldap") && !KNOWN.contains(&name) => {
                    self.remarks.push(no_equal(node));
                }
                "require" if !has_ldap_url(nodes) && node.text.contains("ldap-") => {
                    self.remarks.push(format!(
                        "Not in a realm, since no URL stands beside it: Require {}. Write it as a \
                         rule, or with mod_usher: Require usher-group, usher-attribute, usher-rule.",
                        node.text
                    ));
                }
                _ if of_ldap => directives.entry(&node.name).or_default().push(node),
                _ => {}
            }
        }
        if has_ldap_url(nodes) {
            match realm(nodes, &directives, &free_name(&self.realms, name)) {
                Ok(realm) => self.realms.push(realm),
                Err(why) => self.wrong = Some(why),
            }
        }
        for node in nodes {
            if let Some(inside) = &node.inside {
                self.walk(inside, &directives, &section_name(node).unwrap_or(name.to_owned()));
            }
        }
    }
}

fn has_ldap_url(nodes: &[Node]) -> bool {
    nodes.iter().any(|node| node.name == "authldapurl")
}

fn no_equal(node: &Node) -> String {
    let why = NO_EQUAL.iter().find(|(name, _)| *name == node.name);
    let why = why.map_or(String::new(), |(_, why)| format!(": {why}"));
    format!("No equal: {} {}{why}.", node.name, node.text)
}

/// The last word of what a section is about.
fn section_name(node: &Node) -> Option<String> {
    match node.name.as_str() {
        "location" | "directory" | "locationmatch" | "directorymatch" => {
            let path = node.arguments.last()?.trim_end_matches('/');
            path.rsplit('/').next().filter(|name| !name.is_empty()).map(str::to_owned)
        }
        "authnprovideralias" | "authzprovideralias" => node.arguments.get(1).cloned(),
        _ => None,
    }
}

fn realm(nodes: &[Node], directives: &Directives<'_>, name: &str) -> Result<Realm, String> {
    let last = |name: &str| directives.get(name).and_then(|all| all.last()).copied();
    let argument =
        |name: &str| last(name).and_then(|node| node.arguments.first()).map(String::as_str);
    let Some(node) = last("authldapurl") else { return Err("has no AuthLDAPURL".to_owned()) };
    let url = Url::parse(node.arguments.first().map_or("", String::as_str))?;
    let mode = node.arguments.get(1).map(String::as_str).or(argument("ldaptrustedmode"));
    let security = match (url.scheme.as_str(), mode.map(str::to_ascii_uppercase).as_deref()) {
        ("ldaps", _) | (_, Some("SSL")) => "ldaps",
        (_, Some("TLS" | "STARTTLS")) => "start_tls",
        _ => "plain",
    };
    let mut realm = Realm::new(name, "ldap");
    url.set_hosts(&mut realm, security);
    if security != "plain" {
        certificates(directives, &mut realm);
    }
    let login = url.attributes.first().map_or("uid", String::as_str);
    let pattern = initial_bind(directives, &mut realm);
    account(&mut realm, &argument, pattern);
    if realm.has(Part::Own, "user_dn") {
        realm.set("login_attribute", login);
        if let Some(text) = &url.filter {
            realm.set("filter", super::filter::whole(text));
        }
    } else {
        url.set_search(&mut realm, login);
    }
    metadata(
        &mut realm,
        url.attributes.get(1..).unwrap_or_default(),
        argument("authldapremoteuserattribute"),
    );
    rules::require(&mut realm, &demand(nodes, "requireany"), login, &members(directives));
    times(&mut realm, &argument);
    let referrals = argument("ldapreferrals").map(str::to_ascii_lowercase);
    realm.set_referrals(referrals.filter(|it| it != "default").map(|it| it == "on"));
    for (_, all) in directives.iter().filter(|(name, _)| !KNOWN.contains(name)) {
        all.last().iter().for_each(|node| realm.remark(no_equal(node)));
    }
    Ok(realm)
}

fn certificates(directives: &Directives<'_>, realm: &mut Realm) {
    let all = |name: &str| directives.get(name).into_iter().flatten().copied();
    let off = |node: &Node| node.arguments.first().is_some_and(|it| it.eq_ignore_ascii_case("off"));
    if all("ldapverifyservercert").last().is_some_and(off) {
        realm.remark("\"demand\" is safe; name the authority in ca_certificates.");
        realm.set("certificate_checks", "never");
    } else {
        realm.set("certificate_checks", "demand");
    }
    let (mut certificate, mut key) = (None, None);
    let own = all("ldaptrustedglobalcert").chain(all("ldaptrustedclientcert"));
    for node in own {
        let [kind, path, rest @ ..] = node.arguments.as_slice() else { continue };
        match (kind.to_ascii_uppercase().as_str(), rest) {
            ("CA_BASE64", _) => realm.set_file("ca_certificates", path),
            ("CERT_BASE64", _) => certificate = Some(path),
            ("KEY_BASE64", []) => key = Some(path),
            _ => realm.remark(format!(
                "Not taken: {kind} {path}. It is to be in PEM, and a key without a password."
            )),
        }
    }
    if let (Some(certificate), Some(key)) = (certificate, key) {
        realm.set_pair(certificate, key);
    }
}

fn account<'a>(
    realm: &mut Realm,
    argument: &dyn Fn(&str) -> Option<&'a str>,
    pattern: Option<String>,
) {
    if let Some(template) = pattern {
        realm.remark("Each user reads their own entry, by the pattern of the initial bind.");
        realm.set("user_dn", template);
        return;
    }
    match (argument("authldapbinddn"), argument("authldapbindpassword")) {
        (Some(dn), Some(program)) if program.starts_with("exec:") => realm.remark(format!(
            "The password of {dn:?} came from a program: have it written to a file, and set \
             account and password. Until then, searches are anonymous."
        )),
        (Some(dn), Some(password)) => realm.account(dn, Zeroizing::new(password.to_owned())),
        (Some(dn), None) => realm.remark(format!(
            "The account {dn:?} has no password. Until it has, searches are anonymous."
        )),
        (None, _) => {}
    }
}

/// Where users bind first, and what they typed is part of their DN, that is known of each.
fn initial_bind(directives: &Directives<'_>, realm: &mut Realm) -> Option<String> {
    let last = |name: &str| directives.get(name).and_then(|all| all.last());
    let on = last("authldapinitialbindasuser")?.arguments.first()?.eq_ignore_ascii_case("on");
    let pattern = last("authldapinitialbindpattern").filter(|_| on);
    let substitution = pattern.and_then(|node| node.arguments.get(1));
    let template =
        substitution.filter(|text| text.contains('=') && text.matches("$1").count() == 1);
    if template.is_none() && on {
        realm.remark(
            "AuthLDAPInitialBindAsUser: give the service an account, or name the DN of users in \
             user_dn. Until then, searches are anonymous.",
        );
    }
    template.map(|text| text.replace("$1", "%u"))
}

/// mod_authnz_ldap tells further attributes of the URL as AUTHENTICATE_NAME.
fn metadata(realm: &mut Realm, attributes: &[String], user: Option<&str>) {
    if attributes.is_empty() && user.is_none() {
        return;
    }
    realm.set_in(Part::Metadata, "X_REMOTE_USER", user.unwrap_or("%username"));
    for (name, attribute) in [
        ("X_REMOTE_EMAIL", "mail"),
        ("X_REMOTE_FIRSTNAME", "givenName"),
        ("X_REMOTE_LASTNAME", "sn"),
    ] {
        realm.set_in(Part::Metadata, name, attribute);
    }
    let mut groups = toml::Table::new();
    groups.insert("groups".to_owned(), true.into());
    groups.insert("join".to_owned(), ",".into());
    realm.set_in(Part::Metadata, "X_REMOTE_GROUPS", groups);
    for attribute in attributes {
        let upper =
            attribute.to_ascii_uppercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        realm.set_in(Part::Metadata, &format!("AUTHENTICATE_{upper}"), attribute.as_str());
    }
}

fn members(directives: &Directives<'_>) -> Members {
    let all = |name: &str| directives.get(name).into_iter().flatten();
    let words = |name: &str| all(name).filter_map(|node| node.arguments.first());
    let mut attributes: Vec<String> = words("authldapgroupattribute").cloned().collect();
    if attributes.is_empty() {
        attributes = vec!["member".to_owned(), "uniqueMember".to_owned()];
    }
    let depth = words("authldapmaxsubgroupdepth").next_back().and_then(|text| text.parse().ok());
    Members {
        attributes,
        by_dn: !words("authldapgroupattributeisdn")
            .next_back()
            .is_some_and(|it| it.eq_ignore_ascii_case("off")),
        nested: depth.unwrap_or(0),
    }
}

fn times<'a>(realm: &mut Realm, argument: &dyn Fn(&str) -> Option<&'a str>) {
    let seconds = |name: &str| argument(name).and_then(|text| text.parse::<u64>().ok());
    for (name, ours) in
        [("ldapconnectiontimeout", "connect_timeout"), ("ldaptimeout", "operation_timeout")]
    {
        if let Some(seconds) = seconds(name) {
            realm.set_in(Part::Pool, ours, format!("{}s", seconds.clamp(1, 300)));
        }
    }
    if let Some(seconds) = seconds("ldapcachettl") {
        realm.set_in(Part::Cache, "ttl", format!("{}s", seconds.min(7 * 86_400)));
    }
    if seconds("ldapopcachettl").is_some() {
        realm.remark_in(
            Part::Cache,
            "LDAPOpCacheTTL: groups are remembered with their user, for ttl.",
        );
    }
}
