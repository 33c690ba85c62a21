//! A domain controller of Samba, the nearest there is to Active Directory, in a temporary folder
//! and at a loopback address of its own: its ports cannot be chosen.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::certificate::{Authority, certificate};
use super::daemon::write_private;
use super::process::{self, Process};
use super::programs::installed;
use super::{repository, text_of, until_true};

/// Instead of the services of a whole Windows server; binds over plain connections are allowed.
const CONFIGURATION: &str = "
[global]
server services = ldap
ldap server require strong auth = no
log file = @DIR@/samba.log
pid directory = @DIR@
ncalrpc dir = @DIR@/ncalrpc
tls certfile = @DIR@/own.pem
tls keyfile = @DIR@/own.key
tls cafile = @DIR@/ca.pem
";

/// A running domain controller of `corp.example.com`, with the users of `samba_users.py`.
#[derive(Debug)]
pub(crate) struct Samba {
    address: String,
    /// Who signed its certificate, in PEM.
    authority: String,
    _process: Process,
    _folder: TempDir,
}

impl Samba {
    pub(crate) fn start() -> Self {
        let folder = TempDir::with_prefix("usher-samba-").expect("temporary folder");
        // Test runs beside each other have different ones.
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let address = format!("127.77.{high}.{low}");
        let configuration = provision(folder.path(), &address);
        let authority = Authority::new("ours");
        let own = authority.signs(&certificate("dc1", &["dc1.corp.example.com", &address]));
        let authority = authority.pem();
        for (name, text) in [("own.pem", &own.pem), ("own.key", &own.key), ("ca.pem", &authority)] {
            write_private(&folder.path().join(name), text);
        }
        let mut users = Command::new("/usr/bin/python3");
        users.arg(repository().join("tests/support/samba_users.py")).arg(&configuration);
        process::run(&mut users, b"").success();
        let mut samba = Command::new(installed("samba", "samba"));
        samba.args(["-i", "-M", "single", "-s"]).arg(&configuration);
        let log = folder.path().join("log");
        let mut process = Process::start(samba, &log);
        until_true("the domain controller", || {
            let ended = process.ended();
            assert!(ended.is_none(), "samba: {ended:?}, and it said: {}", text_of(&log));
            [389, 636, 3268, 3269]
                .iter()
                .all(|port| TcpStream::connect((address.as_str(), *port)).is_ok())
        });
        Self { address, authority, _process: process, _folder: folder }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// `[realm.corp]` for this server, open for more keys of that table.
    pub(crate) fn realm(&self) -> String {
        format!(
            "[realm.corp]\ntype = \"ldap\"\nconnection_security = \"plain\"\nhost = \"{}\"\n\
             directory = \"active_directory\"\naccount = \"reader@corp.example.com\"\n\
             password = \"reader-Secret1\"\nbase_dn = \"DC=corp,DC=example,DC=com\"\n\
             domains = [\"CORP\", \"corp.example.com\"]\n",
            self.address
        )
    }
}

/// Makes the domain, and returns its configuration.
fn provision(folder: &Path, address: &str) -> PathBuf {
    let mut tool = Command::new(installed("samba-tool", "samba"));
    tool.args(["domain", "provision", "--realm=CORP.EXAMPLE.COM", "--domain=CORP"]);
    tool.args(["--server-role=dc", "--dns-backend=NONE", "--adminpass=Root-Secret1"]);
    tool.args(["--host-name=dc1", "--host-ip6=", "--option=bind interfaces only=yes"]);
    tool.arg(format!("--host-ip={address}")).arg(format!("--option=interfaces={address}/8"));
    tool.arg(format!("--targetdir={}", folder.display()));
    // Seconds of work, and others work beside it: like a build, this has no limit.
    let output = tool.output().expect("samba-tool");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let path = folder.join("etc/smb.conf");
    let text = text_of(&path) + &CONFIGURATION.replace("@DIR@", &folder.to_string_lossy());
    std::fs::write(&path, text).expect("smb.conf");
    path
}
