//! Encrypted connections: what they are made of, and what contradicts them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, KeyPair};

use super::{CORP, problems, read};
use crate::config::{
    Account, CertificateChecks, Directory, Host, Ldap, Loaded, Security, Tls, parse, print,
};

#[test]
fn certificates_contradict_plain_connections() {
    for (key, value) in [
        ("ca_certificates", "/etc/ca"),
        ("certificate_checks", "hard"),
        ("client_certificate", "/etc/own.pem"),
        ("client_key", "/etc/own.key"),
    ] {
        let place = key.len() + 4;
        assert_eq!(
            problems(&format!("{CORP}{key} = \"{value}\"\n")),
            format!(
                "usher.toml:6:{place}: {key} contradicts connection_security \"plain\": \
                 there are none\n    hint: leave {key} out"
            )
        );
    }
}

/// A realm with these lines between its type and its base.
fn secured(lines: &str) -> String {
    format!("[realm.corp]\ntype = \"ldap\"\n{lines}\nbase_dn = \"dc=com\"\n")
}

#[test]
fn the_url_and_the_key_must_agree() {
    for (word, scheme) in [
        ("start_tls", "ldaps"),
        ("plain", "ldaps"),
        ("ldaps", "ldap"),
        ("start_tls", "ldapi"),
        ("ldaps", "ldapi"),
    ] {
        let host = if scheme == "ldapi" { "%2Frun%2Fldapi" } else { "localhost" };
        let lines = format!("connection_security = \"{word}\"\nhost = \"{scheme}://{host}\"");
        assert_eq!(
            problems(&secured(&lines)),
            format!("usher.toml:3:23: connection_security \"{word}\" contradicts {scheme}://")
        );
    }
    assert_eq!(
        problems(&secured("host = \"ldap://localhost, ldap2\"")),
        "usher.toml:3:8: host mixes servers with and without encryption\n    \
         hint: set connection_security, and leave the schemes out"
    );
    assert_eq!(
        problems(&secured("host = \"ldapi://%2Frun%2Fldapi\"\nport = 389")),
        "usher.toml:4:8: port contradicts ldapi://: a socket has no port\n    hint: leave port out"
    );
}

#[test]
fn urls_without_encryption_mean_plain() {
    for host in ["ldap://localhost", "ldapi://%2Frun%2Fldapi", "ldap://[::1]:1389/"] {
        let loaded = read(&secured(&format!("host = \"{host}\""))).unwrap();
        assert_eq!(loaded.warnings, Vec::<String>::new());
    }
}

/// A folder with a certificate, its key, and another key.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.issue();
        files.write("other.key", &KeyPair::generate().unwrap().serialize_pem());
        files
    }

    /// Writes a new certificate and a new key.
    fn issue(&self) {
        let key = KeyPair::generate().unwrap();
        let names = ["ldap1".to_owned()];
        let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        self.write("own.pem", &certificate.pem());
        self.write("own.key", &key.serialize_pem());
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).unwrap();
        fs::set_permissions(self.path(name), Permissions::from_mode(0o600)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A realm with these lines; the files are beside it.
    fn read(&self, lines: &str) -> Result<Loaded, String> {
        let loaded = parse(&secured(lines), &self.path("usher.toml"));
        loaded.map_err(|error| {
            error.to_string().replace(&*self.0.path().to_string_lossy(), "/etc/usher")
        })
    }

    #[track_caller]
    fn ldap(&self, lines: &str) -> Ldap {
        let loaded = self.read(lines).unwrap();
        match &loaded.settings.realms["corp"].directory {
            Directory::Ldap(ldap) => ldap.as_ref().clone(),
            _ => panic!("no LDAP realm"),
        }
    }

    #[track_caller]
    fn tls(&self, lines: &str) -> Tls {
        self.ldap(lines).security.tls().unwrap().clone()
    }
}

#[test]
fn without_a_word_connections_are_encrypted_and_certificates_checked() {
    let files = Files::new();
    let ldap = files.ldap("host = \"ldap1\"\nca_certificates = \"own.pem\"");
    assert_eq!(ldap.hosts, [Host::Tcp("ldap1".to_owned(), 636)]);
    let Security::Ldaps(tls) = ldap.security else { panic!("not ldaps") };
    assert_eq!(tls.checks, CertificateChecks::Demand);
    assert_eq!(tls.authorities.path, Some(files.path("own.pem")));
    assert_eq!(tls.authorities.certificates.len(), 1);
    assert_eq!(tls.client, None);
}

#[test]
fn each_way_of_encryption_has_its_port() {
    let files = Files::new();
    let hosts = |lines: &str| files.ldap(&format!("{lines}\ncertificate_checks = \"never\"")).hosts;
    let tcp = |name: &str, port| Host::Tcp(name.to_owned(), port);
    assert_eq!(
        hosts("host = \"ldaps://a, ldaps://[::1]:1636\""),
        [tcp("a", 636), tcp("::1", 1636)]
    );
    let start = "connection_security = \"start_tls\"\n";
    assert_eq!(
        hosts(&format!("{start}host = \"ldap://a, b:1389\"")),
        [tcp("a", 389), tcp("b", 1389)]
    );
    assert_eq!(hosts("host = \"a\"\nport = 3269"), [tcp("a", 3269)]);
}

#[test]
fn a_folder_of_authorities_is_read_as_openssl_does() {
    let files = Files::new();
    fs::create_dir(files.path("ca")).unwrap();
    let lines = "host = \"ldap1\"\nca_certificates = \"ca\"";
    fs::copy(files.path("own.pem"), files.path("ca/stray.pem")).unwrap();
    assert_eq!(
        files.read(lines).unwrap_err(),
        "/etc/usher/usher.toml:4:19: ca_certificates finds no hashed certificates in /etc/usher/ca\n    \
         hint: run: openssl rehash /etc/usher/ca"
    );
    fs::copy(files.path("own.pem"), files.path("ca/0a1b2c3d.0")).unwrap();
    std::os::unix::fs::symlink("gone.pem", files.path("ca/0a1b2c3d.1")).unwrap();
    assert_eq!(files.tls(lines).authorities.certificates.len(), 1);
}

#[test]
fn what_is_read_anew_makes_other_settings() {
    let files = Files::new();
    let lines = "host = \"ldap1\"\nca_certificates = \"own.pem\"\n\
                 client_certificate = \"own.pem\"\nclient_key = \"own.key\"";
    let settings = || files.read(lines).unwrap().settings;
    let before = settings();
    assert_eq!(settings(), before);
    files.issue();
    assert_ne!(settings(), before);
}

#[test]
fn certificates_and_keys_that_cannot_be_used_are_told() {
    let files = Files::new();
    files.write("empty.pem", "nothing\n");
    for (lines, told) in [
        (
            "ca_certificates = \"gone.pem\"",
            "4:19: ca_certificates cannot be read from /etc/usher/gone.pem: \
             No such file or directory (os error 2)",
        ),
        (
            "ca_certificates = \"empty.pem\"",
            "4:19: ca_certificates finds no certificate in PEM in /etc/usher/empty.pem\n    \
             hint: if it is in DER: openssl x509 -inform der -in /etc/usher/empty.pem",
        ),
        (
            "client_certificate = \"own.pem\"",
            "4:22: client_certificate has no client_key\n    \
             hint: where both are in one file, name it twice",
        ),
        (
            "client_key = \"own.key\"",
            "4:14: client_key has no client_certificate\n    \
             hint: where both are in one file, name it twice",
        ),
        (
            "client_certificate = \"own.pem\"\nclient_key = \"own.pem\"",
            "5:14: client_key finds no private key in PEM in /etc/usher/own.pem\n    \
             hint: an encrypted key cannot be used: nobody is there to type its passphrase",
        ),
        (
            "client_certificate = \"own.pem\"\nclient_key = \"other.key\"",
            "5:14: client_key in /etc/usher/other.key does not fit the certificate in \
             /etc/usher/own.pem: keys may not be consistent: KeyMismatch\n    \
             hint: the certificate of the key itself comes first in the file, before its issuers",
        ),
    ] {
        let lines = format!("host = \"ldap1\"\n{lines}");
        let lines =
            if lines.contains("ca_") { lines } else { lines + "\nca_certificates = \"own.pem\"" };
        assert_eq!(files.read(&lines).unwrap_err(), format!("/etc/usher/usher.toml:{told}"));
    }
}

#[test]
fn a_key_that_everybody_can_read_draws_a_warning() {
    let files = Files::new();
    fs::set_permissions(files.path("own.key"), Permissions::from_mode(0o644)).unwrap();
    let lines = "host = \"ldap1\"\nca_certificates = \"own.pem\"\n\
                 client_certificate = \"own.pem\"\nclient_key = \"own.key\"";
    let warnings = files.read(lines).unwrap().warnings;
    let told = format!(
        "{}:6:14: {key} can be read by every user of this machine: chmod o= {key}",
        files.path("usher.toml").display(),
        key = files.path("own.key").display()
    );
    assert_eq!(warnings, [told]);
}

#[test]
fn certificates_that_may_be_false_draw_a_warning() {
    for checks in ["never", "allow"] {
        let lines = |host| format!("host = \"{host}\"\ncertificate_checks = \"{checks}\"");
        let warnings = |host| read(&secured(&lines(host))).unwrap().warnings;
        assert_eq!(
            warnings("ldap1"),
            ["usher.toml:3:8: passwords travel to whoever answers for ldap1: \
              its certificate may be a false one"]
        );
        assert_eq!(warnings("localhost"), Vec::<String>::new());
    }
}

#[test]
fn who_somebody_else_names_has_no_password_here() {
    let files = Files::new();
    let own = "host = \"ldap1\"\nca_certificates = \"own.pem\"\nsasl = \"external\"\n";
    let certificate = "client_certificate = \"own.pem\"\nclient_key = \"own.key\"\n";
    assert_eq!(files.ldap(&format!("{own}{certificate}")).account, Account::External);
    let socket = "host = \"ldapi://%2Frun%2Fldapi\"\nsasl = \"external\"";
    assert_eq!(files.ldap(socket).account, Account::External);
    assert_eq!(
        files.read(own).unwrap_err(),
        "/etc/usher/usher.toml:5:8: sasl \"external\" has nothing that names the account\n    \
         hint: set client_certificate and client_key, or use an ldapi:// host"
    );
    assert_eq!(
        files.read(&format!("{own}{certificate}account = \"cn=reader\"")).unwrap_err(),
        "/etc/usher/usher.toml:5:8: sasl \"external\" contradicts account and password\n    \
         hint: the certificate or the socket names the account"
    );
}

#[test]
fn what_is_printed_of_encryption_reads_as_the_same() {
    let files = Files::new();
    for checks in ["never", "allow", "try", "demand", "hard"] {
        let lines = format!(
            "host = \"ldap1\"\nconnection_security = \"start_tls\"\nsasl = \"external\"\n\
             certificate_checks = \"{checks}\"\nca_certificates = \"own.pem\"\n\
             client_certificate = \"own.pem\"\nclient_key = \"own.key\""
        );
        let settings = files.read(&lines).unwrap().settings;
        let printed = print(&settings);
        assert!(printed.contains(&format!("certificate_checks = \"{checks}\"")), "{printed}");
        assert_eq!(parse(&printed, Path::new("/elsewhere")).unwrap().settings, settings);
    }
}
