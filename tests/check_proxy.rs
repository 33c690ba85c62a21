//! `usherctl check-proxy`, through configurations that leak and through those that do not.

use std::net::TcpStream;
use std::process::Command;

use serde_json::Value;

use crate::support::daemon::{Daemon, LOCAL};
use crate::support::httpd::{self, Httpd};
use crate::support::nginx::Nginx;
use crate::support::process::{self, Output};
use crate::support::programs::{self, program};
use crate::support::shim::{HTTP, Shim};
use crate::support::slapd::free_port;
use crate::support::until_true;

fn check(url: &str, more: &[&str]) -> Output {
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
    assert!(!leaky.stdout.contains("X.Remote.User"), "{}", leaky.stdout);
}

#[test]
fn apache_is_checked_as_well() {
    let application = Shim::echo();
    let site = |lines: &str| {
        let port = free_port();
        let listen = format!("127.0.0.1:{port}");
        let url = application.url();
        let folder = httpd::folder();
        let text = format!(
            "Listen {listen}\n<VirtualHost {listen}>\nProxyPass / {url}/\n{lines}</VirtualHost>\n"
        );
        let httpd = Httpd::start_in(folder, "event", &text, |command| command);
        until_true("its port", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        let reply = check(&format!("http://{listen}/"), &["--format", "json"]);
        drop(httpd);
        let json: Value = serde_json::from_str(&reply.stdout).expect("JSON");
        (reply.code, json)
    };
    let (code, json) = site("RequestHeader set X-Remote-User alice\n");
    assert_eq!((code, &json["sound"], &json["password_passes"]), (1, &false.into(), &true.into()));
    let user = &json["headers"][0];
    assert_eq!(user["header"], "X-Remote-User");
    let reached = user["reached"].as_array().expect("an array");
    assert!(reached.contains(&"X_Remote_User: usherctl-check-proxy".into()), "{json}");
    assert!(!reached.contains(&"X-Remote-User: usherctl-check-proxy".into()), "{json}");

    let printed = programs::run("usherctl", &["snippet", "apache"]).success().stdout;
    let lines = printed.lines().filter(|line| line.trim().starts_with("RequestHeader"));
    let lines: String = lines.map(|line| format!("{line}\n")).collect();
    let (code, json) = site(&lines);
    assert_eq!((code, &json["sound"], &json["password_passes"]), (0, &true.into(), &false.into()));
}

#[test]
fn what_cannot_be_checked_is_told_and_is_never_sound() {
    let wrong = check("https://127.0.0.1/", &[]);
    assert_eq!(wrong.code, 2, "{wrong:?}");
    let nobody = check(&format!("http://127.0.0.1:{}/", free_port()), &[]);
    assert_eq!((nobody.code, nobody.stdout.as_str()), (3, ""), "{nobody:?}");
    // Not the echo page.
    let daemon = Daemon::start(&format!("{LOCAL}[http]\nlisten = \"127.0.0.1:0\"\n"));
    let shim = Shim::start(&daemon);
    let other = programs::run("usherctl", &["check-proxy", &format!("{}/auth", shim.url())]);
    assert_eq!((other.code, other.stdout.as_str()), (2, ""), "{other:?}");
    assert!(other.stderr.contains("does it need --user?"), "{other:?}");
}
