//! Other proxies, each with exactly the configuration that `usherctl snippet` prints, or with the
//! requests that its documentation describes.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::nginx::{TELLING, forgeries};
use crate::support::daemon::{self, Daemon, LISTEN, LOCAL};
use crate::support::http::{Server, basic};
use crate::support::httpd::{self, Httpd};
use crate::support::process::Process;
use crate::support::programs::{self, installed};
use crate::support::shim::{HTTP, Shim};
use crate::support::slapd::free_port;
use crate::support::{text_of, until_true};

struct Site {
    daemon: Daemon,
    shim: Shim,
    application: Shim,
    port: u16,
}

impl Site {
    fn new() -> Self {
        let listen = format!("{LISTEN}socket_mode = \"0666\"\n");
        let folder = daemon::folder(&format!("{LOCAL}{listen}{HTTP}challenge = \"Staff\"\n"));
        httpd::open(folder.path());
        let daemon = Daemon::start_in(folder, |command| command);
        let shim = Shim::start(&daemon);
        Self { daemon, shim, application: Shim::echo(), port: free_port() }
    }

    fn server(&self) -> Server {
        Server::Tcp(self.port)
    }

    fn snippet(&self, proxy: &str) -> String {
        let listen = format!("127.0.0.1:{}", self.port);
        let application = self.application.url();
        let socket = self.daemon.socket();
        let arguments = ["snippet", proxy, "--listen", &listen, "--upstream", &application];
        let more = ["--shim", self.shim.place(), "--realm", "home"];
        let socket = ["--socket", socket.to_str().expect("UTF-8")];
        programs::run("usherctl", &[&arguments[..], &more, &socket].concat()).success().stdout
    }

    fn start(&self, command: Command, folder: &Path) -> Process {
        let log = folder.join("log");
        let mut process = Process::start(command, &log);
        until_true("the proxy to listen", || {
            assert_eq!(process.ended(), None, "{}", text_of(&log));
            TcpStream::connect(("127.0.0.1", self.port)).is_ok()
        });
        process
    }

    /// What must hold of every proxy.
    fn is_sound(&self) {
        let (server, alice, bob) = (self.server(), alice(), basic("bob", "bob-secret"));
        let of_alice = server.ask("GET /wiki?x=1", &[&alice]);
        assert_eq!(of_alice.status, 200, "{of_alice:#?}");
        assert!(of_alice.body.contains("/wiki?x=1\n"), "{of_alice:#?}");
        let mut told = of_alice.reached(&TELLING);
        told.retain(|line| !line.ends_with(": "));
        let expected = [
            "x-remote-email: alice@example.com",
            "x-remote-firstname: Alice",
            "x-remote-groups: dev",
            "x-remote-lastname: Archer",
            "x-remote-user: alice",
        ];
        assert_eq!(told, expected, "{of_alice:#?}");
        assert!(of_alice.reached(&["Authorization"]).is_empty(), "{of_alice:#?}");
        let of_bob = server.ask("GET /", &[&bob]);
        for some in forgeries().chunks(24) {
            let some: Vec<&str> = some.iter().map(String::as_str).collect();
            let page = server.ask("GET /wiki?x=1", &[&[alice.as_str()], &some[..]].concat());
            assert_eq!(page.reached(&TELLING), of_alice.reached(&TELLING), "{some:?}");
            let page = server.ask("GET /", &[&[bob.as_str()], &some[..]].concat());
            assert_eq!(page.reached(&TELLING), of_bob.reached(&TELLING), "{some:?}");
            assert_eq!(server.ask("GET /", &some).status, 401, "{some:?}");
        }
        // Neither the realm nor the rules are the client's to choose.
        let wishes = [&alice, "X-Usher-Realm: x", "X-Usher-Require: group=x"];
        assert_eq!(server.ask("GET /?realm=x&require=group=x", &wishes).status, 200);
        for wrong in [basic("alice", "wrong"), "Authorization: Basic ?".to_owned()] {
            let no = server.ask("GET /", &[&wrong]);
            assert_eq!(no.status, 401, "{no:#?}");
            assert!(no.header("www-authenticate").is_some_and(|it| it.starts_with("Basic realm=")));
        }
        let posted = server.ask("POST /form", &[&alice, "Content-Length: 0"]);
        assert!(posted.body.contains("\nPOST /form\n"), "{posted:#?}");
    }

    /// When nobody can tell, it is no fault of the user's.
    fn fails_closed(self) {
        let Self { mut daemon, mut shim, port, application: _application } = self;
        let status = || Server::Tcp(port).ask("GET /", &[&alice()]).status;
        daemon.stop();
        assert_eq!(status(), 503);
        shim.stop();
        assert!([502, 503].contains(&status()), "{}", status());
    }
}

fn alice() -> String {
    basic("alice", "alice-secret")
}

#[test]
fn caddy_is_sound_and_fails_closed() {
    let (site, folder) = (Site::new(), TempDir::with_prefix("caddy-").expect("temporary folder"));
    // It would listen on a port for its own administration, and keep its state at home.
    let text = format!("{{\n\tadmin off\n}}\n{}", site.snippet("caddy"));
    fs::write(folder.path().join("Caddyfile"), text).expect("a file");
    let mut caddy = Command::new(installed("caddy", "caddy"));
    caddy.args(["run", "--adapter", "caddyfile", "--config"]).arg(folder.path().join("Caddyfile"));
    for variable in ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
        caddy.env(variable, folder.path());
    }
    let _caddy = site.start(caddy, folder.path());
    site.is_sound();
    let page = site.server().ask("GET /", &["Accept: text/html"]);
    assert!(page.body.contains("Please log in"), "{page:#?}");
    site.fails_closed();
}

#[test]
fn haproxy_is_sound_and_fails_closed() {
    let (site, folder) = (Site::new(), TempDir::with_prefix("haproxy-").expect("temporary folder"));
    let configuration = folder.path().join("haproxy.cfg");
    fs::write(&configuration, site.snippet("haproxy")).expect("a file");
    fs::write(folder.path().join("usher.lua"), site.snippet("haproxy-lua")).expect("a file");
    let mut haproxy = Command::new(installed("haproxy", "haproxy"));
    haproxy.arg("-db").arg("-f").arg(&configuration);
    let _haproxy = site.start(haproxy, folder.path());
    site.is_sound();
    let page = site.server().ask("GET /", &["Accept: text/html"]);
    assert!(page.body.contains("Please log in"), "{page:#?}");
    site.fails_closed();
}

#[test]
fn apache_is_sound_and_fails_closed() {
    let (site, folder) = (Site::new(), httpd::folder());
    // Where the module is installed, as seen from the server's folder.
    symlink(folder.path(), folder.path().join("modules")).expect("a link");
    let _httpd = Httpd::start_in(folder, "event", &site.snippet("apache"), |command| command);
    until_true("its other port", || TcpStream::connect(("127.0.0.1", site.port)).is_ok());
    site.is_sound();
    site.fails_closed();
}

/// What Traefik's ForwardAuth sends: the client's headers, after those that the first middleware
/// removes, and what it knows of the request.
#[test]
fn what_traefik_sends_is_answered_as_it_needs() {
    let site = Site::new();
    let text = site.snippet_of_traefik();
    assert!(text.contains("address: \"http://127.0.0.1:9180/auth?realm=home\""), "{text}");
    let ask = |authorization: &str| {
        site.shim.server().ask(
            "GET /auth?realm=home",
            &[
                "User-Agent: curl/7.88.1",
                "Accept: */*",
                authorization,
                "X-Remote-User: root",
                "X-Forwarded-For: 192.0.2.7",
                "X-Forwarded-Host: www.example.com",
                "X-Forwarded-Method: POST",
                "X-Forwarded-Port: 80",
                "X-Forwarded-Proto: http",
                "X-Forwarded-Server: traefik",
                "X-Forwarded-Uri: /wiki?realm=x",
                "X-Real-Ip: 192.0.2.7",
                "Accept-Encoding: gzip",
            ],
        )
    };
    let yes = ask(&alice());
    yes.is(200, "none");
    for name in &TELLING[..5] {
        assert!(yes.header(&name.to_lowercase()).is_some(), "{yes:#?}");
        assert!(text.contains(&format!("          - {name}\n")), "{text}");
    }
    ask(&basic("alice", "wrong")).is(401, "bad_credentials");
}

/// What Envoy's ext_authz sends: the request itself below the prefix, with a few headers.
#[test]
fn what_envoy_sends_is_answered_as_it_needs() {
    let site = Site::new();
    let ask = |authorization: &str| {
        site.shim.server().ask(
            "PUT /auth/wiki/page?realm=x&require=group=x",
            &[
                "content-length: 0",
                authorization,
                "x-usher-realm: home",
                "x-usher-require: ",
                "x-envoy-internal: true",
                "x-forwarded-for: 192.0.2.7",
                "x-envoy-expected-rq-timeout-ms: 15000",
            ],
        )
    };
    // Nothing but 200 is a yes.
    ask(&alice()).is(200, "none");
    ask(&basic("alice", "wrong")).is(401, "bad_credentials");
    let text = site.snippet("envoy");
    assert!(text.contains(&format!("pipe: {{ path: {} }}", site.shim.place())), "{text}");
}

impl Site {
    fn snippet_of_traefik(&self) -> String {
        let refused = ["snippet", "traefik", "--shim", self.shim.place()];
        assert_eq!(programs::run("usherctl", &refused).code, 2, "it knows no sockets");
        let arguments = ["snippet", "traefik", "--shim", "127.0.0.1:9180", "--realm", "home"];
        programs::run("usherctl", &arguments).success().stdout
    }
}
