//! What systemd passes: the sockets of its socket units, and those of ours that it keeps while the
//! daemon is restarted (sd_listen_fds(3), sd_pid_notify_with_fds(3)).

use std::os::fd::AsFd;
use std::os::unix::net::UnixListener as StdListener;

use listenfd::ListenFd;
use sd_notify::NotifyState;

/// Tells those that we made from those of socket units.
const OWN: &str = "own-";

/// The sockets that came, by their names.
pub(super) struct Passed {
    sockets: ListenFd,
    /// None where it was taken.
    names: Vec<Option<String>>,
}

impl Passed {
    /// Takes no others than these.
    pub(super) fn from_systemd(known: &[&str]) -> Result<Self, String> {
        let names = sd_notify::listen_fds_with_names()
            .map_err(|error| format!("the sockets that systemd passes: {error}"))?;
        let names: Vec<String> = names.map(|(_, name)| name).collect();
        let plain = |name: &str| known.contains(&name.strip_prefix(OWN).unwrap_or(name));
        for stranger in names.iter().filter(|name| !plain(name)) {
            let known = known.join(", ");
            tracing::warn!("systemd passes a socket {stranger:?}; known are {known}");
        }
        let names = names.into_iter().map(Some).collect();
        Ok(Self { sockets: ListenFd::from_env(), names })
    }

    /// The socket of a socket unit.
    pub(super) fn take(&mut self, name: &str) -> Result<Option<StdListener>, String> {
        let passed = |passed: &Option<String>| passed.as_deref() == Some(name);
        let Some(place) = self.names.iter().position(passed) else {
            return Ok(None);
        };
        if let Some(taken) = self.names.get_mut(place) {
            *taken = None;
        }
        self.sockets
            .take_unix_listener(place)
            .map_err(|error| format!("the socket {name} that systemd passes: {error}"))
    }

    /// The socket that an earlier process had kept by this name, if it is still of use.
    pub(super) fn take_kept(
        &mut self,
        name: &str,
        of_use: impl FnOnce(&StdListener) -> bool,
    ) -> Result<Option<StdListener>, String> {
        let own = format!("{OWN}{name}");
        let Some(kept) = self.take(&own)? else {
            return Ok(None);
        };
        if of_use(&kept) {
            return Ok(Some(kept));
        }
        forget(&own);
        Ok(None)
    }

    /// Has systemd forget what it kept and nobody took.
    pub(super) fn forget_rest(self) {
        for name in self.names.iter().flatten().filter(|name| name.starts_with(OWN)) {
            forget(name);
        }
    }
}

/// Has systemd keep a socket for the next process; false where it does not keep any (it says how
/// many in `FDSTORE`).
pub(super) fn keep(name: &str, listener: &StdListener) -> bool {
    if std::env::var("FDSTORE").map_or(true, |most| most == "0") {
        return false;
    }
    let own = format!("{OWN}{name}");
    let state = [NotifyState::FdStore, NotifyState::FdName(&own)];
    let sent = sd_notify::notify_with_fds(&state, &[listener.as_fd()]);
    if let Err(error) = &sent {
        tracing::warn!("systemd does not keep the socket {name}: {error}");
    }
    sent.is_ok()
}

fn forget(name: &str) {
    let state = [NotifyState::FdStoreRemove, NotifyState::FdName(name)];
    if let Err(error) = sd_notify::notify(&state) {
        tracing::warn!("systemd keeps the socket {name}: {error}");
    }
}
