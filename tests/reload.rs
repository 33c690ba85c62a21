//! A changed configuration: taken over whole, or not at all.

use crate::support::daemon::{Daemon, LOCAL};
use crate::support::until_true;

const RULES: &str = "[realm.home.rules]\nrequire = [\"group=ops\"]\n";
/// The fourth line, from its first column.
const BROKEN: &str = "fille = \"@DIR@/users.toml\"\n";

#[test]
fn reload_reports_when_the_changed_configuration_is_in_force() {
    let daemon = Daemon::start(LOCAL);
    let mut wire = daemon.wire();
    daemon.lookup("alice").is_found();
    daemon.configure(&format!("{LOCAL}{RULES}"));
    daemon.lookup("alice").is_found();
    daemon.ctl(&["reload"], b"").success();
    daemon.lookup("alice").is(1, "denied", "rule");
    daemon.lookup("bob").is_found();
    // Connections go on, under the new configuration.
    let reply = wire.ask(crate::support::wire::lookup("alice"));
    assert_eq!(crate::support::wire::verdict(reply).outcome(), "denied");
    daemon.configure(LOCAL);
    assert_eq!(daemon.ctl_json(&["reload"], b"").code, 0);
    daemon.lookup("alice").is_found();
}

#[test]
fn sighup_takes_the_changed_configuration() {
    let daemon = Daemon::start(LOCAL);
    daemon.lookup("alice").is_found();
    daemon.configure(&format!("{LOCAL}{RULES}"));
    daemon.sighup();
    until_true("the new rule", || daemon.lookup("alice").reason() == "rule");
}

#[test]
fn a_broken_configuration_leaves_the_old_one_running_and_the_command_says_why() {
    let daemon = Daemon::start(LOCAL);
    daemon.configure(&format!("{LOCAL}{BROKEN}"));
    let failed = daemon.ctl(&["reload"], b"");
    assert_eq!(failed.code, 2, "{failed:#?}");
    let said = format!("{}{}", failed.stdout, failed.stderr);
    for part in ["usher.toml:4:1", "fille"] {
        assert!(said.contains(part), "no {part} in: {said}");
    }
    let json = daemon.ctl_json(&["reload"], b"");
    assert_eq!(json.code, 2, "{json:#?}");
    assert!(json.message().contains("usher.toml:4:1"), "{json:#?}");
    daemon.lookup("alice").is_found();
    daemon.authenticate("bob", "bob-secret").is_granted();
}

#[test]
fn sighup_with_a_broken_configuration_is_logged_and_nothing_else_happens() {
    let daemon = Daemon::start(LOCAL);
    daemon.configure(&format!("{LOCAL}{BROKEN}"));
    daemon.sighup();
    until_true("the log to say why", || daemon.log().contains("usher.toml:4:1"));
    daemon.lookup("alice").is_found();
    daemon.configure(&format!("{LOCAL}{RULES}"));
    daemon.sighup();
    until_true("the new rule", || daemon.lookup("alice").reason() == "rule");
}
