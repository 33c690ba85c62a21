//! `[realm.NAME.groups]`: where a user's groups are known.

use toml::Spanned;

use super::filter::Filter;
use super::problem::{Fault, Findings};
use super::settings::{GroupSource, Groups};
use super::{ldap, name, raw, units};

/// Deepest nesting that is followed.
const MAX_NESTED: usize = 32;
/// What matches the groups of an entry, unless the configuration knows better.
const FILTER: &str = "(member=%d)";

pub(super) fn groups(raw: &raw::Realm, findings: &mut Findings<'_>) -> Option<Groups> {
    let table = raw.groups.as_ref()?;
    let groups = table.get_ref();
    let nested = findings.read("nested", &groups.nested, 0, units::count(0..=MAX_NESTED));
    let name_attribute =
        findings.read("name_attribute", &groups.name_attribute, "cn".to_owned(), |name| {
            name::attribute(name)
        });
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
        (None, Some(_)) => search(table, nested, findings),
        (None, None) => {
            findings.refuse(table.span(), Fault::new("groups needs attribute or base_dn"));
            None
        }
    };
    Some(Groups { source: source?, name_attribute, nested })
}

fn search(
    table: &Spanned<raw::Groups>,
    nested: usize,
    findings: &mut Findings<'_>,
) -> Option<GroupSource> {
    let groups = table.get_ref();
    let filter = match &groups.filter {
        Some(given) => {
            let filter = ldap::filter(Some(given), findings);
            refuse_useless(given, nested, findings);
            filter
        }
        None => Filter::parse(FILTER).ok(),
    };
    let Some(base_dn) = &groups.base_dn else {
        findings.refuse(table.span(), Fault::new("groups needs base_dn"));
        return None;
    };
    let base_dn =
        findings.take("base_dn", base_dn.span(), name::distinguished(base_dn.get_ref()))?;
    Some(GroupSource::Search { base_dn, filter: filter? })
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
