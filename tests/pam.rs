//! PAM realms: real modules on files of ours, and helpers that misbehave.

use std::fs::{self, Permissions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread::JoinHandle;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::support::daemon::{Daemon, LISTEN, folder, write_private};
use crate::support::process;
use crate::support::programs::{installed, program, run};
use crate::support::slapd::Slapd;
use crate::support::wire::{authenticate, verdict};
use crate::support::{text_of, until, until_true};

const REALM: &str = "[realm.host]\ntype = \"pam\"\nhelper = \"@DIR@/helper\"\n";
/// So that a test that asks again does not wait for what is remembered.
const FORGETFUL: &str = "[realm.host.cache]\nttl = \"50ms\"\nnegative_ttl = \"50ms\"\n";

/// A hash as crypt(3) takes it. Each password is the name and `-secret`.
fn hash(user: &str) -> String {
    let mut openssl = Command::new(installed("openssl", "openssl"));
    let secret = format!("{user}-secret\n");
    let output = process::run(openssl.args(["passwd", "-6", "-stdin"]), secret.as_bytes());
    output.success().stdout.trim_end().to_owned()
}

/// A folder with a helper that finds its services and its users there.
fn prepared(configuration: &str, service: &str) -> TempDir {
    let folder = folder(configuration);
    let dir = folder.path().display().to_string();
    let services = folder.path().join("pam.d");
    fs::create_dir(&services).expect("a folder of services");
    write_private(&services.join("usher"), &service.replace("@DIR@", &dir));
    let (mut passwd, mut pwdfile) = (String::new(), String::new());
    for (uid, user, gecos) in [(5001, "alice", "Alice Archer,Room 5"), (5002, "bob", "Bob")] {
        let hash = hash(user);
        passwd += &format!("{user}:{hash}:{uid}:5000:{gecos}:/home/{user}:/bin/sh\n");
        pwdfile += &format!("{user}:{hash}\n");
    }
    // Somebody whom PAM knows and the machine does not.
    pwdfile += &format!("virtual:{}\n", hash("virtual"));
    write_private(&folder.path().join("passwd"), &passwd);
    write_private(&folder.path().join("pwdfile"), &pwdfile);
    write_private(&folder.path().join("group"), "team:x:5000:\nops:x:5002:alice\n");
    let script = format!(
        "#!/bin/sh\nexport LD_PRELOAD=libpam_wrapper.so:libnss_wrapper.so PAM_WRAPPER=1\n\
         export PAM_WRAPPER_SERVICE_DIR={dir}/pam.d\n\
         export NSS_WRAPPER_PASSWD={dir}/passwd NSS_WRAPPER_GROUP={dir}/group\n\
         exec {} \"$@\"\n",
        program("usher-pam").display()
    );
    write_helper(folder.path(), &script);
    folder
}

fn write_helper(folder: &Path, script: &str) {
    let path = folder.join("helper");
    write_private(&path, script);
    fs::set_permissions(&path, Permissions::from_mode(0o700)).expect("its mode");
}

/// A daemon whose machine has the users of the folder.
fn start(configuration: &str, service: &str) -> Daemon {
    let folder = prepared(configuration, service);
    let dir = folder.path().to_path_buf();
    Daemon::start_in(folder, |mut usherd| {
        usherd.env("LD_PRELOAD", "libnss_wrapper.so");
        usherd.env("NSS_WRAPPER_PASSWD", dir.join("passwd"));
        usherd.env("NSS_WRAPPER_GROUP", dir.join("group"));
        usherd
    })
}

const PWDFILE_AUTH: &str = "auth requisite pam_pwdfile.so pwdfile=@DIR@/pwdfile nodelay\n";
const PWDFILE: &str = "auth requisite pam_pwdfile.so pwdfile=@DIR@/pwdfile nodelay\n\
                       account required pam_permit.so\n";

#[test]
fn pam_says_whether_a_password_is_right_and_the_machine_who_that_is() {
    let daemon = start(REALM, PWDFILE);
    let reply = daemon.authenticate("alice", "alice-secret");
    reply.is_granted();
    let expected = serde_json::json!({
        "X_REMOTE_USER": "alice", "X_REMOTE_FIRSTNAME": "Alice", "X_REMOTE_LASTNAME": "Archer",
        "X_REMOTE_GROUPS": "team,ops",
    });
    assert_eq!(reply.json["metadata"], expected);
    let wrong = daemon.authenticate("alice", "wrong");
    wrong.is(1, "denied", "bad_credentials");
    let unknown = daemon.authenticate("nobody-here", "wrong");
    unknown.is(1, "denied", "bad_credentials");
    assert_eq!(wrong.message(), unknown.message());
    daemon.authenticate("alice", "").is(1, "denied", "bad_credentials");
    assert_eq!(daemon.authenticate("alice", "alice-secret").json["source"], "cache");
    daemon.lookup("bob").is_found();
    daemon.lookup("nobody-here").is(1, "not_found", "no_such_user");
    daemon.ctl_json(&["lookup", "--require=group=ops", "alice"], b"").is_found();
    daemon.ctl_json(&["lookup", "--require=filter=(a=b)", "alice"], b"").is(
        2,
        "invalid",
        "bad_request",
    );
    // Nobody but PAM knows this one.
    let reply = daemon.authenticate("virtual", "virtual-secret");
    reply.is_granted();
    assert_eq!(reply.json["metadata"], serde_json::json!({ "X_REMOTE_USER": "virtual" }));
}

#[test]
fn what_pam_and_the_machine_said_is_explained() {
    let daemon = start(REALM, PWDFILE);
    let reply = daemon.ctl_json(&["explain", "--password", "alice"], b"alice-secret\n");
    reply.is_granted();
    let steps = reply.json["steps"].to_string();
    for told in [
        "PAM service usher as alice: the password is right, after ",
        r#"the user database (NSS) for \"alice\": 1 found, after "#,
        "homeDirectory: /home/alice",
    ] {
        assert!(steps.contains(told), "{told} is not in {steps}");
    }
    let wrong = daemon.ctl_json(&["explain", "--password", "alice"], b"alice-wrong\n");
    assert!(wrong.json["steps"].to_string().contains("alice: the password is wrong, after "));
}

#[test]
fn pam_unix_is_asked_as_any_other() {
    let daemon = start(REALM, "auth required pam_unix.so nodelay\naccount required pam_unix.so\n");
    daemon.authenticate("alice", "alice-secret").is_granted();
    daemon.authenticate("alice", "wrong").is(1, "denied", "bad_credentials");
    daemon.authenticate("nobody-here", "wrong").is(1, "denied", "bad_credentials");
}

/// What is answered to the right and a wrong password where a module gives these codes.
fn coded(auth: &str, account: &str, more: &str) -> [String; 2] {
    let auth = format!("auth required pam_debug.so auth={auth}\n");
    let service = format!("{PWDFILE_AUTH}{auth}account required pam_debug.so acct={account}\n");
    let daemon = start(&format!("{REALM}{more}"), &service);
    ["alice-secret", "wrong"].map(|password| {
        let reply = daemon.authenticate("alice", password);
        format!("{} {}", reply.outcome(), reply.reason())
    })
}

#[test]
fn what_pam_says_of_an_account_is_told_to_who_knows_the_password() {
    for (account, told) in [
        ("acct_expired", "denied account_expired"),
        ("new_authtok_reqd", "denied password_must_change"),
        ("authtok_expired", "denied password_expired"),
        ("perm_denied", "denied account_disabled"),
        ("system_err", "unavailable no_host"),
    ] {
        assert_eq!(coded("success", account, ""), [told, "denied bad_credentials"], "{account}");
    }
}

#[test]
fn a_lock_that_shows_before_the_password_is_told_where_the_realm_says_so() {
    let hidden = coded("maxtries", "success", "");
    assert_eq!(hidden, ["denied bad_credentials"; 2]);
    let reveal = "reveal_account_state = true\n";
    assert_eq!(coded("maxtries", "success", reveal)[0], "denied account_locked");
    assert_eq!(coded("authinfo_unavail", "success", "")[0], "unavailable no_host");
}

#[test]
fn whom_the_account_phase_does_not_let_in_is_told_so_only_with_the_right_password() {
    let daemon = start(REALM, &PWDFILE.replace("pam_permit", "pam_deny"));
    daemon.authenticate("alice", "alice-secret").is(1, "denied", "account_disabled");
    daemon.authenticate("alice", "wrong").is(1, "denied", "bad_credentials");
}

#[test]
fn a_service_that_cannot_work_is_no_wrong_password() {
    let missing = PWDFILE.replace("pam_pwdfile.so", "pam_no_such_module.so");
    let daemon = start(&format!("{REALM}{FORGETFUL}"), &missing);
    let reply = daemon.authenticate("alice", "alice-secret");
    reply.is(3, "unavailable", "no_host");
    assert!(reply.message().contains("PAM"), "{reply:#?}");
    let problem = daemon.status()["realms"][0]["problem"].clone();
    assert_eq!(problem.as_str(), Some(reply.message()));
}

#[test]
fn a_service_that_the_helper_does_not_serve_is_refused() {
    let folder = prepared(&format!("{REALM}service = \"login\"\n"), PWDFILE);
    let limited = format!("#!/bin/sh\nexec {} usher web\n", program("usher-pam").display());
    write_helper(folder.path(), &limited);
    let daemon = Daemon::start_in(folder, |command| command);
    let reply = daemon.authenticate("alice", "alice-secret");
    reply.is(3, "unavailable", "no_host");
    assert!(reply.message().contains("\"login\" is not allowed"), "{reply:#?}");
}

#[test]
fn a_directory_may_tell_who_the_users_of_pam_are() {
    let slapd = Slapd::start();
    let told =
        format!("default_realm = \"host\"\n{REALM}metadata_from = \"corp\"\n{}", slapd.realm());
    let daemon = start(&told, PWDFILE);
    let reply = daemon.authenticate("alice", "alice-secret");
    reply.is_granted();
    assert_eq!(reply.json["realm"], "host");
    assert_eq!(reply.metadata("X_REMOTE_EMAIL"), Some("alice@example.com"));
    assert_eq!(slapd.binds_of("uid=alice,ou=people,dc=example,dc=com"), 0);
    daemon.lookup("carol").is_found();
    // PAM knows this one, the directory does not.
    daemon.authenticate("virtual", "virtual-secret").is(1, "denied", "rule");
}

#[test]
fn in_a_chain_users_that_pam_alone_knows_are_found_by_their_passwords() {
    let chain = "default_realm = \"web\"\n[realm.web]\ntype = \"chain\"\nrealms = [\"host\", \"home\"]\n\
                 [realm.home]\ntype = \"local\"\nfile = \"@DIR@/users.toml\"\n";
    let daemon = start(&format!("{chain}{REALM}"), PWDFILE);
    let realm_of =
        |user: &str| daemon.authenticate(user, &format!("{user}-secret")).json["realm"].clone();
    assert_eq!(realm_of("alice"), "host");
    assert_eq!(realm_of("virtual"), "host");
    let reply = daemon.authenticate("dora", "dora-secret");
    reply.is(1, "denied", "account_disabled");
    daemon.authenticate("virtual", "wrong").is(1, "denied", "bad_credentials");
}

/// The processes of a helper that hangs, as it has written them down.
fn hanging(folder: &Path) -> Vec<u32> {
    text_of(&folder.join("pids")).lines().map(|line| line.parse().expect("a pid")).collect()
}

#[test]
fn a_helper_that_hangs_is_ended_and_holds_up_nobody_else() {
    const SECRET: &str = "a secret that nobody may see";
    let home =
        "default_realm = \"host\"\n[realm.home]\ntype = \"local\"\nfile = \"@DIR@/users.toml\"\n";
    let listen = format!("{LISTEN}request_timeout = \"2s\"\n");
    let pool = "pool = { bind_lanes = 2 }\n";
    let folder = prepared(&format!("{home}{REALM}{pool}{listen}"), PWDFILE);
    // A child of its own, as modules have.
    let pids = folder.path().join("pids");
    let script =
        format!("#!/bin/sh\nsleep 600 &\necho $$ >>{0}\necho $! >>{0}\nwait\n", pids.display());
    write_helper(folder.path(), &script);
    let daemon = Daemon::start_in(folder, |command| command);
    let mut wire = daemon.wire();
    for id in 1..=6 {
        wire.send(id, authenticate(&format!("user{id}"), SECRET));
    }
    let started = until("two helpers", || {
        let pids = hanging(daemon.folder());
        (pids.len() == 4).then_some(pids)
    });
    for pid in &started {
        let read = |name: &str| text_of(Path::new(&format!("/proc/{pid}/{name}")));
        assert!(!read("cmdline").contains(SECRET) && !read("environ").contains(SECRET));
    }
    // Others are answered meanwhile.
    daemon.ctl_json(&["authenticate", "--realm=home", "alice"], b"alice-secret\n").is_granted();
    assert_eq!(hanging(daemon.folder()).len(), 4, "no more than two at a time");
    for _ in 1..=6 {
        let verdict = verdict(wire.answer().reply);
        let refusal = verdict.refusal().expect("no answer is right");
        assert!(matches!(refusal.reason.as_str(), "deadline" | "overloaded"), "{refusal:?}");
    }
    let started = hanging(daemon.folder());
    until_true("the helpers to be gone", || {
        started.iter().all(|pid| {
            !Path::new(&format!("/proc/{pid}/cmdline")).exists()
                || text_of(Path::new(&format!("/proc/{pid}/cmdline"))).is_empty()
        })
    });
}

#[test]
fn a_helper_that_says_what_it_should_not_is_no_answer() {
    for (script, said) in [
        ("#!/bin/sh\nkill -9 $$\n", "ended without an answer"),
        ("#!/bin/sh\ncat >/dev/null; echo welcome; echo right\n", "no answer"),
        ("#!/bin/sh\ncat >/dev/null; yes right\n", "no answer"),
        ("#!/no/such/shell\n", "cannot be asked"),
    ] {
        let folder = prepared(REALM, PWDFILE);
        write_helper(folder.path(), script);
        let daemon = Daemon::start_in(folder, |command| command);
        let reply = daemon.authenticate("alice", "alice-secret");
        reply.is(3, "unavailable", "no_host");
        // How far it came is a matter of chance.
        assert!(reply.message().contains("PAM helper"), "{said}: {reply:#?}");
    }
}

#[test]
fn a_helper_that_may_not_be_run_is_told_how_it_is_done_in_the_sandbox() {
    let folder = prepared(REALM, PWDFILE);
    let daemon = Daemon::start_in(folder, |command| command);
    // As NoExecPaths= of the unit, which shows in no mode.
    fs::set_permissions(daemon.path("helper"), Permissions::from_mode(0o600)).expect("its mode");
    let reply = daemon.authenticate("alice", "alice-secret");
    reply.is(3, "unavailable", "no_host");
    assert!(reply.message().contains("usher-pam.socket"), "{reply:#?}");
}

/// The tests' wrapper of PAM leaves a folder behind where its process is ended.
fn clear_away(helper: &str) {
    let folders = fs::read_dir("/tmp").expect("its place");
    let folders = folders.map(|entry| entry.expect("an entry").path());
    for left in folders.filter(|path| path.to_string_lossy().starts_with("/tmp/pam.")) {
        if text_of(&left.join("pid")) == helper {
            fs::remove_dir_all(left).expect("removed");
        }
    }
}

/// Puts a socket in the helper's place, and does what systemd does for one with `Accept=yes`: so
/// many times. Tells how each helper ended.
fn behind_a_socket(folder: &Path, times: usize) -> JoinHandle<Vec<ExitStatus>> {
    let script = folder.join("program");
    fs::rename(folder.join("helper"), &script).expect("another name");
    let listener = UnixListener::bind(folder.join("helper")).expect("a socket");
    std::thread::spawn(move || {
        let serve = |_| {
            let (stream, _) = listener.accept().expect("a connection");
            let output = OwnedFd::from(stream.try_clone().expect("a copy"));
            let mut helper = Command::new(&script);
            helper.stdin(Stdio::from(OwnedFd::from(stream))).stdout(Stdio::from(output));
            let mut helper = helper.spawn().expect("the helper");
            let ended = helper.wait().expect("its end");
            clear_away(&helper.id().to_string());
            ended
        };
        (0..times).map(serve).collect()
    })
}

#[test]
fn a_helper_may_be_started_by_a_socket() {
    let folder = prepared(REALM, PWDFILE);
    let serving = behind_a_socket(folder.path(), 2);
    let daemon = Daemon::start_in(folder, |command| command);
    daemon.authenticate("alice", "alice-secret").is_granted();
    daemon.authenticate("alice", "wrong").is(1, "denied", "bad_credentials");
    serving.join().expect("two questions");
}

#[test]
fn whoever_connects_to_a_helper_and_says_nothing_does_not_keep_it() {
    let folder = prepared(REALM, PWDFILE);
    let serving = behind_a_socket(folder.path(), 1);
    let _silent = UnixStream::connect(folder.path().join("helper")).expect("the socket");
    let ended = serving.join().expect("a helper");
    assert_eq!(ended[0].signal(), Some(Signal::SIGALRM as i32), "{ended:?}");
}

/// A real module that runs a program which hangs, in a session of its own. The processes stand in
/// `pids`.
fn hanging_module(configuration: &str) -> TempDir {
    let listen = format!("{LISTEN}request_timeout = \"1s\"\n");
    let folder = prepared(
        &format!("{configuration}{listen}"),
        "auth required pam_exec.so @DIR@/hang\naccount required pam_permit.so\n",
    );
    let script = format!(
        "#!/bin/sh\necho $$ >>{0}/pids\necho $PPID >>{0}/helpers\nexec sleep 600\n",
        folder.path().display()
    );
    write_private(&folder.path().join("hang"), &script);
    fs::set_permissions(folder.path().join("hang"), Permissions::from_mode(0o700)).expect("mode");
    folder
}

/// What the module started is nobody's child: under systemd it ends with the unit.
fn end_hanging(folder: &Path) {
    for pid in hanging(folder) {
        let pid = Pid::from_raw(i32::try_from(pid).expect("a pid"));
        kill(pid, Signal::SIGKILL).expect("the process that hangs");
    }
    text_of(&folder.join("helpers")).lines().for_each(clear_away);
}

#[test]
fn a_real_module_that_hangs_is_given_up_in_time() {
    let folder = hanging_module(REALM);
    let daemon = Daemon::start_in(folder, |command| command);
    let reply = daemon.authenticate("alice", "alice-secret");
    reply.is(3, "unavailable", "deadline");
    assert_eq!(hanging(daemon.folder()).len(), 1);
    end_hanging(daemon.folder());
}

#[test]
fn a_helper_behind_a_socket_ends_itself_when_its_module_hangs() {
    let folder = hanging_module(REALM);
    let serving = behind_a_socket(folder.path(), 1);
    let daemon = Daemon::start_in(folder, |command| command);
    let reply = daemon.authenticate("alice", "alice-secret");
    reply.is(3, "unavailable", "deadline");
    // Nobody could have killed it: it may be another user's process.
    let ended = serving.join().expect("a helper");
    assert_eq!(ended[0].signal(), Some(Signal::SIGALRM as i32), "{ended:?}");
    end_hanging(daemon.folder());
}

#[test]
fn a_check_names_what_is_missing() {
    let folder = prepared(&format!("{REALM}service = \"no-such-service\"\n"), PWDFILE);
    let config = folder.path().join("usher.toml").display().to_string();
    let checked = run("usherctl", &["check", &config]);
    assert_eq!(checked.code, 1, "{checked:#?}");
    assert!(checked.stdout.contains("write /etc/pam.d/no-such-service"), "{checked:#?}");
    fs::remove_file(folder.path().join("helper")).expect("the helper");
    let checked = run("usherd", &["--config", &config, "--check"]);
    assert_eq!(checked.code, 2, "{checked:#?}");
    assert!(checked.stderr.contains("helper is not there"), "{checked:#?}");
}
