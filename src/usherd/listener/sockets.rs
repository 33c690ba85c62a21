//! The listening sockets: systemd's where it passes them, else our own.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener as StdListener, UnixStream};
use std::path::{Path, PathBuf};

use listenfd::ListenFd;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use super::Listener;
use crate::config::{Listen, Saslauthd};

/// systemd's names for the sockets it passes (`FileDescriptorName=`).
const PUBLIC: &str = "usher.socket";
const ADMIN: &str = "usher-admin.socket";
const SASLAUTHD: &str = "usher-saslauthd.socket";
/// The owner of the daemon, and root.
const ADMIN_MODE: u32 = 0o600;

/// The sockets, listening.
pub struct Sockets {
    pub(super) public: Listener,
    pub(super) admin: Listener,
    /// Where there are clients of saslauthd.
    pub(super) saslauthd: Option<Listener>,
    /// The files that are removed with them.
    _made: Vec<Made>,
}

/// A socket file, known by its inode: another daemon may have put its own in the place.
struct Made {
    path: PathBuf,
    inode: u64,
}

impl Drop for Made {
    fn drop(&mut self) {
        if fs::metadata(&self.path).is_ok_and(|file| file.ino() == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Sockets {
    /// Takes the sockets that systemd passes, and makes those it does not.
    ///
    /// # Errors
    /// A text for people.
    pub fn open(listen: &Listen, saslauthd: Option<&Saslauthd>) -> Result<Self, String> {
        let mut made = Vec::new();
        let [mut public, mut admin, mut mux] = inherited()?;
        if public.is_none() {
            let group = listen.socket_group.as_ref().map(|(_, id)| *id);
            public = Some(bind(&listen.socket, listen.socket_mode, group, &mut made)?);
        }
        if admin.is_none() {
            admin = Some(bind(&listen.admin_socket, ADMIN_MODE, None, &mut made)?);
        }
        if let Some(wanted) = saslauthd.filter(|_| mux.is_none()) {
            let group = wanted.socket_group.as_ref().map(|(_, id)| *id);
            mux = Some(bind(&wanted.socket, wanted.socket_mode, group, &mut made)?);
        }
        let (Some(public), Some(admin)) = (public, admin) else {
            return Err("a socket is missing".to_owned());
        };
        let saslauthd = mux.map(listening).transpose()?;
        Ok(Self { public: listening(public)?, admin: listening(admin)?, saslauthd, _made: made })
    }
}

fn listening(listener: StdListener) -> Result<Listener, String> {
    listener
        .set_nonblocking(true)
        .and_then(|()| Listener::from_std(listener))
        .map_err(|error| format!("a listening socket cannot be used: {error}"))
}

/// LISTEN_FDS (sd_listen_fds(3)).
fn inherited() -> Result<[Option<StdListener>; 3], String> {
    let names = match sd_notify::listen_fds_with_names() {
        Ok(passed) => passed.map(|(_, name)| name).collect::<Vec<_>>(),
        Err(error) => return Err(format!("the sockets that systemd passes: {error}")),
    };
    let mut passed = ListenFd::from_env();
    let (mut public, mut admin, mut saslauthd) = (None, None, None);
    for (place, name) in names.iter().enumerate() {
        let slot = match name.as_str() {
            PUBLIC => &mut public,
            ADMIN => &mut admin,
            SASLAUTHD => &mut saslauthd,
            other => {
                tracing::warn!(
                    "systemd passes a socket {other:?}; {PUBLIC}, {ADMIN} and {SASLAUTHD} are known"
                );
                continue;
            }
        };
        *slot = passed
            .take_unix_listener(place)
            .map_err(|error| format!("the socket {name} that systemd passes: {error}"))?;
    }
    Ok([public, admin, saslauthd])
}

/// Binds, with a file that is never open to more than `mode` says: the process's umask leaves
/// nothing to others until the mode is set.
fn bind(
    path: &Path,
    mode: u32,
    group: Option<u32>,
    made: &mut Vec<Made>,
) -> Result<StdListener, String> {
    let failed = |error: io::Error| format!("cannot listen at {}: {error}", path.display());
    let folder = path.parent().unwrap_or(Path::new("."));
    let folder = File::open(folder)
        .map_err(|error| format!("cannot listen at {}: its folder: {error}", path.display()))?;
    // Two daemons that start at once must not take each other's socket for a stale one.
    let _alone = Flock::lock(folder, FlockArg::LockExclusive)
        .map_err(|(_, error)| failed(io::Error::from(error)))?;
    remove_stale(path)?;
    let listener = StdListener::bind(path).map_err(failed)?;
    let inode = fs::metadata(path).map_err(failed)?.ino();
    made.push(Made { path: path.to_path_buf(), inode });
    if group.is_some() {
        chown(path, None, group).map_err(failed)?;
    }
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(failed)?;
    Ok(listener)
}

/// Makes way for a new socket where a dead daemon left its own, and for nothing else.
fn remove_stale(path: &Path) -> Result<(), String> {
    let kind = match fs::symlink_metadata(path) {
        Ok(file) => file.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(format!("cannot listen at {}: {error}", path.display())),
    };
    if !kind.is_socket() {
        return Err(format!("cannot listen at {}: it exists and is no socket", path.display()));
    }
    match UnixStream::connect(path) {
        Ok(stream) => Err(format!(
            "cannot listen at {}: {} listens there already",
            path.display(),
            who(&stream)
        )),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            tracing::info!("replaced the stale socket {}", path.display());
            fs::remove_file(path)
                .map_err(|error| format!("cannot replace {}: {error}", path.display()))
        }
        Err(error) => Err(format!(
            "cannot listen at {}: it is not clear whether somebody does: {error}",
            path.display()
        )),
    }
}

/// The process that listens, by the credentials of its socket.
fn who(stream: &UnixStream) -> String {
    let Ok(credentials) = getsockopt(stream, PeerCredentials) else {
        return "another process".to_owned();
    };
    let pid = credentials.pid();
    match fs::read_to_string(format!("/proc/{pid}/comm")) {
        Ok(name) => format!("{} (process {pid}, user id {})", name.trim(), credentials.uid()),
        Err(_) => format!("process {pid} (user id {})", credentials.uid()),
    }
}
