//! What configurations require of users, as the rules of a realm.

use super::described::{Part, Realm};
use super::{dn, filter};

/// A requirement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Demand {
    /// Any user with the right password.
    Valid,
    /// One of these names.
    Users(Vec<String>),
    /// The entry with this DN.
    Entry(String),
    /// A value of an attribute.
    Attribute(String, String),
    /// The entry matches a filter.
    Filter(String),
    /// In the group with this DN.
    Group(String),
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
    /// What no directory can tell, as it was written.
    Foreign(String),
    /// What a directory may tell and a rule cannot ask, as it was written.
    Unsaid(String),
}

/// How groups list who is in them.
pub(super) struct Members {
    pub(super) attributes: Vec<String>,
    /// By DN, else by name.
    pub(super) by_dn: bool,
    pub(super) nested: i64,
}

/// Writes a requirement into a realm. `login` is the attribute that holds the name of a user.
pub(super) fn require(realm: &mut Realm, demand: &Demand, login: &str, members: &Members) {
    let demand = simple(demand.clone());
    let mut groups = Vec::new();
    collect_groups(&demand, &mut groups);
    if !groups.is_empty() && !set_groups(realm, &groups, members) {
        realm.let_nobody_in(&format!(
            "The groups {groups:?} have no common place or not the same kind of name: write \
             [groups] and a rule group=, or a rule filter=(memberOf=DN)."
        ));
        return;
    }
    let all = match demand {
        Demand::All(all) => all,
        other => vec![other],
    };
    for one in all {
        rule(realm, &one, login);
    }
}

fn rule(realm: &mut Realm, demand: &Demand, login: &str) {
    if let Some(names) = groups_alone(demand) {
        return realm.require(format!("group={}", names.join("|")));
    }
    match demand {
        Demand::Valid => {}
        Demand::Foreign(text) => realm.remark_in(Part::Rules, foreign(text)),
        Demand::Unsaid(text) => realm.let_nobody_in(&no_equal(text)),
        Demand::Users(names) if names.iter().all(|name| is_alternative(name)) => {
            realm.require(format!("attribute:{login}={}", names.join("|")));
        }
        Demand::Any(some) => {
            for one in some {
                match one {
                    Demand::Foreign(text) => realm.remark_in(Part::Rules, foreign(text)),
                    Demand::Unsaid(text) => realm.remark_in(Part::Rules, no_equal(text)),
                    _ => {}
                }
            }
            either(realm, demand, login);
        }
        other => either(realm, other, login),
    }
}

/// Rules have no alternatives of different kinds, but filters do.
fn either(realm: &mut Realm, demand: &Demand, login: &str) {
    let Some(text) = as_filter(demand, login) else {
        realm.let_nobody_in(
            "Something is required that has no equal here, such as not to be in a group.",
        );
        return;
    };
    if text.contains("(memberOf=") {
        realm.remark_in(
            Part::Rules,
            "Groups stand as memberOf here, since a rule has no alternatives of different kinds. \
             Where the directory does not keep that attribute, their members are not let in.",
        );
    }
    if text.contains("(entryDN=") {
        realm.remark_in(Part::Rules, "entryDN is called distinguishedName by Active Directory.");
    }
    realm.require(format!("filter={text}"));
}

fn foreign(text: &str) -> String {
    format!("Stays with the web server, since no directory knows it: {text}")
}

fn no_equal(text: &str) -> String {
    format!("No equal: {text}.")
}

/// The filter that matches whom a requirement lets in, or fewer.
fn as_filter(demand: &Demand, login: &str) -> Option<String> {
    let each = |some: &[Demand]| {
        let some = some.iter().filter(|one| !matches!(one, Demand::Foreign(_)));
        some.map(|one| as_filter(one, login)).collect::<Option<Vec<_>>>()
    };
    Some(match demand {
        Demand::Valid | Demand::Foreign(_) | Demand::Unsaid(_) => return None,
        Demand::Users(names) => {
            let test = |name: &String| format!("({login}={})", filter::escape(name));
            filter::any(&names.iter().map(test).collect::<Vec<_>>())
        }
        Demand::Entry(dn) => format!("(entryDN={})", filter::escape(dn)),
        Demand::Attribute(name, value) => format!("({name}={})", filter::escape(value)),
        Demand::Filter(text) => filter::whole(text),
        Demand::Group(dn) => format!("(memberOf={})", filter::escape(dn)),
        Demand::Any(some) => Some(filter::any(&each(some)?)).filter(|text| text != "(|)")?,
        Demand::All(all) => Some(filter::all(&each(all)?)).filter(|text| text != "(&)")?,
        // Where the directory does not tell, it would let everybody in.
        Demand::Not(inner) if names_group(inner) || has_foreign(inner) => return None,
        Demand::Not(inner) => format!("(!{})", as_filter(inner, login)?),
    })
}

/// The groups' names, if it is one of several groups that is required and nothing else.
fn groups_alone(demand: &Demand) -> Option<Vec<String>> {
    let some = match demand {
        Demand::Any(some) => some.as_slice(),
        one => std::slice::from_ref(one),
    };
    let name = |one: &Demand| match one {
        Demand::Group(group) => dn::first(group).map(|(_, name)| name),
        _ => None,
    };
    let names = some.iter().map(name).collect::<Option<Vec<_>>>()?;
    names.iter().all(|name| is_alternative(name)).then_some(names)
}

/// Where the groups are. False if that cannot be said.
fn set_groups(realm: &mut Realm, groups: &[String], members: &Members) -> bool {
    let firsts: Option<Vec<_>> = groups.iter().map(|group| dn::first(group)).collect();
    let Some([(attribute, _), others @ ..]) = firsts.as_deref() else { return false };
    if others.iter().any(|(other, _)| !other.eq_ignore_ascii_case(attribute)) {
        return false;
    }
    // One group is all that is searched, so that no other of its name counts.
    let base = match groups {
        [one] if members.nested == 0 => Some(one.clone()),
        [one] => dn::parent(one),
        several => dn::common(several.iter().map(String::as_str)),
    };
    let Some(base) = base else { return false };
    let sign = if members.by_dn { "%d" } else { "%u" };
    let tests: Vec<_> = members.attributes.iter().map(|name| format!("({name}={sign})")).collect();
    if groups.len() > 1 || members.nested > 0 {
        let what = "Groups are known by their names here: of two below this entry with one name, \
                    either counts.";
        realm.remark_in(Part::Groups, what);
    }
    realm.set_in(Part::Groups, "base_dn", base);
    realm.set_in(Part::Groups, "filter", filter::any(&tests));
    if !attribute.eq_ignore_ascii_case("cn") {
        realm.set_in(Part::Groups, "name_attribute", attribute.as_str());
    }
    if members.nested > 0 {
        realm.set_in(Part::Groups, "nested", members.nested.min(32));
    }
    true
}

fn collect_groups(demand: &Demand, groups: &mut Vec<String>) {
    match demand {
        Demand::Group(dn) if !groups.contains(dn) => groups.push(dn.clone()),
        Demand::All(all) => all.iter().for_each(|one| collect_groups(one, groups)),
        // Other alternatives are a filter, which needs no groups.
        Demand::Any(some) if groups_alone(demand).is_some() => {
            some.iter().for_each(|one| collect_groups(one, groups));
        }
        _ => {}
    }
}

fn names_group(demand: &Demand) -> bool {
    match demand {
        Demand::Group(_) => true,
        Demand::Not(one) => names_group(one),
        Demand::All(some) | Demand::Any(some) => some.iter().any(names_group),
        _ => false,
    }
}

fn has_foreign(demand: &Demand) -> bool {
    match demand {
        Demand::Foreign(_) => true,
        Demand::Not(one) => has_foreign(one),
        Demand::All(some) | Demand::Any(some) => some.iter().any(has_foreign),
        _ => false,
    }
}

/// Whether a name can be an alternative of a rule.
fn is_alternative(name: &str) -> bool {
    !name.is_empty() && name.trim() == name && !name.contains(|c: char| c == '|' || c.is_control())
}

/// Without what holds anyway, and without lists of one.
fn simple(demand: Demand) -> Demand {
    match demand {
        Demand::All(all) => {
            let mut all: Vec<_> = all.into_iter().map(simple).collect();
            all.retain(|one| *one != Demand::Valid);
            match all.len() {
                0 => Demand::Valid,
                1 => all.swap_remove(0),
                _ => Demand::All(all),
            }
        }
        Demand::Any(some) => {
            let mut some: Vec<_> = some.into_iter().map(simple).collect();
            match some.len() {
                0 => Demand::Valid,
                1 => some.swap_remove(0),
                _ if some.contains(&Demand::Valid) => Demand::Valid,
                _ => Demand::Any(some),
            }
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(demand: &Demand) -> (Vec<String>, Realm) {
        let mut realm = Realm::new("x", "ldap");
        let members = Members {
            attributes: vec!["member".to_owned(), "uniqueMember".to_owned()],
            by_dn: true,
            nested: 0,
        };
        require(&mut realm, demand, "uid", &members);
        (std::mem::take(&mut realm.rules), realm)
    }

    fn group(name: &str) -> Demand {
        Demand::Group(format!("cn={name},ou=groups,dc=com"))
    }

    #[test]
    fn one_of_several_groups_is_one_rule_and_one_place() {
        let (rules, realm) = rules(&Demand::Any(vec![group("dev"), group("ops")]));
        assert_eq!(rules, ["group=dev|ops"]);
        assert!(realm.has(Part::Groups, "base_dn"));
    }

    #[test]
    fn what_holds_anyway_is_no_rule() {
        assert!(rules(&Demand::Any(vec![group("dev"), Demand::Valid])).0.is_empty());
        assert!(rules(&Demand::All(vec![Demand::Valid])).0.is_empty());
    }

    #[test]
    fn alternatives_of_different_kinds_are_a_filter() {
        let users = Demand::Users(vec!["a*".to_owned()]);
        let (rules, _) = rules(&Demand::Any(vec![group("dev"), users]));
        assert_eq!(rules, ["filter=(|(memberOf=cn=dev,ou=groups,dc=com)(uid=a\\2a))"]);
    }

    #[test]
    fn what_cannot_be_said_lets_nobody_in() {
        for demand in [
            Demand::Not(Box::new(group("dev"))),
            Demand::Not(Box::new(Demand::Foreign("ip 10".to_owned()))),
            Demand::Not(Box::new(Demand::Unsaid("ldap-search x".to_owned()))),
            Demand::Unsaid("ldap-search x".to_owned()),
            Demand::Any(vec![group("dev"), Demand::Unsaid("ldap-search x".to_owned())]),
            Demand::Any(vec![
                Demand::Group("cn=a,dc=com".to_owned()),
                Demand::Group("ou=b,dc=com".to_owned()),
            ]),
        ] {
            let (rules, _) = rules(&demand);
            assert_eq!(rules, ["filter=(!(objectClass=*))"], "{demand:?}");
        }
    }
}
