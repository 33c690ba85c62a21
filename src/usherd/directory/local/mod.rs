//! Users in a file of ours: the embedded directory.

mod hash;
mod htpasswd;
mod md5_crypt;
mod users;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use usher_protocol::{Password, Reason};

use super::{Attempt, Directory, Found, SPENT, Saying, Unavailable, Verification, Wanted, told};
use crate::config::{self, Case};
use hash::Hash;
use users::{Stamp, Users};

/// How often the file is looked at.
const WATCH: Duration = Duration::from_millis(500);
/// As long as anybody waits for an answer.
const PRETENCE: Duration = Duration::from_secs(5);

/// The users of a file, which is read again when it changes.
pub(super) struct Local {
    shared: Arc<Shared>,
    /// Hashing is slow by design; more at once than the machine has cores would only starve it.
    hashing: Arc<Semaphore>,
    at_once: usize,
    watcher: JoinHandle<()>,
}

struct Shared {
    realm: String,
    settings: config::Local,
    case: Case,
    users: ArcSwap<Users>,
    generation: AtomicU64,
    problem: Mutex<Option<String>>,
}

/// How many users the file has, and what should be known of them; or why it cannot be used.
pub(super) fn check(
    settings: &config::Local,
    case: Case,
) -> Result<(usize, Option<String>), String> {
    let users = Users::read(settings, case)?;
    Ok((users.len(), warning(&users)))
}

/// What an administrator should do something about.
fn warning(users: &Users) -> Option<String> {
    const MOST: usize = 5;
    let weak = users.weak();
    let more = if weak.len() > MOST { " and others" } else { "" };
    let first = weak.iter().take(MOST).copied().collect::<Vec<_>>().join(", ");
    (!weak.is_empty()).then(|| {
        format!(
            "{} passwords are kept by MD5 or SHA-1, which whoever reads the file soon undoes: \
             {first}{more}",
            weak.len()
        )
    })
}

impl Local {
    pub(super) fn open(realm: &str, settings: &config::Local, case: Case) -> Result<Self, String> {
        let stamp = Stamp::of(&settings.file);
        let users = Users::read(settings, case)?;
        if let Some(warning) = warning(&users) {
            tracing::warn!(realm, "{warning}");
        }
        let shared = Arc::new(Shared {
            realm: realm.to_owned(),
            settings: settings.clone(),
            case,
            users: ArcSwap::from_pointee(users),
            generation: AtomicU64::new(0),
            problem: Mutex::new(None),
        });
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let watcher = tokio::spawn(watch(Arc::clone(&shared), stamp));
        let at_once = cores.div_ceil(2);
        Ok(Self { shared, hashing: Arc::new(Semaphore::new(at_once)), at_once, watcher })
    }

    /// Who has waited for too long does not wait on: the queue holds passwords.
    async fn check(
        &self,
        hash: Arc<Hash>,
        attempt: Attempt<'_>,
        deadline: Instant,
    ) -> Result<bool, Unavailable> {
        let failed = || {
            let text = format!(
                "the password of a user of realm {} could not be hashed in time: {} are hashed at \
                 once, and too many others wait; give the daemon more processors, or the users \
                 cheaper hashes",
                self.shared.realm, self.at_once
            );
            Unavailable::new(Reason::Overloaded, text)
        };
        let turn = timeout_at(deadline, Arc::clone(&self.hashing).acquire_owned());
        let turn = turn.await.map_err(|_| failed())?.map_err(|_| failed())?;
        if !attempt.may_go() {
            let text = format!("{}: {SPENT}", self.shared.settings.file.display());
            return Err(Unavailable::new(Reason::NoHost, text));
        }
        let password = attempt.password.clone();
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            hash.verify(password.as_bytes())
        })
        .await
        .map_err(|_| failed())
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}

impl Directory for Local {
    fn find<'a>(&'a self, user: &'a str, _: &'a Wanted, _: Instant) -> Saying<'a, Found> {
        Box::pin(async move {
            let (found, begun) = (Ok(self.shared.users.load().find(user)), Instant::now());
            told::found(self.shared.settings.file.display(), user, &found, begun);
            found
        })
    }

    fn verify<'a>(
        &'a self,
        id: &'a str,
        attempt: Attempt<'a>,
        deadline: Instant,
    ) -> Saying<'a, Verification> {
        Box::pin(async move {
            let user = self.shared.users.load().by_name(id);
            let Some(user) = user else {
                return Ok(Verification::Wrong);
            };
            let begun = Instant::now();
            let said = self.check(Arc::clone(&user.hash), attempt, deadline).await;
            let said = said
                .map(|right| if right { Verification::Right(None) } else { Verification::Wrong });
            told::judged(self.shared.settings.file.display(), id, &said, begun);
            said
        })
    }

    fn pretend<'a>(
        &'a self,
        password: &'a Password,
    ) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            let decoy = self.shared.users.load().decoy();
            if let Some(hash) = decoy {
                // The answer is "no" whatever this says; nobody's password is tried.
                let attempt = Attempt::new(password, &|| true);
                let _ = self.check(hash, attempt, Instant::now() + PRETENCE).await;
            }
        })
    }

    fn generation(&self) -> u64 {
        self.shared.generation.load(Ordering::Acquire)
    }

    fn problem(&self) -> Option<String> {
        self.shared.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Looks at the file from time to time. A broken one leaves the users as they were.
async fn watch(shared: Arc<Shared>, mut seen: Stamp) {
    let mut ticks = tokio::time::interval(WATCH);
    loop {
        ticks.tick().await;
        let work = Arc::clone(&shared);
        let looked = tokio::task::spawn_blocking(move || work.look(seen)).await;
        if let Ok(stamp) = looked {
            seen = stamp;
        }
    }
}

impl Shared {
    fn look(&self, seen: Stamp) -> Stamp {
        let stamp = Stamp::of(&self.settings.file);
        if stamp == seen {
            return stamp;
        }
        let problem = match Users::read(&self.settings, self.case) {
            Ok(users) => {
                tracing::info!(
                    realm = self.realm,
                    users = users.len(),
                    "read the users file again"
                );
                if let Some(warning) = warning(&users) {
                    tracing::warn!(realm = self.realm, "{warning}");
                }
                self.users.store(Arc::new(users));
                self.generation.fetch_add(1, Ordering::Release);
                None
            }
            Err(error) => {
                tracing::error!(realm = self.realm, "the users stay as they were: {error}");
                Some(error)
            }
        };
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
        stamp
    }
}
