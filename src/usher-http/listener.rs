//! The socket: systemd's where it passes one, else our own.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener as StdUnixListener, UnixStream as StdUnixStream};
use std::path::{Path, PathBuf};

use listenfd::ListenFd;
use tokio::net::{TcpListener, UnixListener};

use crate::config::{Address, port_is_private, socket_is_private};
use crate::network::Network;

/// systemd's name for the socket it passes (`FileDescriptorName=`).
const NAME: &str = "usher-http.socket";

/// A listening socket of either kind.
pub(crate) enum Listener {
    Tcp(TcpListener),
    /// With the file that is removed at the end, where it was made here.
    Unix(UnixListener, #[expect(dead_code, reason = "it is dropped")] Option<Made>),
}

/// A socket file, known by its inode: another process may have put its own in the place.
pub(crate) struct Made {
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

impl Listener {
    /// Takes the socket that systemd passes.
    ///
    /// # Errors
    /// A text for people.
    pub(crate) fn inherited() -> Result<Option<Self>, String> {
        let failed = |error: io::Error| format!("the socket that systemd passes: {error}");
        let names = sd_notify::listen_fds_with_names().map_err(failed)?;
        let mut names = names.map(|(_, name)| name);
        let Some(place) = names.position(|name| name == NAME) else {
            return Ok(None);
        };
        let mut passed = ListenFd::from_env();
        // Each refuses a socket of the other kind, and leaves it where it is.
        if let Ok(Some(listener)) = passed.take_tcp_listener(place) {
            return Self::tcp(listener).map_err(failed).map(Some);
        }
        let listener = passed.take_unix_listener(place).map_err(failed)?;
        listener.map(|listener| Self::unix(listener, None)).transpose().map_err(failed)
    }

    /// Makes a socket.
    ///
    /// # Errors
    /// A text for people.
    pub(crate) fn bind(address: &Address, mode: u32, group: Option<u32>) -> Result<Self, String> {
        let failed = |error: io::Error| format!("cannot listen at {address}: {error}");
        match address {
            Address::Tcp(tcp) => {
                std::net::TcpListener::bind(tcp).and_then(Self::tcp).map_err(failed)
            }
            Address::Unix(path) => {
                remove_stale(path).map_err(failed)?;
                // The process's umask leaves nothing to others until the mode is set.
                let listener = StdUnixListener::bind(path).map_err(failed)?;
                let inode = fs::metadata(path).map_err(failed)?.ino();
                let made = Made { path: path.clone(), inode };
                if group.is_some() {
                    chown(path, None, group).map_err(failed)?;
                }
                fs::set_permissions(path, Permissions::from_mode(mode)).map_err(failed)?;
                Self::unix(listener, Some(made)).map_err(failed)
            }
        }
    }

    fn tcp(listener: std::net::TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener).map(Self::Tcp)
    }

    fn unix(listener: StdUnixListener, made: Option<Made>) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        UnixListener::from_std(listener).map(|listener| Self::Unix(listener, made))
    }

    /// Whether nobody but these peers and those whom a socket's mode lets in can be believed.
    ///
    /// # Errors
    /// A text for people.
    pub(crate) fn is_private(&self, peers: &[Network]) -> Result<(), String> {
        let failed = |error: io::Error| format!("whose the socket is: {error}");
        let private = match self {
            Self::Tcp(listener) => {
                port_is_private(listener.local_addr().map_err(failed)?.ip(), peers)
            }
            Self::Unix(listener, _) => {
                let address = listener.local_addr().map_err(failed)?;
                // One without a file has no mode.
                let file = address.as_pathname().map(fs::metadata).transpose().map_err(failed)?;
                socket_is_private(file.map_or(0o777, |file| file.mode()))
            }
        };
        private.map_err(str::to_owned)
    }

    /// Where it listens, for people.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(|at| at.to_string()),
            Self::Unix(listener, _) => listener.local_addr().map(|at| match at.as_pathname() {
                Some(path) => path.display().to_string(),
                None => "a socket without a name".to_owned(),
            }),
        }
        .unwrap_or_else(|error| error.to_string())
    }
}

/// Makes way where a dead process left its socket, and for nothing else.
fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(file) if !file.file_type().is_socket() => {
            return Err(io::Error::other("it exists and is no socket"));
        }
        Ok(_) => {}
    }
    match StdUnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) => Err(error),
        Ok(_) => Err(io::Error::other("another process listens there already")),
    }
}
