//! Groups and rules: what a directory says of whom, in all the ways it can say that.

use crate::support::ctl::Reply;
use crate::support::daemon::Daemon;
use crate::support::slapd::{More, Slapd};

/// alice is in dev (in both ways of saying so), which is in staff, which is in everybody, which is
/// in dev again. ops is in no group. `Research, \"R&D\"` has signs that filters and names escape.
const GROUPS: &str = r#"dn: cn=staff,ou=groups,dc=example,dc=com
objectClass: groupOfNames
cn: staff
member: cn=dev,ou=groups,dc=example,dc=com
memberOf: cn=everybody,ou=groups,dc=example,dc=com

dn: cn=everybody,ou=groups,dc=example,dc=com
objectClass: groupOfNames
cn: everybody
member: cn=staff,ou=groups,dc=example,dc=com
memberOf: cn=circle,ou=groups,dc=example,dc=com

dn: cn=circle,ou=groups,dc=example,dc=com
objectClass: groupOfNames
cn: circle
member: cn=everybody,ou=groups,dc=example,dc=com
memberOf: cn=staff,ou=groups,dc=example,dc=com
memberOf: cn=circle,ou=groups,dc=example,dc=com
memberOf: cn=gone,ou=groups,dc=example,dc=com

dn: cn=Research\, (R&D)*,ou=groups,dc=example,dc=com
objectClass: groupOfNames
cn: Research, (R&D)*
member: cn=Smith\, \"Jo\" #1,ou=people,dc=example,dc=com

dn: cn=wheel,ou=groups,dc=example,dc=com
objectClass: posixGroup
cn: wheel
gidNumber: 10
memberUid: alice
memberUid: star*

dn: uid=nadia,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: nadia
cn: Nadia
sn: Novak
userPassword: nadia-secret
memberOf: cn=staff,ou=groups,dc=example,dc=com

dn: uid=olga,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: olga
cn: Olga
sn: Odd
memberOf: cn=Research\2C (R&D)*,ou=groups,dc=example,dc=com
memberOf: cn=\20padded\20,ou=groups,dc=example,dc=com
memberOf: cn=J\C3\B6rg \22x\22 \231\3B,ou=groups,dc=example,dc=com

"#;

const BASE: &str = "base_dn = \"ou=groups,dc=example,dc=com\"\n";

fn start(groups: &str) -> (Slapd, Daemon) {
    let slapd = Slapd::start_with(More { ldif: GROUPS, ..More::default() });
    let daemon = Daemon::start(&format!("{}[realm.corp.groups]\n{groups}", slapd.realm()));
    (slapd, daemon)
}

#[track_caller]
fn assert_groups(reply: &Reply, expected: &[&str]) {
    reply.is_found();
    assert_eq!(reply.json["groups"], serde_json::json!(expected));
}

#[test]
fn groups_are_found_by_a_search_for_the_users_name_in_them() {
    let (slapd, daemon) = start(BASE);
    assert_groups(&daemon.lookup("alice"), &["dev"]);
    assert_groups(&daemon.lookup("jo"), &["Research, (R&D)*"]);
    assert_groups(&daemon.lookup("carol"), &[]);
    daemon.authenticate("alice", "alice-secret").is_granted();
    assert_eq!(slapd.searches_for("(member=uid=alice,"), 1, "{}", slapd.log());
}

#[test]
fn a_search_may_ask_for_the_users_short_name() {
    let (_slapd, daemon) = start(&format!("{BASE}filter = \"(|(member=%d)(memberUid=%u))\"\n"));
    assert_groups(&daemon.lookup("ALICE"), &["dev", "wheel"]);
    assert_groups(&daemon.lookup("star*"), &["wheel"]);
    assert_groups(&daemon.lookup("bob"), &["ops"]);
}

#[test]
fn groups_in_groups_count_to_the_configured_depth() {
    for (nested, expected) in [
        (0, &["dev"][..]),
        (1, &["dev", "staff"]),
        (2, &["dev", "staff", "everybody", "circle"]),
        (32, &["dev", "staff", "everybody", "circle"]),
    ] {
        let (slapd, daemon) = start(&format!("{BASE}nested = {nested}\n"));
        let expected = if nested == 2 { &expected[..3] } else { expected };
        assert_groups(&daemon.lookup("alice"), expected);
        // The circle ends: each group was asked for once.
        assert!(slapd.searches_for("(member=cn=staff,") <= 1, "{}", slapd.log());
    }
}

#[test]
fn groups_in_groups_are_followed_by_attribute_too() {
    let (slapd, daemon) = start("attribute = \"memberOf\"\nnested = 8\n");
    let groups = daemon.lookup("nadia");
    assert_groups(&groups, &["staff", "everybody", "circle", "gone"]);
    assert_eq!(slapd.log().matches("SRCH base=\"cn=staff,").count(), 1, "{}", slapd.log());
    let (_slapd, daemon) = start("attribute = \"memberOf\"\nnested = 1\n");
    assert_groups(&daemon.lookup("nadia"), &["staff", "everybody"]);
}

#[test]
fn groups_with_odd_names_are_named_by_the_attribute_too() {
    let (_slapd, daemon) = start("attribute = \"memberOf\"\nnested = 1\n");
    let expected = ["Research, (R&D)*", " padded ", "Jörg \"x\" #1;"];
    assert_groups(&daemon.lookup("olga"), &expected);
    let rule = |rule: &str| daemon.ctl_json(&["lookup", "--require", rule, "olga"], b"");
    rule("group=research, (r&d)*").is_found();
    rule("group=Research").is(1, "denied", "rule");
}

#[test]
fn an_attribute_may_hold_plain_names_of_groups() {
    let (_slapd, daemon) = start("attribute = \"employeeType\"\nnested = 1\n");
    assert_groups(&daemon.lookup("alice"), &["staff"]);
}

#[test]
fn a_rule_sees_groups_in_groups_and_whole_names_only() {
    let (_slapd, daemon) = start(&format!("{BASE}nested = 3\n"));
    let lookup = |rule: &str| daemon.ctl_json(&["lookup", "--require", rule, "alice"], b"");
    lookup("group=everybody").is_found();
    lookup("group=ops|Circle").is_found();
    lookup("group=every").is(1, "denied", "rule");
    lookup("group=cn=dev,ou=groups,dc=example,dc=com").is(1, "denied", "rule");
}

#[test]
fn a_wrong_base_of_groups_is_told_and_never_means_no_groups() {
    let (_slapd, daemon) = start("base_dn = \"ou=nowhere,dc=example,dc=com\"\n");
    let reply = daemon.lookup("alice");
    reply.is(3, "unavailable", "no_host");
    assert!(reply.message().contains("base DN \"ou=nowhere,dc=example,dc=com\""), "{reply:?}");
}

#[test]
fn more_groups_than_the_server_tells_are_an_error() {
    let more = More { ldif: GROUPS, configuration: "sizelimit 2\n", ..More::default() };
    let slapd = Slapd::start_with(more);
    let groups = format!("[realm.corp.groups]\n{BASE}filter = \"(|(cn=%u)(member=*)(x=%d))\"\n");
    let daemon = Daemon::start(&format!("{}{groups}", slapd.realm()));
    let reply = daemon.lookup("alice");
    reply.is(3, "unavailable", "no_host");
    assert!(reply.message().contains("sizeLimitExceeded"), "{reply:?}");
}

#[test]
fn more_groups_than_an_answer_can_hold_are_an_error() {
    let groups: String = (0..2001)
        .map(|number| {
            format!(
                "dn: cn=g{number},ou=groups,dc=example,dc=com\nobjectClass: groupOfNames\n\
                 cn: g{number}\nmember: uid=alice,ou=people,dc=example,dc=com\n\n"
            )
        })
        .collect();
    let configuration = "sizelimit unlimited\nindex member eq\n";
    let slapd = Slapd::start_with(More { ldif: &groups, configuration, ..More::default() });
    let daemon = Daemon::start(&format!("{}[realm.corp.groups]\n{BASE}", slapd.realm()));
    let reply = daemon.lookup("alice");
    reply.is(3, "unavailable", "no_host");
    assert!(reply.message().contains("more than 2000 groups"), "{reply:?}");
    assert_groups(&daemon.lookup("bob"), &["ops"]);
}

#[test]
fn a_filter_rule_is_what_the_directory_says_of_the_entry() {
    let (slapd, daemon) = start(BASE);
    let lookup =
        |rule: &str, user: &str| daemon.ctl_json(&["lookup", "--require", rule, user], b"");
    lookup("filter=(employeeType=staff)", "alice").is_found();
    lookup("filter=employeetype=STAFF", "alice").is_found();
    lookup("filter=(|(employeeType=staff)(sn=Baker))", "bob").is_found();
    lookup("filter=(&(mail=*)(!(employeeType=contractor)))", "alice").is_found();
    lookup("filter=(&(mail=*)(!(employeeType=contractor)))", "bob").is(1, "denied", "rule");
    lookup("filter=(sn=Smith)", "jo").is_found();
    lookup("filter=(unknownAttribute=x)", "alice").is(1, "denied", "rule");
    lookup("filter=(employeeType=staff", "alice").is(2, "invalid", "bad_request");
    // What the directory said is remembered with the rest of the person.
    let before = slapd.operations();
    lookup("filter=(employeeType=staff)", "alice").is_found();
    assert_eq!(slapd.operations(), before, "{}", slapd.log());
}

#[test]
fn a_realms_filter_rule_holds_for_every_request() {
    let slapd = Slapd::start();
    let rules = "[realm.corp.rules]\nrequire = [\"filter=(|(employeeType=staff)(uid=carol))\"]\n";
    let daemon = Daemon::start(&format!("{}{rules}", slapd.realm()));
    daemon.authenticate("alice", "alice-secret").is_granted();
    daemon.lookup("carol").is_found();
    daemon.authenticate("bob", "bob-secret").is(1, "denied", "rule");
    daemon.authenticate("bob", "wrong").is(1, "denied", "bad_credentials");
}

#[test]
fn a_file_of_users_matches_no_filter() {
    let daemon = Daemon::start(crate::support::daemon::LOCAL);
    let reply = daemon.ctl_json(&["lookup", "--require", "filter=(a=b)", "alice"], b"");
    reply.is(2, "invalid", "bad_request");
}
