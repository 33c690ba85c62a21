//! A server of the DNS (dnsmasq) on a loopback port.

use std::fmt::Write;
use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::process::Process;
use super::programs::installed;
use super::slapd::free_port;
use super::{text_of, until};

/// The domain that it knows. Every host below it is 127.0.0.1.
pub(crate) const DOMAIN: &str = "corp.test";

/// A query for the address of `localhost.corp.test`.
const QUERY: &[u8] = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\
                       \x09localhost\x04corp\x04test\x00\x00\x01\x00\x01";

/// A record of RFC 2782: of which service, in front of which host, on which port, with which
/// priority and weight.
pub(crate) type Srv<'a> = (&'a str, &'a str, u16, u16, u16);

#[derive(Debug)]
pub(crate) struct Dns {
    process: Option<Process>,
    port: u16,
    folder: TempDir,
}

impl Dns {
    /// A server that is not running.
    pub(crate) fn stopped() -> Self {
        let folder = TempDir::with_prefix("usher-dns-").expect("temporary folder");
        Self { process: None, port: free_port(), folder }
    }

    /// A running server with these records.
    pub(crate) fn start(records: &[Srv<'_>]) -> Self {
        let mut dns = Self::stopped();
        dns.tell(records);
        dns
    }

    /// From now on it tells these records, and that they live for a second.
    pub(crate) fn tell(&mut self, records: &[Srv<'_>]) {
        self.stop();
        let mut lines = format!("local=/{DOMAIN}/\naddress=/{DOMAIN}/127.0.0.1\n");
        for (service, host, port, priority, weight) in records {
            let record = format!("_{service}._tcp.{DOMAIN},{host},{port},{priority},{weight}");
            writeln!(lines, "srv-host={record}").expect("a String");
        }
        lines += "address=/elsewhere.test/127.0.0.1\nlocal-ttl=1\n";
        let file = self.folder.path().join("dnsmasq.conf");
        std::fs::write(&file, lines).expect("a file");
        let mut dnsmasq = Command::new(installed("dnsmasq", "dnsmasq-base"));
        dnsmasq.args(["--keep-in-foreground", "--log-facility=-", "--pid-file=", "--no-resolv"]);
        dnsmasq.args(["--no-hosts", "--listen-address=127.0.0.1", "--bind-interfaces"]);
        dnsmasq.arg(format!("--port={}", self.port)).arg(format!("--conf-file={}", file.display()));
        if nix::unistd::geteuid().is_root() {
            dnsmasq.arg("--user=root");
        }
        let log = self.folder.path().join("log");
        let mut process = Process::start(dnsmasq, &log);
        let asking = UdpSocket::bind("127.0.0.1:0").expect("a port");
        asking.set_read_timeout(Some(Duration::from_millis(100))).expect("a time-out");
        until("dnsmasq", || {
            assert!(process.ended().is_none(), "dnsmasq: {}", text_of(&log));
            asking.send_to(QUERY, self.address()).ok()?;
            asking.recv(&mut [0; 512]).ok()
        });
        self.process = Some(process);
    }

    pub(crate) fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.stop();
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }
}
