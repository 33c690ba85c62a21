//! nginx before usher-http, with exactly the configuration that `usherctl snippet` prints.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use tempfile::TempDir;

use crate::support::certificate::{Authority, of_client, of_this_machine};
use crate::support::daemon::{self, Daemon, LOCAL, USERS};
use crate::support::http::{Conversation, basic, head, invalid_credentials};
use crate::support::nginx::Nginx;
use crate::support::process;
use crate::support::programs::{self, installed};
use crate::support::repository;
use crate::support::shim::{HTTP, Shim};
use crate::support::slapd::free_port;

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

/// What somebody could send to be taken for somebody else: each name in every mixture of the signs
/// that applications take for one another, and in any case.
pub(crate) fn forgeries() -> Vec<String> {
    let spellings = TELLING.iter().flat_map(|name| mixtures(name, &["-", "_", "."]));
    let cases = spellings.flat_map(|name| [name.to_lowercase(), name.to_uppercase(), name]);
    let lines = |name: String| ["root", "", "root"].map(|value| format!("{name}: {value}"));
    cases.flat_map(lines).collect()
}

/// With every other sign that a name may have; some servers make an underscore of each.
pub(crate) fn odd_forgeries() -> Vec<String> {
    let signs = ["!", "#", "$", "%", "&", "'", "*", "+", "^", "`", "|", "~"];
    let names = TELLING.iter().flat_map(|name| {
        let odd = signs.iter().flat_map(|sign| mixtures(name, &["-", sign]));
        odd.filter(move |spelling| spelling != name).collect::<Vec<_>>()
    });
    names.map(|name| format!("{name}: root")).collect()
}

/// The name with each of the signs in each place of its hyphens.
fn mixtures(name: &str, signs: &[&str]) -> Vec<String> {
    let mut words = name.split('-');
    let mut all = vec![words.next().unwrap_or_default().to_owned()];
    for word in words {
        let longer = |start: &String| {
            signs.iter().map(|sign| format!("{start}{sign}{word}")).collect::<Vec<_>>()
        };
        all = all.iter().flat_map(longer).collect();
    }
    all
}

#[test]
fn no_spelling_of_a_forged_header_reaches_the_application() {
    // As whoever runs other sites beside this one may have set for all of them.
    let for_all = "underscores_in_headers on; ignore_invalid_headers off;";
    for site in [printed(), site(for_all, |text| text)] {
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
        for some in odd_forgeries().chunks(24) {
            let some: Vec<&str> = some.iter().map(String::as_str).collect();
            let page = server.ask("GET /", &[&[alice().as_str()], &some[..]].concat());
            assert_eq!(page.reached(&TELLING), honest.reached(&TELLING), "{some:?}");
        }
    }
}

/// A server for other names at the same address, with rules of its own for those of headers.
pub(crate) fn careless(text: &str, listens: &str) -> String {
    let (listen, _) = text.split_once(" default_server;").expect("where it listens");
    let (_, listen) = listen.rsplit_once("listen ").expect("where it listens");
    let rules = "underscores_in_headers on; ignore_invalid_headers off;";
    format!("server {{ listen {listen}{listens}; server_name other; {rules} return 404; }}\n{text}")
}

/// nginx judges what comes before `Host` before it knows which server it is for.
#[test]
fn another_server_of_the_address_does_not_decide_which_names_pass() {
    let site = site("", |text| careless(&text, ""));
    let server = site.nginx.server();
    assert_eq!(server.ask("GET /", &["Host: other"]).status, 404);
    let alice = alice();
    let then = ["Host: test", alice.as_str()];
    let honest = server.ask("GET /", &then);
    for some in [forgeries(), odd_forgeries()].concat().chunks(24) {
        let some: Vec<&str> = some.iter().map(String::as_str).collect();
        let page = server.ask("GET /", &[&some[..], &then].concat());
        assert_eq!(page.reached(&TELLING), honest.reached(&TELLING), "{some:?}");
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
fn wrong_and_malformed_credentials_are_a_401_with_the_challenge_the_reason_and_a_page() {
    let site = printed();
    let challenge = Some("Basic realm=\"Restricted\", charset=\"UTF-8\"");
    let nothing = ("X-Nothing: at all".to_owned(), "no_credentials");
    let invalid = invalid_credentials().into_iter().map(|it| (it, "bad_credentials"));
    for (authorization, reason) in invalid.chain([nothing]) {
        let no = site.nginx.server().ask("GET /", &[&authorization]);
        no.is(401, reason);
        assert_eq!(no.header("www-authenticate"), challenge, "{authorization}");
        assert_eq!(no.header("content-type"), Some("text/html; charset=utf-8"), "{no:#?}");
        assert!(no.body.contains("<h1>Please log in</h1>"), "{no:#?}");
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

const LARGE: usize = 100 << 20;

/// Sends a large body in pieces, each between these.
fn send_large(conversation: &mut Conversation, before: &str, after: &str) {
    let piece = [before.as_bytes(), &vec![b'x'; 1 << 20], after.as_bytes()].concat();
    for _ in 0..LARGE >> 20 {
        conversation.send(&piece);
    }
}

#[test]
fn large_bodies_reach_the_application_whole() {
    let site = site("client_max_body_size 0;", |text| text);
    let length = format!("Content-Length: {LARGE}");
    let mut put = site.nginx.server().connect();
    put.send(head("PUT /big", &[&alice(), &length]).as_bytes());
    send_large(&mut put, "", "");
    let page = put.response(false);
    assert!(page.body.ends_with(&format!("\n{LARGE} bytes\n")), "{page:#?}");
    // As git pushes.
    let mut push = site.nginx.server().connect();
    push.send(head("POST /big", &[&alice(), "Transfer-Encoding: chunked"]).as_bytes());
    send_large(&mut push, "100000\r\n", "\r\n");
    push.send(b"0\r\n\r\n");
    let page = push.response(false);
    assert!(page.body.ends_with(&format!("\n{LARGE} bytes\n")), "{page:#?}");
    // Who is refused is so before the body is sent.
    let mut put = site.nginx.server().connect();
    put.send(head("PUT /big", &[&basic("alice", "wrong"), &length]).as_bytes());
    assert_eq!(put.response(false).status, 401);
}

/// Something in the place of usher-http that lets everybody in, and tells all that it was sent.
fn credulous() -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let place = listener.local_addr().expect("bound").to_string();
    let told = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("nginx");
        let (mut told, mut buffer) = (Vec::new(), [0; 4096]);
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            told.extend_from_slice(&buffer[..length]);
            if told.ends_with(b"\r\n\r\n") {
                let yes = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
                stream.write_all(yes).expect("nginx");
            }
        }
        String::from_utf8(told).expect("heads")
    });
    (place, told)
}

#[test]
fn the_shim_is_sent_the_head_of_a_request_and_nothing_of_its_body() {
    let ((shim, told), application) = (credulous(), Shim::echo());
    let (port, url) = (free_port(), application.url());
    let listen = format!("127.0.0.1:{port}");
    let arguments = ["snippet", "nginx", "--listen", &listen, "--upstream", &url, "--shim", &shim];
    let text = programs::run("usherctl", &arguments).success().stdout;
    let nginx = Nginx::start(port, "", &text);
    for (framing, body) in [
        ("Content-Length: 11", "body-secret"),
        ("Transfer-Encoding: chunked", "b\r\nbody-secret\r\n0\r\n\r\n"),
    ] {
        let mut put = nginx.server().connect();
        put.send(head("PUT /big", &[&alice(), framing]).as_bytes());
        put.send(body.as_bytes());
        assert!(put.response(false).body.ends_with("\n11 bytes\n"));
    }
    drop(nginx);
    let told = told.join().expect("what it got").to_lowercase();
    assert_eq!(told.matches(" /auth http/1.1\r\n").count(), 2, "{told}");
    for unwanted in ["body-secret", "content-length", "transfer-encoding"] {
        assert!(!told.contains(unwanted), "{unwanted} in {told}");
    }
}

#[test]
fn a_restart_of_the_daemon_under_load_loses_no_page() {
    let Site { mut daemon, shim, application: _application, nginx } = printed();
    let restarted = AtomicBool::new(false);
    thread::scope(|scope| {
        let browser = || {
            let (mut browser, mut asked) = (nginx.server().connect(), 0);
            while !restarted.load(Ordering::Acquire) || asked < 10 {
                browser.send(head("GET /", &[&alice()]).as_bytes());
                let page = browser.response(false);
                assert_eq!(page.status, 200, "{page:#?} {} {}", nginx.log(), shim.log());
                asked += 1;
            }
        };
        let browsers: Vec<_> = (0..8).map(|_| scope.spawn(browser)).collect();
        assert_eq!(nginx.server().ask("GET /", &[&alice()]).status, 200);
        for _ in 0..2 {
            daemon = Daemon::start_in(daemon.crash(), |command| command);
        }
        restarted.store(true, Ordering::Release);
        for browser in browsers {
            browser.join().expect("every page was shown");
        }
    });
}

/// What the application is told of zoë, whose names are all beyond ASCII: first and last name, user.
fn told_of_zoe(encoding: &str) -> Vec<String> {
    let folder = daemon::folder(&format!("{LOCAL}{HTTP}header_encoding = {encoding}\n"));
    let hash = USERS.lines().find(|line| line.starts_with("password = ")).expect("a hash");
    let zoe = "first_name = \"Zoë\"\nlast_name = \"Łuk\"\n";
    let users = format!("[user.\"zoë\"]\n{hash}\n{zoe}");
    daemon::write_private(&folder.path().join("users.toml"), &users);
    let daemon = Daemon::start_in(folder, |command| command);
    let (shim, application) = (Shim::start(&daemon), Shim::echo());
    let nginx = Nginx::of_snippet(&shim, &application.url(), &[], "", |text| text);
    let page = nginx.server().ask("GET /", &[&basic("zoë", "alice-secret")]);
    assert_eq!(page.status, 200, "{encoding}: {page:#?}");
    let told = page.reached(&["X-Remote-User", "X-Remote-Firstname", "X-Remote-Lastname"]);
    let values = told.iter().filter_map(|line| line.split_once(": "));
    values.map(|(_, value)| value.to_owned()).collect()
}

#[test]
fn each_encoding_of_a_header_reaches_the_application() {
    let both = |word: &str| {
        format!("{{ X_REMOTE_FIRSTNAME = \"{word}\", X_REMOTE_LASTNAME = \"{word}\" }}")
    };
    for (encoding, expected) in [
        ("\"utf-8\"", ["Zoë", "Łuk", "zoë"]),
        ("\"percent\"", ["Zo%C3%AB", "%C5%81uk", "zo%C3%AB"]),
        ("\"base64\"", ["Wm/Dqw==", "xYF1aw==", "em/Dqw=="]),
        ("\"rfc2047\"", ["=?UTF-8?B?Wm/Dqw==?=", "=?UTF-8?B?xYF1aw==?=", "=?UTF-8?B?em/Dqw==?="]),
        (&both("ascii"), ["Zoe", "Luk", "zoë"]),
        // The echo page shows a byte that is no UTF-8 so.
        (&both("iso-8859-1"), ["Zo\u{fffd}", "Luk", "zoë"]),
    ] {
        assert_eq!(told_of_zoe(encoding), expected, "{encoding}");
    }
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
