//! The fixup: what the application is told of a user whom somebody else authenticated.

use std::fs;

use super::{Site, app, authenticated, looked_up};
use crate::support::daemon::{LISTEN, LOCAL, USERS, write_private};
use crate::support::httpd::MPMS;
use crate::support::slapd::{More, Slapd};
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
    let lines = "    Require valid-user\n    ErrorDocument 503 /app/failed";
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
fn octets_that_are_no_text_are_passed_over_and_control_characters_become_spaces() {
    // "Eve\r\nX-Admin: yes", and octets that are not UTF-8.
    let ldif = "dn: uid=eve,ou=people,dc=example,dc=com\nobjectClass: inetOrgPerson\nuid: eve\n\
                cn: Eve\nuserPassword: eve-secret\ngivenName:: RXZlDQpYLUFkbWluOiB5ZXM=\n\
                sn: Adams\njpegPhoto:: /9j/AP8=\n\n";
    let slapd = Slapd::start_with(More { ldif, ..More::default() });
    let site = Site::start(
        "event",
        &authenticated(
            "    Require valid-user\n    RequestHeader set X-Photo %{X_PHOTO}e env=X_PHOTO",
        ),
    );
    let metadata = "[realm.corp.metadata]\nX_REMOTE_USER = \"%username\"\n\
                    X_REMOTE_FIRSTNAME = \"givenName\"\nX_PHOTO = \"jpegPhoto\"\n";
    let listen = format!("{LISTEN}socket_mode = \"0666\"\n");
    site.daemon.configure(&format!("{}{metadata}{listen}", slapd.realm()));
    site.daemon.ctl(&["reload"], b"").success();
    let page = site.httpd.get_as("eve", "eve-secret", "/app");
    assert_eq!(page.header("X-Remote-User"), Some("eve"), "{page:#?} {}", site.httpd.log());
    assert_eq!(page.header("X-Remote-Firstname"), Some("Eve  X-Admin: yes"), "{page:#?}");
    assert_eq!((page.header("X-Admin"), page.header("X-Photo")), (None, None), "{page:#?}");
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
