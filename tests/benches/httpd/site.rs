//! The servers that are asked: slapd, usherd, and SSSD on a message bus of its own.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::support::certificate::{Authority, of_this_machine};
use crate::support::daemon::{self, Daemon, LISTEN};
use crate::support::httpd;
use crate::support::process::{self, Process};
use crate::support::programs::installed;
use crate::support::slapd::{More, Slapd, free_port};
use crate::support::{text_of, until_true};

/// Whom everybody looks for: as SSSD needs it, an account of a system.
const USER: &str = "dn: uid=bench,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
objectClass: posixAccount
uid: bench
userPassword: bench-secret
cn: Ben Chmark
givenName: Ben
sn: Chmark
mail: Bench@Example.COM
uidNumber: 20001
gidNumber: 20001
homeDirectory: /nonexistent

";

pub(crate) struct Servers {
    pub(crate) slapd: Slapd,
    /// Where it speaks TLS from the first byte on.
    pub(crate) ldaps: String,
    tls: TempDir,
    pub(crate) daemon: Daemon,
    pub(crate) sssd: Sssd,
    _quiet: Process,
}

impl Servers {
    pub(crate) fn start() -> Self {
        let (tls, head) = certified();
        let mut slapd = Slapd::start_with(More { ldif: USER, head: &head, ..More::default() });
        // What the tests have it log would be paid for by those who ask it.
        slapd.stop();
        let mut quiet = Command::new(installed("slapd", "slapd"));
        let ldaps = format!("ldaps://127.0.0.1:{}/", free_port());
        quiet.arg("-f").arg(slapd.path("slapd.conf"));
        quiet.args(["-d", "0", "-h", &format!("{} {ldaps}", slapd.url())]);
        let quiet = Process::start(quiet, &slapd.path("quiet"));
        until_true("slapd", || std::net::TcpStream::connect(slapd.host()).is_ok());
        let realm = format!("{}{LISTEN}socket_mode = \"0666\"\n", slapd.realm());
        let folder = daemon::folder(&realm);
        httpd::open(folder.path());
        let daemon = Daemon::start_in(folder, |command| command);
        let sssd = Sssd::start(&slapd);
        Self { slapd, ldaps, tls, daemon, sssd, _quiet: quiet }
    }

    /// Whom to trust.
    pub(crate) fn authority(&self) -> PathBuf {
        self.tls.path().join("authority.pem")
    }
}

/// Files for TLS, and what slapd is told of them.
fn certified() -> (TempDir, String) {
    let folder = TempDir::with_prefix("bench-tls-").expect("a folder");
    httpd::open(folder.path());
    let authority = Authority::new("bench");
    let own = authority.signs(&of_this_machine());
    let at = |name: &str| folder.path().join(name);
    fs::write(at("authority.pem"), authority.pem()).expect("the authority");
    fs::write(at("own.pem"), own.pem).expect("a certificate");
    fs::write(at("own.key"), own.key).expect("a key");
    let (own, key) = (at("own.pem"), at("own.key"));
    let head =
        format!("TLSCertificateFile {}\nTLSCertificateKeyFile {}\n", own.display(), key.display());
    (folder, head)
}

/// Its files are where it was built to have them, but for this process alone.
const START: &str = "for folder in /var/lib/sss /var/log /run; do mount -t tmpfs tmpfs $folder; done
cd /var/lib/sss
mkdir -p db pipes/private mc pubconf/krb5.include.d gpo_cache keytabs secrets deskprofile /var/log/sssd
exec sssd -i -c \"$1\" --logger=stderr";

const SSSD: &str = "[sssd]
services = ifp
domains = example.com
[ifp]
allowed_uids = 0, 33
user_attributes = +mail, +givenName, +sn
[domain/example.com]
id_provider = ldap
auth_provider = none
access_provider = permit
ldap_uri = @LDAP@
ldap_search_base = dc=example,dc=com
ldap_default_bind_dn = cn=reader,dc=example,dc=com
ldap_default_authtok = reader-secret
ldap_user_extra_attrs = mail, givenName, sn
min_id = 1
";

const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC
 "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=@DIR@/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/>
    <allow send_destination="*"/><allow receive_sender="*"/>
  </policy>
</busconfig>
"#;

pub(crate) struct Sssd {
    _sssd: Process,
    _bus: Process,
    folder: TempDir,
}

impl Sssd {
    fn start(slapd: &Slapd) -> Self {
        let folder = TempDir::with_prefix("usher-sssd-").expect("temporary folder");
        httpd::open(folder.path());
        let at = |name: &str| folder.path().join(name);
        let text = BUS.replace("@DIR@", &folder.path().to_string_lossy());
        fs::write(at("bus.conf"), text).expect("bus.conf");
        fs::write(at("sssd.conf"), SSSD.replace("@LDAP@", &slapd.url())).expect("sssd.conf");
        fs::set_permissions(at("sssd.conf"), Permissions::from_mode(0o600)).expect("its mode");
        let mut bus = Command::new(installed("dbus-daemon", "dbus-daemon"));
        bus.arg("--config-file").arg(at("bus.conf")).args(["--nofork", "--nopidfile"]);
        let bus = Process::start(bus, &at("bus.log"));
        until_true("the bus", || at("bus").exists());
        let mut sssd = Command::new(installed("unshare", "util-linux"));
        sssd.args(["--mount", "sh", "-c", START, "sssd"]).arg(at("sssd.conf"));
        sssd.env("DBUS_SYSTEM_BUS_ADDRESS", address(&folder));
        let sssd = Process::start(sssd, &at("log"));
        let this = Self { _sssd: sssd, _bus: bus, folder };
        until_true("SSSD to know the user", || this.knows_the_user());
        this
    }

    /// The bus on which it answers.
    pub(crate) fn bus(&self) -> String {
        address(&self.folder)
    }

    fn knows_the_user(&self) -> bool {
        let mut send = Command::new(installed("dbus-send", "dbus-bin"));
        send.env("DBUS_SYSTEM_BUS_ADDRESS", self.bus());
        send.args(["--system", "--print-reply", "--dest=org.freedesktop.sssd.infopipe"]);
        send.args(["/org/freedesktop/sssd/infopipe", "org.freedesktop.sssd.infopipe.GetUserAttr"]);
        send.args(["string:bench", "array:string:mail"]);
        let known = process::run(&mut send, b"").stdout.contains("Bench@Example.COM");
        let said = text_of(&self.folder.path().join("log"));
        assert!(!said.contains("Exiting the SSSD"), "SSSD: {said}");
        known
    }
}

fn address(folder: &TempDir) -> String {
    format!("unix:path={}/bus", folder.path().to_string_lossy())
}
