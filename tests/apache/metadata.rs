//! The fixup: what the application is told of a user whom somebody else authenticated.

use std::fs;

use super::{app, authenticated, everywhere, looked_up};
use crate::support::daemon::{LISTEN, LOCAL, USERS, write_private};
use crate::support::slapd::{More, Slapd};
use crate::support::until_true;

#[test]
fn the_application_is_told_who_it_is_under_every_mpm() {
    everywhere(&looked_up(""), |site| {
        for name in ["alice", r"CORP\alice", "alice@EXAMPLE.ORG"] {
            let page = site.httpd.get_as(name, "alice-secret", "/app");
            assert_eq!(page.status, 200, "{page:#?}");
            for (header, value) in [
                ("X-Remote-User", "alice"),
                ("X-Remote-Email", "alice@example.com"),
                ("X-Remote-Firstname", "Alice"),
                ("X-Remote-Lastname", "Archer"),
            ] {
                assert_eq!(page.header(header), Some(value), "{name}: {page:#?}");
            }
        }
        assert_eq!(site.questions(), (0, 3, 0));
    });
}

#[test]
fn of_a_user_whom_the_directory_does_not_know_nothing_is_told() {
    let strict = looked_up("UsherMetadataOnError deny").replace("/app", "/strict");
    everywhere(&format!("{}{strict}", looked_up("")), |site| {
        for name in ["stranger", "alice@OTHER.ORG"] {
            let page = site.httpd.get_as(name, "alice-secret", "/app");
            assert_eq!((page.status, page.header("X-Remote-User")), (200, Some("")), "{page:#?}");
            assert!(site.httpd.log().contains(&format!("no metadata of {name}:")));
        }
        let strict = |name| site.httpd.get_as(name, "alice-secret", "/strict").status;
        assert_eq!((strict("stranger"), strict("alice")), (403, 200));
    });
}

#[test]
fn without_a_user_nothing_is_asked_and_nothing_set() {
    let open = app("    Require all granted\n    UsherMetadata On\n    UsherMetadataOnError deny");
    everywhere(&format!("{open}{}", looked_up("").replace("/app", "/in")), |site| {
        let page = site.httpd.get("/app", &[]);
        assert_eq!((page.status, page.header("X-Remote-User")), (200, None), "{page:#?}");
        assert_eq!(site.httpd.get("/in", &[]).status, 401);
        assert_eq!(site.questions(), (0, 0, 0));
    });
}

#[test]
fn without_the_directive_nothing_is_asked() {
    everywhere(&looked_up("    UsherMetadata Off"), |site| {
        assert_eq!(site.alice().header("X-Remote-User"), Some(""));
        assert_eq!(site.questions(), (0, 0, 0));
    });
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
    everywhere(configuration, |site| {
        let htdocs = site.httpd.path("htdocs");
        fs::create_dir(htdocs.join("inner")).unwrap();
        let echo = "<!--#echo var=\"X_REMOTE_EMAIL\" -->";
        let page = format!("{echo} {}", "<!--#include virtual=\"/inner/part.shtml\" -->".repeat(3));
        fs::write(htdocs.join("index.shtml"), page).unwrap();
        fs::write(htdocs.join("inner/part.shtml"), format!("{echo};")).unwrap();
        let page = site.httpd.get_as("alice", "alice-secret", "/");
        assert_eq!(page.body.matches("alice@example.com").count(), 4, "{page:#?}");
        assert_eq!(site.questions(), (0, 1, 0));
    });
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
    everywhere(&looked_up(rewrite), |site| {
        let page = site.alice();
        assert_eq!(page.header("X-Forwarded-User"), Some("alice"), "{page:#?}");
        assert_eq!(page.header("X-Seen"), Some("alice@example.com"), "{page:#?}");
        assert_eq!(site.questions(), (0, 1, 0));
    });
}

#[test]
fn the_page_for_somebody_who_did_not_prove_who_they_are_is_told_of_nobody() {
    everywhere(&looked_up("    ErrorDocument 401 /app/failed"), |site| {
        let page = site.httpd.get_as("alice", "wrong", "/app");
        assert!(page.body.starts_with("GET /failed"), "{page:#?}");
        assert_eq!(page.header("X-Remote-User"), Some(""), "{page:#?}");
        assert_eq!(site.questions(), (0, 0, 0));
    });
}

#[test]
fn nor_is_the_page_for_somebody_whose_password_nobody_could_check() {
    let lines = "    Require valid-user\n    ErrorDocument 503 /app/failed";
    everywhere(&authenticated(lines), |site| {
        let access = "socket_mode = \"0666\"\n[access]\nauthenticate = []\n";
        site.daemon.configure(&format!("{LOCAL}{LISTEN}{access}"));
        site.daemon.ctl(&["reload"], b"").success();
        let page = site.httpd.get_as("alice", "wrong", "/app");
        assert!(page.body.starts_with("GET /failed"), "{page:#?}");
        assert_eq!(page.header("X-Remote-User"), Some(""), "{page:#?}");
        assert_eq!(site.questions(), (0, 0, 0));
    });
}

#[test]
fn the_page_for_what_is_missing_is_as_any_other() {
    let configuration = looked_up(
        "    RewriteEngine On\n    RewriteRule gone - [R=404]\n    \
                                   ErrorDocument 404 /app/missing",
    );
    everywhere(&configuration, |site| {
        let page = site.httpd.get_as("alice", "alice-secret", "/app/gone");
        assert!(page.body.starts_with("GET /missing"), "{page:#?}");
        assert_eq!(page.header("X-Remote-User"), Some("alice"), "{page:#?}");
        assert_eq!(site.questions(), (0, 1, 0));
    });
}

#[test]
fn octets_that_are_no_text_are_passed_over_and_control_characters_become_spaces() {
    // "Eve\r\nX-Admin: yes", and octets that are not UTF-8.
    let ldif = "dn: uid=eve,ou=people,dc=example,dc=com\nobjectClass: inetOrgPerson\nuid: eve\n\
                cn: Eve\nuserPassword: eve-secret\ngivenName:: RXZlDQpYLUFkbWluOiB5ZXM=\n\
                sn: Adams\njpegPhoto:: /9j/AP8=\n\n";
    let slapd = Slapd::start_with(More { ldif, ..More::default() });
    let metadata = "[realm.corp.metadata]\nX_REMOTE_USER = \"%username\"\n\
                    X_REMOTE_FIRSTNAME = \"givenName\"\nX_PHOTO = \"jpegPhoto\"\n";
    let realm = format!("{}{metadata}", slapd.realm());
    let lines = "    Require valid-user\n    RequestHeader set X-Photo %{X_PHOTO}e env=X_PHOTO";
    everywhere(&authenticated(lines), |site| {
        let site = site.with_realm(&realm);
        let page = site.httpd.get_as("eve", "eve-secret", "/app");
        assert_eq!(page.header("X-Remote-User"), Some("eve"), "{page:#?} {}", site.httpd.log());
        assert_eq!(page.header("X-Remote-Firstname"), Some("Eve  X-Admin: yes"), "{page:#?}");
        assert_eq!((page.header("X-Admin"), page.header("X-Photo")), (None, None), "{page:#?}");
    });
}

#[test]
fn what_the_directory_holds_cannot_become_a_header_of_its_own() {
    let encoded = "    RequestHeader set X-Encoded \"expr=%{base64:%{reqenv:X_REMOTE_LASTNAME}}\"\n    \
                   RequestHeader set X-Escaped \"expr=%{escape:%{reqenv:X_REMOTE_LASTNAME}}\"";
    everywhere(&looked_up(encoded), |site| {
        let users = USERS.replace("\"Archer\"", r#""M\u00fcller\r\nX-Admin: yes""#);
        write_private(&site.daemon.path("users.toml"), &users);
        until_true("the new name", || {
            site.daemon.lookup("alice").json.to_string().contains("Admin")
        });
        let page = site.alice();
        assert_eq!(page.header("X-Remote-Lastname"), Some("Müller  X-Admin: yes"), "{page:#?}");
        assert_eq!(page.header("X-Admin"), None);
        assert_eq!(page.header("X-Encoded"), Some("TcO8bGxlciAgWC1BZG1pbjogeWVz"));
        assert_eq!(page.header("X-Escaped"), Some("M%c3%bcller%20%20X-Admin:%20yes"));
    });
}
