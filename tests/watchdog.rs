//! What systemd is told, and what it keeps: signs of life, and sockets over a restart.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::Command;

use crate::support::daemon::{self, Daemon, LISTEN, LOCAL};
use crate::support::process;
use crate::support::programs::installed;
use crate::support::{PATIENCE, until_true};

/// Signs of life are expected within this time, in microseconds.
const WITHIN: &str = "300000";

fn next(told: &UnixDatagram) -> String {
    told.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let mut buffer = [0; 4096];
    let length = told.recv(&mut buffer).expect("something is told");
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

#[test]
fn systemd_is_told_that_the_daemon_is_well_only_while_it_answers() {
    let (daemon, told) = Daemon::start_told(daemon::folder(LOCAL), |mut usherd| {
        usherd.env("WATCHDOG_USEC", WITHIN);
        usherd
    });
    for _ in 0..3 {
        assert_eq!(next(&told), "WATCHDOG=1\n");
    }
    assert!(daemon.log().lines().count() < 5, "asking itself is no news: {}", daemon.log());
    // The daemon runs, but whoever connects has no answer.
    fs::remove_file(daemon.admin_socket()).expect("its own socket");
    let failures = || daemon.log().matches("usherd does not answer itself").count();
    until_true("it to find no answer", || failures() >= 1);
    // What was told before it found out is read away; then a few more pulses pass without a word.
    told.set_nonblocking(true).expect("a socket");
    while told.recv(&mut [0; 4096]).is_ok() {}
    let before = failures();
    until_true("it to find none again", || failures() >= before + 3);
    assert!(told.recv(&mut [0; 4096]).is_err(), "it says that it is well");
    assert!(daemon.log().contains("systemd will start it again"), "{}", daemon.log());
}

#[test]
fn without_a_watchdog_nothing_is_told() {
    let (mut daemon, told) = Daemon::start_told(daemon::folder(LOCAL), |usherd| usherd);
    assert!(daemon.stop().success());
    let last = next(&told);
    assert!(last.starts_with("STOPPING=1\n"), "{last}");
}

/// systemd's clock, in microseconds.
fn monotonic() -> u64 {
    let mut python = Command::new(installed("python3", "python3"));
    python.args(["-c", "import time; print(time.monotonic_ns() // 1000)"]);
    process::run(&mut python, b"").success().stdout.trim().parse().expect("a number")
}

/// `Type=notify` with the protocol of a reload, as sd_notify(3) has it.
#[test]
fn a_reload_is_told_with_the_time_at_which_it_began_and_ends_in_any_case() {
    let (daemon, told) = Daemon::start_told(daemon::folder(LOCAL), |usherd| usherd);
    for (more, status) in [("", "STATUS=serving"), ("unknown = 1\n", "the last reload failed")] {
        daemon.configure(&format!("{more}{LOCAL}"));
        let before = monotonic();
        let reload = daemon.ctl(&["reload"], b"");
        assert_eq!(reload.code == 0, more.is_empty(), "{reload:#?}");
        let began = next(&told);
        let time = began.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect(&began);
        let time: u64 = time.trim_end().parse().expect("a number");
        assert!((before..=monotonic()).contains(&time), "{time} is not within the reload");
        let ended = next(&told);
        assert!(ended.starts_with("READY=1\n") && ended.contains(status), "{ended}");
    }
}

/// As systemd with `FileDescriptorStoreMax=2`: runs usherd, keeps what it is given, and when usherd
/// is ready for the second time, or a third, ends. Between, it looks whether a client who asks while
/// nobody runs is answered.
const SYSTEMD: &str = r#"
import array, os, re, signal, socket, subprocess, sys
folder, *command = sys.argv[1:]
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.bind(folder + "/store.sock")
kept = {}

def start():
    environment = dict(os.environ, NOTIFY_SOCKET=folder + "/store.sock", FDSTORE="2")
    for place, fd in enumerate(kept.values()):
        # Out of the way of 3 and 4 is where they are kept.
        os.dup2(fd, 3 + place, inheritable=True)
    def become():
        if kept:
            os.environ.update(environment, LISTEN_FDS=str(len(kept)), LISTEN_PID=str(os.getpid()),
                              LISTEN_FDNAMES=":".join(kept))
        else:
            os.environ.update(environment)
        os.execv(command[0], command)
    pid = os.fork()
    if pid == 0:
        become()
    while True:
        text, control, _, _ = notify.recvmsg(4096, socket.CMSG_SPACE(4 * 4))
        text = text.decode()
        for level, kind, data in control:
            fds = array.array("i", data)
            name = re.search("FDNAME=(.*)", text).group(1)
            kept[name] = os.dup2(fds[0], 20 + len(kept))
        if "FDSTOREREMOVE=1" in text:
            del kept[re.search("FDNAME=(.*)", text).group(1)]
        if "READY=1" in text:
            return pid

def stop(pid):
    os.kill(pid, signal.SIGTERM)
    assert os.waitpid(pid, 0)[1] == 0

os.set_inheritable(notify.fileno(), False)
for fd in range(3, 20):
    if fd != notify.fileno():
        try: os.close(fd)
        except OSError: pass
os.dup2(notify.fileno(), 30); notify = socket.socket(fileno=30); os.set_inheritable(30, False)
first = start()
print("kept", *sorted(kept), flush=True)
inode = os.stat(folder + "/usher.sock").st_ino
stop(first)
client = socket.socket(socket.AF_UNIX)
os.set_inheritable(client.fileno(), False)
client.connect(folder + "/usher.sock")
second = start()
print("same", os.stat(folder + "/usher.sock").st_ino == inode, flush=True)
client.sendall(bytes(4))
print("answered", len(client.recv(4096)) > 0, flush=True)
stop(second)
with open(folder + "/usher.toml") as file: text = file.read()
with open(folder + "/usher.toml", "w") as file: file.write(text.replace("usher.sock", "other.sock"))
third = start()
print("kept", *sorted(kept), flush=True)
print("moved", os.path.exists(folder + "/other.sock"), flush=True)
stop(third)
"#;

#[test]
fn sockets_that_the_daemon_made_are_kept_by_systemd_over_a_restart() {
    let folder = daemon::folder(&format!("{LOCAL}{LISTEN}"));
    let mut python = Command::new(installed("python3", "python3"));
    python.args(["-c", SYSTEMD]).arg(folder.path());
    python.arg(crate::support::programs::program("usherd"));
    python.arg("--config").arg(folder.path().join("usher.toml"));
    let output = process::run(&mut python, b"").success();
    let lines: Vec<&str> = output.stdout.lines().collect();
    let kept = "kept own-usher-admin.socket own-usher.socket";
    assert_eq!(lines, [kept, "same True", "answered True", kept, "moved True"], "{output:#?}");
}
