//! Two statuses, one after the other: what happens is their difference.

use std::time::Instant;

use usher_protocol::{Histogram, HostStatus, RealmStatus, Status};

/// A status, and the one before it.
pub(super) struct Change {
    pub(super) now: Status,
    at: Instant,
    before: Option<(Status, f64)>,
}

impl Change {
    #[expect(clippy::disallowed_methods, reason = "rates are by the real clock")]
    pub(super) fn new(before: Option<Self>, now: Status) -> Self {
        Self::at(before, now, Instant::now())
    }

    fn at(before: Option<Self>, now: Status, at: Instant) -> Self {
        // A daemon that was restarted begins anew.
        let before = before.filter(|before| before.now.pid == now.pid);
        let before = before.map(|before| (before.now, (at - before.at).as_secs_f64()));
        Self { now, at, before }
    }

    /// What of this realm there was a second.
    pub(super) fn rate(&self, realm: &RealmStatus, number: fn(&RealmStatus) -> u64) -> Option<f64> {
        let (before, seconds) = self.before.as_ref()?;
        let before = before.realms.iter().find(|before| before.name == realm.name)?;
        let growth = number(realm).saturating_sub(number(before));
        #[expect(clippy::cast_precision_loss, reason = "numbers for people")]
        let growth = growth as f64;
        Some(growth / seconds.max(0.001))
    }

    /// The times of this realm since the status before, else since the start.
    pub(super) fn realm_times(
        &self,
        realm: &RealmStatus,
        times: fn(&RealmStatus) -> &Histogram,
    ) -> Histogram {
        let before = self
            .before
            .as_ref()
            .and_then(|(before, _)| before.realms.iter().find(|before| before.name == realm.name));
        before.map_or(*times(realm), |before| times(realm).since(times(before)))
    }

    /// The same of a host.
    pub(super) fn host_times(
        &self,
        realm: &RealmStatus,
        host: &HostStatus,
        times: fn(&HostStatus) -> &Histogram,
    ) -> Histogram {
        let before = self.before.as_ref().and_then(|(before, _)| {
            let realm = before.realms.iter().find(|before| before.name == realm.name)?;
            realm.hosts.iter().find(|before| before.url == host.url)
        });
        before.map_or(*times(host), |before| times(host).since(times(before)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::status::sample;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "any time will do")]
    fn rates_are_differences_and_a_new_daemon_has_none_yet() {
        let (begin, one, mut two) = (Instant::now(), sample::status(), sample::status());
        two.realms[0].answers.denied += 8;
        let first = Change::at(None, one.clone(), begin);
        let denied: fn(&RealmStatus) -> u64 = |realm| realm.answers.denied;
        assert_eq!(first.rate(&first.now.realms[0], denied), None);
        let second = Change::at(Some(first), two, begin + Duration::from_secs(2));
        assert_eq!(second.rate(&second.now.realms[0], denied), Some(4.0));
        let times = second.realm_times(&second.now.realms[0], |realm| &realm.answer_time);
        assert_eq!(times.count(), 0);
        let restarted = Status { pid: 43, ..one };
        let third = Change::at(Some(second), restarted, begin + Duration::from_secs(3));
        assert_eq!(third.rate(&third.now.realms[0], denied), None);
    }
}
