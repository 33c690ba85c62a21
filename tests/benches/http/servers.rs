//! What is measured.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::daemon::{self, Daemon, LISTEN};
use crate::support::http::{Server as Address, basic};
use crate::support::httpd::{self, Httpd, MODULES};
use crate::support::ldif::{PEOPLE, READER, READER_PASSWORD};
use crate::support::nginx::Nginx;
use crate::support::process::Process;
use crate::support::programs::{self, installed};
use crate::support::shim::{HTTP, Shim};
use crate::support::slapd::{Slapd, free_port};
use crate::support::{repository, until_true};

/// A server for the page, with what keeps it running.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) port: u16,
    _kept: Vec<Box<dyn std::any::Any>>,
}

/// Has the client's page and nginx answer in two processes, as many as the smallest machines have.
const WORKERS: &str = "2";

/// The servers; the first is what the others are compared with.
pub(crate) fn start() -> Vec<Server> {
    let slapd = Slapd::start();
    let folder = TempDir::with_prefix("bench-").expect("a folder");
    httpd::open(folder.path());
    fs::write(folder.path().join("page.txt"), "The page.\n").expect("a page");
    let servers = vec![
        fixed(folder.path()),
        usher(&slapd, folder.path()),
        python(&slapd, folder.path()),
        apache(&slapd),
    ];
    for server in &servers {
        let wanted = || {
            let auth = basic("alice", "alice-secret");
            Address::Tcp(server.port).ask("GET /page.txt", &[&auth]).status == 200
        };
        until_true(server.name, wanted);
    }
    let mut servers = servers;
    servers[0]._kept.push(Box::new((slapd, folder)));
    servers
}

/// nginx as it is printed, with a page of its own instead of an application.
fn nginx(shim: &Path, page: &Path, more: &str) -> Nginx {
    let port = free_port();
    let (listen, shim) = (format!("127.0.0.1:{port}"), shim.to_string_lossy());
    let arguments = ["snippet", "nginx", "--listen", &listen, "--shim", &shim];
    let text = programs::run("usherctl", &arguments).success().stdout;
    let root = format!("root {};", page.display());
    let text = text.replace("proxy_pass http://127.0.0.1:8000;", &root);
    assert!(text.contains(&root), "{text}");
    Nginx::start_with_workers(WORKERS, port, "access_log off;", &format!("{text}{more}"))
}

fn fixed(folder: &Path) -> Server {
    let socket = folder.join("fixed.sock");
    let more = format!("server {{ listen unix:{}; return 204; }}\n", socket.display());
    let nginx = nginx(&socket, folder, &more);
    server("nginx, asking for a fixed 204", nginx.port(), vec![Box::new(nginx)])
}

fn usher(slapd: &Slapd, folder: &Path) -> Server {
    let listen = format!("{LISTEN}socket_mode = \"0666\"\n");
    let files = daemon::folder(&format!("{}{listen}{HTTP}", slapd.realm()));
    let daemon = Daemon::start_in(files, |command| command);
    let shim = Shim::start(&daemon);
    let nginx = nginx(Path::new(shim.place()), folder, "");
    let port = nginx.port();
    server("nginx, asking usher-http", port, vec![Box::new((nginx, shim, daemon))])
}

fn python(slapd: &Slapd, folder: &Path) -> Server {
    let socket = folder.join("python.sock");
    // Not the one that a version manager puts first: that one has no python3-ldap.
    let mut python = Command::new("/usr/bin/python3");
    python.arg(repository().join("tests/benches/http/daemon.py"));
    python.args([&socket, &PathBuf::from(slapd.url())]).args([PEOPLE, READER, READER_PASSWORD]);
    let process = Process::start(python, &folder.join("python.log"));
    until_true("the daemon in Python", || socket.exists());
    let nginx = nginx(&socket, folder, "");
    server("nginx, asking a daemon in Python", nginx.port(), vec![Box::new((nginx, process))])
}

fn apache(slapd: &Slapd) -> Server {
    let configuration = format!(
        "LoadModule socache_shmcb_module {MODULES}/mod_socache_shmcb.so\n\
         LoadModule ldap_module {MODULES}/mod_ldap.so\n\
         LoadModule authnz_ldap_module {MODULES}/mod_authnz_ldap.so\n\
         <Directory \"@DIR@/htdocs\">\nAuthType Basic\nAuthName Restricted\n\
         AuthBasicProvider ldap\nAuthLDAPURL \"{}/{PEOPLE}?uid\"\n\
         AuthLDAPBindDN \"{READER}\"\nAuthLDAPBindPassword \"{READER_PASSWORD}\"\n\
         Require valid-user\n</Directory>\n",
        slapd.url()
    );
    let folder = httpd::folder();
    fs::write(folder.path().join("htdocs/page.txt"), "The page.\n").expect("a page");
    let httpd = Httpd::start_in(folder, "event", &configuration, |command| command);
    server("Apache, mod_authnz_ldap", httpd.port(), vec![Box::new(httpd)])
}

fn server(name: &'static str, port: u16, kept: Vec<Box<dyn std::any::Any>>) -> Server {
    assert!(installed("wrk", "wrk").exists());
    Server { name, port, _kept: kept }
}
