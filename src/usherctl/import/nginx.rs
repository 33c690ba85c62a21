//! `import nginx-auth-ldap`: the servers of the module nginx-auth-ldap.

mod syntax;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::described::{Described, Part, Realm, free_name};
use super::rules::{self, Demand, Members};
use super::url::Url;
use syntax::Node;

/// What is told of directives without an equal.
const NO_EQUAL: [(&str, &str); 6] = [
    ("bind_timeout", "see operation_timeout of pool, which is for searches and passwords"),
    ("max_down_retries", "a broken connection is replaced at once"),
    ("reconnect_timeout", "hosts that failed are tried again by themselves"),
    ("clean_on_timeout", "a connection that did not answer in time is always given up"),
    ("connections", "see pool; connections are the daemon's, not each worker's"),
    ("include", "read that file too"),
];

/// Directives that are put into words of ours.
const KNOWN: [&str; 15] = [
    "url",
    "binddn",
    "binddn_passwd",
    "group_attribute",
    "group_attribute_is_dn",
    "require",
    "satisfy",
    "ssl_check_cert",
    "ssl_ca_file",
    "ssl_ca_dir",
    "referral",
    "connect_timeout",
    "request_timeout",
    "search_attributes",
    "attribute_header_prefix",
];

pub(super) fn describe(text: &str) -> Result<Described, String> {
    let nodes = syntax::parse(text)?;
    let (mut servers, mut lists, mut cache) = (Vec::new(), Vec::new(), Vec::new());
    walk(&nodes, &mut servers, &mut lists, &mut cache);
    if servers.is_empty() {
        return Err("has no ldap_server NAME { ... }".to_owned());
    }
    let mut described = Described::default();
    for server in servers {
        let mut realm = realm(server)?;
        realm.name = free_name(&described.realms, &realm.name);
        remember(&cache, &mut realm);
        described.realms.push(realm);
    }
    let merged = merge(&mut described.realms);
    described.remarks.extend(merged.iter().map(|(host, into)| {
        format!(
            "The server {host} differs from {into} by its host alone: it is a host of that realm."
        )
    }));
    let named = |name: &String| match merged.iter().find(|(server, _)| server == name) {
        Some((_, into)) => into.clone(),
        None => super::described::plain(name),
    };
    let mut lists: Vec<Vec<String>> =
        lists.iter().map(|list| list.iter().map(named).collect()).collect();
    for list in &mut lists {
        let mut seen = Vec::new();
        list.retain(|name| {
            !seen.contains(name) && {
                seen.push(name.clone());
                true
            }
        });
    }
    lists.sort();
    lists.dedup();
    chains(&mut described, &lists);
    Ok(described)
}

/// Collects servers, the lists of them that a block has, and what is said of the cache.
fn walk<'a>(
    nodes: &'a [Node],
    servers: &mut Vec<&'a Node>,
    lists: &mut Vec<Vec<String>>,
    cache: &mut Vec<&'a Node>,
) {
    let of_block = nodes.iter().filter(|node| node.name == "auth_ldap_servers");
    let list: Vec<_> = of_block.flat_map(|node| node.arguments.clone()).collect();
    if !list.is_empty() {
        lists.push(list);
    }
    for node in nodes {
        match &node.inside {
            Some(_) if node.name == "ldap_server" => servers.push(node),
            Some(inside) => walk(inside, servers, lists, cache),
            None if node.name.starts_with("auth_ldap_cache") => cache.push(node),
            None => {}
        }
    }
}

/// A list of several servers is a chain, unless they are hosts of one realm.
fn chains(described: &mut Described, lists: &[Vec<String>]) {
    let several = lists.iter().filter(|list| list.len() > 1);
    let mut names = Vec::new();
    for list in several {
        let mut chain = Realm::new(&free_name(&described.realms, "servers"), "chain");
        names.push(chain.name.clone());
        chain.remark("The first realm that knows the user decides; nginx-auth-ldap goes on to the");
        chain.remark("next server after a wrong password too.");
        chain.set("realms", list.clone());
        chain.set("on_unavailable", "next");
        described.realms.push(chain);
    }
    if described.realms.len() > 1 {
        let listed = || lists.first().and_then(|list| list.first()).cloned();
        let default = names.into_iter().next().or_else(listed);
        let first = || described.realms.first().map(|realm| realm.name.clone());
        described.default_realm = default.or_else(first);
        described
            .remarks
            .push("Each location asks its realm: usherctl snippet nginx --realm NAME.".to_owned());
    }
}

/// Puts servers that differ by their hosts alone into one realm. Tells which went where.
fn merge(realms: &mut Vec<Realm>) -> Vec<(String, String)> {
    let mut merged = Vec::new();
    let mut kept: Vec<Realm> = Vec::new();
    for realm in realms.drain(..) {
        match kept.iter_mut().find(|other| other.is_like(&realm)) {
            Some(other) => {
                merged.push((realm.name.clone(), other.name.clone()));
                other.add_hosts(&realm);
            }
            None => kept.push(realm),
        }
    }
    *realms = kept;
    merged
}

fn realm(server: &Node) -> Result<Realm, String> {
    let name = server.arguments.first().map_or("nginx", String::as_str);
    let nodes = server.inside.as_deref().unwrap_or_default();
    let all = |name: &'static str| nodes.iter().filter(move |node| node.name == name);
    let value =
        |name| all(name).next_back().and_then(|node| node.arguments.first()).map(String::as_str);
    let url = value("url").ok_or_else(|| format!("ldap_server {name} has no url"))?;
    let url = Url::parse(url)?;
    let mut realm = Realm::new(name, "ldap");
    let security = if url.scheme == "ldaps" { "ldaps" } else { "plain" };
    url.set_hosts(&mut realm, security);
    if security == "ldaps" {
        certificates(
            &mut realm,
            value("ssl_check_cert"),
            value("ssl_ca_file").or(value("ssl_ca_dir")),
        );
    }
    if let Some(dn) = value("binddn") {
        let node = all("binddn_passwd").next_back().map(|node| node.arguments.as_slice());
        match node.and_then(password) {
            Some(password) => realm.account(dn, password),
            None => realm.remark(format!(
                "The account {dn:?} has no password. Until it has, searches are anonymous."
            )),
        }
    }
    let login = url.attributes.first().map_or("uid", String::as_str);
    let valid =
        all("require").find(|node| node.arguments.first().is_some_and(|it| it == "valid_user"));
    match valid.and_then(|node| node.arguments.get(1)) {
        Some(template) if template.matches("$remote_user").count() == 1 => {
            realm.set("user_dn", template.replace("$remote_user", "%u"));
            realm.set("login_attribute", login);
        }
        _ => url.set_search(&mut realm, login),
    }
    require(nodes, &mut realm, login);
    metadata(
        &mut realm,
        value("attribute_header_prefix"),
        all("search_attributes").flat_map(|node| &node.arguments),
    );
    times(&mut realm, &value);
    for node in nodes.iter().filter(|node| !KNOWN.contains(&node.name.as_str())) {
        let why = NO_EQUAL.iter().find(|(name, _)| *name == node.name);
        let why = why.map_or(String::new(), |(_, why)| format!(": {why}"));
        realm.remark(format!("No equal: {} {}{why}.", node.name, node.arguments.join(" ")));
    }
    realm.set_referrals(value("referral").map(|it| it != "off"));
    Ok(realm)
}

fn certificates(realm: &mut Realm, check: Option<&str>, authorities: Option<&str>) {
    match check {
        Some("on" | "full") => realm.set("certificate_checks", "demand"),
        Some("chain") => {
            realm.remark("ssl_check_cert chain: here the certificate must name the host as well.");
            realm.set("certificate_checks", "demand");
        }
        Some(_) => {
            realm.remark("\"demand\" is safe; name the authority in ca_certificates.");
            realm.set("certificate_checks", "never");
        }
        None => {
            realm
                .remark("nginx-auth-ldap checks no certificate unless ssl_check_cert says so; its");
            realm.remark("equal is \"never\".");
            realm.set("certificate_checks", "demand");
        }
    }
    if let Some(path) = authorities {
        realm.set_file("ca_certificates", path);
    }
}

/// `binddn_passwd PASSWORD [text | base64 | hex]`
fn password(arguments: &[String]) -> Option<Zeroizing<String>> {
    let (password, encoding) = (arguments.first()?, arguments.get(1).map(String::as_str));
    let bytes = match encoding {
        Some("base64") => STANDARD.decode(password).ok()?,
        Some("hex") => {
            let digits: Vec<_> = password.chars().map(|c| c.to_digit(16)).collect::<Option<_>>()?;
            let pair = |pair: &[u32]| match pair {
                [high, low] => u8::try_from(high * 16 + low).ok(),
                _ => None,
            };
            digits.chunks(2).map(pair).collect::<Option<_>>()?
        }
        _ => password.clone().into_bytes(),
    };
    String::from_utf8(bytes).ok().filter(|text| !text.is_empty()).map(Zeroizing::new)
}

fn require(nodes: &[Node], realm: &mut Realm, login: &str) {
    let value = |name: &str| {
        nodes.iter().rev().find(|node| node.name == name).and_then(|node| node.arguments.first())
    };
    let mut demands = Vec::new();
    for node in nodes.iter().filter(|node| node.name == "require") {
        let Some(text) = node.arguments.get(1) else { continue };
        let what = format!("require {}", node.arguments.join(" "));
        match node.arguments.first().map(String::as_str) {
            Some("user" | "group") if text.contains('$') => realm.let_nobody_in(&format!(
                "{what} has a variable: write a realm or a rule for each."
            )),
            Some("user") => demands.push(Demand::Entry(text.clone())),
            Some("group") => demands.push(Demand::Group(text.clone())),
            _ => {}
        }
    }
    let demand = match value("satisfy").map(String::as_str) {
        Some("all") => Demand::All(demands),
        _ => Demand::Any(demands),
    };
    let members = Members {
        attributes: vec![value("group_attribute").map_or("member", String::as_str).to_owned()],
        by_dn: value("group_attribute_is_dn").is_some_and(|it| it == "on"),
        nested: 0,
    };
    rules::require(realm, &demand, login, &members);
}

/// `search_attributes` are told as headers of a prefix.
fn metadata<'a>(
    realm: &mut Realm,
    prefix: Option<&str>,
    attributes: impl Iterator<Item = &'a String>,
) {
    let name =
        |text: &str| text.to_ascii_uppercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    let prefix = name(prefix.unwrap_or("X-LDAP-ATTRS-"));
    let mut attributes = attributes.peekable();
    if attributes.peek().is_some() {
        realm.set_in(Part::Metadata, "X_REMOTE_USER", "%username");
    }
    for attribute in attributes {
        realm.set_in(Part::Metadata, &format!("{prefix}{}", name(attribute)), attribute.as_str());
    }
}

fn times<'a>(realm: &mut Realm, value: &dyn Fn(&'static str) -> Option<&'a str>) {
    for (name, ours) in
        [("connect_timeout", "connect_timeout"), ("request_timeout", "operation_timeout")]
    {
        if let Some(time) = value(name).and_then(milliseconds) {
            realm.set_in(Part::Pool, ours, format!("{}ms", time.clamp(10, 300_000)));
        }
    }
}

fn remember(cache: &[&Node], realm: &mut Realm) {
    let value = |name: &str| {
        let node = cache.iter().rev().find(|node| node.name == name)?;
        node.arguments.first().map(String::as_str)
    };
    if value("auth_ldap_cache_enabled") != Some("on") {
        return realm.remark_in(
            Part::Cache,
            "Nothing was remembered; usherd remembers a right password for ttl. \"0s\" turns that off.",
        );
    }
    let time = value("auth_ldap_cache_expiration_time").and_then(milliseconds).unwrap_or(10_000);
    realm.set_in(Part::Cache, "ttl", format!("{}ms", time.min(7 * 86_400_000)));
    if let Some(entries) = value("auth_ldap_cache_size") {
        realm.remark_in(Part::Cache, format!("auth_ldap_cache_size {entries}: see max_bytes."));
    }
}

/// A time of nginx: a number without a unit is of milliseconds where this module asks.
fn milliseconds(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let worth = match unit {
        "" | "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(worth)
}

#[cfg(test)]
mod tests {
    use super::{milliseconds, password};

    #[test]
    fn passwords_may_be_encoded() {
        let read = |words: &[&str]| {
            let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
            password(&words).map(|password| password.to_string())
        };
        assert_eq!(read(&["a b"]).as_deref(), Some("a b"));
        assert_eq!(read(&["c2VjcmV0", "base64"]).as_deref(), Some("secret"));
        assert_eq!(read(&["736563726574", "hex"]).as_deref(), Some("secret"));
        assert_eq!(read(&["7", "hex"]), None);
    }

    #[test]
    fn times_have_units_or_are_milliseconds() {
        assert_eq!(milliseconds("10000"), Some(10_000));
        assert_eq!(milliseconds("10s"), Some(10_000));
        assert_eq!(milliseconds("1y"), None);
    }
}
