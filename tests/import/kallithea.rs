//! `usherctl import kallithea`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use toml::{Table, Value};

use super::Imported;
use crate::support::daemon::Daemon;
use crate::support::ldif::{PEOPLE, READER, READER_PASSWORD};
use crate::support::process;
use crate::support::programs::{self, installed};
use crate::support::repository;
use crate::support::slapd::Slapd;

/// A database of Kallithea with these settings, and the dump of it.
fn database(folder: &Path, settings: &[&str]) -> (PathBuf, String) {
    let file = folder.join("kallithea.db");
    let mut python = Command::new(installed("python3", "python3"));
    python.arg(repository().join("tests/import/kallithea.py")).arg(&file).args(settings);
    let dump = process::run(&mut python, b"").success().stdout;
    (file, dump)
}

/// The typical set-up of Kallithea's documentation.
const TYPICAL: [&str; 16] = [
    "auth_plugins=kallithea.lib.auth_modules.auth_internal,kallithea.lib.auth_modules.auth_ldap",
    "auth_ldap_enabled=True",
    "auth_ldap_host=ldap1.example.org, ldap2.example.org",
    "auth_ldap_port=1636",
    "auth_ldap_dn_user=cn=account,DC=example,DC=org",
    "auth_ldap_dn_pass=it's secret",
    "auth_ldap_tls_kind=LDAPS",
    "auth_ldap_tls_reqcert=DEMAND",
    "auth_ldap_cacertdir=/etc/openldap/no-such-folder",
    "auth_ldap_base_dn=CN=users,DC=host,DC=example,DC=org",
    "auth_ldap_filter=(&(objectClass=user)(!(objectClass=computer)))",
    "auth_ldap_search_scope=SUBTREE",
    "auth_ldap_attr_login=uid",
    "auth_ldap_attr_firstname=firstName",
    "auth_ldap_attr_lastname=lastName",
    "auth_ldap_attr_email=mail",
];

#[test]
fn a_database_of_kallithea_its_dump_and_its_ini_describe_the_same_realm() {
    let folder = TempDir::new().expect("a folder");
    let (file, dump) = database(folder.path(), &TYPICAL);
    let of_file = Imported::of("kallithea", &file);
    of_file.passes_the_check();
    let expected = r#"
        type = "ldap"
        host = ["ldap1.example.org", "ldap2.example.org"]
        port = 1636
        connection_security = "ldaps"
        certificate_checks = "demand"
        account = "cn=account,DC=example,DC=org"
        password = "it's secret"
        base_dn = "CN=users,DC=host,DC=example,DC=org"
        search_scope = "subtree"
        filter = "(&(objectClass=user)(!(objectClass=computer)))"
        login_attribute = "uid"
        email_attribute = "mail"
        first_name_attribute = "firstName"
        last_name_attribute = "lastName"
    "#;
    let expected: Table = expected.parse().expect("TOML");
    assert_eq!(of_file.realm("kallithea").as_table(), Some(&expected));
    of_file.remarks("ca_certificates = \"/etc/openldap/no-such-folder\"");
    of_file.remarks("auth_internal");
    let dumped = folder.path().join("dump.sql");
    fs::write(&dumped, dump).expect("a file");
    assert_eq!(Imported::of("kallithea", &dumped).table, of_file.table);
    let ini = folder.path().join("production.ini");
    let url = "sqlite:///%(here)s/kallithea.db?timeout=60";
    fs::write(&ini, format!("[app:main]\nuse = egg:kallithea\nsqlalchemy.url = {url}\n"))
        .expect("a file");
    assert_eq!(Imported::of("kallithea", &ini).table, of_file.table);
}

#[test]
fn plugins_of_kallithea_become_a_chain_in_their_order() {
    let folder = TempDir::new().expect("a folder");
    let module = "kallithea.lib.auth_modules.auth_";
    let plugins = ["container", "crowd", "pam", "ldap"].map(|name| format!("{module}{name}"));
    let mut settings = TYPICAL.to_vec();
    let plugins = format!("auth_plugins={}", plugins.join(","));
    settings[0] = &plugins;
    settings.extend([
        "auth_crowd_enabled=True",
        "auth_crowd_host=crowd.example.com",
        "auth_crowd_app_name=kallithea",
        "auth_crowd_app_password=app-secret",
        "auth_crowd_admin_groups=admins",
        "auth_pam_enabled=True",
        "auth_pam_service=login",
        "auth_pam_gecos=(?P<last_name>.+),\\s*(?P<first_name>\\w+)",
        "auth_container_enabled=True",
        "auth_container_email_header=X-Mail",
        "auth_container_clean_username=True",
    ]);
    let (file, _) = database(folder.path(), &settings);
    let imported = Imported::of("kallithea", &file);
    imported.passes_the_check();
    let order = vec!["crowd", "pam", "ldap"];
    assert_eq!(imported.realm("kallithea")["realms"], Value::from(order));
    assert_eq!(imported.realm("pam")["service"].as_str(), Some("login"));
    let crowd = imported.realm("crowd");
    assert_eq!(crowd["host"].as_str(), Some("http://crowd.example.com:8095/crowd"));
    assert_eq!(crowd["password"].as_str(), Some("app-secret"));
    for remark in [
        "first_name",
        "groups admins",
        "email_header = X-Mail",
        "clean_username",
        "helper = \"/run/usher/pam.sock\"",
    ] {
        imported.remarks(remark);
    }
}

#[test]
fn a_database_that_is_cut_off_is_refused() {
    let folder = TempDir::new().expect("a folder");
    let (file, _) = database(folder.path(), &TYPICAL);
    let whole = fs::read(&file).expect("the database");
    for end in [16, 99, 100, 1000, whole.len() / 2] {
        fs::write(&file, &whole[..end]).expect("a file");
        let file = file.to_str().expect("UTF-8");
        let output = programs::run("usherctl", &["import", "kallithea", file]);
        assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{end}: {output:#?}");
    }
    // What is only in the log beside it would be missed.
    fs::write(&file, &whole).expect("a file");
    fs::write(folder.path().join("kallithea.db-wal"), "x").expect("a file");
    let output = programs::run("usherctl", &["import", "kallithea", file.to_str().expect("UTF-8")]);
    assert!(output.code == 2 && output.stderr.contains("stop Kallithea"), "{output:#?}");
}

#[test]
fn users_of_kallithea_log_in_by_the_realm_that_is_written() {
    let slapd = Slapd::start();
    let folder = TempDir::new().expect("a folder");
    let settings = [
        "auth_ldap_host=127.0.0.1",
        &format!("auth_ldap_port={}", slapd.port()),
        &format!("auth_ldap_dn_user={READER}"),
        &format!("auth_ldap_dn_pass={READER_PASSWORD}"),
        "auth_ldap_tls_kind=PLAIN",
        "auth_ldap_tls_reqcert=NEVER",
        &format!("auth_ldap_base_dn={PEOPLE}"),
        "auth_ldap_search_scope=ONELEVEL",
        "auth_ldap_attr_login=uid",
    ];
    let (file, _) = database(folder.path(), &settings);
    let imported = Imported::of("kallithea", &file);
    imported.passes_the_check();
    let daemon = Daemon::start(&imported.text);
    daemon.authenticate("alice", "alice-secret").is_granted();
    daemon.authenticate("alice", "wrong").is(1, "denied", "bad_credentials");
}

/// The typical set-up with some settings said otherwise.
fn with(others: &[&str]) -> Imported {
    let name = |setting: &str| setting.split('=').next().map(str::to_owned);
    let kept = TYPICAL.iter().filter(|typical| !others.iter().any(|it| name(it) == name(typical)));
    let settings: Vec<&str> = kept.chain(others).copied().collect();
    let folder = TempDir::new().expect("a folder");
    let (file, _) = database(folder.path(), &settings);
    let imported = Imported::of("kallithea", &file);
    imported.passes_the_check();
    imported
}

#[test]
fn every_value_of_the_settings_has_its_word() {
    for checks in ["NEVER", "ALLOW", "TRY", "DEMAND", "HARD"] {
        let reqcert = format!("auth_ldap_tls_reqcert={checks}");
        let imported = with(&["auth_ldap_tls_kind=START_TLS", &reqcert]);
        assert_eq!(imported.text("kallithea", "connection_security"), Some("start_tls"));
        let ours = checks.to_ascii_lowercase();
        assert_eq!(imported.text("kallithea", "certificate_checks"), Some(ours.as_str()));
        if !matches!(checks, "DEMAND" | "HARD") {
            imported.remarks("\"demand\" is safe");
        }
    }
    for (theirs, ours) in [("BASE", "base"), ("ONELEVEL", "onelevel"), ("SUBTREE", "subtree")] {
        let imported = with(&[&format!("auth_ldap_search_scope={theirs}")]);
        assert_eq!(imported.text("kallithea", "search_scope"), Some(ours));
    }
    let imported = with(&["auth_ldap_filter=memberOf=cn=dev (all),ou=groups,dc=example,dc=com"]);
    let member = "(memberOf=cn=dev \\28all\\29,ou=groups,dc=example,dc=com)";
    assert_eq!(imported.text("kallithea", "filter"), Some(member));
}

#[test]
fn settings_that_are_empty_are_left_to_the_defaults() {
    let imported =
        with(&["auth_ldap_port=", "auth_ldap_dn_user=", "auth_ldap_dn_pass=", "auth_ldap_filter="]);
    let realm = imported.realm("kallithea");
    for key in ["port", "account", "password", "filter"] {
        assert_eq!(realm.get(key), None, "{key}");
    }
}

#[test]
fn a_plugin_that_is_off_is_no_realm() {
    let on =
        "auth_plugins=kallithea.lib.auth_modules.auth_ldap,kallithea.lib.auth_modules.auth_pam";
    let imported = with(&[on, "auth_pam_enabled=False", "auth_pam_service=login"]);
    assert_eq!(imported.table["realm"].as_table().map(Table::len), Some(1));
    let folder = TempDir::new().expect("a folder");
    let (file, _) = database(folder.path(), &["auth_plugins=auth_ldap", "auth_ldap_enabled=False"]);
    let output = programs::run("usherctl", &["import", "kallithea", file.to_str().expect("UTF-8")]);
    assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{output:#?}");
}

/// As Kallithea's documentation has it.
#[test]
fn active_directory_is_known_by_its_login_attribute() {
    let imported = with(&[
        "auth_ldap_host=dc1.example.org",
        "auth_ldap_dn_user=EXAMPLE\\reader",
        "auth_ldap_attr_login=sAMAccountName",
        "auth_ldap_attr_firstname=givenName",
        "auth_ldap_attr_lastname=sn",
        "auth_ldap_filter=",
    ]);
    for (key, value) in [
        ("directory", "active_directory"),
        ("account", "EXAMPLE\\reader"),
        ("login_attribute", "sAMAccountName"),
        ("first_name_attribute", "givenName"),
        ("filter", "(objectClass=*)"),
    ] {
        assert_eq!(imported.text("kallithea", key), Some(value));
    }
}
