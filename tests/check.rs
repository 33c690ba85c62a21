//! `usherctl check`: whether a configuration works, before anybody relies on it.

use crate::support::daemon::{LOCAL, folder};
use crate::support::ldif::{PEOPLE, READER_PASSWORD};
use crate::support::programs::run;
use crate::support::slapd::{Slapd, realm};

/// What the check says of this configuration.
fn check(configuration: &str) -> (i32, String) {
    let folder = folder(configuration);
    let file = folder.path().join("usher.toml");
    let output = run("usherctl", &["check", &file.to_string_lossy()]);
    (output.code, output.stdout)
}

fn assert_says(configuration: &str, code: i32, parts: &[&str]) {
    let (actual, said) = check(configuration);
    assert_eq!(actual, code, "{said}");
    for part in parts {
        assert!(said.contains(part), "no {part:?} in: {said}");
    }
}

#[test]
fn all_is_well_where_each_host_serves() {
    let (first, second) = (Slapd::start(), Slapd::start());
    let both = realm(&format!("{}, {}", first.host(), second.host()));
    let (code, said) = check(&both);
    assert_eq!((code, said.lines().count()), (0, 2), "{said}");
    for (line, server) in said.lines().zip([&first, &second]) {
        for part in ["ok ", "corp", &server.url(), "not encrypted", "cn=reader", "found users"] {
            assert!(line.contains(part), "no {part:?} in: {line}");
        }
    }
}

#[test]
fn each_step_that_fails_is_named_with_what_to_do() {
    let (slapd, gone) = (Slapd::start(), Slapd::stopped());
    let good = slapd.realm();
    assert_says(&realm(&gone.host()), 1, &["FAILED", &gone.url(), "connection refused"]);
    let wrong = good.replace(READER_PASSWORD, "not-the-readers");
    assert_says(&wrong, 1, &["FAILED", "cn=reader", "49", "password of the realm", "connected"]);
    let wrong = good.replace(PEOPLE, "ou=peple,dc=example,dc=com");
    assert_says(&wrong, 1, &["FAILED", "base DN", "ou=peple", "bound as"]);
    let wrong = good.replace("inetOrgPerson", "device");
    assert_says(&wrong, 1, &["FAILED", "(objectClass=device)", "filter"]);
}

#[test]
fn one_bad_host_of_two_is_enough_and_the_other_is_tried_all_the_same() {
    let (gone, slapd) = (Slapd::stopped(), Slapd::start());
    let both = realm(&format!("{}, {}", gone.host(), slapd.host()));
    let (code, said) = check(&both);
    let marks: Vec<&str> = said.lines().map(|line| line.split(' ').next().unwrap_or("")).collect();
    assert_eq!((code, marks), (1, vec!["FAILED", "ok"]), "{said}");
}

#[test]
fn json_tells_the_same() {
    let folder = folder(LOCAL);
    let file = folder.path().join("usher.toml");
    let output = run("usherctl", &["--format", "json", "check", &file.to_string_lossy()]);
    let json: serde_json::Value = serde_json::from_str(&output.stdout).expect("JSON");
    assert_eq!((output.code, json["outcome"].as_str()), (0, Some("ok")), "{json}");
    assert!(json["hosts"][0].as_str().is_some_and(|it| it.contains("users.toml")), "{json}");
}

#[test]
fn a_configuration_that_is_wrong_is_told_as_usherd_tells_it() {
    let folder = folder("[realm.corp]\ntype = \"ldap\"\nhots = \"x\"\n");
    let file = folder.path().join("usher.toml");
    let output = run("usherctl", &["check", &file.to_string_lossy()]);
    assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{output:#?}");
    assert!(output.stderr.contains("usher.toml:3:1") && output.stderr.contains("host"));
}
