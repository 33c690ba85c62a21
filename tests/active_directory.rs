//! Active Directory: what it does in its own way.

use crate::support::daemon::{Daemon, folder};
use crate::support::programs::run;
use crate::support::samba::Samba;

/// One domain controller for all of it: to make one takes as long as the other tests together.
#[test]
fn a_domain_controller_is_served_in_all_its_ways() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!(
            "not tested: only root can start a domain controller, whose ports are below 1024"
        );
        return;
    }
    let samba = Samba::start();
    users_log_in_by_any_of_their_names(&samba);
    the_state_of_an_account_is_told_to_those_who_know_the_password(&samba);
    a_lock_is_told_only_where_it_is_revealed(&samba);
    groups_in_groups_are_the_servers_affair(&samba);
    groups_may_be_read_from_the_user_too(&samba);
    the_global_catalogue_is_a_port(&samba);
    connections_are_encrypted_on_the_usual_ports(&samba);
    users_may_read_themselves(&samba);
    users_may_bind_by_other_names_than_a_dn(&samba);
    a_check_looks_ahead(&samba);
}

fn users_log_in_by_any_of_their_names(samba: &Samba) {
    let daemon = Daemon::start(&samba.realm());
    for user in ["alice", "CORP\\Alice", "ALICE@corp.example.com"] {
        let granted = daemon.authenticate(user, "alice-Secret1");
        granted.is_granted();
        assert_eq!(granted.metadata("X_REMOTE_USER"), Some("alice"));
        assert_eq!(granted.metadata("X_REMOTE_EMAIL"), Some("alice@example.com"));
        assert_eq!(granted.metadata("X_REMOTE_FIRSTNAME"), Some("Alice"));
    }
    let other = daemon.authenticate("B.Baker@mail.example.org", "bob-Secret1");
    other.is_granted();
    assert_eq!(other.metadata("X_REMOTE_USER"), Some("bob"));
    daemon.authenticate("alice", "wrong").is(1, "denied", "bad_credentials");
    daemon.authenticate("nobody", "wrong").is(1, "denied", "bad_credentials");
    // The search from the top brings references to other servers; a computer is no user.
    daemon.lookup("nobody").is(1, "not_found", "no_such_user");
    daemon.lookup("DC1$").is(1, "not_found", "no_such_user");
}

fn the_state_of_an_account_is_told_to_those_who_know_the_password(samba: &Samba) {
    let daemon = Daemon::start(&samba.realm());
    for (user, reason) in [
        ("disabled", "account_disabled"),
        ("expired", "account_expired"),
        ("old", "password_expired"),
        ("change", "password_must_change"),
        // At no hour of the week, and from no workstation that we could be.
        ("hours", "account_disabled"),
        ("workstation", "account_disabled"),
    ] {
        daemon.authenticate(user, "wrong").is(1, "denied", "bad_credentials");
        daemon.authenticate(user, &format!("{user}-Secret1")).is(1, "denied", reason);
    }
    // Whoever authenticated a user elsewhere is told too.
    daemon.lookup("disabled").is(1, "denied", "account_disabled");
}

fn a_lock_is_told_only_where_it_is_revealed(samba: &Samba) {
    let daemon = Daemon::start(&samba.realm());
    for password in ["one", "two", "three"] {
        daemon.authenticate("locked", password).is(1, "denied", "bad_credentials");
    }
    daemon.authenticate("locked", "locked-Secret1").is(1, "denied", "bad_credentials");
    let daemon = Daemon::start(&format!("{}reveal_account_state = true\n", samba.realm()));
    daemon.authenticate("locked", "locked-Secret1").is(1, "denied", "account_locked");
    daemon.authenticate("locked", "wrong").is(1, "denied", "account_locked");
    daemon.authenticate("nobody", "wrong").is(1, "denied", "bad_credentials");
}

fn groups_in_groups_are_the_servers_affair(samba: &Samba) {
    for (groups, expected) in [
        // Nobody is a member of the primary group, which is in one itself.
        ("", &["Domain Users", "Users", "dev", "everybody", "staff"][..]),
        ("nested = 0\n", &["Domain Users", "dev"]),
        ("nested = 0\nbase_dn = \"CN=Builtin,DC=corp,DC=example,DC=com\"\n", &[]),
        (
            "filter = \"(&(objectClass=group)(!(cn=staff))(member=%d))\"\n",
            &["Domain Users", "Users", "dev", "everybody"],
        ),
    ] {
        let daemon = Daemon::start(&format!("{}[realm.corp.groups]\n{groups}", samba.realm()));
        let found = daemon.lookup("alice");
        found.is_found();
        let mut groups: Vec<_> = found.json["groups"].as_array().expect("groups").clone();
        groups.sort_by(|one, other| one.as_str().cmp(&other.as_str()));
        assert_eq!(groups, expected);
        let rule = daemon.ctl_json(&["lookup", "--require", "group=staff", "bob"], b"");
        rule.is(1, "denied", "rule");
    }
}

fn groups_may_be_read_from_the_user_too(samba: &Samba) {
    for (nested, expected) in
        [(0, &["dev", "Domain Users"][..]), (1, &["dev", "Domain Users", "staff", "Users"])]
    {
        let groups = format!("[realm.corp.groups]\nattribute = \"memberOf\"\nnested = {nested}\n");
        let daemon = Daemon::start(&format!("{}{groups}", samba.realm()));
        assert_eq!(daemon.lookup("alice").json["groups"], serde_json::json!(expected));
    }
}

fn the_global_catalogue_is_a_port(samba: &Samba) {
    let daemon = Daemon::start(&format!("{}port = 3268\n", samba.realm()));
    daemon.authenticate("alice", "alice-Secret1").is_granted();
    let host = format!("ldap://{}:3268", samba.address());
    assert!(daemon.status()["realms"][0]["hosts"][0]["url"] == *host, "{host}");
}

fn connections_are_encrypted_on_the_usual_ports(samba: &Samba) {
    for (security, port, url) in [
        ("ldaps", "", format!("ldaps://{}:636", samba.address())),
        ("ldaps", "port = 3269\n", format!("ldaps://{}:3269", samba.address())),
        ("start_tls", "", format!("ldap://{}:389", samba.address())),
    ] {
        let realm = samba.realm().replace("\"plain\"", &format!("{security:?}"));
        let folder = folder(&format!("{realm}{port}ca_certificates = \"@DIR@/ca.pem\"\n"));
        std::fs::write(folder.path().join("ca.pem"), samba.authority()).expect("a file");
        let daemon = Daemon::start_in(folder, |command| command);
        daemon.authenticate("alice", "alice-Secret1").is_granted();
        daemon.authenticate("alice", "wrong").is(1, "denied", "bad_credentials");
        assert!(daemon.status()["realms"][0]["hosts"][0]["url"] == *url, "{url}");
    }
    // By URLs, which have usual ports too.
    let host = format!("host = \"{}\"", samba.address());
    let realm = samba.realm().replace("connection_security = \"plain\"\n", "");
    let realm = realm.replace(&host, &format!("host = \"ldaps://{}\"", samba.address()));
    let folder = folder(&format!("{realm}ca_certificates = \"@DIR@/ca.pem\"\n"));
    std::fs::write(folder.path().join("ca.pem"), samba.authority()).expect("a file");
    let daemon = Daemon::start_in(folder, |command| command);
    daemon.authenticate("alice", "alice-Secret1").is_granted();
}

fn users_may_read_themselves(samba: &Samba) {
    let realm = samba.realm().replace(
        "base_dn = \"DC=corp",
        "user_dn = \"CN=%u,CN=Users,DC=corp,DC=example,DC=com\"\nbase_dn = \"DC=corp",
    );
    let account = |line: &&str| !line.starts_with("account") && !line.starts_with("password");
    let lines: Vec<_> = realm.lines().filter(account).collect();
    let daemon = Daemon::start(&format!("{}\n[realm.corp.groups]\n", lines.join("\n")));
    let granted = daemon.authenticate("alice", "alice-Secret1");
    granted.is_granted();
    assert_eq!(granted.metadata("X_REMOTE_EMAIL"), Some("alice@example.com"));
    assert_eq!(granted.json["groups"].as_array().map(Vec::len), Some(5), "{granted:?}");
    daemon.authenticate("alice", "wrong").is(1, "denied", "bad_credentials");
    daemon.authenticate("disabled", "disabled-Secret1").is(1, "denied", "account_disabled");
}

fn users_may_bind_by_other_names_than_a_dn(samba: &Samba) {
    for template in ["%u@corp.example.com", "CORP\\%u"] {
        let account = |line: &&str| !line.starts_with("account") && !line.starts_with("password");
        let realm = samba.realm();
        let lines: Vec<_> = realm.lines().filter(account).collect();
        let realm = format!("{}\nuser_dn = '{template}'\n", lines.join("\n"));
        let daemon = Daemon::start(&format!("{realm}[realm.corp.groups]\n"));
        let granted = daemon.authenticate("CORP\\ALICE", "alice-Secret1");
        granted.is_granted();
        assert_eq!(granted.metadata("X_REMOTE_USER"), Some("alice"));
        assert_eq!(granted.json["groups"].as_array().map(Vec::len), Some(5), "{granted:?}");
        for user in ["alice", "nobody", "bob@corp.example.com\\alice", "CN=alice", "*"] {
            daemon.authenticate(user, "wrong").is(1, "denied", "bad_credentials");
        }
        daemon.authenticate("old", "old-Secret1").is(1, "denied", "password_expired");
    }
}

fn a_check_looks_ahead(samba: &Samba) {
    let folder = folder(&format!("{}[realm.corp.groups]\n", samba.realm()));
    let file = folder.path().join("usher.toml");
    let said = run("usherctl", &["check", &file.to_string_lossy()]).success().stdout;
    for part in [
        "Active Directory (functional level ",
        "Samba",
        "its clock ",
        " s from ours",
        "saw sAMAccountName userPrincipalName mail givenName sn of users",
        "groups by a search in DC=corp,DC=example,DC=com (",
        "locks accounts at 3 failures",
    ] {
        assert!(said.contains(part), "no {part:?} in: {said}");
    }
    assert!(!said.contains("clock unknown"), "{said}");
}
