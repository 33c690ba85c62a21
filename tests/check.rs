//! `usherctl check`: whether a configuration works, before anybody relies on it.

use std::time::{Duration, SystemTime};

use crate::support::certificate::{Authority, of_this_machine};
use crate::support::daemon::{LOCAL, folder};
use crate::support::ldif::{PEOPLE, READER_PASSWORD};
use crate::support::programs::run;
use crate::support::slapd::{More, Slapd, realm};

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
fn the_addresses_and_the_certificate_of_a_host_are_told() {
    let authority = Authority::new("ours");
    for (left, warned) in [(400, false), (3, true)] {
        let mut params = of_this_machine();
        // Half a day more, so that it is still so many when it is looked at.
        let until = SystemTime::now() + Duration::from_secs(left * 86_400 + 43_200);
        params.not_after = until.into();
        let slapd = Slapd::start_with_tls(&authority.signs(&params));
        for (security, port) in [("ldaps", slapd.tls_port()), ("start_tls", slapd.port())] {
            let realm =
                realm(&format!("localhost:{port}")).replace("\"plain\"", &format!("{security:?}"));
            let folder = folder(&format!("{realm}ca_certificates = \"@DIR@/ca.pem\"\n"));
            std::fs::write(folder.path().join("ca.pem"), authority.pem()).expect("a file");
            let file = folder.path().join("usher.toml");
            let output = run("usherctl", &["check", &file.to_string_lossy()]).success();
            let days = format!("certificate of CN=slapd, {left} days left, until 20");
            for part in ["resolved to ", "127.0.0.1", "connected by TLSv1.3 (", &days, "bound as"] {
                assert!(output.stdout.contains(part), "no {part:?} in: {output:#?}");
            }
            let warning = format!("warning: the certificate has {left} days left");
            assert_eq!(output.stdout.contains(&warning), warned, "{output:#?}");
        }
    }
    let nowhere = realm("nowhere.invalid:389");
    assert_says(&nowhere, 1, &["FAILED", "nowhere.invalid is not found", "the DNS"]);
}

#[test]
fn what_another_realm_tells_is_not_looked_for_here() {
    let slapd = Slapd::start();
    let teller = slapd.realm();
    let asking = slapd.realm().replace("[realm.corp]", "[realm.asking]").replace(
        "domains = [\"CORP\", \"corp.example.com\"]\n",
        "metadata_from = \"corp\"\nemail_attribute = \"nobodysMail\"\n\
         [realm.asking.rules]\nrequire = \"attribute:nobodyHasIt=x\"\n",
    );
    let (code, said) = check(&format!("default_realm = \"corp\"\n{asking}{teller}"));
    assert_eq!(code, 0, "{said}");
    assert!(!said.contains("seen on none of") && said.contains("saw uid of users"), "{said}");
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
fn it_looks_ahead() {
    let slapd = Slapd::that_locks_after(3);
    let good = slapd.realm();
    let groups = "[realm.corp.groups]\nbase_dn = \"ou=groups,dc=example,dc=com\"\nnested = 2\n";
    let shield = "shield = { failures = 2 }\n";
    let (code, said) = check(&format!("{good}{shield}{groups}"));
    assert_eq!((code, said.lines().count()), (0, 1), "{said}");
    for part in [
        "OpenLDAP",
        "its clock unknown",
        "saw uid mail givenName sn of users",
        "groups by a search in ou=groups,dc=example,dc=com and 2 levels up (",
        "locks accounts at 3 failures",
    ] {
        assert!(said.contains(part), "no {part:?} in: {said}");
    }
    assert!(!said.contains("warning"), "{said}");
}

#[test]
fn what_works_and_is_not_what_is_meant_is_warned_of() {
    let slapd = Slapd::that_locks_after(3);
    let good = slapd.realm();
    let misspelled = "rules = [\"attribute:emploeeType=staff\"]\n";
    let told = ["ok ", "warning: emploeeType seen on none of 20 users"];
    assert_says(&format!("{good}{misspelled}"), 0, &told);
    for (failures, told) in [
        (3, "warning: the shield lets 3 wrong passwords through and the directory locks at 3"),
        (0, "warning: the shield lets any number of wrong passwords through and the directory"),
    ] {
        let shield = format!("shield = {{ failures = {failures}, per_client = 0 }}\n");
        assert_says(&format!("{good}{shield}"), 0, &[told, "set shield.failures to 2 or less"]);
    }
    let base = "[realm.corp.groups]\nbase_dn = \"ou=gruops,dc=example,dc=com\"\n";
    assert_says(&format!("{good}{base}"), 0, &["warning: groups: the base DN"]);
    // Without a policy to be read, nothing is claimed.
    let slapd = Slapd::start();
    assert_says(&slapd.realm(), 0, &["lock-out threshold unknown"]);
    let policies = "dn: cn=free,dc=example,dc=com\nobjectClass: device\nobjectClass: pwdPolicy\n\
                    cn: free\npwdAttribute: userPassword\npwdMaxFailure: 3\n\n";
    let slapd = Slapd::start_with(More { ldif: policies, ..More::default() });
    assert_says(&slapd.realm(), 0, &["no lock-out"]);
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
