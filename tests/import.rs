//! `usherctl import`: what it writes of configurations as their documentation shows them passes
//! `usherd --check`, and lets in whom the old one let in.

mod apache;
mod kallithea;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use toml::{Table, Value};

use crate::support::daemon::{self, Daemon};
use crate::support::ldif::{PEOPLE, READER, READER_PASSWORD};
use crate::support::process::{self, Output};
use crate::support::programs::{self, installed, program};
use crate::support::repository;
use crate::support::slapd::Slapd;

/// What was written, as it stands and as it is read.
struct Imported {
    text: String,
    table: Table,
    folder: TempDir,
}

impl Imported {
    fn of(kind: &str, file: &Path) -> Self {
        let file = file.to_str().expect("UTF-8");
        let output = programs::run("usherctl", &["import", kind, file]).success();
        let table = output.stdout.parse().expect("TOML");
        let folder = daemon::folder(&output.stdout);
        Self { text: output.stdout, table, folder }
    }

    /// One of the files beside this.
    fn of_fixture(kind: &str, name: &str) -> Self {
        let imported = Self::of(kind, &repository().join("tests/import").join(name));
        imported.passes_the_check();
        imported
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("usher.toml")
    }

    fn passes_the_check(&self) {
        let file = self.file();
        // The helper stands where it was built, not where it would be installed.
        let helper = format!("type = \"pam\"\nhelper = {:?}\n", program("usher-pam"));
        let text = fs::read_to_string(&file).expect("the configuration");
        fs::write(&file, text.replace("type = \"pam\"\n", &helper)).expect("written");
        let checked = programs::run("usherd", &["--config", &file.to_string_lossy(), "--check"]);
        assert_eq!(checked.code, 0, "{checked:#?} of {}", self.text);
    }

    fn realm(&self, name: &str) -> &Value {
        self.table["realm"].get(name).unwrap_or_else(|| panic!("no {name} in {}", self.text))
    }

    /// What a realm has under a key, as text.
    fn text(&self, realm: &str, key: &str) -> Option<&str> {
        self.realm(realm).get(key).and_then(Value::as_str)
    }

    /// Whether a comment says so.
    fn remarks(&self, text: &str) {
        let comments = self.text.lines().filter(|line| line.starts_with('#'));
        assert!(comments.clone().any(|line| line.contains(text)), "no {text} in {}", self.text);
    }
}

fn refused(kind: &str, text: &str) -> Output {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, text).expect("a file");
    let output = programs::run("usherctl", &["import", kind, file.to_str().expect("UTF-8")]);
    assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{output:#?}");
    assert!(output.stderr.contains(&*file.to_string_lossy()), "{output:#?}");
    output
}

#[test]
fn servers_of_nginx_become_realms_and_those_alike_hosts_of_one() {
    let imported = Imported::of_fixture("nginx-auth-ldap", "nginx.conf");
    let test = imported.realm("test1");
    assert_eq!(test["host"], Value::from(vec!["192.168.0.1:3268", "192.168.0.2:3268"]));
    assert_eq!(test["account"].as_str(), Some("TEST\\LDAPUSER"));
    assert_eq!(test["login_attribute"].as_str(), Some("sAMAccountName"));
    assert_eq!(test["cache"]["ttl"].as_str(), Some("20000ms"));
    let staff = imported.realm("staff");
    assert_eq!(staff["password"].as_str(), Some("reader-secret"));
    assert_eq!(staff["certificate_checks"].as_str(), Some("demand"));
    assert_eq!(staff["pool"]["operation_timeout"].as_str(), Some("2000ms"));
    assert_eq!(staff["metadata"]["X_LDAP_ATTRS_GIVENNAME"].as_str(), Some("givenName"));
    let rule = "filter=(|(memberOf=cn=dev,ou=groups,dc=example,dc=com)\
                (entryDN=uid=carol,ou=people,dc=example,dc=com))";
    assert_eq!(staff["rules"]["require"], Value::from(vec![rule]));
    let chain = imported.realm("servers");
    assert_eq!(chain["realms"], Value::from(vec!["staff", "test1"]));
    assert_eq!(test["referrals"].as_str(), Some("follow"));
    assert_eq!(staff.get("referrals"), None);
    for remark in [
        "test2",
        "connections 4",
        "bind_timeout 5s: ",
        "auth_ldap_cache_size 1000",
        "no-such-folder",
    ] {
        imported.remarks(remark);
    }
}

#[test]
fn domains_of_sssd_become_realms_in_their_order() {
    let imported = Imported::of_fixture("sssd", "sssd.conf");
    let ldap = imported.realm("LDAP");
    let hosts = vec!["ldap1.example.com", "ldap2.example.com:1636", "backup.example.com"];
    assert_eq!(ldap["host"], Value::from(hosts));
    assert_eq!(ldap["base_dn"].as_str(), Some(PEOPLE));
    assert_eq!(ldap["search_scope"].as_str(), Some("onelevel"));
    let filter = "(&(objectClass=inetOrgPerson)(employeeType=staff))";
    assert_eq!(ldap["filter"].as_str(), Some(filter));
    assert_eq!(ldap["groups"]["filter"].as_str(), Some("(&(objectClass=groupOfNames)(member=%d))"));
    assert_eq!(ldap["groups"]["nested"].as_integer(), Some(2));
    let rules = vec!["group=dev|ops", "filter=(!(uid=eve))"];
    assert_eq!(ldap["rules"]["require"], Value::from(rules));
    assert_eq!(ldap["cache"]["offline_authentication"].as_str(), Some("1d"));
    let ad = imported.realm("ad.example.com");
    assert_eq!(ad["directory"].as_str(), Some("active_directory"));
    assert_eq!(ad["host"], Value::from(vec!["dc1.ad.example.com", "srv:ad.example.com"]));
    assert_eq!(ad.get("referrals"), None);
    assert_eq!(ad["base_dn"].as_str(), Some("dc=ad,dc=example,dc=com"));
    assert_eq!(imported.table["default_realm"].as_str(), Some("sssd"));
    let order = vec!["LDAP", "ad.example.com"];
    assert_eq!(imported.realm("sssd")["realms"], Value::from(order));
    for remark in [
        "entry_cache_timeout = 600",
        "min_id = 1000",
        "ldap_id_mapping = True",
        "referrals = \"follow\"",
        "krb5_realm",
        "no-such-bundle",
    ] {
        imported.remarks(remark);
    }
}

#[test]
fn hosts_that_sssd_finds_by_the_dns_are_found_so() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("sssd.conf");
    let of = |keys: &str| {
        let text = format!("[domain/example.com]\nldap_search_base = dc=a\n{keys}\n");
        fs::write(&file, text).expect("a file");
        let imported = Imported::of("sssd", &file);
        imported.passes_the_check();
        imported
    };
    let imported = of("id_provider = ldap\nldap_referrals = true");
    assert_eq!(imported.text("example.com", "host"), Some("srv:example.com"));
    assert_eq!(imported.text("example.com", "referrals"), Some("follow"));
    imported.remarks("is it this one?");
    let imported = of("id_provider = ldap\nldap_uri = _srv_\ndns_discovery_domain = Corp.Test");
    assert_eq!(imported.text("example.com", "host"), Some("srv:corp.test"));
    let imported = of("id_provider = ad\nad_domain = ad.test\nad_site = Berlin");
    assert_eq!(imported.text("example.com", "host"), Some("srv:Berlin._sites.ad.test"));
}

#[test]
fn the_filter_of_saslauthd_is_taken_apart() {
    let imported = Imported::of_fixture("saslauthd", "saslauthd.conf");
    let realm = imported.realm("saslauthd");
    assert_eq!(realm["host"], Value::from(vec!["10.1.1.15", "10.1.1.25"]));
    assert_eq!(realm["connection_security"].as_str(), Some("start_tls"));
    assert_eq!(realm["filter"].as_str(), Some("(objectClass=inetOrgPerson)"));
    assert_eq!(realm["login_attribute"], Value::from(vec!["uid", "mail"]));
    assert_eq!(realm["search_scope"].as_str(), Some("onelevel"));
    assert_eq!(realm["pool"]["operation_timeout"].as_str(), Some("7s"));
    assert_eq!(realm["rules"]["require"], Value::from(vec!["group=mail"]));
    assert_eq!(realm["groups"]["base_dn"].as_str(), Some("cn=mail,ou=Groups,o=foo.com"));
    assert_eq!(imported.table["saslauthd"]["socket"].as_str(), Some("/run/saslauthd/mux"));
    assert_eq!(realm["referrals"].as_str(), Some("follow"));
    for remark in [
        "ldap_deref: never",
        "no-such-ca.pem",
        "ldap_default_realm: foo.com",
        "ldap_group_search_base: o=foo.com: groups",
        "ldap_group_scope: one: groups",
        "ldap_id: operator: the account",
        "ldap_authz_id: admin: the account",
        "ldap_realm: foo.com: the account",
        "ldap_password_attr: userPassword: the directory",
        "ldap_restart: yes: what",
        "systemctl enable usherd-saslauthd.socket",
    ] {
        imported.remarks(remark);
    }
}

#[test]
fn users_of_saslauthd_log_in_by_the_realm_that_is_written() {
    let slapd = Slapd::start();
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("saslauthd.conf");
    let text = format!(
        "ldap_servers: {}/\nldap_bind_dn: {READER}\nldap_bind_pw: {READER_PASSWORD}\n\
         ldap_search_base: {PEOPLE}\nldap_filter: (&(objectClass=inetOrgPerson)(uid=%U))\n\
         ldap_group_dn: cn=dev,ou=groups,dc=example,dc=com\nldap_group_attr: member\n",
        slapd.url()
    );
    fs::write(&file, text).expect("a file");
    let imported = Imported::of("saslauthd", &file);
    imported.passes_the_check();
    let configuration = imported.text.replace("/run/saslauthd", "@DIR@");
    let daemon = Daemon::start(&configuration);
    daemon.authenticate("alice@anywhere.example", "alice-secret").is_granted();
    daemon.authenticate("bob", "bob-secret").is(1, "denied", "rule");
}

#[test]
fn what_has_no_equal_lets_nobody_in() {
    let folder = TempDir::new().expect("a folder");
    for (kind, text) in [
        ("saslauthd", "ldap_search_base: ou=%d,dc=example,dc=com\n"),
        ("saslauthd", "ldap_search_base: dc=com\nldap_filter: (|(uid=%u)(&(a=b)(mail=%s)))\n"),
        (
            "sssd",
            "[domain/a]\nid_provider = ldap\nldap_uri = ldap://a\nldap_search_base = dc=a\naccess_provider = deny\n",
        ),
        (
            "apache",
            "<Location /a>\nAuthLDAPURL ldap://a/dc=a\nRequire not ldap-group cn=x,dc=a\n</Location>\n",
        ),
        (
            "apache",
            "<Location /a>\nAuthLDAPURL ldap://a/dc=a\nRequire ldap-search (a=b)\n</Location>\n",
        ),
        (
            "apache",
            "<Location /a>\nAuthLDAPURL ldap://a/dc=a\nRequire ldap-attribute staff\n</Location>\n",
        ),
        ("apache", "<Location /a>\nAuthLDAPURL ldap://a/dc=a\nRequire an-alias\n</Location>\n"),
        (
            "nginx-auth-ldap",
            "ldap_server a { url ldap://a/dc=a?uid; require user uid=$arg_x,dc=a; }\n",
        ),
    ] {
        let file = folder.path().join("file");
        fs::write(&file, text).expect("a file");
        let imported = Imported::of(kind, &file);
        imported.passes_the_check();
        let realms = imported.table["realm"].as_table().expect("realms");
        let rules = realms.values().next().expect("a realm")["rules"]["require"].to_string();
        assert!(rules.contains("filter=(!(objectClass=*))"), "{rules} of {text}");
        imported.remarks("nobody is let in");
    }
}

#[test]
fn a_file_that_cannot_be_understood_is_refused() {
    for kind in ["kallithea", "apache", "nginx-auth-ldap", "sssd", "saslauthd"] {
        for text in ["", "\0\0", "<a\n", "SQLite format 3\0", "hello world\n"] {
            refused(kind, text);
        }
    }
    let postgres = "[app:main]\nsqlalchemy.url = postgresql://kallithea:hidden@db/kallithea\n";
    let output = refused("kallithea", postgres);
    assert!(output.stderr.contains("pg_dump") && !output.stderr.contains("hidden"), "{output:?}");
    let missing = programs::run("usherctl", &["import", "sssd", "/no/such/file"]);
    assert_eq!(missing.code, 2, "{missing:?}");
}

#[test]
fn passwords_go_into_files_of_their_own_where_that_is_asked_for() {
    let folder = TempDir::new().expect("a folder");
    let secrets = folder.path().to_str().expect("UTF-8");
    let file = repository().join("tests/import/saslauthd.conf");
    let arguments = ["import", "saslauthd", file.to_str().expect("UTF-8"), "--secrets", secrets];
    let output = programs::run("usherctl", &arguments).success();
    let secret = folder.path().join("saslauthd.secret");
    assert_eq!(fs::read_to_string(&secret).expect("a secret"), "secret\n");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&secret).expect("it").permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert!(output.stdout.contains(&*secret.to_string_lossy()), "{output:?}");
    assert!(!output.stdout.contains("\"secret\""), "{output:?}");
    // What is there is not written over.
    assert_eq!(programs::run("usherctl", &arguments).code, 2);
}

#[test]
fn a_terminal_is_shown_no_password() {
    let file = repository().join("tests/import/nginx.conf");
    let mut python = Command::new(installed("python3", "python3"));
    python.args(["-c", "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)"]);
    python.arg(program("usherctl")).args(["import", "nginx-auth-ldap"]).arg(file);
    let output = process::run(&mut python, b"").success();
    assert!(output.stdout.contains("/etc/usher/staff.secret"), "{output:?}");
    assert!(!output.stdout.contains("LDAPPASSWORD"), "{output:?}");
    assert!(!output.stdout.contains("reader-secret"), "{output:?}");
}
