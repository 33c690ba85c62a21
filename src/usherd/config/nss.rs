//! What the user database of this machine says.

use nix::errno::Errno;

/// getpwnam(3) counts these errors among the ways to say that there is nobody of the name: so says
/// a source of names that does not run.
pub fn found<T>(answer: nix::Result<Option<T>>) -> nix::Result<Option<T>> {
    match answer {
        Err(Errno::ENOENT | Errno::ESRCH | Errno::EBADF | Errno::EPERM) => Ok(None),
        other => other,
    }
}
