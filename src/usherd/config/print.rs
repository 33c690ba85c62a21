//! Settings to TOML: the configuration as it works, every default filled in, secrets masked. What
//! is printed can be read again.

use std::fmt::{self, Display, Write};

use toml::Value;

use super::settings::{
    Account, Audit, Cache, Case, CertificateChecks, Chain, Crowd, CrowdHost, Directory,
    GroupSource, Groups, Ldap, Listen, Metadata, MetadataValue, Origin, Peers, Pool, Realm,
    Saslauthd, Scope, Security, Settings, Shield, StripDomain, Tls, UnknownUsers, Usernames, Users,
};
use super::units::{show_duration, show_size};

/// What stands for a password.
const MASK: &str = "********";

/// The effective configuration as TOML. Of a password it tells at most where it comes from.
pub fn print(settings: &Settings) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = file(&mut out, settings);
    out
}

fn file(out: &mut String, settings: &Settings) -> fmt::Result {
    if let Some(name) = &settings.default_realm {
        writeln!(out, "default_realm = {}\n", text(name))?;
    }
    listen(out, &settings.listen)?;
    if settings.access != Default::default() {
        writeln!(out, "\n[access]")?;
        peers(out, "authenticate", settings.access.authenticate.as_ref())?;
        peers(out, "lookup", settings.access.lookup.as_ref())?;
        peers(out, "metrics", settings.access.metrics.as_ref())?;
    }
    audit(out, &settings.audit)?;
    if let Some(settings) = &settings.saslauthd {
        saslauthd(out, settings)?;
    }
    settings.realms.values().try_for_each(|one| realm(out, one))?;
    settings.chains.values().try_for_each(|one| chain(out, one))
}

/// A name may have dots, which would make more tables of it.
fn table(name: &str) -> String {
    if name.contains('.') { format!("realm.{}", text(name)) } else { format!("realm.{name}") }
}

fn chain(out: &mut String, chain: &Chain) -> fmt::Result {
    writeln!(out, "\n[{}]\ntype = \"chain\"", table(&chain.name))?;
    writeln!(out, "realms = {}", list(&chain.realms))?;
    writeln!(out, "on_unavailable = \"{}\"", if chain.goes_on { "next" } else { "end" })?;
    domains(out, &chain.usernames)
}

fn domains(out: &mut String, usernames: &Usernames) -> fmt::Result {
    let strip = match usernames.strip {
        StripDomain::Listed => "listed",
        StripDomain::Any => "any",
        StripDomain::Never => "never",
    };
    writeln!(out, "domains = {}\nstrip_domain = \"{strip}\"", list(&usernames.domains))
}

fn audit(out: &mut String, audit: &Audit) -> fmt::Result {
    let unknown = match audit.unknown_users {
        UnknownUsers::Hashed => "hashed",
        UnknownUsers::Shown => "shown",
    };
    writeln!(out, "\n[audit]")?;
    if let Some(file) = &audit.file {
        writeln!(out, "file = {}", text(file.display()))?;
    }
    writeln!(out, "cached = {:?}\nunknown_users = \"{unknown}\"", audit.cached)
}

fn saslauthd(out: &mut String, saslauthd: &Saslauthd) -> fmt::Result {
    writeln!(out, "\n[saslauthd]")?;
    writeln!(out, "socket = {}", text(saslauthd.socket.display()))?;
    writeln!(out, "socket_mode = \"{:04o}\"", saslauthd.socket_mode)?;
    if let Some((group, _)) = &saslauthd.socket_group {
        writeln!(out, "socket_group = {}", text(group))?;
    }
    writeln!(out, "max_connections = {}", saslauthd.max_connections)?;
    writeln!(out, "combine_realm = {}", saslauthd.combine_realm)?;
    for (key, names) in [("realms", &saslauthd.realms), ("services", &saslauthd.services)] {
        let names = names.iter().map(|(name, realm)| format!("{} = {}", text(name), text(realm)));
        writeln!(out, "{key} = {{ {} }}", names.collect::<Vec<_>>().join(", "))?;
    }
    Ok(())
}

fn listen(out: &mut String, listen: &Listen) -> fmt::Result {
    writeln!(out, "[listen]")?;
    writeln!(out, "socket = {}", text(listen.socket.display()))?;
    writeln!(out, "socket_mode = \"{:04o}\"", listen.socket_mode)?;
    if let Some((group, _)) = &listen.socket_group {
        writeln!(out, "socket_group = {}", text(group))?;
    }
    writeln!(out, "admin_socket = {}", text(listen.admin_socket.display()))?;
    writeln!(out, "max_connections = {}", listen.max_connections)?;
    writeln!(out, "max_in_flight = {}", listen.max_in_flight)?;
    writeln!(out, "request_timeout = \"{}\"", show_duration(listen.request_timeout))
}

fn peers(out: &mut String, key: &str, peers: Option<&Peers>) -> fmt::Result {
    match peers {
        Some(peers) => writeln!(out, "{key} = {}", list(&peers.names)),
        None => Ok(()),
    }
}

fn realm(out: &mut String, realm: &Realm) -> fmt::Result {
    let table = table(&realm.name);
    writeln!(out, "\n[{table}]\ntype = {}", text(realm.directory.kind()))?;
    match &realm.directory {
        Directory::Local(local) => {
            let file = text(local.file.display());
            writeln!(out, "file = {file}\nformat = \"{}\"", local.format.word())?;
        }
        Directory::Crowd(directory) => crowd(out, directory)?,
        Directory::Pam(pam) => {
            writeln!(
                out,
                "service = {}\nhelper = {}",
                text(&pam.service),
                text(pam.helper.display())
            )?;
            writeln!(out, "pool = {{ bind_lanes = {} }}", pam.lanes)?;
        }
        Directory::Ldap(directory) => ldap(out, directory)?,
    }
    let case = match realm.usernames.case {
        Case::Lower => "lower",
        Case::Keep => "keep",
    };
    if let Some(other) = &realm.metadata_from {
        writeln!(out, "metadata_from = {}", text(other))?;
    }
    domains(out, &realm.usernames)?;
    writeln!(out, "case = \"{case}\"")?;
    writeln!(out, "reveal_account_state = {}", realm.reveal_account_state)?;
    if let Directory::Ldap(directory) = &realm.directory {
        pool(out, &table, &directory.pool)?;
        if let Some(directory) = &directory.groups {
            groups(out, &table, directory)?;
        }
    }
    let rules: Vec<_> = realm.rules.iter().map(|rule| &rule.text).collect();
    writeln!(out, "\n[{table}.rules]\nrequire = {}", list(&rules))?;
    writeln!(out, "\n[{table}.metadata]")?;
    realm.metadata.iter().try_for_each(|one| metadata(out, one))?;
    writeln!(out, "\n[{table}.cache]")?;
    cache(out, &realm.cache)?;
    writeln!(out, "\n[{table}.shield]")?;
    shield(out, &realm.shield)
}

fn cache(out: &mut String, cache: &Cache) -> fmt::Result {
    let offline = show_duration(cache.offline_authentication);
    writeln!(out, "ttl = \"{}\"", show_duration(cache.ttl))?;
    writeln!(out, "negative_ttl = \"{}\"", show_duration(cache.negative_ttl))?;
    writeln!(out, "stale = \"{}\"", show_duration(cache.stale))?;
    writeln!(out, "offline_authentication = \"{offline}\"")?;
    writeln!(out, "max_bytes = \"{}\"", show_size(cache.max_bytes as u64))?;
    writeln!(out, "refresh_ahead = {:?}", cache.refresh_ahead)
}

fn shield(out: &mut String, shield: &Shield) -> fmt::Result {
    writeln!(out, "failures = {}", shield.failures)?;
    writeln!(out, "window = \"{}\"", show_duration(shield.window))?;
    writeln!(out, "block = \"{}\"", show_duration(shield.block))?;
    writeln!(out, "per_client = {}", shield.per_client)
}

fn crowd(out: &mut String, crowd: &Crowd) -> fmt::Result {
    let hosts: Vec<_> = crowd.hosts.iter().map(CrowdHost::url).collect();
    writeln!(out, "host = {}", list(&hosts))?;
    if let Some(used) = &crowd.tls {
        tls(out, used)?;
    }
    account(out, &crowd.application, &crowd.origin)?;
    writeln!(
        out,
        "pool = {{ bind_lanes = {}, connect_timeout = \"{}\", operation_timeout = \"{}\" }}",
        crowd.lanes,
        show_duration(crowd.connect_timeout),
        show_duration(crowd.operation_timeout)
    )
}

fn account(out: &mut String, name: &str, origin: &Origin) -> fmt::Result {
    let password = match origin {
        Origin::Inline => text(MASK),
        Origin::File(path) => format!("{{ file = {} }}", text(path.display())),
        Origin::Credential(name) => format!("{{ credential = {} }}", text(name)),
    };
    writeln!(out, "account = {}\npassword = {password}", text(name))
}

fn ldap(out: &mut String, ldap: &Ldap) -> fmt::Result {
    let security = match ldap.security {
        Security::Plain => "plain",
        Security::Ldaps(_) => "ldaps",
        Security::StartTls(_) => "start_tls",
    };
    writeln!(out, "host = {}\nconnection_security = \"{security}\"", list(&ldap.hosts))?;
    if !ldap.dns.is_empty() {
        writeln!(out, "dns = {}", list(&ldap.dns))?;
    }
    if let Some(used) = ldap.security.tls() {
        tls(out, used)?;
    }
    if ldap.active_directory {
        writeln!(out, "directory = \"active_directory\"")?;
    }
    if ldap.account == Account::External {
        writeln!(out, "sasl = \"external\"")?;
    }
    if let Account::Simple { dn, origin, .. } = &ldap.account {
        account(out, dn, origin)?;
    }
    match &ldap.users {
        Users::Below { base_dn, scope } => {
            writeln!(out, "base_dn = {}\nsearch_scope = \"{}\"", text(base_dn), word(*scope))?;
        }
        Users::At(template) => writeln!(out, "user_dn = {}", text(template))?,
        Users::Named { template, base_dn, scope } => {
            writeln!(out, "user_dn = {}\nbase_dn = {}", text(template), text(base_dn))?;
            writeln!(out, "search_scope = \"{}\"", word(*scope))?;
        }
    }
    if let Some(filter) = &ldap.filter {
        writeln!(out, "filter = {}", text(filter.as_str()))?;
    }
    // Where the name of the bind says it, there is no such key.
    if !matches!(ldap.users, Users::Named { .. }) {
        writeln!(out, "login_attribute = {}", list(&ldap.login_attributes))?;
    }
    let referrals = if ldap.follow_referrals { "follow" } else { "ignore" };
    writeln!(out, "referrals = \"{referrals}\"")
}

fn word(scope: Scope) -> &'static str {
    match scope {
        Scope::Base => "base",
        Scope::OneLevel => "onelevel",
        Scope::Subtree => "subtree",
    }
}

fn tls(out: &mut String, tls: &Tls) -> fmt::Result {
    let checks = match tls.checks {
        CertificateChecks::Never => "never",
        CertificateChecks::Allow => "allow",
        CertificateChecks::Try => "try",
        CertificateChecks::Demand => "demand",
        CertificateChecks::Hard => "hard",
    };
    writeln!(out, "certificate_checks = \"{checks}\"")?;
    if let Some(path) = &tls.authorities.path {
        writeln!(out, "ca_certificates = {}", text(path.display()))?;
    }
    if let Some(client) = &tls.client {
        writeln!(out, "client_certificate = {}", text(client.certificate.display()))?;
        writeln!(out, "client_key = {}", text(client.key.display()))?;
    }
    Ok(())
}

fn pool(out: &mut String, table: &str, pool: &Pool) -> fmt::Result {
    writeln!(out, "\n[{table}.pool]\nsearch_lanes = {}", pool.search_lanes)?;
    writeln!(out, "bind_lanes = {}", pool.bind_lanes)?;
    writeln!(out, "connect_timeout = \"{}\"", show_duration(pool.connect_timeout))?;
    writeln!(out, "operation_timeout = \"{}\"", show_duration(pool.operation_timeout))?;
    writeln!(out, "hedge_after = \"{}\"", show_duration(pool.hedge_after))?;
    writeln!(out, "idle_probe = \"{}\"", show_duration(pool.idle_probe))?;
    writeln!(out, "max_age = \"{}\"", show_duration(pool.max_age))
}

fn groups(out: &mut String, table: &str, groups: &Groups) -> fmt::Result {
    writeln!(out, "\n[{table}.groups]")?;
    match &groups.source {
        GroupSource::Attribute(attribute) => writeln!(out, "attribute = {}", text(attribute))?,
        GroupSource::Search { base_dn, filter } => {
            writeln!(out, "base_dn = {}\nfilter = {}", text(base_dn), text(filter.as_str()))?;
        }
    }
    writeln!(out, "name_attribute = {}\nnested = {}", text(&groups.name_attribute), groups.nested)
}

fn metadata(out: &mut String, metadata: &Metadata) -> fmt::Result {
    let value = match &metadata.value {
        MetadataValue::Username => text("%username"),
        MetadataValue::Attribute { name, lowercase: false } => text(name),
        MetadataValue::Attribute { name, lowercase: true } => {
            format!("{{ attribute = {}, transform = \"lowercase\" }}", text(name))
        }
        MetadataValue::Groups { join } => format!("{{ groups = true, join = {} }}", text(join)),
    };
    writeln!(out, "{} = {value}", metadata.name)
}

/// A string as TOML quotes it.
fn text(text: impl Display) -> String {
    Value::String(text.to_string()).to_string()
}

/// An array of strings.
fn list(texts: &[impl Display]) -> String {
    let texts: Vec<_> = texts.iter().map(text).collect();
    format!("[{}]", texts.join(", "))
}
