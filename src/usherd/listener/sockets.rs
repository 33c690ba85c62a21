//! The listening sockets: systemd's where it passes them, else our own.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener as StdListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use super::Listener;
use super::passed::{self, Passed};
use crate::config::{Listen, Saslauthd};

/// systemd's names for the sockets it passes (`FileDescriptorName=`).
const PUBLIC: &str = "usher.socket";
const ADMIN: &str = "usher-admin.socket";
const SASLAUTHD: &str = "usher-saslauthd.socket";
/// Its folder is not the daemon's to write in.
const MUX_HINT: &str =
    "under systemd a unit makes it: systemctl enable usherd-saslauthd.socket, and restart usherd";
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
    /// systemd keeps the socket, so its file waits for the next process.
    kept: bool,
}

impl Drop for Made {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        if fs::metadata(&self.path).is_ok_and(|file| file.ino() == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Sockets {
    /// Takes the sockets that systemd passes or keeps for us, and makes those it does not.
    ///
    /// # Errors
    /// A text for people.
    pub fn open(listen: &Listen, saslauthd: Option<&Saslauthd>) -> Result<Self, String> {
        let mut passed = Passed::from_systemd(&[PUBLIC, ADMIN, SASLAUTHD])?;
        let mut made = Vec::new();
        let group = listen.socket_group.as_ref().map(|(_, id)| *id);
        let public = Place { path: &listen.socket, mode: listen.socket_mode, group };
        let admin = Place { path: &listen.admin_socket, mode: ADMIN_MODE, group: None };
        let public = public.listen(PUBLIC, &mut passed, &mut made)?;
        let admin = admin.listen(ADMIN, &mut passed, &mut made)?;
        let saslauthd = match saslauthd {
            Some(wanted) => {
                let group = wanted.socket_group.as_ref().map(|(_, id)| *id);
                let mux = Place { path: &wanted.socket, mode: wanted.socket_mode, group };
                let listener = mux.listen(SASLAUTHD, &mut passed, &mut made);
                Some(listener.map_err(|text| format!("{text}; {MUX_HINT}"))?)
            }
            None => passed.take(SASLAUTHD)?,
        };
        passed.forget_rest();
        let saslauthd = saslauthd.map(listening).transpose()?;
        Ok(Self { public: listening(public)?, admin: listening(admin)?, saslauthd, _made: made })
    }

    /// Where the daemon takes commands.
    pub fn admin_path(&self) -> Option<PathBuf> {
        self.admin.local_addr().ok()?.as_pathname().map(Path::to_path_buf)
    }
}

fn listening(listener: StdListener) -> Result<Listener, String> {
    listener
        .set_nonblocking(true)
        .and_then(|()| Listener::from_std(listener))
        .map_err(|error| format!("a listening socket cannot be used: {error}"))
}

/// Where a socket of our own is to be, and for whom.
struct Place<'a> {
    path: &'a Path,
    mode: u32,
    group: Option<u32>,
}

impl Place<'_> {
    /// systemd's socket of this name, else the one that an earlier process made here, else a new
    /// one.
    fn listen(
        &self,
        name: &str,
        passed: &mut Passed,
        made: &mut Vec<Made>,
    ) -> Result<StdListener, String> {
        if let Some(given) = passed.take(name)? {
            return Ok(given);
        }
        if let Some(kept) = passed.take_kept(name, |kept| self.is_place_of(kept))? {
            self.permit()?;
            return Ok(kept);
        }
        let (listener, mut file) = self.bind()?;
        file.kept = passed::keep(name, &listener);
        made.push(file);
        Ok(listener)
    }

    /// The configuration may name another place now, and files can be removed.
    fn is_place_of(&self, kept: &StdListener) -> bool {
        kept.local_addr().is_ok_and(|at| at.as_pathname() == Some(self.path))
            && fs::metadata(self.path).is_ok_and(|file| file.file_type().is_socket())
    }

    /// Binds, with a file that is never open to more than `mode` says: the process's umask leaves
    /// nothing to others until the mode is set.
    fn bind(&self) -> Result<(StdListener, Made), String> {
        let path = self.path;
        let folder = path.parent().unwrap_or(Path::new("."));
        let folder = File::open(folder)
            .map_err(|error| format!("cannot listen at {}: its folder: {error}", path.display()))?;
        // Two daemons that start at once must not take each other's socket for a stale one.
        let _alone = Flock::lock(folder, FlockArg::LockExclusive)
            .map_err(|(_, error)| self.failed(&io::Error::from(error)))?;
        remove_stale(path)?;
        let listener = StdListener::bind(path).map_err(|error| self.failed(&error))?;
        let inode = fs::metadata(path).map_err(|error| self.failed(&error))?.ino();
        let made = Made { path: path.to_path_buf(), inode, kept: false };
        self.permit()?;
        Ok((listener, made))
    }

    /// systemd's sandbox knows no chown, and none is needed for the daemon's own group.
    fn permit(&self) -> Result<(), String> {
        let has = fs::metadata(self.path).map_err(|error| self.failed(&error))?.gid();
        if self.group.is_some_and(|group| group != has) {
            chown(self.path, None, self.group).map_err(|error| self.failed(&error))?;
        }
        fs::set_permissions(self.path, Permissions::from_mode(self.mode))
            .map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &io::Error) -> String {
        format!("cannot listen at {}: {error}", self.path.display())
    }
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
