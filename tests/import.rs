//! `usherctl import`: what it writes of configurations as their documentation shows them passes
//! `usherd --check`, and lets in whom the old one let in.

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
    for remark in ["first_name", "groups admins", "email_header = X-Mail", "clean_username"] {
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

#[test]
fn directives_of_httpd_become_a_realm_for_each_section() {
    let imported = Imported::of_fixture("apache", "apache.conf");
    let secure = imported.realm("secure");
    assert_eq!(secure["host"], Value::from(vec!["ldap1.example.com", "ldap2.example.com"]));
    assert_eq!(secure["connection_security"].as_str(), Some("start_tls"));
    assert_eq!(secure["password"].as_str(), Some("s3cret \"quoted\""));
    assert_eq!(secure["login_attribute"].as_str(), Some("cn"));
    assert_eq!(secure["groups"]["base_dn"].as_str(), Some("ou=Groups,o=Example"));
    assert_eq!(secure["groups"]["filter"].as_str(), Some("(|(member=%d)(uniqueMember=%d))"));
    assert_eq!(secure["groups"]["nested"].as_integer(), Some(2));
    assert_eq!(secure["rules"]["require"], Value::from(vec!["group=Administrators|Operators"]));
    assert_eq!(secure["metadata"]["AUTHENTICATE_MAIL"].as_str(), Some("mail"));
    assert_eq!(secure["metadata"]["X_REMOTE_USER"].as_str(), Some("uid"));
    assert_eq!(secure["cache"]["ttl"].as_str(), Some("600s"));
    assert_eq!(secure["pool"]["connect_timeout"].as_str(), Some("4s"));
    let city = imported.realm("city");
    assert_eq!(city["search_scope"].as_str(), Some("onelevel"));
    let any = "(|(|(uid=Barbara Jenson)(uid=fred))(entryDN=cn=Joe Manager, o=Example)\
               (|(city=San Jose)(status=active))(&(cell=*)(department=marketing)))";
    let rules = vec![format!("filter={any}"), "filter=(!(uid=eve))".to_owned()];
    assert_eq!(city["rules"]["require"], Value::from(rules));
    for remark in ["Require ip 10.0.0.0/8", "Include conf.d/*.conf", "comparednonserver On"] {
        imported.remarks(remark);
    }
}

#[test]
fn a_provider_of_another_name_is_a_realm_and_what_others_require_of_it_is_told() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("site.conf");
    let text = "<AuthnProviderAlias ldap alpha>\n\
                AuthLDAPURL ldap://192.168.2.1/o=ctx?cn?sub?(objectClass=person)\n\
                AuthLDAPBindDN cn=reader,o=ctx\nAuthLDAPBindPassword \"exec:/bin/cat /a/secret\"\n\
                </AuthnProviderAlias>\n\
                <Location /x>\nAuthBasicProvider alpha file\nRequire ldap-group cn=a,o=ctx\n\
                </Location>\n";
    fs::write(&file, text).expect("a file");
    let imported = Imported::of("apache", &file);
    imported.passes_the_check();
    let alpha = imported.realm("alpha");
    assert_eq!(alpha["login_attribute"].as_str(), Some("cn"));
    assert_eq!(alpha.get("account"), None);
    for remark in ["came from a program", "Require ldap-group cn=a,o=ctx", "alpha file"] {
        imported.remarks(remark);
    }
}

#[test]
fn members_of_a_group_that_httpd_required_are_let_in_and_nobody_else() {
    let slapd = Slapd::start();
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("site.conf");
    let text = format!(
        "<Location />\nAuthBasicProvider ldap\nAuthLDAPURL \"{}/{PEOPLE}?uid?sub?(objectClass=inetOrgPerson)\"\n\
         AuthLDAPBindDN {READER}\nAuthLDAPBindPassword {READER_PASSWORD}\n\
         Require ldap-group cn=dev,ou=groups,dc=example,dc=com\n</Location>\n",
        slapd.url()
    );
    fs::write(&file, text).expect("a file");
    let imported = Imported::of("apache", &file);
    imported.passes_the_check();
    let daemon = Daemon::start(&imported.text);
    daemon.authenticate("alice", "alice-secret").is_granted();
    daemon.authenticate("bob", "bob-secret").is(1, "denied", "rule");
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
    for remark in ["test2", "connections 4", "auth_ldap_cache_size 1000", "no-such-folder"] {
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
    assert_eq!(ad["base_dn"].as_str(), Some("dc=ad,dc=example,dc=com"));
    assert_eq!(imported.table["default_realm"].as_str(), Some("sssd"));
    let order = vec!["LDAP", "ad.example.com"];
    assert_eq!(imported.realm("sssd")["realms"], Value::from(order));
    for remark in [
        "entry_cache_timeout = 600",
        "min_id = 1000",
        "SRV records",
        "krb5_realm",
        "no-such-bundle",
    ] {
        imported.remarks(remark);
    }
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
    for remark in ["ldap_deref: never", "no-such-ca.pem", "ldap_default_realm: foo.com"] {
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
