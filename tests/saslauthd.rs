//! The mouth of saslauthd, asked by its own client and by the SASL library that mail servers use.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nix::unistd::{getgid, getuid};
use tempfile::TempDir;

use crate::support::PATIENCE;
use crate::support::daemon::{self, Daemon, LISTEN, LOCAL};
use crate::support::ldif::PEOPLE;
use crate::support::process::{self, Output};
use crate::support::programs::installed;
use crate::support::slapd::{More, Slapd};
use crate::support::until;

/// The table, open for more keys of it.
const MOUTH: &str = "[saslauthd]\nsocket = \"@DIR@/mux\"\n";

impl Daemon {
    fn mux(&self) -> PathBuf {
        self.path("mux")
    }

    fn testsaslauthd(&self, user: &str, password: &str, more: &[&str]) -> Output {
        let mut test = Command::new(installed("testsaslauthd", "sasl2-bin"));
        test.args(["-u", user, "-p", password, "-f"]).arg(self.mux()).args(more);
        process::run(&mut test, b"")
    }

    fn is_right(&self, user: &str, password: &str, more: &[&str]) {
        let output = self.testsaslauthd(user, password, more).success();
        assert!(output.stdout.contains("OK \"Success.\""), "{output:?}");
    }

    fn is_wrong(&self, user: &str, password: &str, more: &[&str]) {
        let output = self.testsaslauthd(user, password, more);
        assert_ne!(output.code, 0, "{output:?}");
        assert!(output.stdout.contains("NO \"authentication failed\""), "{output:?}");
    }

    /// The words of the answer, which the programs above keep to themselves.
    fn words(&self, user: &str, password: &str) -> String {
        answer(&mut self.ask(user, password))
    }

    fn ask(&self, user: &str, password: &str) -> UnixStream {
        let mut stream = UnixStream::connect(self.mux()).expect("the socket");
        stream.write_all(&request([user, password, "imap", ""])).expect("a request");
        stream
    }
}

fn request(parts: [&str; 4]) -> Vec<u8> {
    let part = |part: &&str| {
        let length = u16::try_from(part.len()).expect("short");
        [&length.to_be_bytes(), part.as_bytes()].concat()
    };
    parts.iter().flat_map(part).collect()
}

/// The answer, as clients read it: what comes behind it is of no interest to them.
fn answer(stream: &mut UnixStream) -> String {
    try_answer(stream).expect("an answer")
}

fn try_answer(stream: &mut UnixStream) -> io::Result<String> {
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut text = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut text)?;
    Ok(String::from_utf8(text).expect("UTF-8"))
}

#[test]
fn its_own_client_is_answered_as_before() {
    let daemon = Daemon::start(&format!("{LOCAL}{MOUTH}"));
    daemon.is_right("alice", "alice-secret", &["-s", "imap"]);
    daemon.is_wrong("alice", "wrong", &["-s", "imap"]);
    daemon.is_wrong("nobody", "alice-secret", &[]);
    daemon.is_wrong("dora", "dora-secret", &[]);
    assert_eq!(daemon.words("alice", "alice-secret"), "OK");
    assert!(daemon.words("alice", "wrong").starts_with("NO denied: bad_credentials: "));
    assert!(daemon.words("dora", "dora-secret").starts_with("NO denied: account_disabled: "));
    assert!(daemon.words("alice", "").starts_with("NO denied: bad_credentials: "));
    assert_eq!(daemon.status()["counters"]["granted"], 2);
}

#[test]
fn the_realm_of_a_request_is_a_domain_or_a_realm_of_ours() {
    let domains = "domains = \"home.example\"\n";
    let other = "[realm.other]\ntype = \"local\"\nfile = \"@DIR@/others.toml\"\n";
    let realms = "realms = { \"mail.example\" = \"home\" }\nservices = { smtp = \"other\" }\n";
    let head = "default_realm = \"home\"\n";
    let configuration = format!("{head}{LOCAL}{domains}{other}{MOUTH}{realms}");
    let folder = daemon::folder(&configuration);
    fs::write(folder.path().join("others.toml"), "").expect("a file");
    let daemon = Daemon::start_in(folder, |command| command);
    for realm in ["", "home.example", "HOME.Example", "mail.example"] {
        daemon.is_right("alice", "alice-secret", &["-r", realm]);
    }
    daemon.is_right("alice@home.example", "alice-secret", &[]);
    // Somebody else's domain is somebody else.
    daemon.is_wrong("alice", "alice-secret", &["-r", "elsewhere.example"]);
    daemon.is_wrong("alice", "alice-secret", &["-s", "smtp"]);
    // What the words mean counts with the next reload.
    daemon.configure(&configuration.replace(realms, "combine_realm = false\n"));
    daemon.ctl(&["reload"], b"").success();
    daemon.is_right("alice", "alice-secret", &["-r", "elsewhere.example"]);
    daemon.is_right("alice", "alice-secret", &["-s", "smtp"]);
}

/// Runs the sample server of the SASL library with these credentials of the mechanism PLAIN.
fn sasl(daemon: &Daemon, user: &str, password: &str) -> Output {
    let settings = TempDir::new().expect("a folder");
    let path = daemon.mux();
    let text = format!(
        "pwcheck_method: saslauthd\nsaslauthd_path: {}\nmech_list: PLAIN\n",
        path.display()
    );
    fs::write(settings.path().join("sample.conf"), text).expect("a file");
    let mut server = Command::new(installed("sasl-sample-server", "sasl2-bin"));
    server.args(["-s", "imap"]).env("SASL_CONF_PATH", settings.path());
    let words = STANDARD.encode(format!("PLAIN\0\0{user}\0{password}"));
    process::run(&mut server, format!("C: {words}\n").as_bytes())
}

#[test]
fn the_sasl_library_of_mail_servers_and_openldap_takes_it_for_saslauthd() {
    let slapd = Slapd::start();
    let daemon = Daemon::start(&format!("{}{MOUTH}", slapd.realm()));
    for user in ["alice", "alice@corp.example.com"] {
        let output = sasl(&daemon, user, "alice-secret");
        assert!(output.stdout.contains("Negotiation complete"), "{output:#?}");
        assert!(output.stdout.contains(&format!("Username: {user}\n")), "{output:#?}");
    }
    for (user, password) in [("alice", "wrong"), ("alice@other.example", "alice-secret")] {
        let output = sasl(&daemon, user, password);
        assert!(!output.stdout.contains("Negotiation complete"), "{output:#?}");
        assert!(output.stderr.contains("authentication failure"), "{output:#?}");
    }
}

/// As the guide of OpenLDAP has it: a password `{SASL}NAME` is whatever is told of NAME.
#[test]
fn openldap_passes_passwords_through() {
    let daemon = Daemon::start(&format!("{LOCAL}{MOUTH}"));
    let sasl = format!("pwcheck_method: saslauthd\nsaslauthd_path: {}\n", daemon.mux().display());
    let dn = format!("uid=through,{PEOPLE}");
    let ldif = format!(
        "dn: {dn}\nobjectClass: inetOrgPerson\nuid: through\ncn: Through\nsn: Through\n\
         userPassword: {{SASL}}alice\n\n"
    );
    let slapd = Slapd::start_with(More { sasl: &sasl, ldif: &ldif, ..More::default() });
    assert!(!slapd.accepts(&dn, "wrong"));
    assert_eq!(daemon.status()["counters"]["granted"], 0);
    assert!(slapd.accepts(&dn, "alice-secret"), "{}", slapd.log());
    assert_eq!(daemon.status()["counters"]["granted"], 1);
}

#[test]
fn it_answers_from_the_same_cache_and_shield() {
    let slapd = Slapd::start();
    let shield = "[realm.corp.shield]\nfailures = 1\n";
    let daemon = Daemon::start(&format!("{}{shield}{MOUTH}", slapd.realm()));
    daemon.authenticate("alice", "alice-secret").is_granted();
    let before = slapd.binds_of(&format!("uid=alice,{PEOPLE}"));
    assert_eq!(daemon.words("CORP\\alice", "alice-secret"), "OK");
    assert_eq!(slapd.binds_of(&format!("uid=alice,{PEOPLE}")), before);
    assert!(daemon.words("bob", "wrong").starts_with("NO denied: bad_credentials: "));
    assert!(daemon.words("bob", "wrong2").starts_with("NO denied: throttled: "));
    daemon.authenticate("bob", "wrong3").is(1, "denied", "throttled");
}

#[test]
fn nobody_can_tell_is_a_no_with_other_words() {
    let slapd = Slapd::stopped();
    let daemon = Daemon::start(&format!("{}{MOUTH}", slapd.realm()));
    let words = daemon.words("alice", "alice-secret");
    assert!(words.starts_with("NO unavailable: no_host: "), "{words}");
    daemon.is_wrong("alice", "alice-secret", &[]);
}

#[test]
fn whom_access_does_not_list_is_told_nothing() {
    let access = format!("[access]\nauthenticate = [{}]\n", getuid().as_raw() + 4_242);
    let daemon = Daemon::start(&format!("{LOCAL}{access}{MOUTH}"));
    let words = daemon.words("alice", "alice-secret");
    assert!(words.starts_with("NO forbidden: peer_not_allowed: "), "{words}");
}

#[test]
fn a_request_that_is_too_long_or_never_ends_is_refused_in_time() {
    let listen = format!("{LISTEN}request_timeout = \"200ms\"\n");
    let daemon = Daemon::start(&format!("{LOCAL}{MOUTH}{listen}"));
    let long = "x".repeat(60_000);
    for parts in [[&long, "p", "s", "r"], ["u", &long, "s", "r"], ["u", "p", "s", &long]] {
        let mut stream = UnixStream::connect(daemon.mux()).expect("the socket");
        // The daemon may have said no and closed before all was sent.
        let _ = stream.write_all(&request(parts));
        assert!(answer(&mut stream).starts_with("NO invalid: bad_request: "));
    }
    let mut stream = UnixStream::connect(daemon.mux()).expect("the socket");
    stream.write_all(b"\0\x05ali").expect("half a request");
    assert!(answer(&mut stream).contains("did not come in time"));
    assert_eq!(daemon.words("alice", "alice-secret"), "OK");
}

#[test]
fn more_connections_than_there_is_room_for_are_told_so() {
    let daemon = Daemon::start(&format!("{LOCAL}{MOUTH}max_connections = 2\n"));
    let held = [0, 1].map(|_| UnixStream::connect(daemon.mux()).expect("the socket"));
    let mut third = UnixStream::connect(daemon.mux()).expect("the socket");
    let words = answer(&mut third);
    assert!(words.starts_with("NO overloaded: "), "{words}");
    drop(held);
    until("a place", || {
        let mut stream = UnixStream::connect(daemon.mux()).ok()?;
        stream.write_all(&request(["alice", "alice-secret", "imap", ""])).ok()?;
        (try_answer(&mut stream).ok()? == "OK").then_some(())
    });
}

#[test]
fn a_place_that_is_not_the_daemons_to_write_in_is_told_whose_it_is() {
    let output =
        Daemon::expect_failure(&format!("{LOCAL}[saslauthd]\nsocket = \"@DIR@/no/mux\"\n"));
    let said = &output.stderr;
    assert!(said.contains("no/mux") && said.contains("usherd-saslauthd.socket"), "{output:#?}");
}

#[test]
fn its_socket_has_the_mode_that_is_given_and_goes_with_the_daemon() {
    let mut daemon = Daemon::start(&format!("{LOCAL}{MOUTH}socket_mode = \"0666\"\n"));
    let mux = daemon.mux();
    let file = fs::metadata(&mux).expect("the socket");
    assert!(file.file_type().is_socket());
    assert_eq!((file.mode() & 0o777, file.gid()), (0o666, getgid().as_raw()));
    // Who is being served is served to the end.
    let mut waiting = UnixStream::connect(&mux).expect("the socket");
    waiting.write_all(&request(["alice", "alice-secret", "imap", ""])).expect("a request");
    assert_eq!(answer(&mut waiting), "OK");
    daemon.stop();
    assert!(!mux.exists());
}

/// As systemd: binds a socket, and becomes usherd with it.
const SYSTEMD: &str = r#"
import os, socket, sys
path, *command = sys.argv[1:]
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen(64)
if listener.fileno() != 3:
    os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_FDNAMES="usher-saslauthd.socket")
os.environ["LISTEN_PID"] = str(os.getpid())
os.execvp(command[0], command)
"#;

fn with_socket_passed(usherd: &Command, path: &Path) -> Command {
    let mut python = Command::new(installed("python3", "python3"));
    python.args(["-c", SYSTEMD]).arg(path);
    python.arg(usherd.get_program()).args(usherd.get_args());
    for (name, value) in usherd.get_envs() {
        python.env(name, value.expect("set, not removed"));
    }
    python
}

#[test]
fn systemd_passes_the_socket_by_name_and_no_table_is_needed() {
    let folder = daemon::folder(LOCAL);
    let path = folder.path().join("mux");
    let mut daemon = Daemon::start_in(folder, |command| with_socket_passed(&command, &path));
    daemon.is_right("alice", "alice-secret", &[]);
    daemon.stop();
    assert!(path.exists(), "it is systemd's");
}
