//! nginx before usher-http, with exactly the configuration that `usherctl snippet` prints.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use crate::support::certificate::{Authority, of_client, of_this_machine};
use crate::support::daemon::{Daemon, LOCAL};
use crate::support::http::{basic, basic_bytes, head};
use crate::support::nginx::Nginx;
use crate::support::process;
use crate::support::programs::installed;
use crate::support::repository;
use crate::support::shim::{HTTP, Shim};

/// Every header by which the application could be told who somebody is.
pub(crate) const TELLING: [&str; 7] = [
    "X-Remote-User",
    "X-Remote-Email",
    "X-Remote-Firstname",
    "X-Remote-Lastname",
    "X-Remote-Groups",
    "X-Forwarded-User",
    "Remote-User",
];

struct Site {
    daemon: Daemon,
    shim: Shim,
    application: Shim,
    nginx: Nginx,
}

fn site(http: &str, adapt: impl FnOnce(String) -> String) -> Site {
    let daemon =
        Daemon::start(&format!("{LOCAL}{HTTP}trusted_user_header = \"X-Forwarded-User\"\n"));
    let shim = Shim::start(&daemon);
    let application = Shim::echo();
    let nginx = Nginx::of_snippet(&shim, &application.url(), &["--realm", "home"], http, adapt);
    Site { daemon, shim, application, nginx }
}

fn printed() -> Site {
    site("", |text| text)
}

fn alice() -> String {
    basic("alice", "alice-secret")
}

#[test]
fn the_application_is_told_who_the_user_is_and_not_the_password() {
    let site = printed();
    let server = site.nginx.server();
    let page = server.ask("GET /wiki?x=1", &[&alice()]);
    assert_eq!(page.status, 200, "{page:#?} {}", site.nginx.log());
    assert!(page.body.contains("\nGET /wiki?x=1\n"), "{page:#?}");
    assert_eq!(
        page.reached(&TELLING),
        [
            "x-remote-email: alice@example.com",
            "x-remote-firstname: Alice",
            "x-remote-groups: dev",
            "x-remote-lastname: Archer",
            "x-remote-user: alice",
        ]
    );
    assert!(page.reached(&["Authorization"]).is_empty(), "{page:#?}");
    let page = server.ask("GET /", &[&basic("bob", "bob-secret")]);
    assert_eq!(page.reached(&TELLING), ["x-remote-groups: ops", "x-remote-user: bob"]);
    assert!(site.application.log().lines().count() == 1, "{}", site.application.log());
}

/// What somebody could send to be taken for somebody else.
pub(crate) fn forgeries() -> Vec<String> {
    let mut forged = Vec::new();
    for name in TELLING {
        for spelling in [
            name.to_owned(),
            name.to_lowercase(),
            name.to_uppercase(),
            name.replace('-', "_"),
            name.to_uppercase().replace('-', "_"),
            name.replacen('-', "_", 1),
            name.replace('-', "."),
            name.replacen('-', ".", 1),
        ] {
            forged.push(format!("{spelling}: root"));
            forged.push(format!("{spelling}: "));
            forged.push(format!("{spelling}: root"));
        }
    }
    forged
}

#[test]
fn no_spelling_of_a_forged_header_reaches_the_application() {
    // As whoever runs other sites beside this one may have set for all of them.
    let careless = "underscores_in_headers on; ignore_invalid_headers off;";
    for site in [printed(), site(careless, |text| text)] {
        let server = site.nginx.server();
        let honest = server.ask("GET /", &[&alice()]);
        let bob = basic("bob", "bob-secret");
        for some in forgeries().chunks(24) {
            let some: Vec<&str> = some.iter().map(String::as_str).collect();
            let page = server.ask("GET /", &[&[alice().as_str()], &some[..]].concat());
            assert_eq!(page.reached(&TELLING), honest.reached(&TELLING), "{some:?}");
            // What is not known of bob stays unknown.
            let page = server.ask("GET /", &[&[bob.as_str()], &some[..]].concat());
            assert_eq!(page.reached(&TELLING), ["x-remote-groups: ops", "x-remote-user: bob"]);
            assert_eq!(server.ask("GET /", &some).status, 401, "{some:?}");
        }
    }
}

#[test]
fn a_client_cannot_choose_its_realm_or_rules_nor_ask_the_shim_itself() {
    let site = site("", |text| text.replace("$usher_require \"\"", "$usher_require \"group=dev\""));
    let server = site.nginx.server();
    let headers = ["X-Usher-Realm: nowhere", "X-Usher-Require: group=nope"];
    let auth = alice();
    let ask = |path: &str| server.ask(path, &[&[auth.as_str()], &headers[..]].concat()).status;
    assert_eq!(ask("GET /?realm=nowhere&require=group=nope"), 200);
    assert_eq!(ask("GET /usher_http"), 404);
    assert_eq!(ask("GET /usher_http/lookup"), 200, "that is the application's");
    let denied = server.ask("GET /", &[&basic("bob", "bob-secret")]);
    denied.is(403, "rule");
    assert!(denied.body.contains("You may not see this page"), "{denied:#?}");
}

#[test]
fn wrong_and_malformed_credentials_are_a_401_with_the_challenge() {
    let site = printed();
    let challenge = Some("Basic realm=\"Restricted\", charset=\"UTF-8\"");
    let long = "x".repeat(5_000);
    for authorization in [
        basic("alice", "wrong"),
        basic("mallory", "alice-secret"),
        basic("alice", ""),
        basic("", "alice-secret"),
        basic(&long, "p"),
        basic_bytes(b"alice\xff:\xfe"),
        basic_bytes(b"alice"),
        "Authorization: Basic ???".to_owned(),
        "Authorization: Bearer x".to_owned(),
        "X-Nothing: at all".to_owned(),
    ] {
        let no = site.nginx.server().ask("GET /", &[&authorization]);
        assert_eq!((no.status, no.header("www-authenticate")), (401, challenge), "{authorization}");
    }
}

#[test]
fn when_nobody_can_tell_it_is_a_503_that_says_so_and_never_a_401() {
    let Site { mut daemon, mut shim, nginx, application: _application } = printed();
    let ask = |authorization: &str| nginx.server().ask("GET /", &[authorization]);
    daemon.stop();
    for authorization in [alice(), basic("alice", "wrong")] {
        let trouble = ask(&authorization);
        trouble.is(503, "no_host");
        assert_eq!(trouble.header("retry-after"), Some("10"));
        assert_eq!(trouble.header("www-authenticate"), None);
        assert!(trouble.body.contains("This is not about your password"), "{trouble:#?}");
    }
    shim.stop();
    let trouble = ask(&alice());
    trouble.is(503, "none");
    assert!(trouble.body.contains("This is not about your password"), "{trouble:#?}");
}

#[test]
fn whoever_failed_too_often_is_told_to_wait() {
    let shield = "[realm.home.shield]\nfailures = 2\nblock = \"10m\"\n";
    let daemon = Daemon::start(&format!("{LOCAL}{HTTP}{shield}"));
    let (shim, application) = (Shim::start(&daemon), Shim::echo());
    let nginx = Nginx::of_snippet(&shim, &application.url(), &[], "", |text| text);
    let ask = |password: &str| nginx.server().ask("GET /", &[&basic("alice", password)]);
    assert_eq!([ask("one").status, ask("two").status], [401, 401]);
    for password in ["three", "alice-secret"] {
        let no = ask(password);
        no.is(429, "throttled");
        let seconds = no.header("retry-after").and_then(|seconds| seconds.parse::<u32>().ok());
        assert!(seconds.is_some_and(|seconds| (1..=600).contains(&seconds)), "{no:#?}");
        assert!(no.body.contains("<h1>Too many attempts</h1>"), "{no:#?}");
        assert_eq!(
            (no.header("cache-control"), no.header("www-authenticate")),
            (Some("no-store"), None)
        );
    }
    assert_eq!(nginx.server().ask("GET /", &[&basic("bob", "bob-secret")]).status, 200);
}

#[test]
fn nginx_keeps_its_connections_to_the_shim_over_yes_and_no() {
    let site = printed();
    // One at a time, so that one connection is enough.
    let mut browser = site.nginx.server().connect();
    for round in 0..50 {
        let password = if round % 2 == 0 { "alice-secret" } else { "wrong" };
        browser.send(head("GET /", &[&basic("alice", password)]).as_bytes());
        assert_eq!(browser.response(false).status, if round % 2 == 0 { 200 } else { 401 });
    }
    let metrics = site.shim.server().ask("GET /metrics", &[]).body;
    assert!(metrics.contains("usher_http_connections_total 2\n"), "{metrics}");
}

#[test]
fn large_bodies_reach_the_application_and_not_the_shim() {
    const LENGTH: usize = 100 << 20;
    let site = site("client_max_body_size 0;", |text| text);
    let length = format!("Content-Length: {LENGTH}");
    let mut put = site.nginx.server().connect();
    put.send(head("PUT /big", &[&alice(), &length]).as_bytes());
    let chunk = vec![b'x'; 1 << 20];
    for _ in 0..LENGTH / chunk.len() {
        put.send(&chunk);
    }
    let page = put.response(false);
    assert!(page.body.ends_with(&format!("\n{LENGTH} bytes\n")), "{page:#?}");
    // Who is refused is so before the body is sent.
    let mut put = site.nginx.server().connect();
    put.send(head("PUT /big", &[&basic("alice", "wrong"), &length]).as_bytes());
    assert_eq!(put.response(false).status, 401);
}

#[test]
fn locations_have_realms_and_rules_of_their_own_and_may_be_open() {
    let daemon = Daemon::start(&format!(
        "default_realm = \"home\"\n{LOCAL}{}\n[realm.away.rules]\nrequire = \"group=ops\"\n{HTTP}",
        LOCAL.replace("home", "away"),
    ));
    let shim = Shim::start(&daemon);
    let application = Shim::echo();
    let url = application.url();
    let more = format!(
        "location /ops/ {{\n set $usher_realm away;\n set $usher_require \"\";\n proxy_pass {url};\n }}\n\
         location /dev/ {{\n set $usher_realm \"\";\n set $usher_require group=dev;\n proxy_pass {url};\n }}\n\
         location /open/ {{\n auth_request off;\n proxy_pass {url};\n }}\n\
         location /static/ {{\n root {};\n }}\n    location / {{",
        daemon.folder().display(),
    );
    let nginx = Nginx::of_snippet(&shim, &url, &[], "", |text| text.replace("location / {", &more));
    fs::create_dir(daemon.path("static")).expect("a folder");
    fs::write(daemon.path("static/logo.txt"), "static").expect("a file");
    let bob = basic("bob", "bob-secret");
    for (path, by_alice, by_bob, by_nobody) in [
        ("/", 200, 200, 401),
        ("/ops/", 403, 200, 401),
        ("/dev/", 200, 403, 401),
        ("/open/", 200, 200, 200),
        ("/static/logo.txt", 200, 200, 401),
    ] {
        let ask = |headers: &[&str]| nginx.server().ask(&format!("GET {path}"), headers);
        let asked = [ask(&[&alice()]).status, ask(&[&bob]).status, ask(&[]).status];
        assert_eq!(asked, [by_alice, by_bob, by_nobody], "{path}");
    }
    let open = nginx.server().ask("GET /open/", &["X-Remote-User: root"]);
    assert!(open.reached(&TELLING).is_empty(), "{open:#?}");
    assert_eq!(nginx.server().ask("GET /static/logo.txt", &[&alice()]).body, "static");
}

/// The example of usher-http(8): nginx has authenticated the user by a certificate.
#[test]
fn whom_nginx_knows_by_a_certificate_is_looked_up() {
    let page = fs::read_to_string(repository().join("man/usher-http.8")).expect("the page");
    let (_, example) = page.split_once("map $ssl_client_s_dn").expect("the example");
    let (map, _) = example.split_once("\n}\n").expect("the end of the map");
    let map = format!("map $ssl_client_s_dn{}\n}}", map.replace("\\e", "\\"));
    let (folder, authority) = (TempDir::new().expect("temporary folder"), Authority::new("staff"));
    let write = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).expect("a file");
        folder.path().join(name).to_string_lossy().into_owned()
    };
    let server = authority.signs(&of_this_machine());
    let ssl = format!(
        "ssl_certificate {}; ssl_certificate_key {}; ssl_client_certificate {};\n    \
         ssl_verify_client on;\n",
        write("server.pem", &server.pem),
        write("server.key", &server.key),
        write("staff.pem", &authority.pem()),
    );
    let site = site(&map, |text| {
        let looked_up = "/lookup;\n        proxy_set_header X-Forwarded-User $certified;";
        let text = text.replacen("/auth;", looked_up, 1);
        let (listen, _) = text.split_once(";\n    # Passwords").expect("where it listens");
        text.replacen(listen, &format!("{listen} ssl;\n    {ssl}    #"), 1)
    });
    let url = site.nginx.url().replacen("http:", "https:", 1);
    let ask = |name: &str| {
        let client = authority.signs(&of_client(name));
        let mut curl = Command::new(installed("curl", "curl"));
        curl.args(["-sk", "-H", "X-Forwarded-User: alice", "--cert"]);
        curl.arg(write("client.pem", &client.pem))
            .arg("--key")
            .arg(write("client.key", &client.key));
        process::run(curl.arg(&url), b"").success().stdout
    };
    let alice = ask("alice");
    assert!(alice.contains("x-remote-email: alice@example.com\n"), "{alice}");
    assert!(!alice.contains("x-forwarded-user"), "{alice}");
    assert!(ask("bob").contains("x-remote-user: bob\n"));
    for nobody in ["nobody", "x,CN=alice", "alice x"] {
        let page = ask(nobody);
        assert!(page.contains("<h1>You ") && !page.contains("x-remote"), "{nobody}: {page}");
    }
}
