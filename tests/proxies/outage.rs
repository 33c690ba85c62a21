//! No host of the directory answers, while everything else is there.

use super::shows;
use super::site::{HTTP_PORT, Proxy, Site};
use crate::support::daemon::Daemon;
use crate::support::http::{Response, basic};
use crate::support::shim::HTTP;
use crate::support::slapd::Slapd;

/// What a client could say of its own answer.
const FORGED: [&str; 4] =
    ["X-Usher-Stale: 7", "X_Usher_Stale: 7", "X-Usher.Stale: 7", "x-usher_stale: 7"];

struct Outage {
    site: Site,
    fresh: Response,
    /// To alice, whom the daemon knows, and to bob.
    known: Response,
    unknown: Response,
}

/// Whom the daemon has just let in is let in during an outage, in this realm.
fn outage(http: &str, start: impl FnOnce(&Site) -> Proxy) -> Outage {
    let mut slapd = Slapd::start();
    let cache = "[realm.corp.cache]\nttl = \"1ms\"\noffline_authentication = \"1h\"\n";
    let folder = Site::folder(&format!("{}{cache}{http}", slapd.realm()));
    let site = Site::of(Daemon::start_in(folder, |command| command), "corp");
    let _proxy = start(&site);
    let ask = |user: &str| {
        let auth = basic(user, &format!("{user}-secret"));
        site.server().ask("GET /", &[&[auth.as_str(), "Accept: text/html"], &FORGED[..]].concat())
    };
    let fresh = ask("alice");
    slapd.kill();
    let (unknown, known) = (ask("bob"), ask("alice"));
    Outage { site, fresh, known, unknown }
}

/// How old the answer is, as the application was told.
fn age(page: &Response) -> Option<u64> {
    assert_eq!(page.status, 200, "{page:#?}");
    match page.reached(&["X-Usher-Stale"])[..] {
        [] => None,
        [line] => Some(line.strip_prefix("x-usher-stale: ").expect(line).parse().expect("seconds")),
        _ => panic!("{page:#?}"),
    }
}

fn carries_it_on(http: &str, reason: &str, start: impl FnOnce(&Site) -> Proxy) {
    let outage = outage(http, start);
    assert_eq!(age(&outage.fresh), None);
    assert!(age(&outage.known).is_some_and(|seconds| seconds < 600), "{:#?}", outage.known);
    outage.unknown.is(503, reason);
    shows(&outage.unknown, "not about your password");
    // As usher-http said it.
    let told = outage.site.shim.server().ask("GET /auth", &[&basic("alice", "alice-secret")]);
    told.is(200, "none");
    let seconds = told.header("x-usher-stale").and_then(|seconds| seconds.parse::<u64>().ok());
    assert!(seconds.is_some_and(|seconds| seconds < 600), "{told:#?}");
}

#[test]
fn nginx_says_so_and_tells_the_application_how_old_an_answer_is() {
    carries_it_on(HTTP, "no_host", Site::nginx);
}

#[test]
fn haproxy_says_so_and_tells_the_application_how_old_an_answer_is() {
    carries_it_on(HTTP, "no_host", Site::haproxy);
}

#[test]
fn traefik_says_so_and_tells_the_application_how_old_an_answer_is() {
    carries_it_on(HTTP_PORT, "no_host", Site::traefik);
}

#[test]
fn envoy_says_so_and_tells_the_application_how_old_an_answer_is() {
    carries_it_on(HTTP, "none", Site::envoy);
}

/// A header that is not in every answer cannot be copied by every Caddy.
#[test]
fn caddy_says_so_and_takes_away_what_clients_say_of_an_answer() {
    let outage = outage(HTTP, Site::caddy);
    assert_eq!([age(&outage.fresh), age(&outage.known)], [None, None]);
    outage.unknown.is(503, "no_host");
    shows(&outage.unknown, "not about your password");
}

#[test]
fn apache_says_so_and_takes_away_what_clients_say_of_an_answer() {
    let outage = outage(HTTP, Site::apache);
    assert_eq!([age(&outage.fresh), age(&outage.known)], [None, None]);
    assert_eq!(outage.unknown.status, 503, "{:#?}", outage.unknown);
    assert!(outage.unknown.body.contains("not about your password"), "{:#?}", outage.unknown);
}
