//! The running daemon as a whole: the configuration in force, the counters, and what the admin
//! socket may ask of them.

mod shadow;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption, Guard};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::Instant;
use usher_protocol::{Password, Query, Reply, Status, Verdict, frame};

use crate::config::{self, Access, Listen, Saslauthd, Settings};
use crate::realm::Realms;
use crate::telemetry::{self, Audit, Counters, Seldom};
use shadow::Shadow;

/// The bytes of metrics in an answer; a frame holds a little more.
const PART: usize = frame::MAX_LENGTH - 1024;

/// What all connections share.
pub struct Control {
    rules: ArcSwap<Rules>,
    reloads: mpsc::Sender<Reload>,
    /// Another configuration that is asked the same, while somebody compares.
    shadow: ArcSwapOption<Shadow>,
    comparing: Mutex<()>,
    started: Instant,
    connections: AtomicU64,
    /// What was answered since the start.
    pub counters: Counters,
    /// For what a client could make the log repeat without end.
    pub complaints: Seldom,
}

/// The configuration in force; swapped whole, so that no request sees half of two.
pub struct Rules {
    /// Who may ask.
    pub access: Access,
    /// The limits. Changed socket paths count from the next start.
    pub listen: Listen,
    /// What the words of saslauthd's clients mean.
    pub saslauthd: Option<Saslauthd>,
    /// Whom to ask.
    pub realms: Realms,
    /// Where decisions are recorded.
    pub audit: Arc<Audit>,
    audited: config::Audit,
    since: Instant,
}

/// Opens the record of decisions; that of `before` goes on where it is to be the same.
///
/// # Errors
/// A text for people, where its file cannot be written.
pub fn audit(settings: &config::Audit, before: Option<&Rules>) -> Result<Arc<Audit>, String> {
    if let Some(before) = before.filter(|before| before.audited == *settings) {
        return Ok(Arc::clone(&before.audit));
    }
    let shown = settings.unknown_users == config::UnknownUsers::Shown;
    Audit::open(settings.file.as_deref(), settings.cached, shown).map(Arc::new)
}

/// A wish to read the configuration again, and where to say how that went.
pub type Reload = oneshot::Sender<Result<String, String>>;

impl Control {
    /// With a first configuration. Wishes to reload arrive at the receiver.
    pub fn new(
        settings: &Settings,
        realms: Realms,
        audit: Arc<Audit>,
        now: Instant,
    ) -> (Self, mpsc::Receiver<Reload>) {
        let (reloads, wishes) = mpsc::channel(1);
        let control = Self {
            rules: ArcSwap::from_pointee(Rules::new(settings, realms, audit, now)),
            reloads,
            shadow: ArcSwapOption::empty(),
            comparing: Mutex::new(()),
            started: now,
            connections: AtomicU64::new(0),
            counters: Counters::default(),
            complaints: Seldom::default(),
        };
        (control, wishes)
    }

    /// The configuration in force.
    pub fn rules(&self) -> Guard<Arc<Rules>> {
        self.rules.load()
    }

    /// Puts another configuration in force.
    pub fn replace(&self, settings: &Settings, realms: Realms, audit: Arc<Audit>, now: Instant) {
        self.rules.store(Arc::new(Rules::new(settings, realms, audit, now)));
    }

    /// Asks the daemon to read its configuration again, and waits for how that went.
    pub async fn reload(&self) -> Reply {
        const ENDING: &str = "the daemon is ending";
        let (tell, told) = oneshot::channel();
        if self.reloads.send(tell).await.is_err() {
            return Reply::Failed(ENDING.to_owned());
        }
        told.await.map_or_else(|_| Reply::Failed(ENDING.to_owned()), outcome)
    }

    /// Has the configuration in this file asked what real requests ask, for so long, and tells how
    /// its answers differ.
    pub async fn compare(&self, file: PathBuf, duration: Duration) -> Reply {
        let Ok(_alone) = self.comparing.try_lock() else {
            return Reply::Failed("another comparison is under way".to_owned());
        };
        let (realms, limit) = match open(file).await {
            Ok(opened) => opened,
            Err(text) => return Reply::Failed(text),
        };
        let (shadow, questions) = Shadow::new();
        self.shadow.store(Some(shadow));
        let comparison = questions.compare(&realms, Instant::now() + duration, limit).await;
        self.shadow.store(None);
        Reply::Compared(Box::new(comparison))
    }

    /// Tells whoever compares what was asked and answered.
    pub fn answered(&self, query: &Query, password: Option<&Password>, verdict: &Verdict) {
        if let Some(shadow) = &*self.shadow.load() {
            shadow.consider(query, password, verdict);
        }
    }

    /// Forgets what directories said.
    pub fn flush(&self, realm: Option<&str>, user: Option<&str>) -> Reply {
        outcome(self.rules().realms.flush(realm, user))
    }

    /// Lifts a user's block.
    pub fn unblock(&self, realm: Option<&str>, user: &str) -> Reply {
        outcome(self.rules().realms.unblock(realm, user))
    }

    /// How the daemon is, for Prometheus: the lines after the first `skip`, as far as an answer
    /// holds them.
    pub fn metrics(&self, skip: u32, now: Instant) -> Reply {
        let text = telemetry::metrics(self.status(now));
        let (text, more) = telemetry::part(&text, skip, PART);
        Reply::Metrics { text, more }
    }

    /// How the daemon is.
    pub fn status(&self, now: Instant) -> Status {
        let rules = self.rules();
        let seconds = |since: Instant| now.saturating_duration_since(since).as_secs();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_s: seconds(self.started),
            configured_s: seconds(rules.since),
            connections: self.connections.load(Ordering::Relaxed),
            max_connections: u64::try_from(rules.listen.max_connections).unwrap_or(u64::MAX),
            counters: self.counters.now(rules.audit.lost()),
            elsewhere: self.counters.elsewhere.answers(),
            realms: rules.realms.status(now),
        }
    }

    /// Tells how many connections there are now.
    pub fn connections(&self, count: usize) {
        self.connections.store(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// The realms of a configuration that is not in force, and how long a request of theirs may take.
async fn open(file: PathBuf) -> Result<(Realms, Duration), String> {
    let loaded = tokio::task::spawn_blocking(move || config::load(&file)).await;
    let loaded = loaded.map_err(|error| error.to_string())?;
    let settings = loaded.map_err(|error| error.to_string())?.settings;
    Ok((Realms::open(&settings, None)?.begin(), settings.listen.request_timeout))
}

fn outcome(done: Result<String, String>) -> Reply {
    match done {
        Ok(text) => Reply::Done(text),
        Err(text) => Reply::Failed(text),
    }
}

impl Rules {
    fn new(settings: &Settings, realms: Realms, audit: Arc<Audit>, since: Instant) -> Self {
        let (access, listen) = (settings.access.clone(), settings.listen.clone());
        let saslauthd = settings.saslauthd.clone();
        Self { access, audit, audited: settings.audit.clone(), listen, saslauthd, realms, since }
    }
}
