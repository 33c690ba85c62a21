//! What the application behind httpd, or inside it, is told as the manual sets it up.

use std::fs;

use tempfile::TempDir;

use super::{Site, curl_arguments, example, told, with_unset};
use crate::nginx::forgeries;
use crate::support::httpd::MPMS;

#[test]
fn names_that_a_client_sends_never_reach_the_application() {
    let (example, folder) =
        (example("Passwords and headers for an application behind httpd"), TempDir::new().unwrap());
    let configuration = with_unset(&folder, &example)
        .replace("/run/usher/usher.sock", "@SOCKET@")
        .replace("http://127.0.0.1:5000", "@BACKEND@");
    let site = Site::start("event", &configuration);
    let honest = site.alice();
    assert_eq!(
        told(&honest),
        [
            "x-remote-email: alice@example.com",
            "x-remote-firstname: Alice",
            "x-remote-groups: dev",
            "x-remote-lastname: Archer",
            "x-remote-user: alice",
        ]
    );
    assert_eq!(honest.header("Authorization"), None);
    // Some are harmless, and beside them stands another spelling.
    for forged in forgeries().chunks(8) {
        let forged = curl_arguments(forged);
        let login = ["--user", "alice:alice-secret"];
        let arguments = login.into_iter().chain(forged.iter().map(String::as_str));
        let page = site.httpd.get("/app", &arguments.collect::<Vec<_>>());
        assert_eq!((page.status, told(&page)), (200, told(&honest)), "{forged:?}: {page:#?}");
    }
}

#[test]
fn the_name_alone_is_passed_on_as_the_manual_has_it_and_a_forged_one_is_not_under_every_mpm() {
    let (example, folder) = (example("The name alone: X-Forwarded-User"), TempDir::new().unwrap());
    let example = with_unset(&folder, &example);
    let prelude = "UsherSocket @SOCKET@\nProxyPass /someprefix @BACKEND@\n";
    let is_of_it = |line: &String| line.to_lowercase().contains("forwarded");
    // Whoever authenticates.
    let by_file = "AuthBasicProvider file\n    AuthUserFile @USERS@";
    for mpm in MPMS {
        for (example, known, asked) in [
            (example.clone(), "alice", 7),
            (example.replace("AuthBasicProvider usher", by_file), r"CORP\alice", 0),
        ] {
            let site = Site::start(mpm, &format!("{prelude}{example}"));
            let login = ["--user", r"CORP\alice:alice-secret"];
            let page = site.httpd.get("/someprefix/page", &login);
            assert_eq!((page.status, page.header("X-Forwarded-User")), (200, Some(known)));
            let forged: Vec<String> = forgeries().into_iter().filter(is_of_it).collect();
            for forged in curl_arguments(&forged).chunks(32) {
                let forged = forged.iter().map(String::as_str);
                let arguments = login.into_iter().chain(forged).collect::<Vec<_>>();
                let page = site.httpd.get("/someprefix", &arguments);
                let expected = [format!("x-forwarded-user: {known}")];
                assert_eq!(told(&page), expected, "{mpm}, {arguments:?}: {page:#?}");
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
