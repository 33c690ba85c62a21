//! Applications that believe the headers of a proxy, behind nginx as `usherctl snippet` has it.

use std::fs;
use std::net::TcpStream;
use std::process::Command;

use tempfile::TempDir;

use crate::support::daemon::Daemon;
use crate::support::http::basic;
use crate::support::kallithea::Kallithea;
use crate::support::nginx::Nginx;
use crate::support::process::Process;
use crate::support::programs::installed;
use crate::support::shim::{HTTP, Shim};
use crate::support::slapd::{More, Slapd, free_port};
use crate::support::{text_of, until_true};

/// Her names are beyond ASCII, one of them beyond ISO-8859-1 too.
const ZOE: &str = "dn: uid=zoe,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: zoe
cn: Zoe
givenName: Zoë
sn: Łuk
mail: zoe@example.com
userPassword: zoe-secret

";

fn slapd() -> Slapd {
    Slapd::start_with(More { ldif: ZOE, ..More::default() })
}

fn through_nginx(slapd: &Slapd, http: &str, application: &str) -> (Daemon, Shim, Nginx) {
    let daemon = Daemon::start(&format!("{}{HTTP}{http}", slapd.realm()));
    let shim = Shim::start(&daemon);
    let nginx = Nginx::of_snippet(&shim, application, &[], "", |text| text);
    (daemon, shim, nginx)
}

/// The set-up of usher-http(8), but for the encodings.
#[test]
fn kallithea_makes_an_account_of_who_comes_for_the_first_time() {
    let headers =
        ["USER", "EMAIL", "FIRSTNAME", "LASTNAME"].map(|it| format!("HTTP_X_REMOTE_{it}"));
    let kallithea = Kallithea::start(headers.each_ref().map(String::as_str));
    let slapd = slapd();
    let as_bytes = through_nginx(&slapd, "", &kallithea.url());
    let (_daemon, _shim, nginx) = &as_bytes;
    let server = nginx.server();

    assert_eq!(server.ask("GET /", &[&basic("alice", "wrong")]).status, 401);
    assert_eq!(kallithea.account("alice"), None);
    let forged = ["X-Forwarded-User: admin", "X_REMOTE_USER: admin", "Remote-User: admin"];
    let page =
        server.ask("GET /", &[&[basic("alice", "alice-secret").as_str()], &forged[..]].concat());
    assert_eq!(page.status, 200, "{page:#?} {}", kallithea.log());
    assert!(page.body.contains("<b class=\"full_name\">Alice Archer</b>"), "{page:#?}");
    let alice = ["alice@example.com", "Alice", "Archer"].map(str::to_owned);
    assert_eq!(kallithea.account("alice"), Some(alice));

    // It is written in Python: WSGI makes a character of ISO-8859-1 of each byte.
    let zoe = basic("zoe", "zoe-secret");
    assert_eq!(server.ask("GET /", &[&zoe]).status, 200, "{}", kallithea.log());
    let mangled = ["zoe@example.com", "Zo\u{c3}\u{ab}", "\u{c5}\u{81}uk"].map(str::to_owned);
    assert_eq!(kallithea.account("zoe"), Some(mangled));
    let encodings = "header_encoding = { X_REMOTE_FIRSTNAME = \"iso-8859-1\", X_REMOTE_LASTNAME = \"iso-8859-1\" }\n";
    let (_daemon, _shim, nginx) = through_nginx(&slapd, encodings, &kallithea.url());
    assert_eq!(nginx.server().ask("GET /", &[&zoe]).status, 200, "{}", kallithea.log());
    let right = ["zoe@example.com", "Zoë", "Luk"].map(str::to_owned);
    assert_eq!(kallithea.account("zoe"), Some(right));
}

/// The set-up of usher-http(8). Calendars come and go by WebDAV's methods.
#[test]
fn radicale_gives_everybody_their_own_calendars() {
    let (slapd, folder, port) = (slapd(), TempDir::new().expect("temporary folder"), free_port());
    let mut radicale = Command::new(installed("radicale", "radicale"));
    let configuration = format!(
        "[server]\nhosts = 127.0.0.1:{port}\n[auth]\ntype = http_x_remote_user\n\
         [rights]\ntype = owner_only\n[storage]\nfilesystem_folder = {}\n",
        folder.path().display()
    );
    fs::write(folder.path().join("config"), configuration).expect("a file");
    radicale.arg("--config").arg(folder.path().join("config"));
    let log = folder.path().join("log");
    let mut process = Process::start(radicale, &log);
    until_true("Radicale", || {
        assert_eq!(process.ended(), None, "{}", text_of(&log));
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    let (_daemon, _shim, nginx) = through_nginx(&slapd, "", &format!("http://127.0.0.1:{port}"));
    let ask = |request: &str, user: &str| {
        let auth = basic(user, &format!("{user}-secret"));
        nginx.server().ask(request, &[&auth, "X_Remote_User: alice", "Content-Length: 0"])
    };
    assert_eq!(ask("MKCALENDAR /alice/work/", "bob").status, 403, "{}", text_of(&log));
    assert_eq!(ask("MKCALENDAR /alice/work/", "alice").status, 201, "{}", text_of(&log));
    assert!(folder.path().join("collection-root/alice/work").is_dir());
    let found = ask("PROPFIND /alice/", "alice");
    assert_eq!(found.status, 207, "{found:#?}");
    let who = "<current-user-principal><href>/alice/</href></current-user-principal>";
    assert!(found.body.contains(who), "{found:#?}");
    assert_eq!(ask("DELETE /alice/work/", "bob").status, 403);
    assert_eq!(ask("DELETE /alice/work/", "alice").status, 200);
    assert_eq!(nginx.server().ask("PROPFIND /alice/", &[]).status, 401);
}
