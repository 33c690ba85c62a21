//! Who may ask: the socket's mode and group, and `[access]`.

use std::fs;
use std::os::unix::fs::MetadataExt;

use nix::unistd::{Gid, Group, getgid, getuid};

use crate::support::daemon::{Daemon, LISTEN, LOCAL};

/// The id of some user who does not run these tests.
fn somebody_else() -> u32 {
    getuid().as_raw() + 4_242
}

#[test]
fn a_peer_that_is_not_listed_is_forbidden_to_ask() {
    let other = somebody_else();
    let access = format!("[access]\nauthenticate = [{other}]\nlookup = [\"{other}\"]\n");
    let daemon = Daemon::start(&format!("{LOCAL}{access}"));
    daemon.lookup("alice").is(4, "forbidden", "peer_not_allowed");
    daemon.authenticate("alice", "alice-secret").is(4, "forbidden", "peer_not_allowed");
}

#[test]
fn each_call_has_its_own_list() {
    let (own, other) = (getuid().as_raw(), somebody_else());
    let access = format!("[access]\nauthenticate = [{other}]\nlookup = [{other}, {own}]\n");
    let daemon = Daemon::start(&format!("{LOCAL}{access}"));
    daemon.lookup("alice").is_found();
    daemon.authenticate("alice", "alice-secret").is(4, "forbidden", "peer_not_allowed");
}

#[test]
fn a_list_of_nobody_lets_nobody_in_and_a_group_lets_its_members_in() {
    let group = group_of(getgid()).name;
    let access = format!("[access]\nauthenticate = []\nlookup = [\"@{group}\"]\n");
    let daemon = Daemon::start(&format!("{LOCAL}{access}"));
    daemon.authenticate("alice", "alice-secret").is(4, "forbidden", "peer_not_allowed");
    daemon.lookup("alice").is_found();
}

#[test]
fn the_socket_has_the_mode_and_the_group_of_the_configuration() {
    // Only root can give a file to a group that it is not in.
    let group = if getuid().is_root() { group_of(Gid::from_raw(1)) } else { group_of(getgid()) };
    let name = &group.name;
    let listen = format!("{LISTEN}socket_mode = \"0640\"\nsocket_group = \"{name}\"\n");
    let daemon = Daemon::start(&format!("{LOCAL}{listen}"));
    let socket = fs::metadata(daemon.socket()).expect("the socket");
    assert_eq!((socket.mode() & 0o7777, socket.gid()), (0o640, group.gid.as_raw()));
    assert_admin_socket_is_private(&daemon);
}

#[test]
fn without_a_word_about_it_the_socket_is_for_the_daemons_own_group() {
    let daemon = Daemon::start(LOCAL);
    let socket = fs::metadata(daemon.socket()).expect("the socket");
    assert_eq!((socket.mode() & 0o7777, socket.gid()), (0o660, getgid().as_raw()));
    assert_admin_socket_is_private(&daemon);
}

fn assert_admin_socket_is_private(daemon: &Daemon) {
    let socket = fs::metadata(daemon.admin_socket()).expect("the admin socket");
    assert_eq!((socket.mode() & 0o7777, socket.uid()), (0o600, getuid().as_raw()));
}

fn group_of(gid: Gid) -> Group {
    Group::from_gid(gid).expect("the groups").expect("a group with a name")
}
