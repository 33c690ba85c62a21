//! usher-http: what it answers, and what it never believes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nix::sys::signal::Signal;

use crate::support::daemon::{self, Daemon, LISTEN, LOCAL};
use crate::support::http::{Server, basic, head, invalid_credentials};
use crate::support::process;
use crate::support::programs::{self, program};
use crate::support::shim::{HTTP, Shim};
use crate::support::slapd::Slapd;
use crate::support::{until, until_true};

fn start(http: &str) -> (Daemon, Shim) {
    let daemon = Daemon::start(&format!("{LOCAL}{HTTP}{http}"));
    let shim = Shim::start(&daemon);
    (daemon, shim)
}

fn alice() -> String {
    basic("alice", "alice-secret")
}

#[test]
fn a_right_password_is_a_200_without_a_body_and_with_every_header() {
    let (_daemon, shim) = start("");
    let yes = shim.server().ask("GET /auth", &[&alice()]);
    yes.is(200, "none");
    for (name, value) in [
        ("x-remote-user", "alice"),
        ("x-remote-email", "alice@example.com"),
        ("x-remote-firstname", "Alice"),
        ("x-remote-lastname", "Archer"),
        ("x-remote-groups", "dev"),
        ("content-length", "0"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(yes.header(name), Some(value), "{yes:#?}");
    }
    // What is not known of bob is told as empty: it must overwrite what a client sent.
    let bob = shim.server().ask("GET /auth", &[&basic("bob", "bob-secret")]);
    let told =
        ["x-remote-user", "x-remote-email", "x-remote-lastname"].map(|name| bob.header(name));
    assert_eq!(told, [Some("bob"), Some(""), Some("")], "{bob:#?}");
}

#[test]
fn any_method_and_any_path_below_is_answered_and_no_body_is_read() {
    let (_daemon, shim) = start("");
    let server = shim.server();
    for request in
        ["HEAD /auth", "POST /auth", "PROPFIND /auth", "GET /auth/any/path?x=1", "X /auth/"]
    {
        server.ask(request, &[&alice()]).is(200, "none");
    }
    let mut conversation = server.connect();
    let length = format!("Content-Length: {}", 100 << 20);
    conversation.send(head("PUT /auth", &[&alice(), &length]).as_bytes());
    conversation.response(false).is(200, "none");
    server.ask("GET /authenticate", &[&alice()]).is(404, "none");
    server.ask("GET /", &[&alice()]).is(404, "none");
}

#[test]
fn no_and_cannot_tell_are_different_answers() {
    let (mut daemon, shim) = start("challenge = \"Corp \u{27}staff\u{27}\"\n");
    let server = shim.server();
    let challenge = "Basic realm=\"Corp 'staff'\", charset=\"UTF-8\"";
    for (headers, reason) in [
        (vec![], "no_credentials"),
        (vec![basic("alice", "wrong")], "bad_credentials"),
        (vec![basic("mallory", "wrong")], "bad_credentials"),
    ] {
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        let no = server.ask("GET /auth", &headers);
        no.is(401, reason);
        assert_eq!((no.header("www-authenticate"), no.body.as_str()), (Some(challenge), ""));
    }
    server.ask("GET /auth?require=group%3Dops", &[&alice()]).is(403, "rule");
    server.ask("GET /auth?realm=nowhere", &[&alice()]).is(400, "unknown_realm");
    daemon.stop();
    let no = server.ask("GET /auth", &[&alice()]);
    no.is(503, "no_host");
    assert_eq!((no.header("www-authenticate"), no.header("x-remote-user")), (None, None));
}

#[test]
fn credentials_that_make_no_sense_are_a_401_like_any_other() {
    let (_daemon, shim) = start("");
    let server = shim.server();
    for authorization in invalid_credentials() {
        server.ask("GET /auth", &[&authorization]).is(401, "bad_credentials");
    }
    server.ask("GET /auth", &[&alice(), &alice()]).is(401, "bad_credentials");
    server.ask("GET /auth", &[&basic(&"x".repeat(8_000), "p")]).is(401, "bad_credentials");
    assert_eq!(server.ask("GET /auth", &[&basic(&"x".repeat(20_000), "p")]).status, 431);
    // As many headers as the manual says, whatever the library's own limit is.
    let of_headers = |count| vec!["X-Y: z"; count];
    assert_eq!(server.ask("GET /auth", &of_headers(90)).status, 401);
    assert_eq!(server.ask("GET /auth", &of_headers(101)).status, 431);
    server.ask("GET /auth", &[&alice()]).is(200, "none");
}

#[test]
fn realm_and_rules_come_from_headers_or_the_query_and_never_weaken() {
    let realms =
        format!("default_realm = \"home\"\n{LOCAL}{}{HTTP}", LOCAL.replace("home", "away"));
    let daemon = Daemon::start(&format!("{realms}\n[realm.away.rules]\nrequire = \"group=ops\"\n"));
    let shim = Shim::start(&daemon);
    let status = |request: &str, headers: &[&str]| {
        let auth = alice();
        shim.server().ask(request, &[&[auth.as_str()], headers].concat()).status
    };
    assert_eq!(status("GET /auth", &[]), 200);
    assert_eq!(status("GET /auth", &["X-Usher-Realm: away"]), 403);
    assert_eq!(status("GET /auth?realm=away", &[]), 403);
    assert_eq!(status("GET /auth?realm=home", &["X-Usher-Realm: home"]), 200);
    // Which of them a client wrote cannot be seen.
    assert_eq!(status("GET /auth?realm=home", &["X-Usher-Realm: away"]), 400);
    assert_eq!(status("GET /auth", &["X-Usher-Require: group=dev"]), 200);
    assert_eq!(
        status("GET /auth", &["X-Usher-Require: group=dev", "X-Usher-Require: group=ops"]),
        403
    );
    assert_eq!(status("GET /auth?require=group%3Dops", &["X-Usher-Require: group=dev"]), 403);
    assert_eq!(status("GET /auth?require=group=nope%7Cdev", &[]), 200);
    assert_eq!(status("GET /auth?require=%zz", &[]), 400);
    assert_eq!(status("GET /auth?require=nonsense", &[]), 400);
    // Envoy puts its client's whole request below the path.
    assert_eq!(status("GET /auth/wiki?realm=away&require=group=ops", &[]), 200);
}

#[test]
fn who_somebody_is_never_comes_from_the_request() {
    let (_daemon, shim) = start("trusted_user_header = \"X-Forwarded-User\"\n");
    let forged = ["X-Remote-User: root", "X-Remote-Groups: ops", "X-Forwarded-User: bob"];
    let auth = alice();
    let headers = [&[auth.as_str()], &forged[..]].concat();
    let yes = shim.server().ask("GET /auth", &headers);
    assert_eq!(yes.header("x-remote-user"), Some("alice"));
    shim.server().ask("GET /auth", &forged).is(401, "no_credentials");
}

#[test]
fn lookup_believes_the_one_header_that_is_configured() {
    let (_daemon, shim) = start("trusted_user_header = \"X-Client-CN\"\n");
    let ask = |headers: &[&str]| shim.server().ask("GET /lookup?require=group=dev", headers);
    let found = ask(&["X-Client-CN: alice"]);
    found.is(200, "none");
    assert_eq!(found.header("x-remote-email"), Some("alice@example.com"));
    ask(&["X-Client-CN: bob"]).is(403, "rule");
    ask(&["X-Client-CN: nobody"]).is(404, "no_such_user");
    ask(&["X-Forwarded-User: alice"]).is(403, "no_credentials");
    ask(&["X-Client-CN: alice", "X-Client-CN: alice"]).is(403, "no_credentials");
    ask(&[&alice()]).is(403, "no_credentials");
    // Without the key nobody is believed.
    let (_daemon, shim) = start("");
    shim.server().ask("GET /lookup", &["X-Forwarded-User: alice"]).is(403, "no_credentials");
}

#[test]
fn people_are_told_and_nginx_is_not() {
    let (_daemon, shim) = start("");
    let page = shim.server().ask("GET /auth", &["Accept: text/html,*/*"]);
    page.is(401, "no_credentials");
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.body.contains("<h1>Please log in</h1>"), "{page:#?}");
    let head = shim.server().ask("HEAD /auth", &["Accept: text/html"]);
    assert_eq!((head.status, head.body.as_str()), (401, ""));
}

#[test]
fn a_connection_serves_many_requests_also_after_refusals() {
    let (_daemon, shim) = start("");
    let mut conversation = shim.server().connect();
    for round in 0..20 {
        let password = if round % 2 == 0 { "alice-secret" } else { "wrong" };
        conversation.send(head("GET /auth", &[&basic("alice", password)]).as_bytes());
        assert_eq!(conversation.response(false).status, if round % 2 == 0 { 200 } else { 401 });
    }
    // Pipelined.
    conversation.send(head("GET /auth", &[&alice()]).repeat(3).as_bytes());
    for _ in 0..3 {
        conversation.response(false).is(200, "none");
    }
}

#[test]
fn headers_are_encoded_as_configured() {
    let encodings =
        "header_encoding = { X_REMOTE_EMAIL = \"percent\", X_REMOTE_LASTNAME = \"base64\" }\n";
    let (_daemon, shim) = start(encodings);
    let yes = shim.server().ask("GET /auth", &[&alice()]);
    assert_eq!(yes.header("x-remote-email"), Some("alice%40example.com"));
    assert_eq!(yes.header("x-remote-lastname"), Some("QXJjaGVy"));
    assert_eq!(yes.header("x-remote-user"), Some("alice"));
}

#[test]
fn a_head_fits_into_nginxs_buffer_whatever_the_directory_says() {
    let (daemon, shim) = start("");
    let groups: String = (0..500).map(|n| format!("\"group-number-{n}\",")).collect();
    let users = daemon::USERS.replace("groups = [\"dev\"]", &format!("groups = [{groups}]"));
    daemon::write_private(&daemon.path("users.toml"), &users);
    let yes = until("the new groups", || {
        let yes = shim.server().ask("GET /auth", &[&alice()]);
        yes.header("x-usher-omitted").is_some().then_some(yes)
    });
    assert_eq!(yes.header("x-usher-omitted"), Some("x-remote-groups"));
    assert_eq!(yes.header("x-remote-groups"), Some(""));
    assert_eq!(yes.header("x-remote-email"), Some("alice@example.com"));
    assert!(yes.head_length < 4096);
    // The rules see all of them.
    shim.server().ask("GET /auth?require=group=group-number-499", &[&alice()]).is(200, "none");
}

#[test]
fn health_readiness_and_metrics_are_told() {
    let slapd = Slapd::start();
    let daemon =
        Daemon::start(&format!("default_realm = \"corp\"\n{}{LOCAL}{HTTP}", slapd.realm()));
    let shim = Shim::start(&daemon);
    let server = shim.server();
    until_true("the directory", || server.ask("GET /readyz", &[]).status == 200);
    assert_eq!(server.ask("GET /readyz", &[]).body, "corp: ready\nhome: ready\n");
    assert_eq!(server.ask("GET /healthz", &[]).status, 200);
    server.ask("GET /auth", &[]).is(401, "no_credentials");
    let metrics = server.ask("GET /metrics", &[]).body;
    let line = "usher_http_answers_total{endpoint=\"auth\",status=\"401\"} 1\n";
    assert!(metrics.contains(line), "{metrics}");
    let mut slapd = slapd;
    slapd.stop();
    let not_ready = server.ask("GET /readyz", &[]);
    assert_eq!(not_ready.status, 503, "{not_ready:#?}");
    assert!(not_ready.body.ends_with("home: ready\n"), "{not_ready:#?}");
    assert_eq!(server.ask("GET /healthz", &[]).status, 200);
    let mut daemon = daemon;
    daemon.stop();
    assert_eq!(server.ask("GET /healthz", &[]).status, 503);
}

#[test]
fn a_restart_of_the_daemon_loses_no_request() {
    let (mut daemon, shim) = start("");
    let restarted = AtomicBool::new(false);
    thread::scope(|scope| {
        let asker = || {
            let mut conversation = shim.server().connect();
            let mut asked = 0;
            while !restarted.load(Ordering::Acquire) || asked < 10 {
                conversation.send(head("GET /auth", &[&alice()]).as_bytes());
                let answer = conversation.response(false);
                assert_eq!(answer.status, 200, "{}", shim.log());
                asked += 1;
            }
        };
        let askers: Vec<_> = (0..8).map(|_| scope.spawn(asker)).collect();
        shim.server().ask("GET /auth", &[&alice()]).is(200, "none");
        for _ in 0..2 {
            daemon = Daemon::start_in(daemon.crash(), |command| command);
        }
        restarted.store(true, Ordering::Release);
        for asker in askers {
            asker.join().expect("every answer was a yes");
        }
    });
}

#[test]
fn sigterm_answers_what_is_being_asked_and_removes_the_socket() {
    let slapd = Slapd::start();
    let daemon = Daemon::start(&format!("{}{HTTP}", slapd.realm()));
    let mut shim = Shim::start(&daemon);
    let server = shim.server();
    until_true("the directory", || server.ask("GET /readyz", &[]).status == 200);
    let mut idle = server.connect();
    idle.send(head("GET /healthz", &[]).as_bytes());
    assert_eq!(idle.response(false).status, 200);
    slapd.pause();
    let mut waiting = server.connect();
    waiting.send(head("GET /auth", &[&basic("alice", "wonderland")]).as_bytes());
    until_true("the daemon to have been asked", || {
        daemon.status()["realms"][0]["cache"]["misses"].as_u64() > Some(1)
    });
    shim.signal(Signal::SIGTERM);
    assert_eq!(idle.until_closed(), "");
    until_true("the socket to be gone", || !daemon.path("http.sock").exists());
    slapd.resume();
    let answer = waiting.response(false);
    assert!([200, 401].contains(&answer.status), "{answer:#?}");
    assert!(shim.wait().success(), "{}", shim.log());
}

#[test]
fn the_socket_is_as_open_as_the_daemons_and_a_stale_one_is_replaced() {
    let listen = format!("{LISTEN}socket_mode = \"0600\"\n");
    let daemon = Daemon::start(&format!("{LOCAL}{listen}{HTTP}"));
    let mut shim = Shim::start(&daemon);
    let mode = fs::metadata(daemon.path("http.sock")).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut second = Command::new(program("usher-http"));
    let second = process::run(second.arg("--config").arg(daemon.path("usher.toml")), b"");
    assert_eq!(second.code, 1, "{second:?}");
    assert!(second.stderr.contains("another process listens there already"), "{second:?}");
    shim.signal(Signal::SIGKILL);
    shim.wait();
    assert!(daemon.path("http.sock").exists());
    let shim = Shim::start(&daemon);
    shim.server().ask("GET /auth", &[&alice()]).is(200, "none");
}

/// As systemd: binds a socket and becomes usher-http with it.
const SYSTEMD: &str = r#"
import os, socket, sys
path, *command = sys.argv[1:]
listener = socket.socket(socket.AF_UNIX) if "/" in path else socket.socket()
listener.bind(path if "/" in path else ("127.0.0.1", int(path)))
listener.listen(64)
os.dup2(listener.detach(), 4, inheritable=True)
os.dup2(2, 3, inheritable=True)
os.environ.update(LISTEN_FDS="2", LISTEN_FDNAMES="other:usher-http.socket")
os.environ["LISTEN_PID"] = str(os.getpid())
os.execvp(command[0], command)
"#;

#[test]
fn a_socket_that_systemd_passes_is_used_by_its_name_and_left_alone() {
    let daemon = Daemon::start(&format!("{LOCAL}{HTTP}"));
    let path = daemon.path("systemd.sock");
    for address in [path.to_str().expect("UTF-8"), "0"] {
        let mut python = Command::new(programs::installed("python3", "python3"));
        python.args(["-c", SYSTEMD, address]).arg(program("usher-http"));
        python.arg("--config").arg(daemon.path("usher.toml"));
        let mut shim = Shim::run(python, &daemon.path("http.log"), None);
        shim.server().ask("GET /auth", &[&alice()]).is(200, "none");
        assert!(shim.stop().success(), "{}", shim.log());
    }
    assert!(path.exists() && !daemon.path("http.sock").exists());
}

/// Starts usher-http with a socket of systemd's, which it must refuse.
fn refuses(systemd: &str, address: &str, configuration: &str) -> String {
    let daemon = Daemon::start(configuration);
    let mut python = Command::new(programs::installed("python3", "python3"));
    let place = address.replace("@DIR@", &daemon.folder().to_string_lossy());
    python.args(["-c", systemd, &place]).arg(program("usher-http"));
    let refused = process::run(python.arg("--config").arg(daemon.path("usher.toml")), b"");
    assert_eq!(refused.code, 1, "{refused:?}");
    refused.stderr
}

#[test]
fn a_users_name_is_taken_over_no_socket_that_is_open_to_everybody() {
    let trusting = format!("{LOCAL}{HTTP}trusted_user_header = \"X-Forwarded-User\"\n");
    let wide = refuses(&SYSTEMD.replace("127.0.0.1", "0.0.0.0"), "0", &trusting);
    assert!(wide.contains("trusted_user_header: whoever can connect to a port"), "{wide}");
    let careless = SYSTEMD.replace("listener.bind", "os.umask(0); listener.bind");
    let wide = refuses(&careless, "@DIR@/systemd.sock", &trusting);
    assert!(wide.contains("trusted_user_header: the mode of the socket"), "{wide}");
    let key = "trusted_user_header = \"X-Forwarded-User\"\n";
    let open = format!("{LOCAL}{LISTEN}socket_mode = \"0666\"\n{HTTP}{key}");
    let folder = daemon::folder(&open);
    let file = folder.path().join("usher.toml");
    let refused = programs::run("usher-http", &["--config", &file.to_string_lossy()]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.stderr.contains("the mode of the socket lets everybody"), "{refused:?}");
}

/// In a network of its own: usher-http with a port that all of it reaches, passed as systemd does,
/// and clients at three addresses.
const NETWORK: &str = r#"
import os, signal, socket, subprocess, sys
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
for host in ("192.0.2.1", "192.0.2.2"):
    subprocess.run(["ip", "address", "add", host + "/32", "dev", "lo"], check=True)
listener = socket.socket()
listener.bind(("0.0.0.0", 0))
listener.listen(64)
port = listener.getsockname()[1]
child = os.fork()
if child == 0:
    os.dup2(listener.fileno(), 9)
    os.dup2(9, 3)
    os.environ.update(LISTEN_FDS="1", LISTEN_FDNAMES="usher-http.socket", LISTEN_PID=str(os.getpid()))
    os.execvp(sys.argv[1], sys.argv[1:])
listener.close()
authorization = "Basic YWxpY2U6YWxpY2Utc2VjcmV0"
for host in ("127.0.0.1", "192.0.2.1", "192.0.2.2"):
    for path in ("/auth", "/lookup"):
        with socket.create_connection((host, port), timeout=30, source_address=(host, 0)) as client:
            head = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-User: alice\r\n"
            try:
                client.sendall((head + f"Authorization: {authorization}\r\n\r\n").encode())
                answer = client.recv(4096).decode()
            except ConnectionError:
                answer = ""
        print(host, path, answer.split(" ")[1] if answer else "closed")
os.kill(child, signal.SIGTERM)
os.waitpid(child, 0)
"#;

#[test]
fn who_is_no_peer_is_not_served_and_who_is_not_listed_is_not_believed() {
    let trusting = "trusted_user_header = \"X-User\"\npeers = [\"192.0.2.1\"]\n";
    let daemon = Daemon::start(&format!("{LOCAL}{HTTP}{trusting}"));
    let mut unshare = Command::new(programs::installed("unshare", "util-linux"));
    programs::installed("ip", "iproute2");
    unshare.args(["--map-root-user", "--net", "python3", "-c", NETWORK]);
    unshare.arg(program("usher-http")).arg("--config").arg(daemon.path("usher.toml"));
    let told = process::run(&mut unshare, b"").success().stdout;
    let expected = "127.0.0.1 /auth 200\n127.0.0.1 /lookup 403\n\
                    192.0.2.1 /auth 200\n192.0.2.1 /lookup 200\n\
                    192.0.2.2 /auth closed\n192.0.2.2 /lookup closed\n";
    assert_eq!(told, expected);
}

#[test]
fn what_is_configured_for_both_programs_is_understood_by_both() {
    let everything = "challenge = \"Staff\"\ntrusted_user_header = \"X-Forwarded-User\"\n\
        peers = [\"172.17.0.0/16\"]\n[http.header_encoding]\nX_REMOTE_FIRSTNAME = \"ascii\"\n";
    let folder = daemon::folder(&format!("{LOCAL}{HTTP}{everything}"));
    let file = folder.path().join("usher.toml");
    for name in ["usherd", "usher-http"] {
        programs::run(name, &["--config", &file.to_string_lossy(), "--check"]).success();
    }
    let wrong = daemon::folder(&format!("{LOCAL}[http]\nlisten = \"0.0.0.0:9180\"\n"));
    let file = wrong.path().join("usher.toml");
    let refused = programs::run("usher-http", &["--config", &file.to_string_lossy(), "--check"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.stderr.contains("usher.toml:5:10: listen: not an address of this machine"));
}

#[test]
fn a_port_of_this_machine_works_as_a_socket_does() {
    let daemon = Daemon::start(&format!("{LOCAL}[http]\nlisten = \"127.0.0.1:0\"\n"));
    let shim = Shim::start(&daemon);
    assert!(matches!(shim.server(), Server::Tcp(_)), "{}", shim.place());
    shim.server().ask("GET /auth", &[&alice()]).is(200, "none");
}
