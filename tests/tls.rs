//! Encrypted connections: which certificates are good enough, and what is said of the others.

use std::fs;
use std::net::TcpStream;
use std::process::Command;

use crate::support::certificate::{
    Authority, Certificate, certificate, expired, not_yet_valid, of_client, of_this_machine,
    self_signed,
};
use crate::support::daemon::{Daemon, folder};
use crate::support::ldif::{PEOPLE, READER, READER_PASSWORD};
use crate::support::process::{self, Process};
use crate::support::programs::installed;
use crate::support::slapd::{Slapd, free_port};
use crate::support::until_true;

const ACCOUNT: &str = "account = \"cn=reader,dc=example,dc=com\"\npassword = \"reader-secret\"\n";
const CHECKS: [&str; 5] = ["never", "allow", "try", "demand", "hard"];

/// A realm of this server, open for more keys.
fn realm(name: &str, security: &str, host: &str) -> String {
    format!(
        "[realm.{name}]\ntype = \"ldap\"\nconnection_security = \"{security}\"\n\
         host = \"{host}\"\nbase_dn = \"{PEOPLE}\"\n"
    )
}

/// A daemon with this realm, open for more keys, and these files beside its configuration.
fn daemon(configuration: &str, files: &[(&str, &str)]) -> Daemon {
    let folder = folder(configuration);
    for (name, content) in files {
        fs::write(folder.path().join(name), content).expect("a file");
    }
    Daemon::start_in(folder, |command| command)
}

/// Asks a server that shows this certificate in every way, with each of the checks. Where one
/// fails, the message says `told`.
fn assert_taken(shown: &Certificate, trusted: &str, told: Option<&str>) {
    let slapd = Slapd::start_with_tls(shown);
    let mut configuration = "default_realm = \"ldaps-hard\"\n".to_owned();
    for checks in CHECKS {
        for (security, host) in [("ldaps", slapd.tls_host()), ("start_tls", slapd.host())] {
            configuration += &realm(&format!("{security}-{checks}"), security, &host);
            configuration += &format!("certificate_checks = \"{checks}\"\n{ACCOUNT}");
            configuration += "ca_certificates = \"@DIR@/ca.pem\"\n";
        }
    }
    let daemon = daemon(&configuration, &[("ca.pem", trusted)]);
    for security in ["ldaps", "start_tls"] {
        for checks in CHECKS {
            let realm = format!("{security}-{checks}");
            let reply =
                daemon.ctl_json(&["authenticate", "--realm", &realm, "alice"], b"alice-secret\n");
            match told {
                Some(told) if !["never", "allow"].contains(&checks) => {
                    reply.is(3, "unavailable", "no_host");
                    assert!(reply.message().contains(told), "{told} in {realm}: {reply:#?}");
                    assert!(reply.message().contains("127.0.0.1"), "{reply:#?}");
                }
                _ => reply.is_granted(),
            }
            // A bad certificate that is taken is told once, however many connections there are.
            let taken = format!("realm=\"{realm}\" host=\"127.0.0.1\"");
            let log = daemon.log();
            let lines = log.lines().filter(|line| line.contains("a bad certificate is taken"));
            let times = lines.filter(|line| line.contains(&taken)).count();
            assert_eq!(times, usize::from(told.is_some() && checks == "allow"), "{log}");
        }
    }
}

#[test]
fn a_good_certificate_is_taken_by_all_checks() {
    let authority = Authority::new("ours");
    assert_taken(&authority.signs(&of_this_machine()), &authority.pem(), None);
}

#[test]
fn an_expired_certificate_is_told_with_its_date() {
    let authority = Authority::new("ours");
    let told = "its certificate expired on 2020-02-29; it must be renewed (of \"CN=slapd\", issued \
                by \"CN=ours\")";
    assert_taken(&authority.signs(&expired()), &authority.pem(), Some(told));
}

#[test]
fn a_certificate_of_the_future_is_told_with_its_date() {
    let authority = Authority::new("ours");
    let told = "its certificate is valid from 2119-12-31 only";
    assert_taken(&authority.signs(&not_yet_valid()), &authority.pem(), Some(told));
}

#[test]
fn a_certificate_for_another_host_is_told_with_the_names_it_has() {
    let authority = Authority::new("ours");
    let other = certificate("localhost", &["ldap.example.com", "192.0.2.1"]);
    let told = "its certificate is for ldap.example.com, 192.0.2.1, not for 127.0.0.1";
    assert_taken(&authority.signs(&other), &authority.pem(), Some(told));
}

#[test]
fn a_common_name_does_not_name_a_host() {
    let authority = Authority::new("ours");
    let told = "has no subjectAltName (a common name does not count, RFC 9525 2)";
    let old = authority.signs(&certificate("127.0.0.1", &[]));
    assert_taken(&old, &authority.pem(), Some(told));
}

#[test]
fn a_certificate_of_an_unknown_authority_is_not_trusted() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let told = "its certificate is signed by nobody whom we trust; add the authority's to \
                ca_certificates (of \"CN=slapd\", issued by \"CN=theirs\")";
    assert_taken(&theirs.signs(&of_this_machine()), &ours.pem(), Some(told));
}

#[test]
fn a_self_signed_certificate_is_not_trusted() {
    let told = "its certificate is self-signed or an authority's own; add just this one to \
                ca_certificates (of \"CN=slapd\", issued by \"CN=slapd\")";
    let authority = Authority::new("ours");
    assert_taken(&self_signed(of_this_machine()), &authority.pem(), Some(told));
}

#[test]
fn a_self_signed_certificate_is_trusted_where_it_is_named() {
    let shown = self_signed(of_this_machine());
    assert_taken(&shown, &shown.pem, None);
}

#[test]
fn a_self_signed_certificate_that_is_named_must_still_be_in_date_and_of_the_host() {
    let old = self_signed(expired());
    assert_taken(&old, &old.pem, Some("expired on 2020-02-29"));
    let other = self_signed(certificate("localhost", &["ldap.example.com"]));
    assert_taken(&other, &other.pem, Some("is for ldap.example.com, not for 127.0.0.1"));
}

#[test]
fn a_certificate_for_clients_is_none_for_a_server() {
    let authority = Authority::new("ours");
    let mut params = of_client("slapd");
    params.subject_alt_names = of_this_machine().subject_alt_names;
    assert_taken(
        &authority.signs(&params),
        &authority.pem(),
        Some(
            "is not one for servers; it must be issued again (extendedKeyUsage serverAuth) (of \
         \"CN=slapd\", issued by \"CN=ours\")",
        ),
    );
}

/// A daemon with one realm, and that it finds Alice.
fn assert_serves(realm: &str, files: &[(&str, &str)]) -> Daemon {
    let daemon = daemon(realm, files);
    daemon.authenticate("alice", "alice-secret").is_granted();
    daemon
}

#[test]
fn hosts_are_named_by_name_and_by_address_of_either_kind() {
    let authority = Authority::new("ours");
    let slapd = Slapd::start_with_tls(&authority.signs(&of_this_machine()));
    let port = slapd.tls_port();
    for host in ["localhost", "LOCALHOST", "127.0.0.1", "[::1]"] {
        let realm = format!(
            "[realm.corp]\ntype = \"ldap\"\nhost = \"{host}:{port}\"\nbase_dn = \"{PEOPLE}\"\n\
             ca_certificates = \"@DIR@/ca.pem\"\n{ACCOUNT}"
        );
        let daemon = assert_serves(&realm, &[("ca.pem", &authority.pem())]);
        let url = format!("ldaps://{host}:{port}");
        assert_eq!(daemon.status()["realms"][0]["hosts"][0]["url"], url);
    }
}

#[test]
fn authorities_may_stand_in_a_hashed_folder() {
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let slapd = Slapd::start_with_tls(&ours.signs(&of_this_machine()));
    let realm = realm("corp", "ldaps", &slapd.tls_host());
    let folder = folder(&format!("{realm}{ACCOUNT}ca_certificates = \"@DIR@/ca\"\n"));
    let authorities = folder.path().join("ca");
    fs::create_dir(&authorities).expect("a folder");
    fs::write(authorities.join("ours.pem"), ours.pem()).expect("a file");
    fs::write(authorities.join("other.pem"), other.pem()).expect("a file");
    let mut openssl = Command::new(installed("openssl", "openssl"));
    process::run(openssl.arg("rehash").arg(&authorities), b"").success();
    let daemon = Daemon::start_in(folder, |command| command);
    daemon.authenticate("alice", "alice-secret").is_granted();
}

#[test]
fn the_systems_store_is_trusted_where_nothing_else_is_named() {
    let authority = Authority::new("ours");
    let slapd = Slapd::start_with_tls(&authority.signs(&of_this_machine()));
    let realm = realm("corp", "ldaps", &slapd.tls_host());
    let folder = folder(&format!("{realm}{ACCOUNT}"));
    let store = folder.path().join("store.pem");
    fs::write(&store, authority.pem()).expect("a file");
    let daemon = Daemon::start_in(folder, |mut command| {
        command.env("SSL_CERT_FILE", store);
        command
    });
    daemon.authenticate("alice", "alice-secret").is_granted();
}

#[test]
fn servers_of_tls_1_2_and_1_3_are_served_and_older_ones_refused() {
    let authority = Authority::new("ours");
    let certificate = authority.signs(&of_this_machine());
    for (version, served) in [("TLS1.2", true), ("TLS1.3", true), ("TLS1.1", false)] {
        let only = format!("TLSCipherSuite NORMAL:-VERS-ALL:+VERS-{version}");
        let mut slapd = Slapd::with_tls(&certificate, &only);
        slapd.start_anywhere();
        for (security, host) in [("ldaps", slapd.tls_host()), ("start_tls", slapd.host())] {
            let realm = realm("corp", security, &host);
            let realm = format!("{realm}{ACCOUNT}ca_certificates = \"@DIR@/ca.pem\"\n");
            let daemon = daemon(&realm, &[("ca.pem", &authority.pem())]);
            let reply = daemon.authenticate("alice", "alice-secret");
            if served {
                reply.is_granted();
            } else {
                assert!(reply.message().contains("no TLS 1.2 or 1.3"), "{security}: {reply:#?}");
            }
        }
    }
}

#[test]
fn a_server_that_shows_no_certificate_is_told_whatever_the_checks() {
    let port = free_port();
    let mut openssl = Command::new(installed("openssl", "openssl"));
    openssl.args(["s_server", "-nocert", "-cipher", "aNULL:@SECLEVEL=0", "-tls1_2", "-quiet"]);
    openssl.arg("-accept").arg(format!("127.0.0.1:{port}"));
    let folder = tempfile::tempdir().expect("a folder");
    let _server = Process::start(openssl, &folder.path().join("log"));
    until_true("the server", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    for checks in CHECKS {
        let realm = realm("corp", "ldaps", &format!("127.0.0.1:{port}"));
        let daemon = daemon(&format!("{realm}certificate_checks = \"{checks}\"\n"), &[]);
        let reply = daemon.lookup("alice");
        reply.is(3, "unavailable", "no_host");
        assert!(reply.message().contains("has no certificate to show"), "{checks}: {reply:#?}");
    }
}

#[test]
fn a_certificate_of_ours_names_the_account() {
    let (authority, clients) = (Authority::new("ours"), Authority::new("clients"));
    let lines = format!(
        "TLSCACertificateFile @DIR@/clients.pem\nTLSVerifyClient demand\n\
         authz-regexp \"cn=usherd\" \"{READER}\"\n"
    );
    let mut slapd = Slapd::with_tls(&authority.signs(&of_this_machine()), &lines);
    fs::write(slapd.path("clients.pem"), clients.pem()).expect("a file");
    slapd.start_anywhere();
    let over = |security: &str, host: &str| {
        format!("{}ca_certificates = \"@DIR@/ca.pem\"\n", realm("corp", security, host))
    };
    let realm = over("ldaps", &slapd.tls_host());
    let own = clients.signs(&of_client("usherd"));
    let files =
        [("ca.pem", authority.pem()), ("own.pem", own.pem.clone()), ("own.key", own.key.clone())];
    let files = files.each_ref().map(|(name, content)| (*name, content.as_str()));
    let certificate = "client_certificate = \"@DIR@/own.pem\"\nclient_key = \"@DIR@/own.key\"\n";
    assert_serves(&format!("{realm}{certificate}sasl = \"external\"\n"), &files);
    let external = || slapd.log().matches("method=163").count();
    let before = external();
    assert_ne!(before, 0, "{}", slapd.log());
    let start_tls = over("start_tls", &slapd.host());
    assert_serves(&format!("{start_tls}{certificate}sasl = \"external\"\n"), &files);
    assert!(external() > before, "{}", slapd.log());
    assert_eq!(slapd.binds_of(READER), 0, "{}", slapd.log());
    // It may be shown without naming the account.
    assert_serves(&format!("{realm}{certificate}{ACCOUNT}"), &files);
    assert_ne!(slapd.binds_of(READER), 0, "{}", slapd.log());
    // A server that wants one closes; this one does not say why.
    let without = daemon(&format!("{realm}{ACCOUNT}"), &files).lookup("alice");
    without.is(3, "unavailable", "no_host");
    assert!(without.message().contains("its log may say why"), "{without:#?}");
}

#[test]
fn the_user_of_the_daemon_names_the_account_on_a_unix_socket() {
    let peer = "gidNumber=.*,cn=peercred,cn=external,cn=auth";
    let mut slapd = Slapd::configured(&format!("authz-regexp \"{peer}\" \"{READER}\"\n"));
    slapd.start_anywhere();
    let realm = realm("corp", "plain", &slapd.ldapi_url());
    assert_serves(&format!("{realm}sasl = \"external\"\n"), &[]);
    assert_eq!(slapd.binds_of(READER), 0, "{}", slapd.log());
}

#[test]
fn a_server_without_tls_is_told_as_such() {
    let slapd = Slapd::start();
    for (security, told) in [
        ("ldaps", "check port and connection_security"),
        ("start_tls", "StartTLS: the server refuses: result 2 (protocolError"),
    ] {
        let daemon = daemon(
            &format!(
                "{}{ACCOUNT}certificate_checks = \"never\"\n",
                realm("corp", security, &slapd.host())
            ),
            &[],
        );
        let reply = daemon.lookup("alice");
        reply.is(3, "unavailable", "no_host");
        assert!(reply.message().contains(told), "{reply:#?}");
    }
    assert_eq!(slapd.operations().binds, 0, "no password may travel in plain text");
}

#[test]
fn authorities_are_read_anew_with_a_configuration_that_did_not_change() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let mut slapd = Slapd::start_with_tls(&old.signs(&of_this_machine()));
    let realm = realm("corp", "ldaps", &slapd.tls_host());
    let realm = format!("{realm}{ACCOUNT}ca_certificates = \"@DIR@/ca.pem\"\n");
    let daemon = assert_serves(&realm, &[("ca.pem", &old.pem())]);
    slapd.stop();
    slapd.show(&new.signs(&of_this_machine()));
    slapd.restart();
    // Until the host is tried again, what failed while it was away is told.
    until_true("the certificate is refused", || {
        let reply = daemon.lookup("bob");
        reply.is(3, "unavailable", "no_host");
        reply.message().contains("signed by nobody whom we trust")
    });
    fs::write(daemon.path("ca.pem"), new.pem()).expect("a file");
    daemon.ctl(&["reload"], b"").success();
    daemon.lookup("bob").is_found();
    assert!(!daemon.log().contains(READER_PASSWORD), "{}", daemon.log());
}

#[test]
fn a_hashed_folder_of_authorities_is_read_anew() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let slapd = Slapd::start_with_tls(&new.signs(&of_this_machine()));
    let realm = realm("corp", "ldaps", &slapd.tls_host());
    let folder = folder(&format!("{realm}{ACCOUNT}ca_certificates = \"@DIR@/ca\"\n"));
    let authorities = folder.path().join("ca");
    let rehash = || {
        let mut openssl = Command::new(installed("openssl", "openssl"));
        process::run(openssl.arg("rehash").arg(&authorities), b"").success();
    };
    fs::create_dir(&authorities).expect("a folder");
    fs::write(authorities.join("old.pem"), old.pem()).expect("a file");
    rehash();
    let daemon = Daemon::start_in(folder, |command| command);
    let reply = daemon.lookup("bob");
    assert!(reply.message().contains("issued by \"CN=new\""), "{reply:#?}");
    fs::write(authorities.join("new.pem"), new.pem()).expect("a file");
    rehash();
    daemon.ctl(&["reload"], b"").success();
    daemon.lookup("bob").is_found();
}

#[test]
fn a_certificate_and_a_key_of_ours_are_read_anew() {
    let (authority, old, new) =
        (Authority::new("ours"), Authority::new("old"), Authority::new("new"));
    let lines = "TLSCACertificateFile @DIR@/clients.pem\nTLSVerifyClient demand\n";
    let mut slapd = Slapd::with_tls(&authority.signs(&of_this_machine()), lines);
    fs::write(slapd.path("clients.pem"), new.pem()).expect("a file");
    slapd.start_anywhere();
    let realm = format!(
        "{}{ACCOUNT}ca_certificates = \"@DIR@/ca.pem\"\n\
         client_certificate = \"@DIR@/own.pem\"\nclient_key = \"@DIR@/own.key\"\n",
        realm("corp", "ldaps", &slapd.tls_host())
    );
    let own = old.signs(&of_client("usherd"));
    let daemon = daemon(
        &realm,
        &[("ca.pem", &authority.pem()), ("own.pem", &own.pem), ("own.key", &own.key)],
    );
    daemon.lookup("bob").is(3, "unavailable", "no_host");
    let own = new.signs(&of_client("usherd"));
    fs::write(daemon.path("own.pem"), &own.pem).expect("a file");
    fs::write(daemon.path("own.key"), &own.key).expect("a file");
    daemon.ctl(&["reload"], b"").success();
    daemon.lookup("bob").is_found();
}
