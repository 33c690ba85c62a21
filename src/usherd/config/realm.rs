//! `[realm.NAME]`: what realms of all types have, and which keys a type does not have.

use std::collections::BTreeMap;
use std::sync::Arc;

use toml::Spanned;

use super::problem::{Fault, Findings};
use super::raw::{self, Kind, Span, Word};
use super::rule::{Rule, Test};
use super::settings::{Case, Chain, Directory, Format, Local, Realm, StripDomain, Usernames};
use super::{Surroundings, cache, chain, crowd, keys, ldap, metadata, name, pam, suggest};

/// Most rules of a realm.
const MAX_RULES: usize = 64;

pub(super) type Written = BTreeMap<Spanned<String>, Spanned<raw::Realm>>;

/// All realms.
#[derive(Default)]
pub(super) struct Realms {
    pub(super) realms: BTreeMap<String, Arc<Realm>>,
    pub(super) chains: BTreeMap<String, Arc<Chain>>,
}

pub(super) fn realms(
    written: &Written,
    around: &Surroundings,
    findings: &mut Findings<'_>,
) -> Realms {
    let mut all = Realms::default();
    let mut domains = BTreeMap::new();
    for (name, raw) in written {
        findings.take(&format!("{:?}", name.get_ref()), name.span(), name::realm(name.get_ref()));
        let raw = Named { name: name.get_ref(), at: raw.span(), raw: raw.get_ref(), written };
        let usernames = usernames(&raw, &mut domains, findings);
        match raw.kind(findings) {
            None => {}
            Some(Kind::Chain) => {
                keys::refuse_others(Kind::Chain, raw.raw, findings);
                if let Some(chain) = chain::chain(&raw, usernames, findings) {
                    all.chains.insert(chain.name.clone(), Arc::new(chain));
                }
            }
            Some(kind) => {
                if let Some(realm) = realm(&raw, kind, usernames, around, findings) {
                    all.realms.insert(realm.name.clone(), Arc::new(realm));
                }
            }
        }
    }
    all
}

/// A realm as it is written, its name, and where its table begins.
pub(super) struct Named<'a> {
    pub(super) name: &'a str,
    pub(super) at: Span,
    pub(super) raw: &'a raw::Realm,
    /// All realms as they are written.
    pub(super) written: &'a Written,
}

impl<'a> Named<'a> {
    /// A fault of the table as a whole.
    pub(super) fn refuse(&self, what: &str, findings: &mut Findings<'_>) {
        findings.refuse(self.at.clone(), Fault::new(format!("[realm.{}] {what}", self.name)));
    }

    fn kind(&self, findings: &mut Findings<'_>) -> Option<Kind> {
        let Some(kind) = &self.raw.r#type else {
            self.refuse(
                "needs a type: \"ldap\", \"local\", \"pam\", \"crowd\" or \"chain\"",
                findings,
            );
            return None;
        };
        Some(kind.get_ref().0)
    }

    /// A realm of this configuration by its name, as it is written.
    pub(super) fn other(&self, name: &str) -> Option<&'a raw::Realm> {
        let named = self.written.iter().find(|(key, _)| key.get_ref() == name);
        named.map(|(_, raw)| raw.get_ref())
    }

    /// A fault of a name that no realm has.
    pub(super) fn unknown(&self, key: &str, name: &str) -> Fault {
        let names: Vec<&str> = self.written.keys().map(|name| name.get_ref().as_str()).collect();
        suggest::with_hint(Fault::new(format!("{key} names no realm: {name:?}")), name, &names)
    }

    /// A key that there is no default for, and its place.
    pub(super) fn required<'b, T>(
        &self,
        key: &str,
        given: Option<&'b Spanned<T>>,
        findings: &mut Findings<'_>,
    ) -> Option<(Span, &'b T)> {
        if given.is_none() {
            self.refuse(&format!("needs {key}"), findings);
        }
        given.map(|given| (given.span(), given.get_ref()))
    }
}

fn realm(
    realm: &Named<'_>,
    kind: Kind,
    usernames: Usernames,
    around: &Surroundings,
    findings: &mut Findings<'_>,
) -> Option<Realm> {
    let raw = realm.raw;
    keys::refuse_others(kind, raw, findings);
    let directory = match kind {
        Kind::Ldap => ldap::ldap(realm, around, findings).map(|ldap| Directory::Ldap(ldap.into())),
        Kind::Local => local(realm, around, findings).map(Directory::Local),
        Kind::Crowd => {
            crowd::crowd(realm, around, findings).map(|crowd| Directory::Crowd(crowd.into()))
        }
        Kind::Pam => Some(Directory::Pam(pam::pam(raw, around, findings))),
        // It has no directory of its own.
        Kind::Chain => None,
    };
    let metadata_from = metadata_from(realm, findings);
    let rules = rules(realm, kind, findings);
    let metadata = metadata::metadata(raw, findings);
    let (cache, shield) = (cache::cache(raw, findings), cache::shield(raw, findings));
    Some(Realm {
        name: realm.name.to_owned(),
        directory: directory?,
        metadata_from,
        usernames,
        reveal_account_state: raw.reveal_account_state.as_ref().is_some_and(|it| *it.get_ref()),
        rules,
        metadata,
        cache,
        shield,
    })
}

/// The realm that tells who users are: one that can, by itself.
fn metadata_from(realm: &Named<'_>, findings: &mut Findings<'_>) -> Option<String> {
    let given = realm.raw.metadata_from.as_ref()?;
    let (at, name) = (given.span(), given.get_ref());
    let Some(other) = realm.other(name) else {
        findings.refuse(at, realm.unknown("metadata_from", name));
        return None;
    };
    let is_chain = other.r#type.as_ref().is_some_and(|kind| kind.get_ref().0 == Kind::Chain);
    if name == realm.name || is_chain || other.metadata_from.is_some() {
        let what =
            format!("metadata_from names {name:?}, which does not itself know who users are");
        findings.refuse(at, Fault::new(what).hint("leave it out where this realm knows"));
        return None;
    }
    Some(name.clone())
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

fn rules(realm: &Named<'_>, kind: Kind, findings: &mut Findings<'_>) -> Vec<Rule> {
    let told_by = realm.raw.metadata_from.as_ref().and_then(|name| realm.other(name.get_ref()));
    let told_by = told_by.and_then(|raw| raw.r#type.as_ref()).map_or(kind, |it| it.get_ref().0);
    let Some(require) = realm.raw.rules.as_ref().and_then(|rules| rules.get_ref().require.as_ref())
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
            Ok(Rule { test: Test::Filter(_), .. }) if told_by != Kind::Ldap => {
                findings.refuse(at, Fault::new("filter= needs an LDAP directory"));
            }
            Ok(rule) => rules.push(rule),
            Err(what) => findings.refuse(at, Fault::new(what)),
        }
    }
    rules
}
