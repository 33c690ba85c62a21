//! `[listen]`: sockets and limits.

use std::path::PathBuf;
use std::time::Duration;

use nix::unistd::Group;
use toml::Spanned;

use super::nss::found;
use super::problem::{Fault, Findings};
use super::settings::Listen;
use super::{Surroundings, raw, units};

/// The longest path that the address of a Unix socket holds.
const MAX_SOCKET_PATH: usize = 107;

pub(super) fn listen(
    raw: &raw::Listen,
    around: &Surroundings,
    findings: &mut Findings<'_>,
) -> Listen {
    let socket = |path: &String| socket_path(path, around);
    let bounds = Duration::from_millis(10)..=Duration::from_secs(300);
    let group = raw
        .socket_group
        .as_ref()
        .and_then(|group| findings.take("socket_group", group.span(), group_id(group.get_ref())));
    let listen = Listen {
        socket: findings.read("socket", &raw.socket, "/run/usher/usher.sock".into(), socket),
        socket_mode: findings.read("socket_mode", &raw.socket_mode, 0o660, |text| mode(text)),
        socket_group: group,
        admin_socket: findings.read(
            "admin_socket",
            &raw.admin_socket,
            "/run/usher/admin.sock".into(),
            socket,
        ),
        max_connections: findings.read(
            "max_connections",
            &raw.max_connections,
            4096,
            units::count(1..=1_000_000),
        ),
        max_in_flight: findings.read(
            "max_in_flight",
            &raw.max_in_flight,
            256,
            units::count(1..=65_536),
        ),
        request_timeout: findings.read(
            "request_timeout",
            &raw.request_timeout,
            Duration::from_secs(5),
            units::duration(bounds),
        ),
    };
    let written = raw.admin_socket.as_ref().or(raw.socket.as_ref()).map(Spanned::span);
    if let Some(at) = written.filter(|_| listen.socket == listen.admin_socket) {
        findings.refuse(at, Fault::new("socket and admin_socket are the same"));
    }
    listen
}

pub(super) fn socket_path(text: &str, around: &Surroundings) -> Result<PathBuf, Fault> {
    let path = around.path(text)?;
    if path.as_os_str().len() > MAX_SOCKET_PATH {
        return Err(Fault::new(format!(
            "is longer than a socket's path can be: {MAX_SOCKET_PATH} bytes"
        )));
    }
    Ok(path)
}

pub(super) fn mode(text: &str) -> Result<u32, Fault> {
    let digits = (3..=4).contains(&text.len()) && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
    u32::from_str_radix(text, 8).ok().filter(|mode| digits && *mode <= 0o777).ok_or_else(|| {
        Fault::new(format!("is not a set of permissions: {text:?}")).hint("write \"0660\"")
    })
}

/// That a group is not there.
pub(super) fn no_group(name: &str) -> Fault {
    Fault::new(format!("names a group that does not exist: {name:?}"))
        .hint("`getent group` lists those that do, `groupadd --system` makes one")
}

pub(super) fn group_id(name: &str) -> Result<(String, u32), Fault> {
    match found(Group::from_name(name)) {
        Ok(Some(group)) => Ok((name.to_owned(), group.gid.as_raw())),
        Ok(None) => Err(no_group(name)),
        Err(cause) => Err(Fault::new(format!("cannot be looked up: {cause}"))),
    }
}
