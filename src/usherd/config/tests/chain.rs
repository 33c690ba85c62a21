//! Chains, and realms that another one tells of.

use super::{CORP, LOCAL, problems, read, realm};

const GLASS: &str = "[realm.glass]\ntype = \"local\"\n";

/// Two realms and `web`, a chain with these lines, which begin in line 11.
fn web(lines: &str) -> String {
    format!("default_realm = \"web\"\n{GLASS}{CORP}[realm.web]\ntype = \"chain\"\n{lines}")
}

#[test]
fn a_chain_has_realms_and_a_rule_for_silence() {
    let settings = read(&web("realms = \"glass\"\n")).unwrap().settings;
    let chain = settings.chains["web"].as_ref().clone();
    assert_eq!((chain.realms, chain.goes_on), (vec!["glass".to_owned()], false));
    let lines = "realms = [\"glass\", \"corp\"]\non_unavailable = \"next\"\ndomains = \"WEB\"\n";
    let settings = read(&web(lines)).unwrap().settings;
    let chain = settings.chains["web"].as_ref().clone();
    assert_eq!((chain.realms.len(), chain.goes_on), (2, true));
    assert_eq!(chain.usernames.domains, ["web"]);
    assert_eq!(settings.realms.len(), 2);
}

#[test]
fn what_a_chain_cannot_lead_to_is_refused() {
    for (lines, problem) in [
        ("", "9:1: [realm.web] needs realms"),
        ("realms = []\n", "11:10: realms needs 1 to 16 names"),
        ("realms = [\"glass\", \"glass\"]\n", "11:20: realms has \"glass\" twice"),
        (
            "realms = [\"glas\"]\n",
            "11:11: realms names no realm: \"glas\"\n    hint: did you mean `glass`?",
        ),
        ("realms = [\"web\"]\n", "11:11: realms leads in a circle: web -> web"),
        (
            "realms = \"glass\"\ncase = \"keep\"\n",
            "12:8: case is not a key of a chain: its realms have their own",
        ),
        (
            "realms = \"glass\"\ndomains = \"corp.x\"\n[realm.d]\ntype = \"local\"\ndomains = \"CORP.X\"\n",
            "12:11: the domain \"corp.x\" is already listed in [realm.d]",
        ),
    ] {
        assert_eq!(problems(&web(lines)), format!("usher.toml:{problem}"));
    }
}

#[test]
fn chains_may_lead_through_chains_but_not_in_a_circle() {
    let inner = "realms = [\"glass\", \"inner\"]\n[realm.inner]\ntype = \"chain\"\n";
    read(&web(&format!("{inner}realms = [\"glass\", \"corp\"]\n"))).unwrap();
    assert_eq!(
        problems(&web(&format!("{inner}realms = [\"corp\", \"web\"]\n"))),
        "usher.toml:11:20: realms leads in a circle: web -> inner -> web\n\
         usher.toml:14:19: realms leads in a circle: inner -> web -> inner"
    );
}

#[test]
fn another_realm_may_tell_who_a_user_is() {
    let told = format!("default_realm = \"corp\"\n{CORP}{GLASS}metadata_from = \"corp\"\n");
    let with = format!("{told}rules.require = \"filter=(a=b)\"\n");
    assert_eq!(
        read(&with).unwrap().settings.realms["glass"].metadata_from.as_deref(),
        Some("corp")
    );
    assert_eq!(realm(&told).metadata_from, None);
    for (name, problem) in [
        ("crop", "names no realm: \"crop\"\n    hint: did you mean `corp`?"),
        (
            "glass",
            "names \"glass\", which does not itself know who users are\n    \
             hint: leave it out where this realm knows",
        ),
    ] {
        let told = told.replace("metadata_from = \"corp\"", &format!("metadata_from = \"{name}\""));
        assert_eq!(problems(&told), format!("usher.toml:9:17: metadata_from {problem}"));
    }
    let local = "metadata_from = \"other\"\nrules.require = \"filter=(a=b)\"\n";
    let other = "[realm.other]\ntype = \"local\"\n";
    assert_eq!(
        problems(&format!("default_realm = \"corp\"\n{LOCAL}{local}{other}")),
        "usher.toml:5:17: filter= needs an LDAP directory"
    );
}
