//! `usherctl import apache`.

use std::fs;

use tempfile::TempDir;
use toml::Value;

use super::Imported;
use crate::support::daemon::Daemon;
use crate::support::ldif::{PEOPLE, READER, READER_PASSWORD};
use crate::support::slapd::Slapd;

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
fn how_httpd_trusts_servers_and_users_bind_first_is_taken_over() {
    let imported = Imported::of_fixture("apache", "apache-trusted.conf");
    let wiki = imported.realm("wiki");
    assert_eq!(wiki["host"].as_str(), Some("ldap.example.com"));
    // LDAPTrustedMode, where the URL does not say.
    assert_eq!(wiki["connection_security"].as_str(), Some("start_tls"));
    assert_eq!(wiki["certificate_checks"].as_str(), Some("never"));
    assert_eq!(wiki["user_dn"].as_str(), Some("uid=%u,ou=people,dc=example,dc=com"));
    assert_eq!(wiki["referrals"].as_str(), Some("follow"));
    let rules = vec!["filter=(!(|(uid=eve)(employeeType=guest)))"];
    assert_eq!(wiki["rules"]["require"], Value::from(rules));
    let open = imported.realm("open");
    assert_eq!(open["connection_security"].as_str(), Some("plain"));
    assert_eq!(open.get("referrals"), None);
    for remark in [
        "client_certificate = \"/certs/client.pem\"",
        "client_key = \"/certs/client.key\"",
        "\"demand\" is safe",
        "up to 5 referrals",
        "by the pattern of the initial bind",
    ] {
        imported.remarks(remark);
    }
}
