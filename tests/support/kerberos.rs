//! MIT's Kerberos server, run by hand on a loopback port, with everything in a temporary folder.

use std::fs::{self, Permissions};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::process::{self, Process};
use super::programs::installed;
use super::slapd::free_port;
use super::{httpd, text_of, until};

/// Whose tickets it gives.
const REALM: &str = "EXAMPLE.ORG";
/// Of every user.
const PASSWORD: &str = "alice-secret";

const KRB5: &str = "[libdefaults]
default_realm = EXAMPLE.ORG
dns_lookup_kdc = false
dns_lookup_realm = false
dns_canonicalize_hostname = false
rdns = false
[realms]
EXAMPLE.ORG = {
    kdc = 127.0.0.1:@PORT@
}
";

const KDC: &str = "[kdcdefaults]
kdc_listen = 127.0.0.1:@PORT@
kdc_tcp_listen = 127.0.0.1:@PORT@
[realms]
EXAMPLE.ORG = {
    database_name = @DIR@/principal
    key_stash_file = @DIR@/stash
    supported_enctypes = aes256-cts-hmac-sha1-96:normal
}
";

/// A running server with these users, and the service `HTTP/localhost`.
#[derive(Debug)]
pub(crate) struct Kerberos {
    _process: Process,
    folder: TempDir,
}

impl Kerberos {
    pub(crate) fn start(users: &[&str]) -> Self {
        let folder = TempDir::with_prefix("usher-kdc-").expect("temporary folder");
        // httpd's processes read the key of the service and the configuration.
        httpd::open(folder.path());
        write_configuration(folder.path(), free_port());
        create_database(folder.path(), users);
        let process =
            until("a port that nobody takes first", || start_on(folder.path(), free_port()));
        Self { _process: process, folder }
    }

    /// The key of `HTTP/localhost`.
    pub(crate) fn keytab(&self) -> PathBuf {
        self.folder.path().join("keytab")
    }

    /// Lets a program use this server and nothing that the machine may have.
    pub(crate) fn used_by(&self, mut command: Command) -> Command {
        environment(self.folder.path(), &mut command);
        command
    }

    /// curl with a ticket of this user.
    pub(crate) fn curl_as(&self, user: &str) -> Command {
        let cache = self.folder.path().join(format!("ticket-{}", user.replace('/', "-")));
        let mut kinit = self.used_by(Command::new(installed("kinit", "krb5-user")));
        kinit.arg("-c").arg(&cache).arg(user);
        process::run(&mut kinit, format!("{PASSWORD}\n").as_bytes()).success();
        let mut curl = self.used_by(Command::new(installed("curl", "curl")));
        curl.env("KRB5CCNAME", &cache).args(["--negotiate", "--user", ":"]);
        curl
    }
}

fn environment(folder: &Path, command: &mut Command) {
    command.env("KRB5_CONFIG", folder.join("krb5.conf"));
    command.env("KRB5_KDC_PROFILE", folder.join("kdc.conf"));
}

fn write_configuration(folder: &Path, port: u16) {
    for (name, text) in [("krb5.conf", KRB5), ("kdc.conf", KDC)] {
        let text = text.replace("@PORT@", &port.to_string());
        let text = text.replace("@DIR@", &folder.to_string_lossy());
        let path = folder.join(name);
        fs::write(&path, text).expect("a file");
        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("its mode");
    }
}

fn create_database(folder: &Path, users: &[&str]) {
    let mut create = Command::new(installed("kdb5_util", "krb5-kdc"));
    environment(folder, &mut create);
    process::run(create.args(["create", "-s", "-r", REALM, "-P", "master"]), b"").success();
    let keytab = folder.join("keytab");
    let mut commands: Vec<String> =
        users.iter().map(|user| format!("addprinc -pw {PASSWORD} {user}\n")).collect();
    commands.push("addprinc -randkey HTTP/localhost\n".to_owned());
    commands.push(format!("ktadd -k {} HTTP/localhost\n", keytab.display()));
    let mut kadmin = Command::new(installed("kadmin.local", "krb5-admin-server"));
    environment(folder, &mut kadmin);
    process::run(kadmin.args(["-r", REALM]), commands.concat().as_bytes()).success();
    fs::set_permissions(&keytab, Permissions::from_mode(0o644)).expect("its mode");
}

/// The server, if nobody else has the port.
fn start_on(folder: &Path, port: u16) -> Option<Process> {
    write_configuration(folder, port);
    let log = folder.join("log");
    let _ = fs::remove_file(&log);
    let mut krb5kdc = Command::new(installed("krb5kdc", "krb5-kdc"));
    environment(folder, &mut krb5kdc);
    krb5kdc.arg("-n");
    let mut process = Process::start(krb5kdc, &log);
    let started = until("krb5kdc", || {
        if process.ended().is_some() {
            return Some(false);
        }
        TcpStream::connect(("127.0.0.1", port)).ok().map(|_| true)
    });
    if started {
        return Some(process);
    }
    let said = text_of(&log);
    assert!(said.contains("in use"), "krb5kdc does not start: {said}");
    None
}
