//! What is true: the places where users are. A directory finds an entry and verifies a password;
//! it decides nothing and remembers nothing.

mod crowd;
mod entry;
mod ldap;
mod local;
mod net;
mod nss;
mod pam;
mod tls;
mod told;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::time::Instant;
use usher_protocol::{HostStatus, Password, Reason, Warning};

pub use entry::{Attributes, Entry, Wanted};

use crate::config;

/// What a directory will have said.
pub type Saying<'a, T> = Pin<Box<dyn Future<Output = Result<T, Unavailable>> + Send + 'a>>;

/// What a directory says of a password, and whom it then shows.
pub type Entered = (Verification, Result<Found, Unavailable>);

/// A place where users are.
pub trait Directory: Send + Sync {
    /// Looks for the one entry of `user` and what is wanted of it.
    fn find<'a>(
        &'a self,
        user: &'a str,
        wanted: &'a Wanted,
        deadline: Instant,
    ) -> Saying<'a, Found>;

    /// Tries the password of the entry with this id. It has at least one byte and no NUL.
    fn verify<'a>(
        &'a self,
        id: &'a str,
        attempt: Attempt<'a>,
        deadline: Instant,
    ) -> Saying<'a, Verification>;

    /// Tries the password of `user` and then looks for the entry with the user's own eyes, where
    /// nobody else may see it; there it stands for `find` and `verify`, and nobody is found unless
    /// the password is right. Elsewhere it is both of them. A right password is right though the
    /// entry cannot be read.
    fn enter<'a>(
        &'a self,
        user: &'a str,
        attempt: Attempt<'a>,
        wanted: &'a Wanted,
        deadline: Instant,
    ) -> Saying<'a, Entered> {
        Box::pin(async move {
            let found = self.find(user, wanted, deadline).await?;
            let Found::One(entry) = &found else {
                return Ok((Verification::Wrong, Ok(Found::Nobody)));
            };
            let verification = self.verify(&entry.id, attempt, deadline).await?;
            Ok((verification, Ok(found)))
        })
    }

    /// Takes as long as `verify` where that is slow by design, so that time tells nobody which
    /// names exist. Elsewhere the pace of refusals sees to it.
    fn pretend<'a>(
        &'a self,
        _password: &'a Password,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(std::future::ready(()))
    }

    /// What may be amiss where the user was not found or lacks something, for people. It looks
    /// where the road did not.
    fn hints<'a>(
        &'a self,
        _user: &'a str,
        _lacking: Lacking<'a>,
        _deadline: Instant,
    ) -> Pin<Box<dyn Future<Output = Vec<String>> + Send + 'a>> {
        Box::pin(std::future::ready(Vec::new()))
    }

    /// Changes when everything said before is void.
    fn generation(&self) -> u64 {
        0
    }

    /// The hosts and how they are, where there are any.
    fn hosts(&self) -> Vec<HostStatus> {
        Vec::new()
    }

    /// What is wrong with the directory as a whole.
    fn problem(&self) -> Option<String> {
        None
    }
}

/// A password on its way to a directory.
#[derive(Clone, Copy)]
pub struct Attempt<'a> {
    /// What the user gave.
    pub password: &'a Password,
    leave: &'a (dyn Fn() -> bool + Send + Sync),
}

impl<'a> Attempt<'a> {
    /// One that goes wherever `leave` lets it.
    pub fn new(password: &'a Password, leave: &'a (dyn Fn() -> bool + Send + Sync)) -> Self {
        Self { password, leave }
    }

    /// Asks leave to send the password now; each time anew, since a host that does not answer may
    /// have counted it. False: it must not be sent (again).
    pub fn may_go(&self) -> bool {
        (self.leave)()
    }
}

/// What is said of a place to which a password was not let go.
const SPENT: &str = "not asked: the password may have been counted elsewhere, and one more would \
                     be more than the realm's shield lets fail";

/// What a search found.
#[derive(Debug)]
pub enum Found {
    /// No entry.
    Nobody,
    /// The entry.
    One(Entry),
    /// More than one entry: an error, never a guess.
    Several,
}

/// What somebody has looked for in vain.
#[derive(Debug, Clone, Copy)]
pub enum Lacking<'a> {
    /// An entry.
    User,
    /// These attributes of the entry with this id.
    Attributes(&'a str, &'a [String]),
}

/// What the directory says to a password.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    /// It is right; the directory may have something to say about it.
    Right(Option<Warning>),
    /// It is wrong.
    Wrong,
    /// It is right, and the account may not be used for this reason.
    Barred(Reason),
    /// The account may not be used for this reason, be the password right or wrong.
    Refused(Reason),
}

/// Nobody could be asked. Never a "no".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    /// Why, for programs.
    pub reason: Reason,
    /// What was attempted, where, and what came back.
    pub message: String,
    /// Whether no host has answered. One that refuses, or has too much to do, is not silent: what
    /// was known before is not for its sake to be used any longer.
    pub silent: bool,
}

impl Unavailable {
    /// With a reason and a text for people.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        let silent = reason != Reason::Overloaded;
        Self { reason, message: message.into(), silent }
    }

    /// Somebody did answer.
    pub fn not_silent(self) -> Self {
        Self { silent: false, ..self }
    }
}

/// Reads the files that a realm's directory needs, to see whether it could be opened.
///
/// # Errors
/// A text for people.
pub fn check(realm: &config::Realm) -> Result<(), String> {
    match &realm.directory {
        config::Directory::Local(local) => local::check(local, realm.usernames.case).map(drop),
        config::Directory::Pam(pam) => pam::check(pam),
        config::Directory::Crowd(_) | config::Directory::Ldap(_) => Ok(()),
    }
}

/// How it went to try one place where a realm's users are.
#[derive(Debug)]
pub struct Walk {
    /// The host, or the file.
    pub name: String,
    /// What was done, and how long it took; what was seen there.
    pub steps: Vec<String>,
    /// What works and may still not be what is meant.
    pub warnings: Vec<String>,
    /// What went wrong, if anything.
    pub outcome: Result<(), String>,
}

/// Tries each place where a realm's users are.
pub async fn walk(realm: &config::Realm) -> Vec<Walk> {
    match &realm.directory {
        config::Directory::Ldap(ldap) => ldap::walk(realm, ldap).await,
        config::Directory::Pam(pam) => vec![pam::walk(pam)],
        config::Directory::Crowd(crowd) => crowd::walk(&realm.name, crowd).await,
        config::Directory::Local(local) => {
            let name = local.file.display().to_string();
            let (mut steps, mut warnings) = (Vec::new(), Vec::new());
            let outcome = local::check(local, realm.usernames.case).map(|(users, warning)| {
                steps.push(format!("read {users} users"));
                warnings.extend(warning);
            });
            vec![Walk { name, steps, warnings, outcome }]
        }
    }
}

/// Opens the directory of a realm. Connections are made in the background.
///
/// # Errors
/// A text for people, if the directory cannot even be begun with: its file cannot be read.
pub fn open(realm: &config::Realm) -> Result<Arc<dyn Directory>, String> {
    Ok(match &realm.directory {
        config::Directory::Local(local) => {
            Arc::new(local::Local::open(&realm.name, local, realm.usernames.case)?)
        }
        config::Directory::Pam(pam) => Arc::new(pam::Pam::open(&realm.name, pam)?),
        config::Directory::Crowd(crowd) => Arc::new(crowd::Crowd::open(&realm.name, crowd)?),
        config::Directory::Ldap(ldap) => Arc::new(ldap::Ldap::open(&realm.name, ldap)?),
    })
}

#[cfg(test)]
mod tests;
