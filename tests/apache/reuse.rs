//! What a request was told serves others of its connection, where that is configured.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use super::{Site, authenticated, everywhere, looked_up};
use crate::support::certificate::{Authority, of_this_machine};
use crate::support::httpd::MODULES;
use crate::support::programs::installed;

/// Pages for alice, over one connection.
fn pages(site: &Site, paths: &[&str], arguments: &[&str]) {
    let (last, first) = paths.split_last().expect("a page");
    let url = |path: &&str| format!("http://localhost:{}{path}", site.httpd.port());
    let urls: Vec<String> = first.iter().map(url).collect();
    let mut all = vec!["--user", "alice:alice-secret"];
    all.extend(arguments.iter().copied().chain(urls.iter().map(String::as_str)));
    let page = site.httpd.get(last, &all);
    assert_eq!(page.status, 200, "{page:#?} {}", site.httpd.log());
    assert_eq!(page.body.matches("alice@example.com").count(), paths.len(), "{page:#?}");
}

#[test]
fn a_connection_asks_once_for_a_while_where_it_may_under_every_mpm() {
    let fresh = looked_up("").replace("/app", "/fresh");
    let configuration = format!("{}{fresh}", looked_up("    UsherReuse 60s"));
    everywhere(&configuration, |site| {
        pages(&site, &["/app"; 3], &[]);
        assert_eq!(site.questions(), (0, 1, 0));
        pages(&site, &["/app"; 3], &[]);
        assert_eq!(site.questions(), (0, 2, 0), "another connection");
        pages(&site, &["/fresh"; 3], &[]);
        assert_eq!(site.questions(), (0, 5, 0), "where nothing is said");
        pages(&site, &["/app", "/fresh", "/app"], &[]);
        assert_eq!(site.questions(), (0, 7, 0), "on one connection");
    });
}

#[test]
fn each_password_is_asked_and_what_is_required_once_under_every_mpm() {
    let lines = "    UsherReuse 60s\n    Require usher-rule group=dev";
    everywhere(&authenticated(lines), |site| {
        pages(&site, &["/app"; 3], &[]);
        assert_eq!(site.questions(), (3, 0, 0), "{}", site.httpd.log());
        let wrong = site.httpd.get_as("alice", "wrong", "/app");
        assert_eq!(wrong.status, 401);
    });
    everywhere(&looked_up(lines).replace("Require valid-user", ""), |site| {
        pages(&site, &["/app"; 3], &[]);
        assert_eq!(site.questions(), (0, 1, 0), "{}", site.httpd.log());
    });
}

#[test]
fn the_streams_of_http_2_do_not_disturb_each_other() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let authority = Authority::new("the company");
    let own = authority.signs(&of_this_machine());
    fs::write(path("authority"), authority.pem()).unwrap();
    fs::write(path("server"), own.pem + &own.key).unwrap();
    let configuration = format!(
        "LoadModule ssl_module {MODULES}/mod_ssl.so\nLoadModule http2_module {MODULES}/mod_http2.so\n\
         Protocols h2\nSSLEngine On\nSSLCertificateFile {}\n{}",
        path("server"),
        looked_up("    UsherReuse 60s")
    );
    let site = Site::start("event", &configuration);
    let url = format!("https://localhost:{}/app", site.httpd.port());
    for how in [&[][..], &["--parallel"]] {
        let mut curl = Command::new(installed("curl", "curl"));
        curl.args(["--http2", "--cacert", &path("authority"), "--user", "alice:alice-secret"]);
        curl.args(how).args(vec![&url; 19]);
        let page = site.httpd.fetch_over("https", curl, "/app");
        let told = page.body.matches("alice@example.com").count();
        assert_eq!((page.status, told), (200, 20), "{page:#?} {}", site.httpd.log());
    }
    assert_eq!(site.questions(), (0, 40, 0), "each stream is a connection of its own");
}
