//! A realm of LDAP: what is found there, and what is not.

use usher_protocol::{Reason, Verdict};

use crate::support::ctl::Reply;
use crate::support::daemon::Daemon;
use crate::support::slapd::Slapd;
use crate::support::until_true;
use crate::support::wire::{authenticate, lookup, verdict};

const ALICE: &str = "uid=alice,ou=people,dc=example,dc=com";
const GROUPS: &str = "[realm.corp.groups]\nattribute = \"memberOf\"\n";

fn start() -> (Slapd, Daemon) {
    let slapd = Slapd::start();
    let daemon = Daemon::start(&format!("{}{GROUPS}", slapd.realm()));
    (slapd, daemon)
}

/// What the handler for Apache that came before usherd told of Alice.
fn assert_is_alice(reply: &Reply) {
    let metadata = ["USER", "EMAIL", "FIRSTNAME", "LASTNAME"]
        .map(|name| reply.metadata(&format!("X_REMOTE_{name}")).unwrap_or("nothing"));
    assert_eq!(metadata, ["alice", "alice@example.com", "Alice", "Archer"], "{reply:#?}");
    assert_eq!(reply.json["user"], "alice");
    assert_eq!(reply.json["realm"], "corp");
}

#[test]
fn every_spelling_of_a_user_gives_the_same_metadata() {
    let (_slapd, daemon) = start();
    let spellings = [
        "alice",
        "ALICE",
        "CORP\\alice",
        "corp\\Alice",
        "alice@corp.example.com",
        "Alice@CORP.EXAMPLE.COM",
    ];
    for user in spellings {
        let reply = daemon.lookup(user);
        reply.is_found();
        assert_is_alice(&reply);
    }
}

#[test]
fn a_domain_that_the_realm_does_not_list_is_another_person() {
    let (_slapd, daemon) = start();
    for user in ["OTHER\\alice", "alice@other.example.com", "alice@CORP\\alice", "alice@"] {
        daemon.lookup(user).is(1, "not_found", "no_such_user");
    }
}

#[test]
fn the_right_password_is_granted_and_every_other_looks_like_an_unknown_user() {
    let (_slapd, daemon) = start();
    let granted = daemon.authenticate("CORP\\alice", "alice-secret");
    granted.is_granted();
    assert_is_alice(&granted);
    assert_eq!(granted.json["groups"], serde_json::json!(["dev"]));
    let wrong = daemon.authenticate("alice", "bob-secret");
    wrong.is(1, "denied", "bad_credentials");
    let unknown = daemon.authenticate("nobody", "alice-secret");
    unknown.is(1, "denied", "bad_credentials");
    assert_eq!(wrong.message(), unknown.message());
}

#[test]
fn an_empty_password_never_reaches_a_bind() {
    let (slapd, daemon) = start();
    daemon.lookup("alice").is_found();
    daemon.authenticate("alice", "").is(1, "denied", "bad_credentials");
    let asked = verdict(daemon.wire().ask(authenticate("alice", "")));
    assert!(matches!(&asked, Verdict::Denied(why) if why.reason == Reason::BadCredentials));
    let nul = verdict(daemon.wire().ask(authenticate("alice", "\0")));
    assert!(matches!(&nul, Verdict::Denied(why) if why.reason == Reason::BadCredentials));
    assert_eq!((slapd.binds_of(ALICE), slapd.binds_of("")), (0, 0), "{}", slapd.log());
    // The count counts.
    daemon.authenticate("alice", "alice-secret").is_granted();
    assert_eq!(slapd.binds_of(ALICE), 1);
}

#[test]
fn a_user_with_special_signs_in_the_dn_can_log_in() {
    let (_slapd, daemon) = start();
    let reply = daemon.authenticate("jo", "jo-secret");
    reply.is_granted();
    assert_eq!(reply.metadata("X_REMOTE_EMAIL"), Some("jo@example.com"));
    daemon.authenticate("jo", "wrong").is(1, "denied", "bad_credentials");
}

#[test]
fn two_entries_for_one_login_are_ambiguous_and_no_password_is_tried() {
    let (slapd, daemon) = start();
    let lookup = daemon.lookup("twin");
    let authenticate = daemon.authenticate("twin", "twin-secret");
    assert_eq!((lookup.reason(), authenticate.reason()), ("ambiguous_user", "ambiguous_user"));
    assert_ne!((lookup.code, authenticate.code), (0, 0));
    assert!(!slapd.log().contains("BIND dn=\"uid=twin"), "{}", slapd.log());
}

#[test]
fn an_entry_without_mail_gives_metadata_without_that_name() {
    let (_slapd, daemon) = start();
    let reply = daemon.lookup("carol");
    reply.is_found();
    assert_eq!(reply.metadata("X_REMOTE_FIRSTNAME"), Some("Carol"));
    assert!(reply.json["metadata"].get("X_REMOTE_EMAIL").is_none(), "{reply:#?}");
}

#[test]
fn of_several_values_the_first_is_told() {
    let (_slapd, daemon) = start();
    assert_eq!(daemon.lookup("bob").metadata("X_REMOTE_EMAIL"), Some("bob@example.com"));
}

#[test]
fn names_beyond_ascii_are_found_and_told_as_they_are() {
    let (_slapd, daemon) = start();
    let reply = daemon.authenticate("jörg", "jörg-secret");
    reply.is_granted();
    assert_eq!(reply.metadata("X_REMOTE_USER"), Some("jörg"));
    assert_eq!(reply.metadata("X_REMOTE_LASTNAME"), Some("Müller"));
}

#[test]
fn a_hostile_name_is_a_name_that_nobody_has() {
    let (_slapd, daemon) = start();
    let long = "a".repeat(10_000);
    let names = ["*", "alic*", "a)(uid=*", "*)(uid=alice", "a\\2a", "\\2a", "(", "&", ",", &long];
    for user in names {
        daemon.lookup(user).is(1, "not_found", "no_such_user");
        daemon.authenticate(user, "alice-secret").is(1, "denied", "bad_credentials");
    }
    // No argument of a program can hold these.
    for user in ["\0", "alice\0", "alice\0)(uid=*"] {
        let found = verdict(daemon.wire().ask(lookup(user)));
        assert!(matches!(&found, Verdict::NotFound(why) if why.reason == Reason::NoSuchUser));
        let granted = verdict(daemon.wire().ask(authenticate(user, "alice-secret")));
        assert!(matches!(&granted, Verdict::Denied(why) if why.reason == Reason::BadCredentials));
    }
    // A star is a letter like any other: this user's name ends in one.
    daemon.authenticate("star*", "star*-secret").is_granted();
    daemon.lookup("alice").is_found();
}

#[test]
fn rules_of_the_request_must_hold_too() {
    let (_slapd, daemon) = start();
    let lookup = |rule: &str| daemon.ctl_json(&["lookup", "--require", rule, "alice"], b"");
    for rule in ["group=dev", "group=ops|dev", "attribute:employeeType=staff"] {
        lookup(rule).is_found();
    }
    for rule in ["group=ops", "group=de", "group=devs", "attribute:employeeType=contractor|x"] {
        lookup(rule).is(1, "denied", "rule");
    }
    for rule in ["", "group", "group=", "attribute:=x", "nonsense=1"] {
        lookup(rule).is(2, "invalid", "bad_request");
    }
    let both = ["authenticate", "--require=group=dev", "--require=group=ops", "alice"];
    daemon.ctl_json(&both, b"alice-secret\n").is(1, "denied", "rule");
    // Who has no right password learns nothing of rules.
    daemon.ctl_json(&both, b"wrong\n").is(1, "denied", "bad_credentials");
}

#[test]
fn rules_of_the_realm_hold_for_every_request() {
    let slapd = Slapd::start();
    let rules = "[realm.corp.rules]\nrequire = [\"group=dev|ops\", \
                 \"attribute:employeeType=staff\"]\n";
    let daemon = Daemon::start(&format!("{}{GROUPS}{rules}", slapd.realm()));
    daemon.authenticate("alice", "alice-secret").is_granted();
    daemon.authenticate("bob", "bob-secret").is(1, "denied", "rule");
    daemon.lookup("bob").is(1, "denied", "rule");
    daemon.lookup("carol").is(1, "denied", "rule");
}

#[test]
fn metadata_is_told_under_the_configured_names() {
    let slapd = Slapd::start();
    let metadata = "[realm.corp.metadata]\nREMOTE_NAME = \"cn\"\n\
                    REMOTE_MAIL = { attribute = \"mail\", transform = \"lowercase\" }\n\
                    REMOTE_GROUPS = { groups = true, join = \",\" }\nWHO = \"%username\"\n";
    let daemon = Daemon::start(&format!("{}{GROUPS}{metadata}", slapd.realm()));
    let expected = serde_json::json!({
        "REMOTE_NAME": "Alice Archer", "REMOTE_MAIL": "alice@example.com",
        "REMOTE_GROUPS": "dev", "WHO": "alice",
    });
    assert_eq!(daemon.lookup("alice").json["metadata"], expected);
}

#[test]
fn any_of_several_login_attributes_may_match() {
    let slapd = Slapd::start();
    let realm = format!("{}login_attribute = [\"uid\", \"mail\"]\n", slapd.realm());
    let daemon = Daemon::start(&realm);
    assert_is_alice(&daemon.lookup("alice"));
    assert_is_alice(&daemon.lookup("alice@example.com"));
}

#[test]
fn a_search_of_one_level_does_not_descend() {
    let slapd = Slapd::start();
    let daemon = Daemon::start(&format!("{}search_scope = \"onelevel\"\n", slapd.realm()));
    daemon.lookup("alice").is_found();
    daemon.lookup("carol").is(1, "not_found", "no_such_user");
}

#[test]
fn the_servers_unix_socket_serves_as_well() {
    let slapd = Slapd::start();
    let realm = slapd.realm().replace(&slapd.host(), &slapd.ldapi_url());
    let daemon = Daemon::start(&realm);
    daemon.authenticate("alice", "alice-secret").is_granted();
}

#[test]
fn what_was_found_a_moment_ago_is_not_asked_again() {
    let (slapd, daemon) = start();
    let first = daemon.authenticate("alice", "alice-secret");
    assert_eq!(first.json["source"], "directory");
    let asked = || (slapd.searches_for("alice"), slapd.binds_of(ALICE));
    assert_eq!(asked(), (1, 1));
    let second = daemon.authenticate("alice", "alice-secret");
    second.is_granted();
    assert_eq!(second.json["source"], "cache");
    daemon.lookup("CORP\\alice").is_found();
    assert_eq!(asked(), (1, 1));
    // A password that does not match is never denied on the strength of what was known.
    daemon.authenticate("alice", "new").is(1, "denied", "bad_credentials");
    assert_eq!(slapd.binds_of(ALICE), 2);
}

#[test]
fn nothing_is_asked_beside_one_search_and_one_bind() {
    let slapd = Slapd::start();
    // However busy the machine is, no host is suspected and checked.
    let pool = "pool = { hedge_after = \"60s\" }\n";
    let daemon = Daemon::start(&format!("{}{pool}{GROUPS}", slapd.realm()));
    daemon.authenticate("bob", "bob-secret").is_granted();
    until_true("all lanes to be open", || {
        daemon.status()["realms"][0]["hosts"][0]["state"] == "up"
    });
    let before = slapd.operations();
    let more = |searches, binds| {
        let now = slapd.operations();
        assert_eq!((now.searches - before.searches, now.binds - before.binds), (searches, binds));
        assert_eq!(now.others, before.others, "{}", slapd.log());
    };
    daemon.authenticate("alice", "alice-secret").is_granted();
    more(1, 1);
    daemon.lookup("user001").is_found();
    more(2, 1);
    daemon.authenticate("user001", "user001-secret").is_granted();
    more(2, 2);
}
