//! Other proxies, each with exactly the configuration that `usherctl snippet` prints.

mod change;
mod site;

use std::net::TcpStream;
use std::os::unix::fs::symlink;

use crate::nginx::{TELLING, forgeries};
use crate::support::http::{Server, basic};
use crate::support::httpd::{self, Httpd};
use crate::support::programs;
use crate::support::until_true;
use site::Site;

impl Site {
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
        let Self { mut daemon, mut shim, port, application: _application, .. } = self;
        let status = || Server::Tcp(port).ask("GET /", &[&alice()]).status;
        daemon.stop();
        assert_eq!(status(), 503);
        shim.stop();
        // Where usher-http itself is away, Traefik has no word but this.
        assert!([500, 502, 503].contains(&status()), "{}", status());
    }
}

fn alice() -> String {
    basic("alice", "alice-secret")
}

#[test]
fn caddy_is_sound_and_fails_closed() {
    let site = Site::new();
    let _caddy = site.caddy();
    site.is_sound();
    let page = site.server().ask("GET /", &["Accept: text/html"]);
    assert!(page.body.contains("Please log in"), "{page:#?}");
    site.fails_closed();
}

#[test]
fn haproxy_is_sound_and_fails_closed() {
    let site = Site::new();
    let _haproxy = site.haproxy();
    site.is_sound();
    let page = site.server().ask("GET /", &["Accept: text/html"]);
    assert!(page.body.contains("Please log in"), "{page:#?}");
    site.fails_closed();
}

#[test]
fn traefik_is_sound_and_fails_closed() {
    let site = Site::over_tcp();
    let _traefik = site.traefik();
    site.is_sound();
    let page = site.server().ask("GET /", &["Accept: text/html"]);
    assert!(page.body.contains("Please log in"), "{page:#?}");
    site.fails_closed();
}

#[test]
fn envoy_is_sound_and_fails_closed() {
    let site = Site::new();
    let _envoy = site.envoy();
    site.is_sound();
    let page = site.server().ask("GET /", &["Accept: text/html"]);
    assert!(page.body.contains("Please log in"), "{page:#?}");
    site.fails_closed();
}

/// Of all these proxies, Traefik alone cannot ask over a socket.
#[test]
fn traefik_is_told_that_it_needs_a_port() {
    let refused = ["snippet", "traefik", "--shim", "/run/usher/http.sock"];
    let refused = programs::run("usherctl", &refused);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.stderr.contains("listen = \"127.0.0.1:9180\""), "{refused:?}");
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
