//! A site behind a proxy that runs with what `usherctl snippet` prints.

use std::any::Any;
use std::fs;
use std::net::TcpStream;
use std::process::Command;

use tempfile::TempDir;

use crate::support::daemon::{self, Daemon, LISTEN, LOCAL, USERS};
use crate::support::http::Server;
use crate::support::httpd::{self, Httpd};
use crate::support::nginx::Nginx;
use crate::support::process::Process;
use crate::support::programs::{self, from_pypi, installed};
use crate::support::shim::{HTTP, Shim};
use crate::support::slapd::free_port;
use crate::support::{text_of, until_true};

/// So many wrong passwords are tried for a user.
pub(crate) const FAILURES: usize = 10;

/// `[http]` with a port instead of a socket.
pub(crate) const HTTP_PORT: &str = "[http]\nlisten = \"127.0.0.1:0\"\n";

pub(crate) struct Site {
    pub(crate) daemon: Daemon,
    pub(crate) shim: Shim,
    pub(crate) application: Shim,
    pub(crate) port: u16,
    realm: &'static str,
}

/// A proxy, as long as it is wanted.
pub(crate) struct Proxy(#[expect(dead_code, reason = "it is dropped")] Box<dyn Any>);

impl Site {
    /// With alice, bob, and carol, who may not in, before a proxy that asks over a socket. What is
    /// decided is in `audit.json`.
    pub(crate) fn new() -> Self {
        Self::of_local_users(HTTP)
    }

    /// As [`Self::new`], before one that knows no sockets.
    pub(crate) fn over_tcp() -> Self {
        Self::of_local_users(HTTP_PORT)
    }

    fn of_local_users(http: &str) -> Self {
        let policy = format!(
            "[realm.home.rules]\nrequire = \"group=dev|ops\"\n\
             [realm.home.shield]\nfailures = {FAILURES}\n\
             [audit]\nfile = \"@DIR@/audit.json\"\n{http}challenge = \"Staff\"\n"
        );
        let folder = Self::folder(&format!("{LOCAL}{policy}"));
        let hash = USERS.lines().find(|line| line.starts_with("password = ")).expect("a hash");
        let users = format!("{USERS}\n[user.carol]\n{hash}\n");
        daemon::write_private(&folder.path().join("users.toml"), &users);
        Self::of(Daemon::start_in(folder, |command| command), "home")
    }

    /// The folder of a daemon which the processes of httpd may ask too.
    pub(crate) fn folder(configuration: &str) -> TempDir {
        let listen = format!("{LISTEN}socket_mode = \"0666\"\n");
        let folder = daemon::folder(&format!("{configuration}{listen}"));
        httpd::open(folder.path());
        folder
    }

    /// With a realm of this daemon.
    pub(crate) fn of(daemon: Daemon, realm: &'static str) -> Self {
        let shim = Shim::start(&daemon);
        Self { daemon, shim, application: Shim::echo(), port: free_port(), realm }
    }

    pub(crate) fn server(&self) -> Server {
        Server::Tcp(self.port)
    }

    pub(crate) fn snippet(&self, proxy: &str) -> String {
        let listen = format!("127.0.0.1:{}", self.port);
        let application = self.application.url();
        let socket = self.daemon.socket();
        let arguments = ["snippet", proxy, "--listen", &listen, "--upstream", &application];
        let more = ["--shim", self.shim.place(), "--realm", self.realm];
        let socket = ["--socket", socket.to_str().expect("UTF-8")];
        programs::run("usherctl", &[&arguments[..], &more, &socket].concat()).success().stdout
    }

    pub(crate) fn nginx(&self) -> Proxy {
        Proxy(Box::new(Nginx::start(self.port, "", &self.snippet("nginx"))))
    }

    pub(crate) fn apache(&self) -> Proxy {
        self.apache_with("", |text| text)
    }

    /// With more before what is printed, and that changed as people do.
    pub(crate) fn apache_with(&self, more: &str, adapt: impl FnOnce(String) -> String) -> Proxy {
        let text = format!("{more}{}", adapt(self.snippet("apache")));
        let httpd = Httpd::start_in(httpd::folder(), "event", &text, |command| command);
        until_true("its other port", || TcpStream::connect(("127.0.0.1", self.port)).is_ok());
        Proxy(Box::new(httpd))
    }

    pub(crate) fn caddy(&self) -> Proxy {
        let folder = folder();
        // It would listen on a port for its own administration, and keep its state at home.
        let text = format!("{{\n\tadmin off\n}}\n{}", self.snippet("caddy"));
        fs::write(folder.path().join("Caddyfile"), text).expect("a file");
        let mut caddy = Command::new(installed("caddy", "caddy"));
        caddy.args(["run", "--adapter", "caddyfile", "--config"]);
        caddy.arg(folder.path().join("Caddyfile"));
        for variable in ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
            caddy.env(variable, folder.path());
        }
        self.start(caddy, folder)
    }

    pub(crate) fn haproxy(&self) -> Proxy {
        let folder = folder();
        let configuration = folder.path().join("haproxy.cfg");
        fs::write(&configuration, self.snippet("haproxy")).expect("a file");
        fs::write(folder.path().join("usher.lua"), self.snippet("haproxy-lua")).expect("a file");
        let mut haproxy = Command::new(installed("haproxy", "haproxy"));
        haproxy.arg("-db").arg("-f").arg(&configuration);
        self.start(haproxy, folder)
    }

    pub(crate) fn traefik(&self) -> Proxy {
        let folder = folder();
        let configuration = folder.path().join("site.yaml");
        fs::write(&configuration, self.snippet("traefik")).expect("a file");
        let mut traefik = Command::new(from_pypi("proxies", "traefik"));
        traefik.arg(format!("--entryPoints.site.address=127.0.0.1:{}", self.port));
        traefik.arg(format!("--providers.file.filename={}", configuration.display()));
        // It would tell its makers that it runs.
        traefik.args(["--global.checkNewVersion=false", "--global.sendAnonymousUsage=false"]);
        let proxy = self.start(traefik, folder);
        // It listens before it knows its routes.
        until_true("Traefik's routes", || self.server().ask("GET /", &[]).status != 404);
        proxy
    }

    pub(crate) fn envoy(&self) -> Proxy {
        let folder = folder();
        let configuration = folder.path().join("envoy.yaml");
        fs::write(&configuration, self.snippet("envoy")).expect("a file");
        let mut envoy = Command::new(from_pypi("proxies", "envoy"));
        envoy.args(["--disable-hot-restart", "--concurrency", "1", "-l", "warning", "-c"]);
        envoy.arg(&configuration);
        self.start(envoy, folder)
    }

    fn start(&self, command: Command, folder: TempDir) -> Proxy {
        let log = folder.path().join("log");
        let mut process = Process::start(command, &log);
        until_true("the proxy to listen", || {
            assert_eq!(process.ended(), None, "{}", text_of(&log));
            TcpStream::connect(("127.0.0.1", self.port)).is_ok()
        });
        Proxy(Box::new((process, folder)))
    }
}

fn folder() -> TempDir {
    TempDir::with_prefix("proxy-").expect("temporary folder")
}
