//! Chains of realms, and realms that another one tells of.

use std::path::Path;

use usher_protocol::{Call, Password, Query, Reason};

use crate::support::ctl::Reply;
use crate::support::daemon::{Daemon, USERS, folder, write_private};
use crate::support::slapd::{Slapd, realm};
use crate::support::until_true;
use crate::support::wire::verdict;

const ALICE: &str = "uid=alice,ou=people,dc=example,dc=com";
const GLASS: &str = "[realm.glass]\ntype = \"local\"\nfile = \"@DIR@/glass.toml\"\n";

/// A chain of `glass`, where Alice's password is `bob-secret`, and the directory.
fn start(corp: &str, chain: &str) -> Daemon {
    let web = format!("[realm.web]\ntype = \"chain\"\n{chain}");
    let folder = folder(&format!("default_realm = \"web\"\n{corp}{GLASS}{web}"));
    write_glass(folder.path());
    Daemon::start_in(folder, |command| command)
}

fn write_glass(folder: &Path) {
    let bob = USERS.find("[user.bob]").expect("Bob");
    let users = USERS[bob..].replace("user.bob", "user.alice");
    write_private(&folder.join("glass.toml"), &users);
}

/// Asks as one client, and tells why not.
fn one_client(daemon: &Daemon) -> impl FnMut(&str, &str) -> Option<Reason> {
    let (mut wire, client) = (daemon.wire(), "192.0.2.7".parse().ok());
    move |user, password| {
        let query = Query { user: user.to_owned(), client, ..Query::default() };
        let call = Call::Authenticate(query, Password::from(password));
        verdict(wire.ask(call)).refusal().map(|refusal| refusal.reason)
    }
}

fn realm_of(reply: &Reply) -> &str {
    reply.json["realm"].as_str().unwrap_or("nothing")
}

#[test]
fn the_first_realm_that_knows_the_user_decides() {
    let slapd = Slapd::start();
    let daemon = start(&slapd.realm(), "realms = [\"glass\", \"corp\"]\n");
    let reply = daemon.authenticate("alice", "bob-secret");
    reply.is_granted();
    assert_eq!((realm_of(&reply), reply.metadata("X_REMOTE_GROUPS")), ("glass", Some("ops")));
    // Right in the directory, but that is not asked.
    let wrong = daemon.authenticate("alice", "alice-secret");
    wrong.is(1, "denied", "bad_credentials");
    assert_eq!(slapd.binds_of(ALICE), 0);
    let reply = daemon.authenticate("carol", "carol-secret");
    reply.is_granted();
    assert_eq!((realm_of(&reply), reply.metadata("X_REMOTE_LASTNAME")), ("corp", Some("Cook")));
    daemon.authenticate("carol", "wrong").is(1, "denied", "bad_credentials");
    let unknown = daemon.authenticate("nobody", "wrong");
    unknown.is(1, "denied", "bad_credentials");
    assert_eq!(unknown.message(), wrong.message());
    daemon.authenticate("carol", "").is(1, "denied", "bad_credentials");
    // The realm itself may still be named.
    let corp = ["authenticate", "--realm=corp", "alice"];
    daemon.ctl_json(&corp, b"alice-secret\n").is_granted();
}

#[test]
fn a_lookup_finds_the_user_of_the_first_realm_and_rules_count_there() {
    let slapd = Slapd::start();
    let daemon = start(&slapd.realm(), "realms = [\"glass\", \"corp\"]\n");
    assert_eq!(realm_of(&daemon.lookup("alice")), "glass");
    assert_eq!(realm_of(&daemon.lookup("carol")), "corp");
    assert_eq!(daemon.source("carol"), "cache");
    daemon.lookup("nobody").is(1, "not_found", "no_such_user");
    daemon.lookup("twin").is(1, "denied", "ambiguous_user");
    let ruled = |rule: &str, user: &str| daemon.ctl_json(&["lookup", rule, user], b"");
    ruled("--require=group=ops", "alice").is_found();
    ruled("--require=group=dev", "alice").is(1, "denied", "rule");
    ruled("--require=attribute:sn=Cook", "carol").is_found();
}

#[test]
fn an_unavailable_realm_ends_it() {
    let slapd = Slapd::stopped();
    let daemon = start(&realm(&slapd.host()), "realms = [\"corp\", \"glass\"]\n");
    let reply = daemon.authenticate("alice", "bob-secret");
    reply.is(3, "unavailable", "no_host");
    assert!(reply.message().contains(&slapd.url()), "{reply:#?}");
    daemon.lookup("alice").is(3, "unavailable", "no_host");
}

#[test]
fn an_unavailable_realm_may_be_passed_over_but_makes_nobody_unknown() {
    let slapd = Slapd::stopped();
    let chain = "realms = [\"corp\", \"glass\"]\non_unavailable = \"next\"\n";
    let daemon = start(&realm(&slapd.host()), chain);
    let reply = daemon.authenticate("alice", "bob-secret");
    reply.is_granted();
    assert_eq!(realm_of(&reply), "glass");
    daemon.authenticate("alice", "wrong").is(1, "denied", "bad_credentials");
    daemon.lookup("alice").is_found();
    // Who is not there may be of the directory.
    daemon.authenticate("carol", "carol-secret").is(3, "unavailable", "no_host");
    daemon.lookup("carol").is(3, "unavailable", "no_host");
}

#[test]
fn a_realm_that_hangs_leaves_time_for_the_next() {
    let slapd = Slapd::start();
    let chain = "realms = [\"corp\", \"glass\"]\non_unavailable = \"next\"\n";
    let daemon = start(&slapd.realm(), chain);
    slapd.pause();
    let reply = daemon.authenticate("alice", "bob-secret");
    reply.is_granted();
    assert_eq!(realm_of(&reply), "glass");
    slapd.resume();
    // Now it is the directory's Alice.
    until_true("the directory", || {
        realm_of(&daemon.authenticate("alice", "alice-secret")) == "corp"
    });
    daemon.authenticate("alice", "bob-secret").is(1, "denied", "bad_credentials");
}

#[test]
fn domains_choose_the_chain_or_a_realm_of_it() {
    let slapd = Slapd::start();
    let chain = "realms = [\"glass\", \"corp\"]\ndomains = \"WEB\"\n";
    let daemon = start(&slapd.realm(), chain);
    assert_eq!(realm_of(&daemon.lookup(r"WEB\alice")), "glass");
    assert_eq!(realm_of(&daemon.lookup("carol@web")), "corp");
    // A listed domain means its realm, outside of the chain and within.
    assert_eq!(realm_of(&daemon.lookup(r"CORP\alice")), "corp");
    let within = daemon.ctl_json(&["lookup", "--realm=web", r"CORP\alice"], b"");
    assert_eq!(realm_of(&within), "corp");
    daemon.lookup("alice@elsewhere").is(1, "not_found", "no_such_user");
}

#[test]
fn chains_lead_through_chains() {
    let slapd = Slapd::start();
    let inner = "[realm.inner]\ntype = \"chain\"\nrealms = \"corp\"\ndomains = \"INNER\"\n";
    let daemon = start(&format!("{}{inner}", slapd.realm()), "realms = [\"glass\", \"inner\"]\n");
    assert_eq!(realm_of(&daemon.authenticate("alice", "bob-secret")), "glass");
    assert_eq!(realm_of(&daemon.authenticate("carol", "carol-secret")), "corp");
    let within = daemon.ctl_json(&["lookup", "--realm=web", r"INNER\alice"], b"");
    assert_eq!(realm_of(&within), "corp");
}

#[test]
fn made_up_names_of_one_client_stop_before_a_directory_is_searched() {
    let slapd = Slapd::start();
    let shield = "[realm.glass.shield]\nper_client = 3\n";
    let corp = format!("{}{shield}", slapd.realm());
    let daemon = start(&corp, "realms = [\"corp\", \"glass\"]\n");
    let mut ask = one_client(&daemon);
    assert_eq!(ask("carol", "carol-secret"), None);
    let refused: Vec<_> = (0..10).map(|number| ask(&format!("made-up-{number}"), "x")).collect();
    assert_eq!(refused[..3], [Some(Reason::BadCredentials); 3]);
    assert_eq!(refused[3..], [Some(Reason::Throttled); 7]);
    assert_eq!(slapd.searches_for("uid=made-up"), 3);
    // What is known to be right still is.
    assert_eq!(ask("carol", "carol-secret"), None);
}

#[test]
fn what_is_tried_at_one_realm_blocks_nobody_of_another() {
    let slapd = Slapd::start();
    let daemon = start(&slapd.realm(), "realms = [\"corp\", \"glass\"]\n");
    for guess in 0..6 {
        let arguments = ["authenticate", "--realm=glass", "bob"];
        daemon.ctl(&arguments, format!("guess-{guess}\n").as_bytes());
    }
    let shields: Vec<_> = daemon.status()["realms"]
        .as_array()
        .expect("realms")
        .iter()
        .map(|realm| (realm["name"].clone(), realm["shield"]["blocked_users"].clone()))
        .collect();
    assert!(shields.contains(&("glass".into(), 1.into())), "{shields:?}");
    daemon.authenticate("bob", "bob-secret").is_granted();
    // Whom nobody knows is blocked where the chain ends.
    for _ in 0..2 {
        for guess in 0..6 {
            daemon.authenticate("nobody", &format!("guess-{guess}"));
        }
    }
    daemon.authenticate("nobody", "another").is(1, "denied", "throttled");
}

#[test]
fn a_client_that_one_realm_shuts_out_learns_nothing_of_another() {
    let slapd = Slapd::start();
    let corp = format!("{}[realm.corp.shield]\nper_client = 3\n", slapd.realm());
    let daemon = start(&corp, "realms = [\"corp\", \"glass\"]\n");
    let mut ask = one_client(&daemon);
    for guess in ["one", "two", "three"] {
        assert_eq!(ask("bob", guess), Some(Reason::BadCredentials));
    }
    for user in ["bob", "alice", "nobody"] {
        assert_eq!(ask(user, "four"), Some(Reason::Throttled), "{user}");
    }
}

#[test]
fn a_realm_that_knows_no_names_shuts_out_nobody_of_the_next() {
    let slapd = Slapd::start();
    let other = Slapd::start();
    // Only users read their entries there, below a base where none of these is.
    let keys = "user_dn = \"uid=%u,ou=nowhere,dc=example,dc=com\"\n";
    let first = format!(
        "[realm.first]\ntype = \"ldap\"\nconnection_security = \"plain\"\nhost = {:?}\n{keys}",
        other.host()
    );
    let daemon = start(&format!("{}{first}", slapd.realm()), "realms = [\"first\", \"corp\"]\n");
    for guess in 0..4 {
        let wrong = daemon.authenticate("carol", &format!("guess-{guess}"));
        wrong.is(1, "denied", "bad_credentials");
    }
    for _ in 0..3 {
        daemon.authenticate("carol", "carol-secret").is_granted();
        daemon.ctl(&["flush"], b"").success();
    }
}

#[test]
fn what_is_known_is_told_of_and_forgotten_in_each_realm() {
    let slapd = Slapd::start();
    let daemon = start(&slapd.realm(), "realms = [\"glass\", \"corp\"]\n");
    daemon.lookup("carol").is_found();
    let status = daemon.status();
    let kinds: Vec<_> = status["realms"].as_array().expect("realms").iter().collect();
    let kinds: Vec<_> = kinds.iter().map(|realm| realm["kind"].as_str().unwrap_or("")).collect();
    assert_eq!(kinds, ["ldap", "local", "chain"]);
    let flushed = daemon.ctl(&["flush", "--realm=web", "carol"], b"").success().stdout;
    assert!(flushed.contains("forgot carol of realm corp"), "{flushed}");
    assert_eq!(daemon.source("carol"), "directory");
    let all = daemon.ctl(&["flush", "--realm=web"], b"").success().stdout;
    assert_eq!(all.matches("forgot ").count(), 2, "{all}");
    daemon.ctl(&["unblock", "--realm=web", "carol"], b"").success();
}

#[test]
fn another_realm_tells_who_a_user_is() {
    let slapd = Slapd::start();
    let told = "metadata_from = \"corp\"\nrules.require = \"filter=(employeeType=staff)\"\n\
                metadata = { NAME = \"cn\", GROUPS = { groups = true } }\n";
    let users = USERS.replace("user.dora", "user.elsewhere").replace("disabled = true", "");
    let corp = format!("{}groups.attribute = \"memberOf\"\n", slapd.realm());
    let folder = folder(&format!(
        "default_realm = \"team\"\n{corp}[realm.team]\ntype = \"local\"\nfile = \"@DIR@/users.toml\"\n{told}"
    ));
    write_private(&folder.path().join("users.toml"), &users);
    let daemon = Daemon::start_in(folder, |command| command);
    let reply = daemon.authenticate("Alice", "alice-secret");
    reply.is_granted();
    assert_eq!(realm_of(&reply), "team");
    assert_eq!(reply.metadata("NAME"), Some("Alice Archer"));
    assert_eq!(reply.metadata("GROUPS"), Some("dev"));
    assert_eq!(slapd.binds_of(ALICE), 0, "the password is the file's affair");
    daemon.authenticate("alice", "wrong").is(1, "denied", "bad_credentials");
    daemon.lookup("alice").is_found();
    assert_eq!(daemon.source("alice"), "cache");
    daemon.authenticate("bob", "bob-secret").is(1, "denied", "rule");
    let ruled = ["lookup", "--require=attribute:givenName=alice", "alice"];
    daemon.ctl_json(&ruled, b"").is_found();
    // Her password is right; the directory does not know her.
    let reply = daemon.authenticate("elsewhere", "dora-secret");
    reply.is(1, "denied", "rule");
    assert!(reply.message().contains("corp"), "{reply:#?}");
    daemon.authenticate("elsewhere", "wrong").is(1, "denied", "bad_credentials");
    daemon.lookup("elsewhere").is(1, "not_found", "no_such_user");
    // Who is in the directory alone has no password here.
    daemon.authenticate("carol", "carol-secret").is(1, "denied", "bad_credentials");
}

#[test]
fn what_the_telling_realm_said_is_forgotten_with_the_rest() {
    let slapd = Slapd::start();
    let team = "[realm.team]\ntype = \"local\"\nfile = \"@DIR@/users.toml\"\n";
    let realms =
        format!("default_realm = \"team\"\n{}{team}metadata_from = \"corp\"\n", slapd.realm());
    let daemon = Daemon::start(&realms);
    daemon.authenticate("alice", "alice-secret").is_granted();
    assert_eq!(daemon.source("alice"), "cache");
    let flush = |arguments: &[&str]| {
        let told = daemon.ctl(&[&["flush"], arguments].concat(), b"").success().stdout;
        assert_eq!(daemon.source("alice"), "directory", "{told}");
        assert_eq!(daemon.source("alice"), "cache");
        told
    };
    let told = flush(&["alice"]);
    assert!(told.contains("alice of realm team") && told.contains("alice of realm corp"), "{told}");
    flush(&["--realm=team"]);
    let told = flush(&[]);
    assert_eq!(told.matches("realm corp").count(), 1, "{told}");
}

#[test]
fn a_reload_that_changes_the_telling_realm_is_followed() {
    let (first, second) = (Slapd::start(), Slapd::start());
    let with = |slapd: &Slapd| {
        let team = "[realm.team]\ntype = \"local\"\nfile = \"@DIR@/users.toml\"\n";
        format!("default_realm = \"team\"\n{}{team}metadata_from = \"corp\"\n", slapd.realm())
    };
    let daemon = Daemon::start(&with(&first));
    daemon.lookup("alice").is_found();
    daemon.configure(&with(&second));
    daemon.ctl(&["reload"], b"").success();
    daemon.lookup("alice").is_found();
    assert_eq!(second.searches_for("uid=alice"), 1);
}

#[test]
fn a_chain_is_explained_realm_by_realm() {
    let slapd = Slapd::start();
    let daemon = start(&slapd.realm(), "realms = [\"glass\", \"corp\"]\n");
    let explained = daemon.ctl(&["explain", "carol"], b"").success().stdout;
    let places = ["web", "glass", "corp"].map(|name| explained.find(name));
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{explained}");
    assert!(explained.contains("uid=carol"), "{explained}");
}
