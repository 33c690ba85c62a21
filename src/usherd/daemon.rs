//! The daemon's life: start, serve, reload, drain.

mod watchdog;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use sd_notify::NotifyState;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook_tokio::Signals;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::config::{self, Loaded, Settings};
use crate::control::{self, Control, Reload};
use crate::listener::{self, Sockets};
use crate::realm::Realms;
use crate::telemetry::{Audit, Minute};

/// Longer than any request may take, with a little for its answer to be written.
const LINGER: Duration = Duration::from_secs(2);

/// A daemon that listens.
pub struct Daemon {
    file: PathBuf,
    sockets: Sockets,
    control: Arc<Control>,
    reloads: mpsc::Receiver<Reload>,
    signals: Signals,
}

impl Daemon {
    /// Whether it could start, as far as that can be told without asking anybody or making a file.
    ///
    /// # Errors
    /// A text for people.
    pub fn check(settings: &Settings) -> Result<(), String> {
        Realms::check(settings)?;
        settings.audit.file.as_deref().map_or(Ok(()), Audit::check)
    }

    /// Opens realms and sockets. Directories are not waited for.
    ///
    /// # Errors
    /// A text for people: what could not be opened and why.
    pub fn start(file: &Path, settings: &Settings) -> Result<Self, String> {
        let signals = Signals::new([SIGTERM, SIGINT, SIGHUP])
            .map_err(|error| format!("cannot receive signals: {error}"))?;
        let sockets = Sockets::open(&settings.listen, settings.saslauthd.as_ref())?;
        let realms = Realms::open(settings, None)?.begin();
        let audit = control::audit(&settings.audit, None)?;
        let (control, reloads) = Control::new(settings, realms, audit, Instant::now());
        let control = Arc::new(control);
        Ok(Self { file: file.to_path_buf(), sockets, control, reloads, signals })
    }

    /// Serves until SIGTERM, SIGINT or `end`, then answers what was asked and returns. A second
    /// signal ends it at once.
    pub async fn run(self, end: CancellationToken) {
        let Self { file, sockets, control, mut reloads, mut signals } = self;
        let stop = CancellationToken::new();
        let watchdog = guard(&sockets);
        let mut serving = tokio::spawn(listener::run(sockets, Arc::clone(&control), stop.clone()));
        tracing::info!(name: "started", "usherd {} serves", env!("CARGO_PKG_VERSION"));
        notify(&[NotifyState::Ready, NotifyState::Status("serving")]);
        let mut marks = tokio::time::interval(Minute::PACE);
        loop {
            tokio::select! {
                _ = marks.tick() => control.rules().realms.mark(Instant::now()),
                () = end.cancelled() => break,
                Some(wish) = reloads.recv() => {
                    // Whoever wished may have stopped waiting.
                    let _ = wish.send(reload(&file, &control).await);
                }
                signal = signals.next() => match signal {
                    Some(SIGHUP) => drop(reload(&file, &control).await),
                    _ => break,
                }
            }
        }
        notify(&[NotifyState::Stopping, NotifyState::Status("answering what was asked")]);
        tracing::info!(
            name: "ending",
            "usherd ends: no new connections, requests under way are answered"
        );
        stop.cancel();
        drop(watchdog);
        let longest = control.rules().listen.request_timeout + LINGER;
        tokio::select! {
            _ = &mut serving => tracing::info!("usherd has ended"),
            _ = signals.next() => tracing::warn!("usherd ends at once"),
            () = tokio::time::sleep(longest) => tracing::warn!("usherd ends with requests left"),
        }
        control.rules().realms.wipe();
        // What was decided is on the disk before the daemon is gone.
        let audit = Arc::clone(&control.rules().audit);
        let _ = tokio::task::spawn_blocking(move || audit.finish()).await;
    }
}

/// Where systemd asks for signs of life, it is told for as long as this is kept.
fn guard(sockets: &Sockets) -> Option<AbortOnDropHandle<()>> {
    let within = sd_notify::watchdog_enabled()?;
    let socket = sockets.admin_path()?;
    let watch = async move { watchdog::run(within, &socket).await };
    Some(AbortOnDropHandle::new(tokio::spawn(watch)))
}

/// Reads the configuration again. What is wrong with it leaves the old one in force.
async fn reload(file: &Path, control: &Control) -> Result<String, String> {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(_) => notify(&[NotifyState::Reloading]),
    }
    let outcome = try_reload(file, control).await;
    match &outcome {
        Ok(text) => {
            control.counters.reloads.one();
            tracing::info!(name: "reloaded", "{text}");
        }
        Err(text) => {
            control.counters.reloads_failed.one();
            tracing::error!(name: "reload_failed", "the configuration stays as it was: {text}");
        }
    }
    let status = if outcome.is_ok() { "serving" } else { "serving; the last reload failed" };
    notify(&[NotifyState::Ready, NotifyState::Status(status)]);
    outcome
}

async fn try_reload(file: &Path, control: &Control) -> Result<String, String> {
    let path = file.to_path_buf();
    // Files and the user database, which may be slow.
    let Loaded { settings, warnings } = tokio::task::spawn_blocking(move || config::load(&path))
        .await
        .map_err(|error| error.to_string())?
        .map_err(|error| error.to_string())?;
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    let before = control.rules();
    let realms = Realms::open(&settings, Some(&before.realms))?;
    let sockets = |listen: &config::Listen, saslauthd: Option<&config::Saslauthd>| {
        (
            listen.socket.clone(),
            listen.admin_socket.clone(),
            listen.socket_mode,
            listen.socket_group.clone(),
            // What their words mean counts at once.
            saslauthd.map(|it| {
                (it.socket.clone(), it.socket_mode, it.socket_group.clone(), it.max_connections)
            }),
        )
    };
    let moved = sockets(&before.listen, before.saslauthd.as_ref())
        != sockets(&settings.listen, settings.saslauthd.as_ref());
    let audit = control::audit(&settings.audit, Some(&before))?;
    control.replace(&settings, realms.begin(), audit, Instant::now());
    let more = if moved { "; changed sockets take effect at the next start" } else { "" };
    Ok(format!("read {} again{more}", file.display()))
}

/// Tells systemd; without one, nobody.
fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!("cannot tell systemd ({state:?}) at $NOTIFY_SOCKET: {error}");
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use tokio_util::sync::CancellationToken;

    use super::Daemon;
    use crate::config;

    #[tokio::test]
    async fn when_it_ends_no_key_is_left_whoever_still_holds_its_realms() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("users.toml"), "").unwrap();
        let text = "[realm.home]\ntype = \"local\"\nfile = \"users.toml\"\n[listen]\n\
                    socket = \"usher.sock\"\nadmin_socket = \"admin.sock\"\n";
        let text = ["users.toml", "usher.sock", "admin.sock"]
            .iter()
            .fold(text.to_owned(), |text, it| text.replace(it, &path(it).to_string_lossy()));
        fs::write(path("usher.toml"), text).unwrap();
        let loaded = config::load(&path("usher.toml")).unwrap();
        let daemon = Daemon::start(&path("usher.toml"), &loaded.settings).unwrap();
        let rules = Arc::clone(&daemon.control.rules());
        assert!(!rules.realms.is_wiped());
        let end = CancellationToken::new();
        end.cancel();
        daemon.run(end).await;
        assert!(rules.realms.is_wiped());
    }
}
