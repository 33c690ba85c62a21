//! The fixup: what the application is told of a user whom somebody else authenticated.

use std::fs;

use super::{Site, app, authenticated, example, looked_up};
use crate::support::daemon::{LISTEN, LOCAL, USERS, write_private};
use crate::support::httpd::MPMS;
use crate::support::until_true;

#[test]
fn the_application_is_told_who_it_is_under_every_mpm() {
    for mpm in MPMS {
        let site = Site::start(mpm, &looked_up(""));
        for name in ["alice", r"CORP\alice", "alice@EXAMPLE.ORG"] {
            let page = site.httpd.get_as(name, "alice-secret", "/app");
            assert_eq!(page.status, 200, "{mpm}: {page:#?}");
            for (header, value) in [
                ("X-Remote-User", "alice"),
                ("X-Remote-Email", "alice@example.com"),
                ("X-Remote-Firstname", "Alice"),
                ("X-Remote-Lastname", "Archer"),
            ] {
                assert_eq!(page.header(header), Some(value), "{mpm}, {name}: {page:#?}");
            }
        }
        assert_eq!(site.questions(), (0, 3, 0), "{mpm}");
    }
}

#[test]
fn of_a_user_whom_the_directory_does_not_know_nothing_is_told() {
    let site = Site::start("event", &looked_up(""));
    for name in ["stranger", "alice@OTHER.ORG"] {
        let page = site.httpd.get_as(name, "alice-secret", "/app");
        assert_eq!((page.status, page.header("X-Remote-User")), (200, Some("")), "{page:#?}");
        assert!(site.httpd.log().contains(&format!("no metadata of {name}:")));
    }
    let strict = Site::start("event", &looked_up("UsherMetadataOnError deny"));
    assert_eq!(strict.httpd.get_as("stranger", "alice-secret", "/app").status, 403);
    assert_eq!(strict.alice().status, 200);
}

#[test]
fn without_a_user_nothing_is_asked_and_nothing_set() {
    let open = app("    Require all granted\n    UsherMetadata On\n    UsherMetadataOnError deny");
    let site = Site::start("event", &format!("{open}{}", looked_up("").replace("/app", "/in")));
    let page = site.httpd.get("/app", &[]);
    assert_eq!((page.status, page.header("X-Remote-User")), (200, None), "{page:#?}");
    assert_eq!(site.httpd.get("/in", &[]).status, 401);
    assert_eq!(site.questions(), (0, 0, 0));
}

#[test]
fn without_the_directive_nothing_is_asked() {
    let site = Site::start("event", &looked_up("    UsherMetadata Off"));
    assert_eq!(site.alice().header("X-Remote-User"), Some(""));
    assert_eq!(site.questions(), (0, 0, 0));
}

#[test]
fn pages_that_are_made_of_pages_ask_once() {
    // The directory's index is a redirect, and the page includes another, in a folder of its own.
    let configuration = r#"
        UsherSocket @SOCKET@
        UsherMetadata On
        DirectoryIndex index.shtml
        <Directory "@DIR@/htdocs">
            Options +Includes
            SetOutputFilter INCLUDES
            AuthType Basic
            AuthName test
            AuthUserFile @USERS@
            Require valid-user
        </Directory>
        <Directory "@DIR@/htdocs/inner">
            UsherTimeout 2s
        </Directory>
    "#;
    let site = Site::start("event", configuration);
    let htdocs = site.httpd.path("htdocs");
    fs::create_dir(htdocs.join("inner")).unwrap();
    let echo = "<!--#echo var=\"X_REMOTE_EMAIL\" -->";
    let page = format!("{echo} {}", "<!--#include virtual=\"/inner/part.shtml\" -->".repeat(3));
    fs::write(htdocs.join("index.shtml"), page).unwrap();
    fs::write(htdocs.join("inner/part.shtml"), format!("{echo};")).unwrap();
    let page = site.httpd.get_as("alice", "alice-secret", "/");
    assert_eq!(page.body.matches("alice@example.com").count(), 4, "{page:#?}");
    assert_eq!(site.questions(), (0, 1, 0));
}

#[test]
fn mod_rewrite_sees_the_environment_and_looks_ahead_without_asking_twice() {
    let rewrite = r#"
        RewriteEngine On
        RewriteCond %{LA-U:REMOTE_USER} (.+)
        RewriteRule .* - [E=RU:%1]
        RequestHeader set X-Forwarded-User %{RU}e
        RewriteCond %{ENV:X_REMOTE_EMAIL} (.+)
        RewriteRule .* - [E=MAIL:%1]
        RequestHeader set X-Seen %{MAIL}e
    "#;
    let site = Site::start("event", &looked_up(rewrite));
    let page = site.alice();
    assert_eq!(page.header("X-Forwarded-User"), Some("alice"), "{page:#?}");
    assert_eq!(page.header("X-Seen"), Some("alice@example.com"), "{page:#?}");
    assert_eq!(site.questions(), (0, 1, 0));
}

#[test]
fn the_page_for_somebody_who_did_not_prove_who_they_are_is_told_of_nobody() {
    let site = Site::start("event", &looked_up("    ErrorDocument 401 /app/failed"));
    let page = site.httpd.get_as("alice", "wrong", "/app");
    assert!(page.body.starts_with("GET /failed"), "{page:#?}");
    assert_eq!(page.header("X-Remote-User"), Some(""), "{page:#?}");
    assert_eq!(site.questions(), (0, 0, 0));
}

#[test]
fn nor_is_the_page_for_somebody_whose_password_nobody_could_check() {
    let lines = "    Require valid-user\n    ErrorDocument 500 /app/failed";
    let site = Site::start("event", &authenticated(lines));
    let access = "socket_mode = \"0666\"\n[access]\nauthenticate = []\n";
    site.daemon.configure(&format!("{LOCAL}{LISTEN}{access}"));
    site.daemon.ctl(&["reload"], b"").success();
    let page = site.httpd.get_as("alice", "wrong", "/app");
    assert!(page.body.starts_with("GET /failed"), "{page:#?}");
    assert_eq!(page.header("X-Remote-User"), Some(""), "{page:#?}");
    assert_eq!(site.questions(), (0, 0, 0));
}

#[test]
fn the_page_for_what_is_missing_is_as_any_other() {
    let configuration = looked_up(
        "    RewriteEngine On\n    RewriteRule gone - [R=404]\n    \
                                   ErrorDocument 404 /app/missing",
    );
    let site = Site::start("event", &configuration);
    let page = site.httpd.get_as("alice", "alice-secret", "/app/gone");
    assert!(page.body.starts_with("GET /missing"), "{page:#?}");
    assert_eq!(page.header("X-Remote-User"), Some("alice"), "{page:#?}");
    assert_eq!(site.questions(), (0, 1, 0));
}

#[test]
fn names_that_a_client_sends_never_reach_the_application() {
    let example = example("Passwords and headers for an application behind httpd");
    let configuration = example
        .replace("LoadModule usher_module modules/mod_usher.so\n", "")
        .replace("/run/usher/usher.sock", "@SOCKET@")
        .replace("http://127.0.0.1:5000", "@BACKEND@");
    let site = Site::start("event", &configuration);
    let page = site.alice();
    assert_eq!(page.header("X-Remote-Email"), Some("alice@example.com"), "{page:#?}");
    assert_eq!(page.header("Authorization"), None);
    for name in ["X-Remote-User", "x-remote-email", "X-REMOTE-FIRSTNAME", "X-Remote-Lastname"] {
        let forged = format!("{name}: mallory");
        let page = site.httpd.get("/app", &["--user", "alice:alice-secret", "--header", &forged]);
        assert_eq!(page.status, 200);
        assert!(!page.body.contains("mallory"), "{page:#?}");
    }
    for name in ["X_Remote_User", "X-Remote_User", "x_remote-email", "X.Remote.Email"] {
        let forged = format!("{name}: mallory");
        let page = site.httpd.get("/app", &["--user", "alice:alice-secret", "--header", &forged]);
        assert!(!page.body.contains("mallory"), "{page:#?}");
        assert_ne!(page.status, 200, "{page:#?}");
    }
}

#[test]
fn what_the_directory_holds_cannot_become_a_header_of_its_own() {
    let encoded = "    RequestHeader set X-Encoded \"expr=%{base64:%{reqenv:X_REMOTE_LASTNAME}}\"\n    \
                   RequestHeader set X-Escaped \"expr=%{escape:%{reqenv:X_REMOTE_LASTNAME}}\"";
    let site = Site::start("event", &looked_up(encoded));
    let users = USERS.replace("\"Archer\"", r#""M\u00fcller\r\nX-Admin: yes""#);
    write_private(&site.daemon.path("users.toml"), &users);
    until_true("the new name", || site.daemon.lookup("alice").json.to_string().contains("Admin"));
    let page = site.alice();
    assert_eq!(page.header("X-Remote-Lastname"), Some("Müller  X-Admin: yes"), "{page:#?}");
    assert_eq!(page.header("X-Admin"), None);
    assert_eq!(page.header("X-Encoded"), Some("TcO8bGxlciAgWC1BZG1pbjogeWVz"));
    assert_eq!(page.header("X-Escaped"), Some("M%c3%bcller%20%20X-Admin:%20yes"));
}

#[test]
fn an_application_inside_httpd_has_it_in_its_environment() {
    let example = example("Inside httpd: mod_wsgi");
    let configuration = format!(
        "LoadModule wsgi_module @MODULES@/mod_wsgi.so\nUsherSocket @SOCKET@\n{}",
        example.replace("/srv/app", "@DIR@/htdocs")
    );
    let site = Site::start("event", &configuration);
    let program = "def application(environ, start_response):\n    start_response('200 OK', [])\n    \
                   return [('%s %s' % (environ['REMOTE_USER'], environ['X_REMOTE_EMAIL'])).encode()]\n";
    fs::write(site.httpd.path("htdocs/app.wsgi"), program).unwrap();
    let page = site.httpd.get_as(r"CORP\alice", "alice-secret", "/app");
    assert_eq!((page.status, page.body.as_str()), (200, "alice alice@example.com"));
}
