//! OpenLDAP's server, run by hand on a loopback port, with everything in a temporary folder.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::certificate::Certificate;
use super::ldif::{self, PEOPLE, READER, READER_PASSWORD};
use super::process::{self, Process};
use super::programs::installed;
use super::{text_of, until};

const PACKAGE: &str = "slapd";

const CONFIGURATION: &str = r#"
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/nis.schema
modulepath /usr/lib/ldap
moduleload back_mdb.la
# For the attribute memberOf; its values are in the LDIF.
moduleload memberof.la
# Does nothing unless the database has the overlay.
moduleload ppolicy.la
@HEAD@
database mdb
suffix "dc=example,dc=com"
directory @DIR@/db
maxsize 67108864
index objectClass,uid,mail eq
@ACCESS@
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="cn=reader,dc=example,dc=com" read by * auth
@MORE@
"#;

/// Where accounts are locked: what to add to the configuration, and the policy.
const PPOLICY: [&str; 2] = [
    "rootdn \"cn=manager,dc=example,dc=com\"\noverlay ppolicy\nppolicy_default \"cn=policy,dc=example,dc=com\"\n",
    "dn: cn=policy,dc=example,dc=com\nobjectClass: device\nobjectClass: pwdPolicy\ncn: policy\n\
     pwdAttribute: userPassword\npwdLockout: TRUE\npwdMaxFailure: @FAILURES@\n\n",
];

/// What a server has beyond the users of [`ldif`].
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct More<'a> {
    /// Lines of its configuration before its database.
    pub(crate) head: &'a str,
    /// Rules of access that stand before the others.
    pub(crate) access: &'a str,
    /// Further lines of its database's configuration.
    pub(crate) configuration: &'a str,
    /// Further entries.
    pub(crate) ldif: &'a str,
    /// What the SASL library is told in it, if anything.
    pub(crate) sasl: &'a str,
    /// What its log tells, as `slapd -d` takes it; by default each operation.
    pub(crate) log: &'static str,
}

/// A directory server with the users of [`ldif`].
#[derive(Debug)]
pub(crate) struct Slapd {
    process: Option<Process>,
    port: u16,
    /// Where it speaks TLS from the first byte on, if it has a certificate.
    tls_port: Option<u16>,
    log: &'static str,
    folder: TempDir,
}

/// What the server was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Operations {
    /// Binds with a name and a password, right or wrong.
    pub(crate) binds: usize,
    pub(crate) searches: usize,
    /// Whatever else there is, as unbinds and extended operations.
    pub(crate) others: usize,
}

impl Slapd {
    /// A running server.
    pub(crate) fn start() -> Self {
        Self::start_with(More::default())
    }

    /// A running server that has more.
    pub(crate) fn start_with(more: More<'_>) -> Self {
        let mut slapd = Self::prepared(more);
        slapd.start_anywhere();
        slapd
    }

    /// A running server with this certificate.
    pub(crate) fn start_with_tls(certificate: &Certificate) -> Self {
        let mut slapd = Self::with_tls(certificate, "");
        slapd.start_anywhere();
        slapd
    }

    /// As [`Self::stopped`], with this certificate; more lines of its configuration may say how
    /// TLS is done, where `@DIR@` is the folder of its files.
    pub(crate) fn with_tls(certificate: &Certificate, lines: &str) -> Self {
        let files = "TLSCertificateFile @DIR@/own.pem\nTLSCertificateKeyFile @DIR@/own.key\n";
        let mut slapd = Self::configured(&format!("{files}{lines}\n"));
        slapd.show(certificate);
        slapd.tls_port = Some(free_port());
        slapd
    }

    /// A server with its data loaded and its port chosen, but not running.
    pub(crate) fn stopped() -> Self {
        Self::configured("")
    }

    /// As [`Self::stopped`], with these lines in its configuration.
    pub(crate) fn configured(lines: &str) -> Self {
        Self::prepared(More { head: lines, ..More::default() })
    }

    /// A running server that locks an account for ever after so many wrong passwords.
    pub(crate) fn that_locks_after(failures: usize) -> Self {
        let [configuration, policy] = PPOLICY;
        let ldif = policy.replace("@FAILURES@", &failures.to_string());
        Self::start_with(More { configuration, ldif: &ldif, ..More::default() })
    }

    fn prepared(more: More<'_>) -> Self {
        let folder = TempDir::with_prefix("usher-slapd-").expect("temporary folder");
        let configuration = CONFIGURATION
            .replace("@HEAD@", more.head)
            .replace("@ACCESS@", more.access)
            .replace("@MORE@", more.configuration)
            .replace("@DIR@", &folder.path().to_string_lossy());
        fs::write(folder.path().join("slapd.conf"), configuration).expect("slapd.conf");
        fs::create_dir(folder.path().join("db")).expect("db");
        if !more.sasl.is_empty() {
            fs::create_dir(folder.path().join("sasl")).expect("a folder");
            fs::write(folder.path().join("sasl/slapd.conf"), more.sasl).expect("a file");
        }
        let log = if more.log.is_empty() { "stats" } else { more.log };
        let slapd = Self { process: None, port: free_port(), tls_port: None, log, folder };
        slapd.load(more.ldif);
        slapd
    }

    /// Starts it, on other ports if somebody has taken its own.
    pub(crate) fn start_anywhere(&mut self) {
        while !self.try_start() {
            self.port = free_port();
            self.tls_port = self.tls_port.map(|_| free_port());
        }
    }

    /// The certificate that it will show after the next start.
    pub(crate) fn show(&self, certificate: &Certificate) {
        fs::write(self.path("own.pem"), &certificate.pem).expect("a certificate");
        fs::write(self.path("own.key"), &certificate.key).expect("a key");
    }

    fn load(&self, more: &str) {
        let ldif = self.path("users.ldif");
        fs::write(&ldif, ldif::directory() + more).expect("LDIF");
        let mut slapadd = Command::new(installed("slapadd", PACKAGE));
        slapadd.arg("-q").arg("-f").arg(self.path("slapd.conf")).arg("-l").arg(&ldif);
        process::run(&mut slapadd, b"").success();
    }

    /// Starts it on its port, with its data, after [`Self::stop`] or [`Self::kill`].
    pub(crate) fn restart(&mut self) {
        assert!(self.process.is_none(), "it is running");
        assert!(self.try_start(), "slapd does not start: {}", self.log());
    }

    /// slapd. What the SASL library is told stands at the one place where slapd has it look.
    fn program(&self) -> Command {
        const BIND: &str = "mount --bind \"$0\" /etc/ldap/sasl2 && exec \"$@\"";
        let (slapd, sasl) = (installed("slapd", PACKAGE), self.path("sasl"));
        if !sasl.exists() {
            return Command::new(slapd);
        }
        let mut unshare = Command::new(installed("unshare", "util-linux"));
        unshare.args(["--mount", "sh", "-c", BIND]).arg(sasl).arg(slapd);
        unshare
    }

    /// Whether it runs now; not if somebody else has its port.
    fn try_start(&mut self) -> bool {
        let log = self.path("log");
        let ready = text_of(&log).matches("slapd starting").count() + 1;
        let mut slapd = self.program();
        slapd.arg("-f").arg(self.path("slapd.conf")).args(["-d", self.log, "-h"]);
        let mut urls = format!("{} {}", self.url(), self.ldapi_url());
        if let Some(port) = self.tls_port {
            write!(urls, " ldaps://127.0.0.1:{port}").expect("a String");
            // Not every machine has IPv6; one test asks for it.
            if TcpListener::bind("[::1]:0").is_ok() {
                write!(urls, " ldaps://[::1]:{port}").expect("a String");
            }
        }
        slapd.arg(urls);
        let mut process = Process::start(slapd, &log);
        let started = until("slapd", || {
            if text_of(&log).matches("slapd starting").count() == ready {
                return TcpStream::connect(("127.0.0.1", self.port)).ok().map(|_| true);
            }
            process.ended().map(|_| false)
        });
        if started {
            self.process = Some(process);
        } else {
            assert!(self.log().contains("Address already in use"), "slapd: {}", self.log());
            File::create(&log).expect("log file");
        }
        started
    }

    /// Ends it in order.
    pub(crate) fn stop(&mut self) {
        self.process.take().expect("it runs").stop();
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn kill(&mut self) {
        self.process.take().expect("it runs").kill();
    }

    /// Lets it hang: connections are accepted by the kernel, and nothing is answered.
    pub(crate) fn pause(&self) {
        self.process.as_ref().expect("it runs").freeze();
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        self.process.as_ref().expect("it runs").signal(Signal::SIGCONT);
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Its host and port, as configurations name them.
    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its host and the port for TLS from the first byte on.
    pub(crate) fn tls_host(&self) -> String {
        format!("127.0.0.1:{}", self.tls_port())
    }

    pub(crate) fn tls_port(&self) -> u16 {
        self.tls_port.expect("it has a certificate")
    }

    pub(crate) fn url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.port)
    }

    /// The URL of its Unix socket.
    pub(crate) fn ldapi_url(&self) -> String {
        format!("ldapi://{}", self.path("ldapi").to_string_lossy().replace('/', "%2F"))
    }

    /// `[realm.corp]` for this server, open for more keys of that table.
    pub(crate) fn realm(&self) -> String {
        realm(&self.host())
    }

    /// What it was asked so far. The line of an operation is written before its answer is sent.
    pub(crate) fn operations(&self) -> Operations {
        let log = self.log();
        let (binds, searches) =
            (log.matches(" method=128").count(), log.matches(" SRCH base=").count());
        // Some have several lines: each is known by its connection and its number there.
        let operation = |line: &str| {
            let (_, rest) = line.split_once("conn=")?;
            let (connection, rest) = rest.split_once(" op=")?;
            Some((connection.to_owned(), rest.split(' ').next()?.to_owned()))
        };
        let all: BTreeSet<_> = log.lines().filter_map(operation).collect();
        Operations { binds, searches, others: all.len().saturating_sub(binds + searches) }
    }

    /// How often it was searched by a filter that contains this.
    pub(crate) fn searches_for(&self, text: &str) -> usize {
        let log = self.log();
        log.lines().filter(|line| line.contains(" SRCH base=") && line.contains(text)).count()
    }

    /// How often this entry's password was tried, right or wrong.
    pub(crate) fn binds_of(&self, dn: &str) -> usize {
        self.log().matches(&format!(" BIND dn=\"{dn}\" method=128")).count()
    }

    /// Whether it lets somebody in with this password; asked past every daemon.
    pub(crate) fn accepts(&self, dn: &str, password: &str) -> bool {
        let mut whoami = Command::new(installed("ldapwhoami", "ldap-utils"));
        whoami.args(["-x", "-H", &self.url(), "-D", dn, "-w", password]);
        process::run(&mut whoami, b"").code == 0
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        text_of(&self.path("log"))
    }

    /// A path in its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// `[realm.corp]` for a server at this host, open for more keys of that table.
pub(crate) fn realm(host: &str) -> String {
    format!(
        "[realm.corp]\ntype = \"ldap\"\nconnection_security = \"plain\"\nhost = \"{host}\"\n\
         account = \"{READER}\"\npassword = \"{READER_PASSWORD}\"\nbase_dn = \"{PEOPLE}\"\n\
         filter = \"(objectClass=inetOrgPerson)\"\ndomains = [\"CORP\", \"corp.example.com\"]\n"
    )
}

/// A loopback port that nobody listens on, below the range from which the kernel takes the ports
/// of outgoing connections: from there, one of those could take a stopped server's port.
pub(crate) fn free_port() -> u16 {
    const FIRST: u32 = 20_000;
    const RANGE: u32 = 12_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Test runs beside each other begin at different places.
    let start = std::process::id().wrapping_mul(101) % RANGE;
    until("a free port", || {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % RANGE;
        let port = u16::try_from(FIRST + (start + step) % RANGE).expect("in range");
        TcpListener::bind(("127.0.0.1", port)).ok().map(|_| port)
    })
}

mod tests {
    use super::Slapd;
    use crate::support::ldif::{MANY, PEOPLE, READER, READER_PASSWORD};
    use crate::support::process::{self, Output};
    use crate::support::programs::installed;
    use std::process::Command;

    fn search(url: &str, dn: &str, password: &str, filter: &str) -> Output {
        let mut ldapsearch = Command::new(installed("ldapsearch", "ldap-utils"));
        ldapsearch.args(["-x", "-LLL", "-H", url, "-D", dn, "-w", password, "-b", PEOPLE]);
        process::run(ldapsearch.arg(filter).args(["uid", "memberOf", "mail"]), b"")
    }

    #[test]
    fn only_the_account_can_search_and_users_can_bind() {
        let slapd = Slapd::start();
        let all = search(&slapd.url(), READER, READER_PASSWORD, "(uid=user*)").success();
        assert_eq!(all.stdout.matches("dn: ").count(), MANY);
        let alice = search(&slapd.ldapi_url(), READER, READER_PASSWORD, "(uid=alice)").success();
        assert!(alice.stdout.contains("memberOf: cn=dev,ou=groups,dc=example,dc=com"), "{alice:?}");
        let dn = r#"cn=Smith\, \"Jo\" #1,ou=people,dc=example,dc=com"#;
        assert_eq!(search(&slapd.url(), dn, "jo-secret", "(uid=alice)").stdout, "");
        assert_eq!(search(&slapd.url(), dn, "wrong", "(uid=alice)").code, 49);
    }

    #[test]
    fn operations_are_counted_and_a_restarted_server_has_its_port_and_data() {
        let mut slapd = Slapd::start();
        let (port, before) = (slapd.port(), slapd.operations());
        assert_eq!((before.binds, before.searches), (0, 0));
        search(&slapd.url(), READER, READER_PASSWORD, "(uid=alice)").success();
        search(&slapd.url(), READER, "wrong", "(uid=alice)");
        let after = slapd.operations();
        assert_eq!((after.binds, after.searches, slapd.binds_of(READER)), (2, 1, 2));
        slapd.stop();
        slapd.restart();
        assert_eq!(slapd.port(), port);
        slapd.pause();
        slapd.resume();
        search(&slapd.url(), READER, READER_PASSWORD, "(uid=alice)").success();
        slapd.kill();
    }
}
