//! `usherctl check-proxy`, through configurations that leak and through those that do not.

use std::fs;
use std::net::TcpStream;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::nginx::careless;
use crate::proxies::site::Site;
use crate::support::certificate::{Authority, of_this_machine};
use crate::support::daemon::{Daemon, LOCAL};
use crate::support::httpd::{self, Httpd};
use crate::support::nginx::Nginx;
use crate::support::process::{self, Output};
use crate::support::programs::{self, program};
use crate::support::shim::{HTTP, Shim};
use crate::support::slapd::free_port;
use crate::support::until_true;

/// What it says of this page, logged in as alice.
pub(crate) fn check(url: &str, more: &[&str]) -> Output {
    let mut usherctl = Command::new(program("usherctl"));
    let arguments = [&["check-proxy", url, "--user", "alice"], more].concat();
    process::run(usherctl.args(arguments), b"alice-secret\n")
}

/// nginx as `usherctl snippet` prints it, changed like this.
fn through_nginx(http: &str, adapt: impl FnOnce(String) -> String) -> Output {
    let daemon = Daemon::start(&format!("{LOCAL}{HTTP}"));
    let (shim, application) = (Shim::start(&daemon), Shim::echo());
    let nginx = Nginx::of_snippet(&shim, &application.url(), &[], http, adapt);
    check(&nginx.url(), &[])
}

#[test]
fn the_configuration_that_is_printed_for_nginx_keeps_every_forgery_out() {
    let sound = through_nginx("", |text| text).success();
    assert!(sound.stdout.contains("X-Remote-User: kept out ("), "{sound:?}");
    assert!(!sound.stdout.contains("REACHES") && !sound.stdout.contains("note:"), "{sound:?}");
}

#[test]
fn a_careless_nginx_is_found_out() {
    let leaky = through_nginx("", |text| {
        let taken_away = |line: &&str| line.starts_with("    proxy_set") && line.ends_with("\"\";");
        let lines = text.lines().filter(|line| !taken_away(line));
        let text = lines.collect::<Vec<_>>().join("\n");
        text.replace("underscores_in_headers off", "underscores_in_headers on")
    });
    assert_eq!(leaky.code, 1, "{leaky:?}");
    for told in [
        "X-Remote-User: REACHES THE APPLICATION, sent as\n",
        "    X_Remote_User: usherctl-check-proxy\n",
        "X-Forwarded-User: REACHES THE APPLICATION",
        "note: the password (Authorization) goes on to the application",
    ] {
        assert!(leaky.stdout.contains(told), "no {told} in {}", leaky.stdout);
    }
    // Those with dots are dropped still.
    assert!(!leaky.stdout.contains("    X.Remote.User"), "{}", leaky.stdout);
}

/// Its own server is as printed, but another one is the first of its address.
#[test]
fn an_nginx_whose_other_server_is_careless_is_found_out() {
    let leaky = through_nginx("", |text| {
        let named = ";\n    server_name 127.0.0.1;\n";
        careless(&text, " default_server").replacen(" default_server;\n", named, 1)
    });
    assert_eq!(leaky.code, 1, "{leaky:?}");
    assert!(leaky.stdout.contains("    X.Remote.User: usherctl-check-proxy\n"), "{leaky:?}");
    assert!(!leaky.stdout.contains("    X_Remote_User: usherctl-check-proxy\n"), "{leaky:?}");
    assert!(leaky.stdout.contains("note: names with odd signs pass"), "{leaky:?}");
}

/// What was not shown was not kept out.
#[test]
fn a_proxy_that_soon_shows_nothing_is_not_called_sound() {
    // The first page and a few forgeries are let through.
    let zone = "limit_req_zone $binary_remote_addr zone=few:1m rate=1r/m;";
    for status in [503, 429, 401, 403, 400] {
        let inconclusive = through_nginx(zone, |text| {
            let limit =
                format!("limit_req zone=few burst=5 nodelay;\n    limit_req_status {status};");
            text.replacen("    auth_request ", &format!("    {limit}\n    auth_request "), 1)
        });
        assert_eq!((inconclusive.code, inconclusive.stdout.as_str()), (3, ""), "{inconclusive:?}");
        let told = format!("the proxy answered {status} to a request with ");
        assert!(inconclusive.stderr.contains(&told), "no {told} in {inconclusive:?}");
    }
}

#[test]
fn a_careless_apache_is_found_out() {
    let (application, port) = (Shim::echo(), free_port());
    let (listen, url) = (format!("127.0.0.1:{port}"), application.url());
    let text = format!(
        "Listen {listen}\n<VirtualHost {listen}>\nProxyPass / {url}/\n\
         RequestHeader set X-Remote-User alice\n</VirtualHost>\n"
    );
    let _httpd = Httpd::start_in(httpd::folder(), "event", &text, |command| command);
    until_true("its port", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    let found = check(&format!("http://{listen}/"), &["--format", "json"]);
    let json: Value = serde_json::from_str(&found.stdout).expect("JSON");
    assert_eq!(found.code, 1, "{json}");
    assert_eq!((&json["sound"], &json["password_passes"]), (&false.into(), &true.into()));
    let user = &json["headers"][0];
    assert_eq!(user["header"], "X-Remote-User");
    let reached = user["reached"].as_array().expect("an array");
    for name in ["X_Remote_User", "X-Remote.User"] {
        assert!(reached.contains(&format!("{name}: usherctl-check-proxy").into()), "{json}");
    }
    let odd = user["odd"].as_array().expect("an array");
    for name in ["X+Remote+User", "X`Remote`User", "X+Remote!User"] {
        assert!(odd.contains(&format!("{name}: usherctl-check-proxy").into()), "{json}");
    }
    assert!(!reached.contains(&"X-Remote-User: usherctl-check-proxy".into()), "{json}");
}

#[test]
fn the_configuration_that_is_printed_for_apache_keeps_every_forgery_out_over_tls_too() {
    let site = Site::new();
    let (folder, authority) = (httpd::folder(), Authority::new("site"));
    let server = authority.signs(&of_this_machine());
    for (name, text) in
        [("server.pem", &server.pem), ("server.key", &server.key), ("ca.pem", &authority.pem())]
    {
        fs::write(folder.path().join(name), text).expect("a file");
    }
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let ssl = format!(
        "SSLEngine on\n    SSLCertificateFile {}\n    SSLCertificateKeyFile {}\n    #",
        path("server.pem"),
        path("server.key")
    );
    let module = "LoadModule ssl_module @MODULES@/mod_ssl.so\n";
    let address = format!("127.0.0.1:{}/", site.port);
    for (url, more) in [
        (format!("http://{address}"), vec![]),
        (
            format!("https://{address}"),
            ["--ca-file", &path("ca.pem"), "--header", "X_REMOTE_USER"].map(str::to_owned).to_vec(),
        ),
    ] {
        let over_tls = !more.is_empty();
        let _apache = site.apache_with(if over_tls { module } else { "" }, |text| match over_tls {
            true => text.replacen("# Passwords need TLS", &format!("{ssl} Passwords need TLS"), 1),
            false => text,
        });
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        let sound = check(&url, &more).success();
        assert!(sound.stdout.contains("X-Remote-User: kept out ("), "{sound:?}");
        assert!(!sound.stdout.contains("REACHES"), "{sound:?}");
        assert_eq!(sound.stdout.matches("note: ").count(), 1, "{sound:?}");
        assert!(sound.stdout.contains("note: names with odd signs pass, such as X!Remote!User"));
    }
}

/// nginx over TLS, sound or leaky, with its authority in a file.
#[test]
fn a_proxy_over_tls_is_checked_and_so_is_its_certificate() {
    let daemon = Daemon::start(&format!("{LOCAL}{HTTP}"));
    let (shim, application) = (Shim::start(&daemon), Shim::echo());
    let (folder, authority) = (TempDir::new().expect("temporary folder"), Authority::new("site"));
    let write = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).expect("a file");
        folder.path().join(name).to_string_lossy().into_owned()
    };
    let server = authority.signs(&of_this_machine());
    let (pem, key) = (write("server.pem", &server.pem), write("server.key", &server.key));
    let (ca, other) =
        (write("ca.pem", &authority.pem()), write("other.pem", &Authority::new("other").pem()));
    let tls = |text: String| {
        let (listen, _) = text.split_once(";\n    # Passwords").expect("where it listens");
        let ssl = format!("{listen} ssl; ssl_certificate {pem}; ssl_certificate_key {key}");
        text.replacen(listen, &ssl, 1)
    };
    let nginx = |adapt: &dyn Fn(String) -> String| {
        Nginx::of_snippet(&shim, &application.url(), &[], "", |text| adapt(tls(text)))
    };

    let sound = nginx(&|text| text);
    let url = sound.url().replacen("http:", "https:", 1);
    // Not all headers: so many handshakes take their time.
    let user = ["--header", "X_REMOTE_USER"];
    for more in [["--ca-file", ca.as_str()].as_slice(), &["--insecure"]] {
        let more = &[more, &user].concat();
        let checked = check(&url, more).success();
        assert!(checked.stdout.contains("X-Remote-User: kept out ("), "{checked:?}");
        assert!(!checked.stdout.contains("REACHES"), "{checked:?}");
    }
    for (url, more, told) in [
        (url.clone(), [].as_slice(), "UnknownIssuer"),
        (url.clone(), &["--ca-file", &other], "UnknownIssuer"),
        // That name is not in the certificate, though it leads there.
        (url.replace("127.0.0.1", "127.0.0.2"), &["--ca-file", &ca], "127.0.0.2"),
        (sound.url(), &["--ca-file", &ca], "--ca-file and --insecure are for https://"),
        (url.clone(), &["--ca-file", "/nonexistent"], "--ca-file /nonexistent:"),
        (url.clone(), &["--ca-file", &key], "there is no certificate in it"),
    ] {
        let refused = check(&url, more);
        assert!([2, 3].contains(&refused.code) && refused.stdout.is_empty(), "{refused:?}");
        assert!(refused.stderr.contains(told), "no {told} in {refused:?}");
    }

    let leaky = nginx(&|text| {
        let taken_away = |line: &&str| line.starts_with("    proxy_set") && line.ends_with("\"\";");
        let lines = text.lines().filter(|line| !taken_away(line));
        lines.collect::<Vec<_>>().join("\n").replace("headers off", "headers on")
    });
    let leaky = check(
        &leaky.url().replacen("http:", "https:", 1),
        &[&["--ca-file", &ca], &user[..]].concat(),
    );
    assert_eq!(leaky.code, 1, "{leaky:?}");
    assert!(leaky.stdout.contains("    X_Remote_User: usherctl-check-proxy\n"), "{leaky:?}");
}

#[test]
fn what_cannot_be_checked_is_told_and_is_never_sound() {
    for url in ["127.0.0.1", "ftp://127.0.0.1/", "https://a b/"] {
        let wrong = check(url, &[]);
        assert_eq!(wrong.code, 2, "{wrong:?}");
    }
    let nobody = check(&format!("http://127.0.0.1:{}/", free_port()), &[]);
    assert_eq!((nobody.code, nobody.stdout.as_str()), (3, ""), "{nobody:?}");
    // Not the echo page.
    let daemon = Daemon::start(&format!("{LOCAL}[http]\nlisten = \"127.0.0.1:0\"\n"));
    let shim = Shim::start(&daemon);
    let other = programs::run("usherctl", &["check-proxy", &format!("{}/auth", shim.url())]);
    assert_eq!((other.code, other.stdout.as_str()), (2, ""), "{other:?}");
    assert!(other.stderr.contains("does it need --user?"), "{other:?}");
}
