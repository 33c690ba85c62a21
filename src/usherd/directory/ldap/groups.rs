//! The groups of a user: those that it is in itself, then those that these are in, level by level.

use std::collections::HashSet;

use futures_util::future::try_join_all;
use tokio::time::Instant;
use usher_protocol::Reason;

use super::active_directory::{self, Sid};
use super::connection::Search;
use super::eyes::Eyes;
use super::{dn, entry, filter, referral};
use crate::config::{Filter, GroupSource, Groups, Scope};
use crate::directory::{Attributes, Entry, Unavailable};

/// More groups than this are an error: a rule must see all or none.
const MOST: usize = 2000;
/// Groups that one filter asks for.
const IN_ONE_FILTER: usize = 32;
/// Searches beside each other for one user.
const AT_ONCE: usize = 8;

/// The names of all groups of an entry.
pub(super) async fn of(
    entry: &Entry,
    primary: Option<Sid>,
    groups: &Groups,
    eyes: &Eyes<'_>,
    deadline: Instant,
) -> Result<Vec<String>, Unavailable> {
    let walk = Walk { eyes, groups, user: &entry.username, deadline };
    let mut known = Known::default();
    let primary = match primary {
        Some(sid) => walk.primary(&sid).await?,
        None => Vec::new(),
    };
    let direct = match &groups.source {
        GroupSource::Attribute(name) => walk.named(&entry.attributes, name),
        GroupSource::Search { base_dn, filter } => {
            let own = referral::dn_of(&entry.id);
            let mut members = vec![own.as_str()];
            // A server that follows the chain does so for the primary group as well.
            if filter.as_str().contains(active_directory::IN_CHAIN) {
                members.extend(primary.iter().map(|group| group.dn.as_str()));
            }
            walk.searched(base_dn, filter, &members).await?
        }
    };
    let mut level = known.add(direct)?;
    level.extend(known.add(primary)?);
    for _ in 0..groups.nested {
        if level.is_empty() {
            break;
        }
        level = known.add(walk.above(&level).await?)?;
    }
    Ok(known.names)
}

struct Group {
    dn: String,
    name: String,
}

/// The groups so far. None is walked to twice, so circles end.
#[derive(Default)]
struct Known {
    dns: HashSet<String>,
    names: Vec<String>,
}

impl Known {
    /// Takes groups down, and tells the DNs of those that are new.
    fn add(&mut self, groups: Vec<Group>) -> Result<Vec<String>, Unavailable> {
        let mut new = Vec::new();
        for group in groups {
            if self.dns.insert(group.dn.to_lowercase()) {
                new.push(group.dn);
                if !self.names.contains(&group.name) {
                    self.names.push(group.name);
                }
            }
        }
        if self.dns.len() > MOST {
            return Err(too_many());
        }
        Ok(new)
    }
}

struct Walk<'a> {
    eyes: &'a Eyes<'a>,
    groups: &'a Groups,
    user: &'a str,
    deadline: Instant,
}

impl Walk<'_> {
    /// The groups that these groups are in.
    async fn above(&self, dns: &[String]) -> Result<Vec<Group>, Unavailable> {
        let dns: Vec<&str> = dns.iter().map(String::as_str).collect();
        let mut found = Vec::new();
        match &self.groups.source {
            GroupSource::Attribute(name) => {
                for some in dns.chunks(AT_ONCE) {
                    let read = some.iter().map(|dn| self.read(dn, name));
                    found.extend(try_join_all(read).await?.into_iter().flatten());
                }
            }
            GroupSource::Search { base_dn, filter } => {
                for some in dns.chunks(IN_ONE_FILTER) {
                    found.extend(self.searched(base_dn, filter, some).await?);
                }
            }
        }
        Ok(found)
    }

    /// The group with this SID, where groups are looked for.
    async fn primary(&self, sid: &Sid) -> Result<Vec<Group>, Unavailable> {
        let name = &self.groups.name_attribute;
        let search = match &self.groups.source {
            GroupSource::Attribute(_) => Search::of_entry(&sid.dn(), filter::ANY, [name]),
            GroupSource::Search { base_dn, .. } => Search {
                base: base_dn.clone(),
                scope: Scope::Subtree,
                filter: format!("(objectSid={})", sid.escaped()),
                attributes: vec![name.clone()],
                most: 1,
                may_be_absent: false,
            },
        };
        let found = self.eyes.search(search, self.deadline).await?;
        Ok(found.into_iter().map(|found| self.group(found)).collect())
    }

    fn group(&self, found: ldap3::SearchEntry) -> Group {
        let name = &self.groups.name_attribute;
        let dn = referral::dn_of(&found.dn);
        let first = || entry::attributes(found).first(name).map(str::to_owned);
        let name = dn::first_value(&dn, name).or_else(first).unwrap_or_else(|| dn.clone());
        Group { dn, name }
    }

    /// The groups that an attribute names by their DNs.
    fn named(&self, attributes: &Attributes, name: &str) -> Vec<Group> {
        let values = attributes.values(name).iter();
        values
            .map(|value| Group {
                dn: value.clone(),
                name: dn::first_value(value, &self.groups.name_attribute)
                    .unwrap_or_else(|| value.clone()),
            })
            .collect()
    }

    /// The groups that a group's entry names. One that is gone or hidden is in no other.
    async fn read(&self, dn: &str, attribute: &str) -> Result<Vec<Group>, Unavailable> {
        let search = Search::of_entry(dn, filter::ANY, [attribute]);
        let found = self.eyes.search(search, self.deadline).await?;
        let groups = found.into_iter().map(entry::attributes);
        Ok(groups.flat_map(|attributes| self.named(&attributes, attribute)).collect())
    }

    /// The groups that say that one of these entries is in them.
    async fn searched(
        &self,
        base: &str,
        filter: &Filter,
        dns: &[&str],
    ) -> Result<Vec<Group>, Unavailable> {
        let name = &self.groups.name_attribute;
        let search = Search {
            base: base.to_owned(),
            scope: Scope::Subtree,
            filter: filter::of_groups(filter, dns, self.user),
            attributes: vec![name.clone()],
            most: MOST + 1,
            may_be_absent: false,
        };
        let found = self.eyes.search(search, self.deadline).await?;
        if found.len() > MOST {
            return Err(too_many());
        }
        Ok(found.into_iter().map(|found| self.group(found)).collect())
    }
}

fn too_many() -> Unavailable {
    let text = format!("the user is in more than {MOST} groups; narrow [realm.NAME.groups]");
    Unavailable::new(Reason::NoHost, text).not_silent()
}
