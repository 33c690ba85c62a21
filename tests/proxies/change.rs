//! A password that must be changed, and what the directory says of a right one.

use super::site::{HTTP_PORT, Proxy, Site};
use crate::policy;
use crate::support::http::{Server, basic};
use crate::support::shim::HTTP;
use crate::support::slapd::Slapd;

const URL: &str = "password_change_url = \"https://pw.example.com/?user={user}&back={back}\"\n";

fn site(http: &str) -> (Slapd, Site) {
    let (slapd, daemon) = policy::start(&format!("{http}{URL}"));
    (slapd, Site::of(daemon, "corp"))
}

/// Browsers are sent on, and come back to where they were; programs learn why.
fn redirects(server: &Server, port: u16) {
    let back = format!("http%3A%2F%2Ftest%3A{port}%2Fwiki%3Fx%3D1%26y");
    let host = format!("Host: test:{port}");
    for user in ["reset", "expired"] {
        let auth = basic(user, &format!("{user}-secret"));
        let headers = [auth.as_str(), "Accept: text/html,*/*", &host];
        let moved = server.ask("GET /wiki?x=1&y", &headers);
        let location = format!("https://pw.example.com/?user={user}&back={back}");
        assert_eq!(moved.status, 302, "{moved:#?}");
        assert_eq!(moved.header("location"), Some(location.as_str()), "{moved:#?}");
        let refused = server.ask("GET /wiki", &[&auth]);
        let reason = if user == "reset" { "password_must_change" } else { "password_expired" };
        refused.is(403, reason);
        assert_eq!(refused.header("location"), None, "{refused:#?}");
        let wrong = [&basic(user, "wrong"), "Accept: text/html"];
        assert_eq!(server.ask("GET /", &wrong).status, 401);
    }
    let others = [&basic("alice", "alice-secret"), "Accept: text/html"];
    assert_eq!(server.ask("GET /", &others).status, 200);
}

fn each(http: &str, start: impl FnOnce(&Site) -> Proxy) {
    let (_slapd, site) = site(http);
    let _proxy = start(&site);
    redirects(&site.server(), site.port);
}

#[test]
fn through_nginx_browsers_go_where_passwords_are_changed() {
    each(HTTP, Site::nginx);
}

#[test]
fn through_caddy_browsers_go_where_passwords_are_changed() {
    each(HTTP, Site::caddy);
}

#[test]
fn through_haproxy_browsers_go_where_passwords_are_changed() {
    each(HTTP, Site::haproxy);
}

#[test]
fn through_traefik_browsers_go_where_passwords_are_changed() {
    each(HTTP_PORT, Site::traefik);
}

#[test]
fn through_envoy_browsers_go_where_passwords_are_changed() {
    each(HTTP, Site::envoy);
}

/// What the application is told of the password of each user.
fn warnings(http: &str, start: impl FnOnce(&Site) -> Proxy) -> [String; 3] {
    let (_slapd, site) = site(http);
    let _proxy = start(&site);
    ["expiring", "grace", "alice"].map(|user| {
        let forged = ["X-Usher-Warning: forged", "X_Usher_Warning: forged"];
        let auth = basic(user, &format!("{user}-secret"));
        let page = site.server().ask("GET /", &[&[auth.as_str()], &forged[..]].concat());
        page.reached(&["X-Usher-Warning"]).join(" ")
    })
}

fn warns(http: &str, start: impl FnOnce(&Site) -> Proxy) {
    let [expiring, grace, alice] = warnings(http, start);
    let seconds = expiring.strip_prefix("x-usher-warning: password_expires=");
    assert!(seconds.is_some_and(|seconds| seconds.parse::<u64>().is_ok()), "{expiring}");
    assert_eq!(grace, "x-usher-warning: grace_logins=1");
    assert_eq!(alice, "");
}

#[test]
fn through_nginx_the_application_learns_what_the_directory_says_of_a_right_password() {
    warns(HTTP, Site::nginx);
}

#[test]
fn through_haproxy_the_application_learns_what_the_directory_says_of_a_right_password() {
    warns(HTTP, Site::haproxy);
}

#[test]
fn through_traefik_the_application_learns_what_the_directory_says_of_a_right_password() {
    warns(HTTP_PORT, Site::traefik);
}

#[test]
fn through_envoy_the_application_learns_what_the_directory_says_of_a_right_password() {
    warns(HTTP, Site::envoy);
}

#[test]
fn through_caddy_nobody_says_anything_of_a_right_password() {
    assert_eq!(warnings(HTTP, Site::caddy), ["", "", ""]);
}
