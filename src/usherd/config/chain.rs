//! `type = "chain"`: which realms it leads through.

use std::collections::BTreeSet;

use super::problem::{Fault, Findings};
use super::raw::{Kind, OnUnavailable, Word};
use super::realm::{Named, word};
use super::settings::{Chain, Usernames};

/// Most realms of a chain.
const MAX_REALMS: usize = 16;

pub(super) fn chain(
    realm: &Named<'_>,
    usernames: Usernames,
    findings: &mut Findings<'_>,
) -> Option<Chain> {
    let raw = realm.raw;
    let (at, list) = realm.required("realms", raw.realms.as_ref(), findings)?;
    let each = list.each(at.clone());
    if !(1..=MAX_REALMS).contains(&each.len()) {
        let what = format!("realms needs 1 to {MAX_REALMS} names");
        findings.refuse(at, Fault::new(what));
        return None;
    }
    let mut realms: Vec<String> = Vec::new();
    for (at, name) in each {
        if realms.iter().any(|known| known == name) {
            findings.refuse(at, Fault::new(format!("realms has {name:?} twice")));
            continue;
        }
        if realm.other(name).is_none() {
            findings.refuse(at, realm.unknown("realms", name));
            continue;
        }
        let mut way = vec![realm.name];
        if leads_back(realm, name, &mut way, &mut BTreeSet::new()) {
            let what = format!("realms leads in a circle: {}", way.join(" -> "));
            findings.refuse(at, Fault::new(what));
        }
        realms.push(name.to_owned());
    }
    let on_unavailable = word(raw.on_unavailable.as_ref(), OnUnavailable::End);
    let name = realm.name.to_owned();
    Some(Chain { name, realms, usernames, goes_on: on_unavailable == OnUnavailable::Next })
}

/// Whether one leads back to where it began, and on which way.
fn leads_back<'a>(
    begin: &Named<'a>,
    from: &'a str,
    way: &mut Vec<&'a str>,
    seen: &mut BTreeSet<&'a str>,
) -> bool {
    way.push(from);
    if from == begin.name {
        return true;
    }
    let unseen = seen.insert(from);
    let mut next = next(begin, from).into_iter();
    if unseen && next.any(|next| leads_back(begin, next, way, seen)) {
        return true;
    }
    way.pop();
    false
}

/// Where a realm leads, if it is a chain.
fn next<'a>(begin: &Named<'a>, name: &str) -> Vec<&'a str> {
    let chain = begin.other(name).filter(|raw| {
        raw.r#type.as_ref().is_some_and(|kind| matches!(kind.get_ref(), Word(Kind::Chain)))
    });
    let list = chain.and_then(|raw| raw.realms.as_ref());
    let each = list.map(|list| list.get_ref().each(list.span())).unwrap_or_default();
    each.into_iter().map(|(_, name)| name).collect()
}
