//! Another configuration beside the one in force: what real requests ask is asked there too, and
//! what it would have answered is compared and thrown away. Nobody waits for it.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use usher_protocol::{
    Comparison, Difference, Identity, MAX_DIFFERENCES, Password, Query, Reason, Verdict,
};

use crate::realm::Realms;
use crate::telemetry::Notes;

/// Questions that wait; more are not compared.
const MOST_WAITING: usize = 1024;
/// Questions that are asked at once.
const AT_ONCE: usize = 16;

/// The way to the other configuration.
#[derive(Debug)]
pub(super) struct Shadow {
    questions: mpsc::Sender<Question>,
    comparison: Mutex<Comparison>,
}

/// What was asked, and what was answered.
#[derive(Debug)]
struct Question {
    query: Query,
    password: Option<Password>,
    verdict: Verdict,
}

impl Shadow {
    /// The way, and what goes it.
    pub(super) fn new() -> (Arc<Self>, Questions) {
        let (questions, asked) = mpsc::channel(MOST_WAITING);
        let shadow = Arc::new(Self { questions, comparison: Mutex::default() });
        (Arc::clone(&shadow), Questions { shadow, asked })
    }

    /// Has the other configuration asked the same, if there is room. A password that was refused
    /// is not tried there: its directory could count it a second time, and lock the account. Nor
    /// is one that nobody could judge, as it may be wrong.
    pub(super) fn consider(&self, query: &Query, password: Option<&Password>, verdict: &Verdict) {
        match verdict {
            // No configuration would answer such a question otherwise.
            Verdict::Forbidden(_) | Verdict::Invalid(_) => return,
            Verdict::Denied(refusal) if password.is_some() && refusal.reason != Reason::Rule => {
                return self.note(|comparison| comparison.refused += 1);
            }
            Verdict::Unavailable(_) if password.is_some() => {
                return self.note(|comparison| comparison.passed_over += 1);
            }
            _ => {}
        }
        let verdict = verdict.clone();
        let question = Question { query: query.clone(), password: password.cloned(), verdict };
        if self.questions.try_send(question).is_err() {
            self.note(|comparison| comparison.passed_over += 1);
        }
    }

    fn note(&self, change: impl FnOnce(&mut Comparison)) {
        change(&mut self.comparison.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// What real requests ask.
pub(super) struct Questions {
    shadow: Arc<Shadow>,
    asked: mpsc::Receiver<Question>,
}

impl Questions {
    /// Asks the other configuration until then, and tells how its answers differ.
    pub(super) async fn compare(
        mut self,
        realms: &Realms,
        until: Instant,
        limit: Duration,
    ) -> Comparison {
        let mut under_way = FuturesUnordered::new();
        let mut end = pin!(sleep_until(until));
        loop {
            tokio::select! {
                () = &mut end => break,
                Some(()) = under_way.next() => {}
                Some(question) = self.asked.recv(), if under_way.len() < AT_ONCE => {
                    under_way.push(ask(realms, question, limit, &self.shadow));
                }
            }
        }
        while under_way.next().await.is_some() {}
        self.shadow.comparison.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn ask(realms: &Realms, question: Question, limit: Duration, shadow: &Shadow) {
    let Question { query, password, verdict } = question;
    let deadline = Instant::now() + limit;
    let mut notes = Notes::default();
    let other = match password {
        Some(password) => realms.authenticate(&query, &password, &mut notes, deadline).await,
        None => realms.lookup(&query, &mut notes, deadline).await,
    };
    let difference = difference(&query, &verdict, &other);
    shadow.note(|comparison| {
        comparison.compared += 1;
        if let Some(difference) = difference {
            comparison.different += 1;
            let known = comparison.differences.contains(&difference);
            if !known && comparison.differences.len() < MAX_DIFFERENCES {
                comparison.differences.push(difference);
            }
        }
    });
}

fn difference(query: &Query, now: &Verdict, then: &Verdict) -> Option<Difference> {
    let (now, then) = match (now.identity(), then.identity()) {
        (Some(now), Some(then)) => apart(now, then)?,
        _ => (in_words(now), in_words(then)),
    };
    let realm = query.realm.clone();
    (now != then).then(|| Difference { realm, user: query.user.clone(), now, then })
}

/// The outcome, and the reason if there is one.
fn in_words(verdict: &Verdict) -> String {
    match verdict.refusal() {
        Some(refusal) => format!("{} ({})", verdict.outcome(), refusal.reason.as_str()),
        None => verdict.outcome().to_owned(),
    }
}

/// The first thing that two yeses tell differently.
fn apart(now: &Identity, then: &Identity) -> Option<(String, String)> {
    let (ours, theirs) = (told(now), told(then));
    let value = |all: &[(String, String)], name: &str| {
        let found = all.iter().find(|(known, _)| known == name);
        found.map_or_else(|| "nothing".to_owned(), |(_, value)| format!("{value:?}"))
    };
    let names = ours.iter().chain(&theirs).map(|(name, _)| name.as_str());
    names
        .map(|name| (name, value(&ours, name), value(&theirs, name)))
        .find(|(_, ours, theirs)| ours != theirs)
        .map(|(name, ours, theirs)| (format!("{name} is {ours}"), format!("{name} is {theirs}")))
}

/// All that is told of somebody, by name.
fn told(identity: &Identity) -> Vec<(String, String)> {
    let who = &identity.profile;
    let mut groups: Vec<&str> = who.groups().collect();
    groups.sort_unstable();
    let mut told = vec![("the realm", who.realm()), ("the user", who.user())];
    told.extend(who.metadata());
    let groups = groups.join(", ");
    told.push(("groups", &groups));
    told.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use usher_protocol::{Identity, Profile, Query, Reason, Refusal, Source, Verdict};

    use super::difference;

    fn alice(mail: &str, groups: &[&str]) -> Verdict {
        Verdict::Granted(Identity {
            profile: Profile::new("alice", "corp", &[("MAIL", mail)], groups),
            source: Source::Directory,
            age_s: 0,
            warning: None,
        })
    }

    fn differ(now: &Verdict, then: &Verdict) -> Option<(String, String)> {
        difference(&Query::default(), now, then).map(|it| (it.now, it.then))
    }

    #[test]
    fn what_is_told_counts_and_whence_it_comes_does_not() {
        let mut cached = alice("a@b", &["ops", "dev"]);
        if let Verdict::Granted(identity) = &mut cached {
            identity.source = Source::Cache;
            identity.age_s = 7;
        }
        assert_eq!(differ(&alice("a@b", &["dev", "ops"]), &cached), None);
        let (now, then) = differ(&alice("a@b", &[]), &alice("c@d", &[])).expect("a difference");
        assert_eq!((now.as_str(), then.as_str()), ("MAIL is \"a@b\"", "MAIL is \"c@d\""));
        let denied = Verdict::Denied(Refusal::new(Reason::Rule, "no"));
        let (now, then) = differ(&alice("a@b", &[]), &denied).expect("a difference");
        assert_eq!((now.as_str(), then.as_str()), ("granted", "denied (rule)"));
    }
}
