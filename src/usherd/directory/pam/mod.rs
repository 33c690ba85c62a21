//! PAM: a helper in a process of its own asks it about each password, since modules block, keep
//! state, and crash.

mod helper;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use usher_protocol::Reason;

use super::nss::Nss;
use super::{
    Attempt, Directory, Entered, Entry, Found, SPENT, Saying, Unavailable, Verification, Walk,
    Wanted, told,
};
use crate::config;
use helper::Helper;

/// Where services are described.
const SERVICES: [&str; 3] = ["/etc/pam.d", "/usr/lib/pam.d", "/usr/etc/pam.d"];

/// A service of this machine, and its user database.
pub(super) struct Pam {
    realm: String,
    settings: config::Pam,
    lanes: Arc<Semaphore>,
    nss: Nss,
    problem: Mutex<Option<String>>,
}

/// Whether the helper is there.
pub(super) fn check(settings: &config::Pam) -> Result<(), String> {
    helper::check(&settings.helper)
}

/// Looks whether all is there that a password needs.
pub(super) fn walk(settings: &config::Pam) -> Walk {
    let helper = settings.helper.display();
    let mut steps = Vec::new();
    let outcome = check(settings).and_then(|()| {
        steps.push(format!("helper {helper}"));
        let service = &settings.service;
        let places = SERVICES.map(|folder| Path::new(folder).join(service));
        let place = places.iter().find(|place| place.exists());
        let place = place.ok_or_else(|| {
            format!("PAM has no service {service}: write {}", places[0].display())
        })?;
        steps.push(format!("service {}", place.display()));
        Ok(())
    });
    let name = format!("PAM service {}", settings.service);
    Walk { name, steps, warnings: Vec::new(), outcome }
}

impl Pam {
    pub(super) fn open(realm: &str, settings: &config::Pam) -> Result<Self, String> {
        check(settings)?;
        Ok(Self {
            realm: realm.to_owned(),
            settings: settings.clone(),
            lanes: Arc::new(Semaphore::new(settings.lanes)),
            nss: Nss::new(),
            problem: Mutex::new(None),
        })
    }

    async fn ask(
        &self,
        user: &str,
        attempt: Attempt<'_>,
        deadline: Instant,
    ) -> Result<Verification, Unavailable> {
        let turn = timeout_at(deadline, self.lanes.acquire()).await;
        let Ok(Ok(_turn)) = turn else {
            let text = format!(
                "all {} helpers of realm {} are busy with other passwords; raise pool.bind_lanes, \
                 or see which module of PAM is slow",
                self.settings.lanes, self.realm
            );
            return Err(Unavailable::new(Reason::Overloaded, text));
        };
        let service = &self.settings.service;
        let question = helper::Question { service, user, password: attempt.password };
        let begun = Instant::now();
        let said = match Helper::reach(&self.settings.helper).await {
            // Nothing is amiss with PAM.
            Ok(_) if !attempt.may_go() => {
                let text = format!("PAM service {service}: {SPENT}");
                return Err(Unavailable::new(Reason::NoHost, text));
            }
            Ok(helper) => helper.ask(&question, deadline).await,
            Err(why) => Err(why),
        };
        told::judged(format_args!("PAM service {service}"), user, &said, begun);
        let news = said.as_ref().err().map(|why| why.message.clone());
        let mut problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(news) = &news
            && problem.as_ref() != Some(news)
        {
            tracing::error!(realm = self.realm, "{news}");
        }
        *problem = news;
        said
    }
}

impl Directory for Pam {
    fn find<'a>(&'a self, user: &'a str, _: &'a Wanted, deadline: Instant) -> Saying<'a, Found> {
        Box::pin(self.nss.find(user, deadline))
    }

    fn verify<'a>(
        &'a self,
        id: &'a str,
        attempt: Attempt<'a>,
        deadline: Instant,
    ) -> Saying<'a, Verification> {
        Box::pin(self.ask(id, attempt, deadline))
    }

    /// PAM may know users that the user database does not: the password comes first. Of such a
    /// user no more than the name is known.
    fn enter<'a>(
        &'a self,
        user: &'a str,
        attempt: Attempt<'a>,
        _: &'a Wanted,
        deadline: Instant,
    ) -> Saying<'a, Entered> {
        Box::pin(async move {
            let verification = self.ask(user, attempt, deadline).await?;
            let found = match verification {
                Verification::Right(_) => self.nss.find(user, deadline).await,
                _ => Ok(Found::Nobody),
            };
            let found = match (verification, found) {
                (Verification::Right(_), Ok(Found::Nobody)) => {
                    let (id, username) = (user.to_owned(), user.to_owned());
                    Ok(Found::One(Entry { id, username, ..Entry::default() }))
                }
                (_, found) => found,
            };
            Ok((verification, found))
        })
    }

    fn problem(&self) -> Option<String> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
