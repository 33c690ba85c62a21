//! The passwords that were tried for one name.

use std::time::Duration;

use tokio::time::Instant;
use zeroize::Zeroize;

use super::{Exists, Gate, Limits, Outcome};

/// Refused passwords that are remembered where any number may fail: a phone and a script with an
/// old one, and some typing.
const REMEMBERED: usize = 4;
/// How often one password may be refused within the window. The second time because it may have
/// become right after the first, which was only just before; then it is taken to be wrong.
const REFUSALS: usize = 2;
/// How long to wait for a password that is being tried, or for room.
pub(super) const MOMENT: Duration = Duration::from_secs(1);
/// What a name is worth of which a password is being tried: more than for any number of failures.
const TRYING: usize = 1000;
/// What a name with failures is worth that somebody has: more than any that nobody has.
const EXISTS: usize = 2 * TRYING;

/// The passwords that were tried for one name within the window.
#[derive(Debug, Default)]
pub(super) struct Tries {
    /// The user's name in the directory's spelling, where that is known, hashed: administrators go
    /// by names.
    pub(super) name: u64,
    tries: Vec<Try>,
    shut_until: Option<Instant>,
    /// Whether the directory has a user of that name.
    exists: Exists,
}

#[derive(Debug)]
struct Try {
    /// Whose place it is.
    number: u64,
    /// Which password; none where that was forgotten.
    tag: Option<u64>,
    at: Instant,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Trying,
    Refused,
    /// Refused, before another was right: it is as wrong as ever and does not count.
    Forgiven,
    Unknown,
}

impl Tries {
    pub(super) fn gate(&mut self, tag: u64, limits: &Limits, now: Instant) -> Gate {
        self.prune(limits, now);
        if self.is_wrong(tag, limits, now) {
            return Gate::Wrong;
        }
        match self.wait(limits, now) {
            Some(left) if !self.is_trying(tag) => Gate::Shut(left),
            _ => Gate::Open,
        }
    }

    /// Who gives a password that is being tried waits for what comes of it.
    pub(super) fn is_trying(&self, tag: u64) -> bool {
        self.tries.iter().any(|it| it.is(tag, State::Trying))
    }

    /// Whether this password was sent and nobody has said what came of it.
    pub(super) fn is_unanswered(&self, tag: u64) -> bool {
        self.is_trying(tag) || self.tries.iter().any(|it| it.is(tag, State::Unknown))
    }

    fn is_wrong(&self, tag: u64, limits: &Limits, now: Instant) -> bool {
        let is_new = |it: &&Try| now.saturating_duration_since(it.at) < limits.negative_ttl;
        let of = |state| self.tries.iter().filter(move |it| it.is(tag, state));
        of(State::Refused).chain(of(State::Forgiven)).any(|it| is_new(&it))
            || of(State::Refused).nth(REFUSALS - 1).is_some()
    }

    /// Whether the name is shut out.
    pub(super) fn shut(&mut self, limits: &Limits, now: Instant) -> bool {
        self.prune(limits, now);
        self.wait(limits, now).is_some()
    }

    /// Takes a place.
    pub(super) fn admit(
        &mut self,
        number: u64,
        tag: u64,
        exists: Exists,
        limits: &Limits,
        now: Instant,
    ) -> Gate {
        self.prune(limits, now);
        if self.is_wrong(tag, limits, now) {
            return Gate::Wrong;
        }
        match self.wait(limits, now) {
            Some(left) => Gate::Shut(left),
            None => self.take(number, tag, exists, now),
        }
    }

    /// Takes a place, be there one or not.
    pub(super) fn take(&mut self, number: u64, tag: u64, exists: Exists, now: Instant) -> Gate {
        self.exists = self.exists.max(exists);
        self.tries.push(Try { number, tag: Some(tag), at: now, state: State::Trying });
        Gate::Open
    }

    /// Takes one more place for a password that has this one, if there is any.
    pub(super) fn again(&mut self, number: u64, limits: &Limits, now: Instant) -> bool {
        self.prune(limits, now);
        let room = self.wait(limits, now).is_none();
        if room {
            self.tries.push(Try { number, tag: None, at: now, state: State::Unknown });
        }
        room
    }

    /// Whether the name is shut out by it.
    pub(super) fn settle(
        &mut self,
        (number, tag): (u64, u64),
        exists: Exists,
        outcome: Outcome,
        limits: &Limits,
        now: Instant,
    ) -> bool {
        self.exists = self.exists.max(exists);
        self.prune(limits, now);
        let mine = |it: &Try| it.number == number && it.state == State::Trying;
        let tried = self.tries.iter().position(mine).map(|at| self.tries.remove(at));
        // What was forgotten meanwhile stays so.
        let (tag, begun) = tried.map_or((Some(tag), now), |tried| (tried.tag, tried.at));
        let state = match outcome {
            Outcome::Void => return false,
            Outcome::Right => {
                // Those being tried may still fail, and those whose outcome nobody knows may yet
                // reach the directory; which failed meanwhile, it may have judged after this.
                self.tries.retain_mut(|it| {
                    let same = it.number == number || it.tag.is_some() && it.tag == tag;
                    if it.state == State::Refused && it.at <= begun {
                        it.state = State::Forgiven;
                    }
                    it.state == State::Trying || !same
                });
                self.keep_the_last(REMEMBERED, State::Forgiven);
                self.shut_until = None;
                return false;
            }
            Outcome::Refused => State::Refused,
            Outcome::Unknown => State::Unknown,
        };
        self.tries.push(Try { number, tag, at: now, state });
        let failed = self.counting().filter(|it| it.state != State::Trying).count();
        if limits.failures == 0 {
            self.keep_the_last(REMEMBERED, State::Refused);
            self.keep_the_last(0, State::Unknown);
        } else if failed >= limits.failures {
            self.shut_until = Some(now + limits.block);
            return true;
        }
        false
    }

    /// Forgets which passwords were refused or may yet be, but not how many.
    pub(super) fn forget(&mut self) {
        self.tries.iter_mut().for_each(|tried| tried.tag.zeroize());
    }

    /// Of what use it is to remember: most those whose account could come to harm, then what is
    /// being tried, then those with more failures.
    pub(super) fn worth(&self, limits: &Limits, now: Instant) -> usize {
        let count = self.counting().filter(|it| it.is_new(limits, now)).count();
        let trying = self.tries.iter().any(|it| it.state == State::Trying);
        let shut = self.shut_until.is_some_and(|until| now < until);
        if count == 0 && !shut {
            return 0;
        }
        let guarded = match self.exists {
            Exists::Yes => true,
            // It may be a user under attack, whom others would free by failing as often.
            Exists::Unknown => shut || limits.failures > 0 && count >= limits.failures,
            Exists::No => false,
        };
        count.min(TRYING - 1) + TRYING * usize::from(trying) + EXISTS * usize::from(guarded)
    }

    /// The most that a name may be worth that makes room for another. A made-up one never takes the
    /// place of one that exists, and nothing that of one being tried, whose failure would not count.
    pub(super) fn room_for(exists: Exists) -> usize {
        let least = if exists == Exists::Yes { EXISTS } else { 0 };
        least + TRYING - 1
    }

    /// How many passwords have failed or are being tried, and how long none is, if so.
    pub(super) fn standing(&mut self, limits: &Limits, now: Instant) -> (usize, Option<Duration>) {
        self.prune(limits, now);
        (self.counting().count(), self.wait(limits, now))
    }

    /// Until when nothing is tried: the block is over, and one failure more would be less than
    /// what the window may hold.
    fn wait(&self, limits: &Limits, now: Instant) -> Option<Duration> {
        let block = self.shut_until.map(|until| until.saturating_duration_since(now));
        let full = (limits.failures > 0 && self.counting().count() >= limits.failures).then(|| {
            let failed = self.counting().filter(|it| it.state != State::Trying);
            failed
                .map(|it| it.at)
                .min()
                .map_or(MOMENT, |oldest| (oldest + limits.window).saturating_duration_since(now))
        });
        block.max(full)
    }

    fn prune(&mut self, limits: &Limits, now: Instant) {
        self.tries.retain(|it| it.is_new(limits, now));
        self.shut_until = self.shut_until.filter(|until| now < *until);
    }

    fn counting(&self) -> impl Iterator<Item = &Try> {
        self.tries.iter().filter(|it| it.state != State::Forgiven)
    }

    fn keep_the_last(&mut self, most: usize, state: State) {
        let mut over =
            self.tries.iter().filter(|it| it.state == state).count().saturating_sub(most);
        self.tries.retain(|it| {
            let goes = over > 0 && it.state == state;
            over -= usize::from(goes);
            !goes
        });
    }
}

impl Drop for Try {
    fn drop(&mut self) {
        self.tag.zeroize();
    }
}

impl Try {
    fn is(&self, tag: u64, state: State) -> bool {
        self.tag == Some(tag) && self.state == state
    }

    fn is_new(&self, limits: &Limits, now: Instant) -> bool {
        self.state == State::Trying || now.saturating_duration_since(self.at) < limits.window
    }
}
