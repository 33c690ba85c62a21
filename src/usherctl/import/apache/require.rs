//! `Require ldap-...`, alone and in the sections that join them.

use super::syntax::Node;
use crate::import::rules::Demand;

/// What a section requires; its name says how its lines are joined.
pub(super) fn demand(nodes: &[Node], joined: &str) -> Demand {
    let mut demands = Vec::new();
    for node in nodes {
        match (node.name.as_str(), &node.inside) {
            ("require", None) => demands.push(line(&node.arguments, &node.text)),
            ("requireany" | "requireall" | "requirenone", Some(inside)) => {
                demands.push(demand(inside, &node.name));
            }
            // Sections that hold under a condition; their lines are read as if it held.
            ("limit" | "limitexcept" | "ifmodule" | "ifdefine" | "ifversion", Some(inside)) => {
                if let Demand::Any(some) = demand(inside, "") {
                    demands.extend(some);
                }
            }
            _ => {}
        }
    }
    match joined {
        "requireall" => Demand::All(demands),
        "requirenone" => Demand::Not(Box::new(Demand::Any(demands))),
        _ => Demand::Any(demands),
    }
}

fn line(arguments: &[String], text: &str) -> Demand {
    let foreign = || Demand::Foreign(format!("Require {text}"));
    let Some((kind, rest)) = arguments.split_first() else { return foreign() };
    // All that follows, which the module takes without quotation marks as well.
    let whole = rest.join(" ");
    match kind.to_ascii_lowercase().as_str() {
        "not" => Demand::Not(Box::new(line(
            rest,
            text.split_once(char::is_whitespace).unwrap_or_default().1,
        ))),
        "valid-user" => Demand::Valid,
        "ldap-user" => Demand::Users(rest.to_vec()),
        "ldap-dn" => Demand::Entry(whole),
        "ldap-group" => Demand::Group(whole),
        "ldap-filter" => Demand::Filter(whole),
        "ldap-attribute" => {
            let test = |word: &String| {
                let (name, value) = word.split_once('=')?;
                Some(Demand::Attribute(name.to_owned(), value.trim_matches('"').to_owned()))
            };
            // Whoever has one of them.
            rest.iter().map(test).collect::<Option<Vec<_>>>().map_or_else(foreign, Demand::Any)
        }
        _ => foreign(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Demand, demand};
    use crate::import::apache::syntax::parse;

    fn read(text: &str) -> Demand {
        demand(&parse(text).expect("a configuration"), "requireany")
    }

    #[test]
    fn names_may_have_spaces_with_quotation_marks_and_groups_without() {
        let read = read(
            "Require ldap-user \"Barbara Jenson\" fred\nRequire ldap-group cn=Some Group, o=Example\n\
             Require ldap-attribute \"city=San Jose\" status=active\n",
        );
        let Demand::Any(some) = read else { panic!("{read:?}") };
        assert_eq!(some[0], Demand::Users(vec!["Barbara Jenson".into(), "fred".into()]));
        assert_eq!(some[1], Demand::Group("cn=Some Group, o=Example".into()));
        let city = Demand::Attribute("city".into(), "San Jose".into());
        assert_eq!(
            some[2],
            Demand::Any(vec![city, Demand::Attribute("status".into(), "active".into())])
        );
    }

    #[test]
    fn sections_join_and_not_turns_round() {
        let read =
            read("<RequireAll>\nRequire valid-user\nRequire not ldap-user eve\n</RequireAll>\n");
        let eve = Demand::Not(Box::new(Demand::Users(vec!["eve".into()])));
        assert_eq!(read, Demand::Any(vec![Demand::All(vec![Demand::Valid, eve])]));
    }
}
