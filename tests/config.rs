//! The configuration, as `usherd --check` and `usherd --print-config` see it.

use std::fs;

use crate::support::daemon::{self, Daemon, LISTEN, LOCAL};
use crate::support::process::Output;
use crate::support::programs::run;
use crate::support::repository;
use crate::support::slapd::realm;

/// Runs `usherd --config FILE OPTION` on a configuration.
fn usherd(option: &str, configuration: &str) -> Output {
    let folder = daemon::folder(configuration);
    let file = folder.path().join("usher.toml");
    run("usherd", &["--config", &file.to_string_lossy(), option])
}

/// What `--check` says against a configuration.
#[track_caller]
fn assert_refused(configuration: &str, parts: &[&str]) {
    let output = usherd("--check", configuration);
    assert_eq!(output.code, 2, "{configuration}: {output:#?}");
    for part in parts {
        assert!(output.stderr.contains(part), "no {part} in: {}", output.stderr);
    }
}

fn corp() -> String {
    realm("ldap1.example.com, ldap2.example.com:1389")
}

#[test]
fn a_good_configuration_passes_the_check() {
    for configuration in [LOCAL.to_owned(), corp(), format!("default_realm = \"corp\"\n{}", corp())]
    {
        usherd("--check", &configuration).success();
    }
}

/// The configuration that packages install.
fn sample() -> String {
    fs::read_to_string(repository().join("packaging/usher.toml")).expect("the sample")
}

#[test]
fn the_check_reads_the_users_of_a_local_realm() {
    let folder = daemon::folder("[realm.home]\ntype = \"local\"\nfile = \"absent.toml\"\n");
    let file = folder.path().join("usher.toml");
    let refused = run("usherd", &["--config", &file.to_string_lossy(), "--check"]);
    assert_eq!(refused.code, 2, "{refused:#?}");
    assert!(refused.stderr.contains("realm home: users file"), "{}", refused.stderr);
    assert!(refused.stderr.contains("absent.toml"), "{}", refused.stderr);
}

/// With the three lines filled in, for a directory whose certificate the system need not know.
fn filled_in() -> String {
    let mut configuration = sample();
    for (empty, filled) in [
        ("host = \"\"", "host = \"ldap1.example.com\""),
        ("base_dn = \"\"", "base_dn = \"ou=people,dc=example,dc=com\""),
        ("login_attribute = \"\"", "login_attribute = \"uid\""),
    ] {
        assert_eq!(configuration.matches(empty).count(), 1, "{empty}");
        configuration = configuration.replace(empty, filled);
    }
    configuration
}

#[test]
fn the_sample_configuration_says_which_three_lines_to_fill_in() {
    let output = usherd("--check", &sample());
    assert_eq!(output.code, 2, "{output:#?}");
    let arrows = sample().matches("# <-").count();
    assert_eq!((output.stderr.matches("usher.toml:").count(), arrows), (3, 3), "{output:#?}");
}

#[test]
fn the_sample_configuration_passes_the_check_once_three_lines_are_filled_in() {
    let output = usherd("--check", &filled_in()).success();
    assert_eq!(output.stderr, "");
}

#[test]
fn the_sample_configuration_passes_the_check_with_all_that_can_be_switched_on() {
    let mut configuration = String::new();
    for line in filled_in().lines() {
        let key = line.strip_prefix('#').filter(|key| !key.is_empty() && !key.starts_with(' '));
        configuration += key.unwrap_or(line);
        configuration += "\n";
    }
    // The group comes with the package, the authority with the directory.
    let configuration = configuration.replace("usher\"", "root\"");
    let lines = configuration.lines().filter(|line| !line.starts_with("ca_certificates"));
    let configuration = lines.collect::<Vec<_>>().join("\n");
    assert!(configuration.contains("\naccount") && configuration.contains("\"@root\""));
    let folder = daemon::folder(&configuration);
    daemon::write_private(&folder.path().join("ldap.secret"), "reader-secret\n");
    let file = folder.path().join("usher.toml");
    let output = run("usherd", &["--config", &file.to_string_lossy(), "--check"]).success();
    assert_eq!(output.stderr, "");
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_the_key_that_was_meant() {
    let configuration = corp().replace("base_dn", "bas_dn");
    assert_refused(&configuration, &["usher.toml:7:1", "bas_dn", "did you mean", "base_dn"]);
    let listen = format!("{LISTEN}max_conections = 5\n");
    assert_refused(&format!("{LOCAL}{listen}"), &["usher.toml:7:1", "max_connections"]);
    assert_refused(&format!("{LOCAL}[acess]\n"), &["usher.toml:4:", "access"]);
}

#[test]
fn a_wrong_value_is_named_with_its_place() {
    let listen = |line: &str| format!("{LOCAL}{LISTEN}{line}\n");
    assert_refused(&listen("max_connections = \"many\""), &["usher.toml:7:19"]);
    assert_refused(&listen("request_timeout = 5"), &["usher.toml:7:19", "5s"]);
    assert_refused(&listen("socket_mode = \"rw-\""), &["usher.toml:7:15"]);
    assert_refused(&corp().replace("plain", "plane"), &["usher.toml:3:23", "plain"]);
    assert_refused(&corp().replace("(objectClass=inetOrgPerson)", "(a=b"), &["usher.toml:8:10"]);
    assert_refused("[listen\n", &["usher.toml:1:"]);
    assert_refused(&format!("default_realm = \"crop\"\n{}", corp()), &["usher.toml:1:17", "corp"]);
}

#[test]
fn contradictions_are_refused() {
    let checks = format!("{}certificate_checks = \"demand\"\n", corp());
    assert_refused(&checks, &["certificate_checks", "plain"]);
    let url = corp().replace("ldap1.example.com,", "ldaps://ldap1.example.com,");
    assert_refused(&url, &["usher.toml:3:23", "plain", "ldaps"]);
    let empty = corp().replace("reader-secret", "");
    assert_refused(&empty, &["usher.toml:6:12", "empty"]);
}

#[test]
fn a_file_that_is_not_there_is_a_clear_error() {
    let output = run("usherd", &["--config", "/nonexistent/usher.toml", "--check"]);
    assert_eq!(output.code, 2, "{output:#?}");
    assert!(output.stderr.contains("/nonexistent/usher.toml"), "{output:#?}");
}

#[test]
fn a_daemon_with_a_bad_configuration_does_not_start() {
    let refused = Daemon::expect_failure(&corp().replace("base_dn", "bas_dn"));
    assert_eq!(refused.code, 2, "{refused:#?}");
    assert!(refused.stderr.contains("usher.toml:7:1"), "{refused:#?}");
}

#[test]
fn the_printed_configuration_is_complete_without_secrets_and_parses_again() {
    let printed = usherd("--print-config", &corp()).success().stdout;
    assert!(!printed.contains("reader-secret"), "{printed}");
    let table: toml::Table = printed.parse().expect("TOML");
    let effective = &table["realm"]["corp"];
    assert_eq!(effective["base_dn"].as_str(), Some("ou=people,dc=example,dc=com"));
    assert!(effective.get("password").is_some(), "masked, not left out: {printed}");
    // What was not written is there with its default.
    assert!(table["listen"].get("max_in_flight").is_some(), "{printed}");
    assert!(effective["cache"].get("ttl").is_some(), "{printed}");
    usherd("--check", &printed).success();
    let again = usherd("--print-config", &printed).success().stdout;
    assert_eq!(again, printed);
}

#[test]
fn a_password_in_a_file_that_others_can_read_is_worth_a_warning() {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;

    let folder = daemon::folder(&corp());
    let file = folder.path().join("usher.toml");
    let check = || run("usherd", &["--config", &file.to_string_lossy(), "--check"]).success();
    set_permissions(&file, Permissions::from_mode(0o600)).expect("its mode");
    assert!(!check().stderr.contains("can be read"));
    set_permissions(&file, Permissions::from_mode(0o644)).expect("its mode");
    let warned = check().stderr;
    assert!(warned.contains("usher.toml:6:12") && warned.contains("can be read"), "{warned}");
    assert!(!warned.contains("reader-secret"), "{warned}");
}
