//! `[realm.NAME]`: what realms of all types have, and which keys a type does not have.

use std::collections::BTreeMap;
use std::sync::Arc;

use toml::Spanned;

use super::problem::{Fault, Findings};
use super::raw::{self, Kind, Span, Word};
use super::rule::{Rule, Test};
use super::settings::{Case, Directory, Format, Local, Realm, StripDomain, Usernames};
use super::unsupported::Supported;
use super::{Surroundings, cache, ldap, metadata, name, unsupported};

/// Most rules of a realm.
const MAX_RULES: usize = 64;

type Written = BTreeMap<Spanned<String>, Spanned<raw::Realm>>;

/// All realms.
pub(super) fn realms(
    written: &Written,
    around: &Surroundings,
    findings: &mut Findings<'_>,
) -> BTreeMap<String, Arc<Realm>> {
    let mut realms = BTreeMap::new();
    let mut domains = BTreeMap::new();
    for (name, raw) in written {
        findings.take(&format!("{:?}", name.get_ref()), name.span(), name::realm(name.get_ref()));
        let raw = Named { name: name.get_ref(), at: raw.span(), raw: raw.get_ref() };
        if let Some(realm) = realm(&raw, &mut domains, around, findings) {
            realms.insert(realm.name.clone(), Arc::new(realm));
        }
    }
    realms
}

/// A realm as it is written, its name, and where its table begins.
pub(super) struct Named<'a> {
    pub(super) name: &'a str,
    pub(super) at: Span,
    pub(super) raw: &'a raw::Realm,
}

impl Named<'_> {
    /// A fault of the table as a whole.
    pub(super) fn refuse(&self, what: &str, findings: &mut Findings<'_>) {
        findings.refuse(self.at.clone(), Fault::new(format!("[realm.{}] {what}", self.name)));
    }

    /// A key that there is no default for, and its place.
    pub(super) fn required<'a, T>(
        &self,
        key: &str,
        given: Option<&'a Spanned<T>>,
        findings: &mut Findings<'_>,
    ) -> Option<(Span, &'a T)> {
        if given.is_none() {
            self.refuse(&format!("needs {key}"), findings);
        }
        given.map(|given| (given.span(), given.get_ref()))
    }
}

fn realm<'a>(
    realm: &Named<'a>,
    domains: &mut BTreeMap<String, &'a str>,
    around: &Surroundings,
    findings: &mut Findings<'_>,
) -> Option<Realm> {
    let raw = realm.raw;
    let usernames = usernames(realm, domains, findings);
    let Some(kind) = &raw.r#type else {
        realm.refuse("needs a type: \"ldap\" or \"local\"", findings);
        return None;
    };
    let (at, Word(kind)) = (kind.span(), *kind.get_ref());
    refuse_keys_of_others(kind, raw, findings);
    let directory = match findings.take("type", at, unsupported::kind(kind))? {
        Supported::Ldap => {
            ldap::ldap(realm, around, findings).map(|ldap| Directory::Ldap(ldap.into()))
        }
        Supported::Local => local(realm, around, findings).map(Directory::Local),
    };
    let rules = rules(kind, raw, findings);
    let metadata = metadata::metadata(raw, findings);
    let (cache, shield) = (cache::cache(raw, findings), cache::shield(raw, findings));
    Some(Realm {
        name: realm.name.to_owned(),
        directory: directory?,
        usernames,
        reveal_account_state: raw.reveal_account_state.as_ref().is_some_and(|it| *it.get_ref()),
        rules,
        metadata,
        cache,
        shield,
    })
}

/// The keys that every type has.
const COMMON: [&str; 12] = [
    "type",
    "email_attribute",
    "first_name_attribute",
    "last_name_attribute",
    "domains",
    "strip_domain",
    "case",
    "rules",
    "metadata",
    "cache",
    "shield",
    "reveal_account_state",
];
/// The keys that a local realm has besides.
const LOCAL: [&str; 2] = ["file", "format"];
/// The keys that no LDAP realm has; it has all the others.
const NOT_LDAP: [&str; 5] = ["file", "format", "service", "realms", "on_unavailable"];

fn refuse_keys_of_others(kind: Kind, raw: &raw::Realm, findings: &mut Findings<'_>) {
    for (key, at) in raw.given() {
        let foreign = match kind {
            Kind::Local => !COMMON.contains(&key) && !LOCAL.contains(&key),
            Kind::Ldap => NOT_LDAP.contains(&key),
            Kind::Pam | Kind::Crowd | Kind::Chain => false,
        };
        if foreign {
            let article = if kind == Kind::Local { "a" } else { "an" };
            let what = format!("{key} is not a key of {article} {} realm", kind.word());
            findings.refuse(at, Fault::new(what));
        }
    }
}

fn local(realm: &Named<'_>, around: &Surroundings, findings: &mut Findings<'_>) -> Option<Local> {
    let raw = realm.raw;
    let format = word(raw.format.as_ref(), Format::Usher);
    let file = match format {
        Format::Usher => {
            let default = "/etc/usher/users.toml".into();
            findings.read("file", &raw.file, default, |path| around.path(path))
        }
        Format::Htpasswd => {
            let (at, path) = realm.required("file", raw.file.as_ref(), findings)?;
            findings.take("file", at, around.path(path))?
        }
    };
    Some(Local { file, format })
}

fn usernames<'a>(
    realm: &Named<'a>,
    taken: &mut BTreeMap<String, &'a str>,
    findings: &mut Findings<'_>,
) -> Usernames {
    let mut domains = Vec::new();
    let written = realm.raw.domains.iter().flat_map(|list| list.get_ref().each(list.span()));
    for (at, text) in written {
        let Some(domain) = findings.take("domains", at.clone(), name::domain(text)) else {
            continue;
        };
        if let Some(other) = taken.insert(domain.clone(), realm.name) {
            let what = format!("the domain {domain:?} is already listed in [realm.{other}]");
            findings.refuse(at, Fault::new(what));
        }
        domains.push(domain);
    }
    Usernames {
        domains,
        strip: word(realm.raw.strip_domain.as_ref(), StripDomain::Listed),
        case: word(realm.raw.case.as_ref(), Case::Lower),
    }
}

/// The word that is given, or the default.
pub(super) fn word<T: Copy>(given: Option<&Spanned<Word<T>>>, default: T) -> T {
    given.map_or(default, |word| word.get_ref().0)
}

fn rules(kind: Kind, raw: &raw::Realm, findings: &mut Findings<'_>) -> Vec<Rule> {
    let Some(require) = raw.rules.as_ref().and_then(|rules| rules.get_ref().require.as_ref())
    else {
        return Vec::new();
    };
    let written = require.get_ref().each(require.span());
    if written.len() > MAX_RULES {
        findings.refuse(require.span(), Fault::new(format!("require has over {MAX_RULES} rules")));
    }
    let mut rules = Vec::new();
    for (at, text) in written {
        match Rule::parse(text) {
            Ok(Rule { test: Test::Filter(_), .. }) if kind == Kind::Local => {
                findings.refuse(at, Fault::new("filter= needs an LDAP directory"));
            }
            Ok(rule) => rules.push(rule),
            Err(what) => findings.refuse(at, Fault::new(what)),
        }
    }
    rules
}
