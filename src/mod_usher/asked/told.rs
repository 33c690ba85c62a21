//! What the requests of a connection were told of users, for those that follow soon.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use usher_protocol::Identity;

use super::Whom;

/// Most users of a connection; it has many only where a proxy in front has many clients on it.
const MOST: usize = 8;

/// What a connection remembers of users who are known and may in.
#[derive(Debug, Default)]
pub struct Told(Vec<Known>);

// The connection's requests come one after the other, but each on whatever thread is free.
const _: () = {
    const fn crosses_threads<T: Send>() {}
    crosses_threads::<Told>();
};

/// What is taken from there, and for how long after it was asked; never zero.
#[derive(Debug)]
pub struct Reuse<'a> {
    /// The connection's.
    pub told: &'a mut Told,
    /// What was asked longer ago is forgotten.
    pub time: Duration,
    /// When the question began.
    pub now: Instant,
}

#[derive(Debug)]
struct Known {
    whom: Whom,
    client: Option<IpAddr>,
    since: Instant,
    identity: Identity,
    rules: Vec<(String, bool)>,
}

/// When it was asked, who it is, and the rules of which is known whether they hold.
pub(super) type Recalled = (Instant, Identity, Vec<(String, bool)>);

/// Who a request asks about, and whence it comes.
pub(super) type About<'a> = (&'a Whom, Option<IpAddr>);

impl Reuse<'_> {
    pub(super) fn recall(&mut self, about: About<'_>) -> Option<Recalled> {
        let (now, time) = (self.now, self.time);
        self.told.0.retain(|known| is_within(time, known.since, now));
        let known = self.told.of(about)?;
        Some((known.since, known.identity.clone(), known.rules.clone()))
    }

    /// Whether what was asked then is taken.
    pub(super) fn serves(&self, since: Instant) -> bool {
        is_within(self.time, since, self.now)
    }

    /// Remembers who it is, unless that is known: whoever asks has looked.
    pub(super) fn learn(&mut self, about: About<'_>, identity: &Identity) {
        let known = &mut self.told.0;
        if known.iter().any(|known| known.is(about)) {
            return;
        }
        if known.len() == MOST {
            known.remove(0);
        }
        let ((whom, client), identity) = (about, identity.clone());
        let since = self.now;
        known.push(Known { whom: whom.clone(), client, since, identity, rules: Vec::new() });
    }

    pub(super) fn forget(&mut self, about: About<'_>) {
        self.told.0.retain(|known| !known.is(about));
    }

    /// Remembers whether a rule holds, of somebody who is known.
    pub(super) fn learn_rule(&mut self, about: About<'_>, rule: &str, holds: bool) {
        let Some(known) = self.told.of(about) else {
            return;
        };
        match known.rules.iter_mut().find(|(known, _)| known == rule) {
            Some((_, held)) => *held = holds,
            None => known.rules.push((rule.to_owned(), holds)),
        }
    }
}

fn is_within(time: Duration, since: Instant, now: Instant) -> bool {
    now.saturating_duration_since(since) < time
}

impl Told {
    fn of(&mut self, about: About<'_>) -> Option<&mut Known> {
        self.0.iter_mut().find(|known| known.is(about))
    }
}

impl Known {
    fn is(&self, (whom, client): About<'_>) -> bool {
        self.whom == *whom && self.client == client
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::connections::now;
    use crate::fake::identity;

    const SECOND: Duration = Duration::from_secs(1);

    fn whom(user: &str) -> Whom {
        Whom { socket: Path::new("/x").into(), realm: None, user: user.to_owned() }
    }

    #[test]
    fn what_was_told_serves_for_its_time_whom_it_is_about() {
        let (mut told, begun, alice) = (Told::default(), now(), whom("alice"));
        let about = (&alice, None);
        let mut reuse = Reuse { told: &mut told, time: SECOND, now: begun };
        assert_eq!(reuse.recall(about), None);
        reuse.learn_rule(about, "group=dev", true);
        reuse.learn(about, &identity("alice"));
        reuse.learn_rule(about, "group=ops", true);
        reuse.learn_rule(about, "group=ops", false);
        let localhost = "127.0.0.1".parse().ok();
        let elsewhere = Whom { realm: Some("corp".to_owned()), ..alice.clone() };
        for other in [(&whom("bob"), None), (&alice, localhost), (&elsewhere, None)] {
            assert_eq!(reuse.recall(other), None);
            reuse.forget(other);
        }
        reuse.now = begun + SECOND / 2;
        // It grows no younger.
        reuse.learn(about, &identity("else"));
        let known = Some((begun, identity("alice"), vec![("group=ops".to_owned(), false)]));
        assert_eq!(reuse.recall(about), known);
        reuse.now = begun + SECOND;
        assert_eq!(reuse.recall(about), None);
        reuse.learn(about, &identity("alice"));
        reuse.forget(about);
        assert!(told.0.is_empty());
    }

    #[test]
    fn the_oldest_makes_room() {
        let mut told = Told::default();
        let mut reuse = Reuse { told: &mut told, time: SECOND, now: now() };
        let users: Vec<Whom> = (0..=MOST).map(|number| whom(&number.to_string())).collect();
        users.iter().for_each(|user| reuse.learn((user, None), &identity("x")));
        let known = |user: &Whom| reuse.recall((user, None)).is_some();
        assert!(users.iter().map(known).eq((0..=MOST).map(|number| number > 0)));
    }
}
