//! What the application behind httpd, or inside it, is told as the manual sets it up.

use std::fs;

use super::{Site, example};
use crate::support::httpd::MPMS;

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
fn the_name_alone_is_passed_on_as_the_manual_has_it_and_a_forged_one_is_not_under_every_mpm() {
    let example = example("The name alone: X-Forwarded-User");
    let prelude = "UsherSocket @SOCKET@\nProxyPass /someprefix @BACKEND@\n";
    // Whoever authenticates.
    let by_file = "AuthBasicProvider file\n    AuthUserFile @USERS@";
    for mpm in MPMS {
        for (example, known, asked) in [
            (example.clone(), "alice", 3),
            (example.replace("AuthBasicProvider usher", by_file), r"CORP\alice", 0),
        ] {
            let site = Site::start(mpm, &format!("{prelude}{example}"));
            let login = ["--user", r"CORP\alice:alice-secret"];
            let page = site.httpd.get("/someprefix/page", &login);
            assert_eq!((page.status, page.header("X-Forwarded-User")), (200, Some(known)));
            for name in
                ["X-Forwarded-User", "x-forwarded-user", "X_Forwarded_User", "X.Forwarded-User"]
            {
                let forged = format!("{name}: mallory");
                let page =
                    site.httpd.get("/someprefix", &[&login[..], &["--header", &forged]].concat());
                assert!(!page.body.contains("mallory"), "{mpm}, {name}: {page:#?}");
                let expected = if name.contains(['_', '.']) { None } else { Some(known) };
                assert_eq!(page.header("X-Forwarded-User"), expected, "{mpm}, {name}: {page:#?}");
            }
            let header = ["--header", "X-Forwarded-User: mallory"];
            assert_eq!(site.httpd.get("/someprefix", &header).status, 401, "{mpm}");
            assert_eq!(site.questions(), (asked, 0, 0), "{mpm}");
        }
    }
}

/// An application that says who its user is.
const WSGI: &str = "def application(environ, start_response):
    start_response('200 OK', [])
    return [('%s %s' % (environ['REMOTE_USER'], environ['X_REMOTE_EMAIL'])).encode()]
";

#[test]
fn an_application_inside_httpd_has_it_in_its_environment_under_every_mpm() {
    let example = example("Inside httpd: mod_wsgi").replace("/srv/app", "@DIR@/htdocs");
    // Whoever authenticates; and in httpd's own processes.
    let by_file =
        example.replace("AuthBasicProvider usher", "AuthBasicProvider file\nAuthUserFile @USERS@");
    let embedded = example
        .replace("WSGIDaemonProcess app threads=15\n", "")
        .replace("process-group=app", "process-group=%{GLOBAL}");
    assert_ne!(example, embedded);
    for mpm in MPMS {
        for (example, known) in
            [(&example, "alice"), (&by_file, r"CORP\alice"), (&embedded, "alice")]
        {
            let modules = "LoadModule wsgi_module @MODULES@/mod_wsgi.so\nWSGISocketPrefix @DIR@/w";
            let site = Site::start(mpm, &format!("{modules}\nUsherSocket @SOCKET@\n{example}"));
            fs::write(site.httpd.path("htdocs/app.wsgi"), WSGI).unwrap();
            let page = site.httpd.get_as(r"CORP\alice", "alice-secret", "/app");
            assert_eq!((page.status, page.body), (200, format!("{known} alice@example.com")));
            let forged = ["--user", "alice:alice-secret", "--header", "X-Remote-Email: mallory"];
            assert_eq!(site.httpd.get("/app", &forged).body, "alice alice@example.com");
            assert_eq!(site.httpd.get("/app", &[]).status, 401);
        }
    }
}
