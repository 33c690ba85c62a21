//! `import saslauthd`: saslauthd.conf, which its mechanism `ldap` reads.

use std::collections::BTreeMap;

use toml::Value;
use zeroize::Zeroizing;

use super::described::{Described, Line, Part, Realm};
use super::rules::{self, Demand, Members};
use super::{dn, filter, url};

type Options<'a> = BTreeMap<String, &'a str>;

/// What is told of options without an equal.
const NO_EQUAL: [(&str, &str); 7] = [
    ("ldap_group_search_base", "groups are searched below base_dn of [groups]"),
    ("ldap_group_scope", "groups are searched in the whole tree below base_dn of [groups]"),
    ("ldap_id", "the account is named by its DN"),
    ("ldap_authz_id", "the account is named by its DN"),
    ("ldap_realm", "the account is named by its DN"),
    ("ldap_password_attr", "the directory itself checks passwords, by a bind as the user"),
    ("ldap_restart", "what a broken connection cut off is asked again by itself"),
];

/// Options that are put into words of ours somewhere below.
const KNOWN: [&str; 24] = [
    "ldap_servers",
    "ldap_bind_dn",
    "ldap_bind_pw",
    "ldap_password",
    "ldap_search_base",
    "ldap_filter",
    "ldap_scope",
    "ldap_auth_method",
    "ldap_start_tls",
    "ldap_tls_check_peer",
    "ldap_tls_cacert_file",
    "ldap_tls_cacert_dir",
    "ldap_tls_cert",
    "ldap_tls_key",
    "ldap_timeout",
    "ldap_group_dn",
    "ldap_group_attr",
    "ldap_group_filter",
    "ldap_group_match_method",
    "ldap_use_sasl",
    "ldap_mech",
    "ldap_default_realm",
    "ldap_default_domain",
    "ldap_referrals",
];

pub(super) fn describe(text: &str) -> Result<Described, String> {
    let options = options(text)?;
    let mut realm = Realm::new("saslauthd", "ldap");
    hosts(&options, &mut realm)?;
    account(&options, &mut realm);
    users(&options, &mut realm);
    if let Some(seconds) = options.get("ldap_timeout").and_then(|text| text.parse::<u64>().ok()) {
        realm.set_in(Part::Pool, "operation_timeout", format!("{}s", seconds.clamp(1, 300)));
    }
    group(&options, &mut realm);
    realm.set_referrals(Some(is_yes(&options, "ldap_referrals")));
    for (name, value) in options.iter().filter(|(name, _)| !KNOWN.contains(&name.as_str())) {
        let why = NO_EQUAL.iter().find(|(known, _)| known == name);
        let why = why.map_or(String::new(), |(_, why)| format!(": {why}"));
        realm.remark(format!("No equal: {name}: {value}{why}."));
    }
    let mut described = Described::of(realm);
    described.tables.push(("saslauthd", mouth(&options)));
    Ok(described)
}

/// What its clients ask.
fn mouth(options: &Options<'_>) -> Vec<Line> {
    let mut lines = vec![
        Line::Remark(
            "usherd answers here in saslauthd's place. Its unit makes the socket:".to_owned(),
        ),
        Line::Remark(
            "systemctl enable usherd-saslauthd.socket && systemctl restart usherd".to_owned(),
        ),
        Line::Remark(
            "Without systemd, stop saslauthd first, and give the socket the group of its"
                .to_owned(),
        ),
        Line::Remark("clients: socket_group = \"sasl\"".to_owned()),
        Line::Key("socket".to_owned(), Value::from("/run/saslauthd/mux")),
    ];
    let default = options.get("ldap_default_realm").or_else(|| options.get("ldap_default_domain"));
    if let Some(default) = default {
        lines.push(Line::Remark(format!(
            "ldap_default_realm: {default}: a user without a domain needs none here."
        )));
    }
    lines
}

fn options(text: &str) -> Result<Options<'_>, String> {
    let mut options = Options::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((name, value)) = line.split_once(':') else {
            return Err(format!("line {}: not NAME: VALUE", index + 1));
        };
        options.insert(name.trim().to_ascii_lowercase(), value.trim());
    }
    if options.keys().any(|name| name.starts_with("ldap_")) {
        Ok(options)
    } else {
        Err("has no option of the mechanism ldap (ldap_...)".to_owned())
    }
}

fn is_yes(options: &Options<'_>, name: &str) -> bool {
    options.get(name).is_some_and(|text| {
        ["yes", "on", "true", "1", "t"].contains(&text.to_ascii_lowercase().as_str())
    })
}

fn hosts(options: &Options<'_>, realm: &mut Realm) -> Result<(), String> {
    let servers = options.get("ldap_servers").copied().unwrap_or("ldap://localhost/");
    let urls: Vec<_> = servers.split_whitespace().map(url::Url::parse).collect::<Result<_, _>>()?;
    let Some(first) = urls.first() else { return Err("ldap_servers names none".to_owned()) };
    let all = url::Url {
        hosts: urls.iter().flat_map(|url| url.hosts.clone()).collect(),
        ..first.clone()
    };
    let security = match first.scheme.as_str() {
        "ldaps" => "ldaps",
        _ if is_yes(options, "ldap_start_tls") => "start_tls",
        _ => "plain",
    };
    all.set_hosts(realm, security);
    if urls.iter().any(|url| url.scheme != first.scheme) {
        realm.remark("The servers were secured differently: here they are as the first was.");
    }
    if security == "plain" {
        return Ok(());
    }
    match options.get("ldap_tls_check_peer") {
        Some(_) if !is_yes(options, "ldap_tls_check_peer") => {
            realm.remark("\"demand\" is safe; name the authority in ca_certificates.");
            realm.set("certificate_checks", "never");
        }
        Some(_) => realm.set("certificate_checks", "demand"),
        None => {
            realm.remark("saslauthd checks no certificate unless ldap_tls_check_peer says so;");
            realm.remark("its equal is \"never\".");
            realm.set("certificate_checks", "demand");
        }
    }
    let authorities = ["ldap_tls_cacert_file", "ldap_tls_cacert_dir"];
    if let Some(path) = authorities.iter().find_map(|name| options.get(*name)) {
        realm.set_file("ca_certificates", path);
    }
    if let (Some(certificate), Some(key)) =
        (options.get("ldap_tls_cert"), options.get("ldap_tls_key"))
    {
        realm.set_pair(certificate, key);
    }
    Ok(())
}

fn account(options: &Options<'_>, realm: &mut Realm) {
    let password = options.get("ldap_password").or_else(|| options.get("ldap_bind_pw"));
    if is_yes(options, "ldap_use_sasl") {
        let mechanism = options.get("ldap_mech").copied().unwrap_or_default();
        if mechanism.eq_ignore_ascii_case("EXTERNAL") && realm.has(Part::Own, "client_certificate")
        {
            realm.set("sasl", "external");
        } else {
            realm.remark(format!(
                "The SASL mechanism {mechanism:?} has no equal: give the service an account with a \
                 password, or a certificate and sasl = \"external\". Until then, searches are \
                 anonymous."
            ));
        }
        return;
    }
    match (options.get("ldap_bind_dn"), password) {
        (Some(dn), Some(password)) => realm.account(dn, Zeroizing::new((*password).to_owned())),
        (Some(dn), None) => realm.remark(format!(
            "The account {dn:?} has no password. Until it has, searches are anonymous."
        )),
        (None, _) => {}
    }
}

fn users(options: &Options<'_>, realm: &mut Realm) {
    let text = options.get("ldap_filter").copied().unwrap_or("uid=%u");
    match options.get("ldap_auth_method").copied().unwrap_or("bind") {
        "fastbind" if text.contains("%u") || text.contains("%U") => {
            if text.contains("%U") {
                strip(realm);
            }
            return realm.set("user_dn", text.replace("%U", "%u"));
        }
        "custom" => realm.remark(
            "ldap_auth_method: custom reads the hashes of passwords; here the directory checks \
             them, by a bind as the user.",
        ),
        _ => {}
    }
    let base = options.get("ldap_search_base").copied().unwrap_or_default();
    if has_token(base) {
        realm.let_nobody_in(&format!(
            "ldap_search_base was {base}: write a realm for each, with its base_dn and domains."
        ));
        let mut fixed = dn::parts(base);
        let last = fixed.iter().rposition(|part| part.contains('%')).map_or(0, |last| last + 1);
        fixed.drain(..last);
        url::set_base(realm, &fixed.join(","));
    } else {
        url::set_base(realm, base);
    }
    realm.set("search_scope", url::scope(options.get("ldap_scope").copied()));
    search(text, realm);
}

/// A filter of saslauthd has the user in it; a realm's has not.
fn search(text: &str, realm: &mut Realm) {
    let whole = filter::whole(text);
    let tests = match filter::operands(&whole) {
        Some(('&', tests)) => tests,
        _ => vec![whole],
    };
    let (with_user, rest): (Vec<_>, Vec<_>) = tests.into_iter().partition(|test| has_token(test));
    let rest: Vec<_> = rest.iter().map(|test| test.replace("%%", "%")).collect();
    if !rest.is_empty() {
        realm.set("filter", filter::all(&rest));
    }
    let logins = match with_user.as_slice() {
        [test] => logins(test),
        _ => None,
    };
    let Some(logins) = logins else {
        realm.set("login_attribute", "uid");
        return realm.let_nobody_in(&format!(
            "ldap_filter was {text}: write its parts into filter and login_attribute."
        ));
    };
    let names: Vec<_> = logins.iter().map(|(name, _)| (*name).to_owned()).collect();
    if logins.iter().any(|(_, token)| token == "%U") {
        strip(realm);
    }
    if logins.iter().any(|(_, token)| token.contains('@')) {
        realm.remark("The domain belongs to the name: do not list it in domains.");
    }
    realm.set_list("login_attribute", &names);
}

fn strip(realm: &mut Realm) {
    realm.remark("%U: whatever domain stands behind the name is cut off. Better list them in");
    realm.remark("domains and leave this out.");
    realm.set("strip_domain", "any");
}

/// The attributes that are compared with the user, each with what stands for it.
fn logins(test: &str) -> Option<Vec<(String, String)>> {
    let tests = match filter::operands(test) {
        Some(('|', tests)) => tests,
        Some(_) => return None,
        None => vec![test.to_owned()],
    };
    let login = |test: &String| {
        let (name, token) = filter::equality(test)?;
        let known = ["%u", "%U", "%u@%r", "%U@%d", "%u@%d", "%U@%r"].contains(&token);
        known.then(|| (name.to_owned(), token.to_owned()))
    };
    tests.iter().map(login).collect()
}

fn has_token(text: &str) -> bool {
    text.replace("%%", "").contains('%')
}

fn group(options: &Options<'_>, realm: &mut Realm) {
    let Some(group) = options.get("ldap_group_dn") else { return };
    let by_filter = options.get("ldap_group_match_method").is_some_and(|how| *how == "filter");
    if by_filter || has_token(group) {
        let search = options.get("ldap_group_filter").copied().unwrap_or_default();
        return realm.let_nobody_in(&format!(
            "ldap_group_dn was {group}, with the filter {search:?}: name the groups in [groups] \
             and a rule group=; %D is %d there."
        ));
    }
    let attribute = options.get("ldap_group_attr").copied().unwrap_or("uniqueMember");
    let members = Members { attributes: vec![attribute.to_owned()], by_dn: true, nested: 0 };
    rules::require(realm, &Demand::Group((*group).to_owned()), "uid", &members);
}
