//! Each proxy, with exactly the configuration that `usherctl snippet` prints.

mod change;
mod outage;
pub(crate) mod site;

use serde_json::Value;

use crate::check_proxy::check;
use crate::nginx::{TELLING, forgeries, odd_forgeries};
use crate::support::http::{Response, Server, basic, invalid_credentials};
use crate::support::programs;
use crate::support::{text_of, until};
use site::{FAILURES, Site};

impl Site {
    /// What must hold of every proxy.
    fn is_sound(&self) {
        self.tells_who_it_is();
        self.keeps_out(&forgeries());
        self.refuses_what_makes_no_sense();
        self.says_whence_users_come();
    }

    fn tells_who_it_is(&self) {
        let (server, alice) = (self.server(), alice());
        let page = server.ask("GET /wiki?x=1", &[&alice, "X-Real-IP: 192.0.2.9"]);
        assert_eq!(page.status, 200, "{page:#?}");
        assert!(page.body.contains("/wiki?x=1\n"), "{page:#?}");
        let mut told = page.reached(&TELLING);
        told.retain(|line| !line.ends_with(": "));
        let expected = [
            "x-remote-email: alice@example.com",
            "x-remote-firstname: Alice",
            "x-remote-groups: dev",
            "x-remote-lastname: Archer",
            "x-remote-user: alice",
        ];
        assert_eq!(told, expected, "{page:#?}");
        assert!(page.reached(&["Authorization"]).is_empty(), "{page:#?}");
        assert_eq!(page.reached(&["X-Real-IP"]), ["x-real-ip: 127.0.0.1"], "{page:#?}");
        // Neither the realm nor the rules are the client's to choose.
        let wishes = [&alice, "X-Usher-Realm: x", "X-Usher-Require: group=x"];
        assert_eq!(server.ask("GET /?realm=x&require=group=x", &wishes).status, 200);
        let posted = server.ask("POST /form", &[&alice, "Content-Length: 0"]);
        assert!(posted.body.contains("\nPOST /form\n"), "{posted:#?}");
    }

    fn keeps_out(&self, forgeries: &[String]) {
        let (server, alice, bob) = (self.server(), alice(), basic("bob", "bob-secret"));
        let (of_alice, of_bob) = (server.ask("GET /", &[&alice]), server.ask("GET /", &[&bob]));
        for some in forgeries.chunks(24) {
            let some: Vec<&str> = some.iter().map(String::as_str).collect();
            let page = server.ask("GET /", &[&[alice.as_str()], &some[..]].concat());
            assert_eq!(page.reached(&TELLING), of_alice.reached(&TELLING), "{some:?}");
            let page = server.ask("GET /", &[&[bob.as_str()], &some[..]].concat());
            assert_eq!(page.reached(&TELLING), of_bob.reached(&TELLING), "{some:?}");
            assert_eq!(server.ask("GET /", &some).status, 401, "{some:?}");
        }
    }

    fn refuses_what_makes_no_sense(&self) {
        for invalid in invalid_credentials() {
            let no = self.server().ask("GET /", &[&invalid]);
            assert_eq!(no.status, 401, "{invalid}: {no:#?}");
            assert!(no.header("www-authenticate").is_some_and(|it| it.starts_with("Basic realm=")));
        }
        for invalid in
            [[basic("alice", "wrong"), alice()].join("\r\n"), basic(&"x".repeat(30_000), "p")]
        {
            let no = self.server().ask("GET /", &[&invalid]);
            assert!((400..500).contains(&no.status), "{invalid}: {no:#?}");
        }
    }

    /// Who guesses passwords is slowed down by their address, which no header of theirs may change.
    fn says_whence_users_come(&self) {
        let events = || {
            let text = text_of(&self.daemon.path("audit.json"));
            let whole = text.lines().filter_map(|line| serde_json::from_str(line).ok());
            whole.collect::<Vec<Value>>()
        };
        let before = events().len();
        for guess in 1..=3 {
            let address = format!("192.0.2.{guess}");
            let names = ["X-Real-IP", "X_Real_IP", "X-Forwarded-For", "X-Envoy-External-Address"];
            let mut headers = vec![basic("nobody", &address)];
            headers.extend(names.map(|name| format!("{name}: {address}")));
            headers.push(format!("X-Forwarded-For: {address}, 198.51.100.{guess}"));
            headers.push(format!("Forwarded: for={address}"));
            let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
            assert_eq!(self.server().ask("GET /", &headers).status, 401);
        }
        let events = until("the events", || Some(events()).filter(|it| it.len() >= before + 3));
        assert!(events.iter().all(|event| event["client"] == "127.0.0.1"), "{events:#?}");
    }

    /// Some servers make an underscore of every sign.
    fn knows_every_sign(&self) {
        let honest = self.server().ask("GET /", &[&alice()]);
        for some in odd_forgeries().chunks(24) {
            let some: Vec<&str> = some.iter().map(String::as_str).collect();
            let page = self.server().ask("GET /", &[&[alice().as_str()], &some[..]].concat());
            assert_eq!(page.reached(&TELLING), honest.reached(&TELLING), "{some:?}");
        }
    }

    /// Why somebody may not in, as usher-http says it.
    fn tells_why(&self, throttled: u16) {
        let ask = |headers: &[&str]| self.server().ask("GET /", headers);
        let challenge = Some("Basic realm=\"Staff\", charset=\"UTF-8\"");
        let page = ask(&["Accept: text/html"]);
        page.is(401, "no_credentials");
        assert_eq!(page.header("www-authenticate"), challenge, "{page:#?}");
        shows(&page, "Please log in");
        let page = ask(&[&basic("carol", "alice-secret"), "Accept: text/html"]);
        page.is(403, "rule");
        assert_eq!(page.header("www-authenticate"), None, "{page:#?}");
        shows(&page, "You may not see this page");
        for guess in 0..FAILURES {
            let no = ask(&[&basic("carol", &format!("guess {guess}"))]);
            no.is(401, "bad_credentials");
            assert_eq!(no.header("www-authenticate"), challenge, "{no:#?}");
        }
        let page = ask(&[&basic("carol", "one more guess"), "Accept: text/html"]);
        page.is(throttled, "throttled");
        let seconds = page.header("retry-after").and_then(|seconds| seconds.parse::<u32>().ok());
        assert!(seconds.is_some_and(|seconds| (1..=600).contains(&seconds)), "{page:#?}");
        shows(&page, "Too many attempts");
    }

    /// When nobody can tell, it is no fault of the user's; nor when usher-http itself is away.
    fn fails_closed(self, reason: &str, without_shim: u16) {
        let Self { mut daemon, mut shim, port, application: _application, .. } = self;
        let ask = || Server::Tcp(port).ask("GET /", &[&alice(), "Accept: text/html"]);
        daemon.stop();
        let trouble = ask();
        trouble.is(503, reason);
        assert_eq!(trouble.header("www-authenticate"), None, "{trouble:#?}");
        shows(&trouble, "not about your password");
        shim.stop();
        let trouble = ask();
        trouble.is(without_shim, "none");
        assert_eq!(trouble.header("www-authenticate"), None, "{trouble:#?}");
    }
}

/// A page for people.
pub(crate) fn shows(page: &Response, text: &str) {
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"), "{page:#?}");
    assert_eq!(page.header("cache-control"), Some("no-store"), "{page:#?}");
    assert!(page.body.contains(text), "{page:#?}");
}

fn alice() -> String {
    basic("alice", "alice-secret")
}

#[test]
fn nginx_is_sound_and_fails_closed() {
    let site = Site::new();
    let _nginx = site.nginx();
    site.is_sound();
    site.knows_every_sign();
    site.tells_why(429);
    site.fails_closed("no_host", 503);
}

#[test]
fn caddy_is_sound_and_fails_closed() {
    let site = Site::new();
    let _caddy = site.caddy();
    site.is_sound();
    site.knows_every_sign();
    site.tells_why(429);
    site.fails_closed("no_host", 502);
}

#[test]
fn haproxy_is_sound_and_fails_closed() {
    let site = Site::new();
    let _haproxy = site.haproxy();
    site.is_sound();
    site.knows_every_sign();
    site.tells_why(429);
    site.fails_closed("no_host", 503);
}

/// It has no way to answer 429, nor to drop what it cannot list.
#[test]
fn traefik_is_sound_but_for_odd_signs_and_fails_closed() {
    let site = Site::over_tcp();
    let _traefik = site.traefik();
    site.is_sound();
    let sound = check(&format!("http://127.0.0.1:{}/", site.port), &[]).success();
    assert!(sound.stdout.contains("note: names with odd signs pass"), "{sound:?}");
    site.tells_why(403);
    site.fails_closed("no_host", 500);
}

/// It has no way to answer 429, and a 503 of usher-http is none of its own.
#[test]
fn envoy_is_sound_and_fails_closed() {
    let site = Site::new();
    let _envoy = site.envoy();
    site.is_sound();
    site.knows_every_sign();
    site.tells_why(403);
    site.fails_closed("none", 503);
}

/// Of all these proxies, Traefik alone cannot ask over a socket.
#[test]
fn traefik_is_told_that_it_needs_a_port() {
    let refused = ["snippet", "traefik", "--shim", "/run/usher/http.sock"];
    let refused = programs::run("usherctl", &refused);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.stderr.contains("listen = \"127.0.0.1:9180\""), "{refused:?}");
}

/// Its module asks the daemon itself, and httpd has answers of its own.
#[test]
fn apache_is_sound_and_fails_closed() {
    let site = Site::new();
    let _apache = site.apache();
    site.is_sound();
    for (password, attempts) in [("alice-secret", 1), ("wrong", FAILURES + 1)] {
        for _ in 0..attempts {
            let no = site.server().ask("GET /", &[&basic("carol", password)]);
            let challenge = no.header("www-authenticate");
            assert_eq!((no.status, challenge), (401, Some("Basic realm=\"Restricted\"")));
        }
    }
    let Site { mut daemon, port, .. } = site;
    daemon.stop();
    let trouble = Server::Tcp(port).ask("GET /", &[&alice()]);
    assert_eq!(trouble.status, 503, "{trouble:#?}");
    assert!(trouble.body.contains("not about your password"), "{trouble:#?}");
}
