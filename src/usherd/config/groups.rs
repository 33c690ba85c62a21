//! `[realm.NAME.groups]`: where a user's groups are known.

use toml::Spanned;

use super::filter::Filter;
use super::problem::{Fault, Findings};
use super::settings::{GroupSource, Groups};
use super::{active_directory, ldap, name, raw, units};

/// Deepest nesting that is followed.
const MAX_NESTED: usize = 32;
/// What matches the groups of an entry, unless the configuration knows better.
const FILTER: &str = "(member=%d)";

pub(super) fn groups(raw: &raw::Realm, findings: &mut Findings<'_>) -> Option<Groups> {
    let table = raw.groups.as_ref()?;
    let groups = table.get_ref();
    let active_directory = raw.directory.is_some();
    let unless_told = if active_directory && groups.attribute.is_none() { MAX_NESTED } else { 0 };
    let depth = units::count(0..=MAX_NESTED);
    let mut nested = findings.read("nested", &groups.nested, unless_told, depth);
    let read_name = |name: &String| name::attribute(name);
    let name_attribute =
        findings.read("name_attribute", &groups.name_attribute, "cn".to_owned(), read_name);
    let searched = groups.base_dn.as_ref().or(groups.filter.as_ref());
    let source = match (&groups.attribute, searched) {
        (Some(_), Some(searched)) => {
            let what = "groups are either in the user's own attribute or searched, not both";
            findings.refuse(searched.span(), Fault::new(what));
            None
        }
        (Some(given), None) => findings
            .take("attribute", given.span(), name::attribute(given.get_ref()))
            .map(GroupSource::Attribute),
        (None, None) if !active_directory => {
            findings.refuse(table.span(), Fault::new("groups needs attribute or base_dn"));
            None
        }
        (None, _) => search(raw, table, &mut nested, findings),
    };
    Some(Groups { source: source?, name_attribute, nested })
}

fn search(
    raw: &raw::Realm,
    table: &Spanned<raw::Groups>,
    nested: &mut usize,
    findings: &mut Findings<'_>,
) -> Option<GroupSource> {
    let groups = table.get_ref();
    let mut filter = FILTER.to_owned();
    if let Some(given) = &groups.filter {
        refuse_useless(given, *nested, findings);
        filter = ldap::filter(Some(given), findings)?.as_str().to_owned();
    }
    let own_base = raw.base_dn.as_ref().filter(|_| raw.directory.is_some());
    if raw.directory.is_some()
        && *nested > 0
        && let Some(in_chain) = active_directory::in_chain(&filter)
    {
        // To any depth, and nothing is left to do level by level.
        (filter, *nested) = (in_chain, 0);
    }
    let base_dn = match &groups.base_dn {
        Some(given) => {
            findings.take("base_dn", given.span(), name::distinguished(given.get_ref()))?
        }
        None => own_base.and_then(|dn| active_directory::domain(dn.get_ref())).or_else(|| {
            findings.refuse(table.span(), Fault::new("groups needs base_dn"));
            None
        })?,
    };
    Some(GroupSource::Search { base_dn, filter: Filter::parse(&filter).ok()? })
}

/// A filter that asks for nobody gives everybody the same groups.
fn refuse_useless(given: &Spanned<String>, nested: usize, findings: &mut Findings<'_>) {
    let has = |sign| given.get_ref().contains(sign);
    let hint = format!("for instance {FILTER:?}");
    if !has("%d") && !has("%u") {
        let what = "filter has neither %d (the DN of whoever is in the group) nor %u (the user)";
        findings.refuse(given.span(), Fault::new(what).hint(hint));
    } else if !has("%d") && nested > 0 {
        let what = "filter has no %d, so it cannot find the groups that groups are in";
        findings.refuse(given.span(), Fault::new(what).hint(hint));
    }
}
