//! `Require ldap-...`, alone and in the sections that join them.

use super::syntax::Node;
use crate::import::rules::Demand;

/// Providers of httpd's own that ask no directory of LDAP, and ours, which stay where they are.
const FOREIGN: [&str; 23] = [
    "all",
    "dbd-group",
    "dbd-login",
    "dbd-logout",
    "dbm-file-group",
    "dbm-group",
    "env",
    "expr",
    "file-group",
    "file-owner",
    "forward-dns",
    "group",
    "host",
    "ip",
    "local",
    "method",
    "ssl",
    "ssl-verify-client",
    "unix-group",
    "user",
    "usher-attribute",
    "usher-group",
    "usher-rule",
];

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
    let unsaid = || Demand::Unsaid(format!("Require {text}"));
    let Some((kind, rest)) = arguments.split_first() else { return unsaid() };
    let kind = kind.to_ascii_lowercase();
    if kind.starts_with("ldap-") && rest.is_empty() {
        return unsaid();
    }
    // All that follows, which the module takes without quotation marks as well.
    let whole = rest.join(" ");
    match kind.as_str() {
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
            rest.iter().map(test).collect::<Option<Vec<_>>>().map_or_else(unsaid, Demand::Any)
        }
        kind if FOREIGN.contains(&kind) => Demand::Foreign(format!("Require {text}")),
        // Another question to the directory, or the name that a configuration gave one.
        _ => unsaid(),
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
    fn what_is_not_known_to_ask_no_directory_is_not_passed_over() {
        for text in [
            "ldap-search (&(employeeNumber=%{env:X})(a=b))",
            "ldap-attribute employeeType",
            "ldap-attribute",
            "ldap-user",
            "alias-of-a-group",
        ] {
            let read = read(&format!("Require {text}\n"));
            assert_eq!(read, Demand::Any(vec![Demand::Unsaid(format!("Require {text}"))]));
        }
        assert_eq!(
            read("Require ip 10\n"),
            Demand::Any(vec![Demand::Foreign("Require ip 10".to_owned())])
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
