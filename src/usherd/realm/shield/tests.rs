use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::{Exists, Gate, Guess, Outcome, Place, Shield, Whose};
use crate::config;

const WINDOW: Duration = Duration::from_secs(600);
const BLOCK: Duration = Duration::from_secs(300);
const NEGATIVE_TTL: Duration = Duration::from_secs(30);
const FAILURES: u64 = 5;

fn shield(now: Instant) -> Arc<Shield> {
    with(5, 50, now)
}

fn with(failures: usize, per_client: usize, now: Instant) -> Arc<Shield> {
    let settings = config::Shield { failures, window: WINDOW, block: BLOCK, per_client };
    Shield::new(&settings, NEGATIVE_TTL, now)
}

fn whose(name: &str) -> Whose<'_> {
    Whose { name, id: None, exists: Exists::Yes }
}

fn guess(name: &str, tag: u64) -> Guess<'_> {
    Guess { whose: whose(name), tag, client: None, sure: false }
}

fn made_up(name: &str, tag: u64) -> Guess<'_> {
    Guess { whose: Whose { exists: Exists::No, ..whose(name) }, ..guess(name, tag) }
}

fn from(client: &str, name: &'static str, tag: u64) -> Guess<'static> {
    let client: IpAddr = client.parse().expect("an address");
    Guess { client: Some(client), ..guess(name, tag) }
}

impl Shield {
    fn place(self: &Arc<Self>, guess: &Guess<'_>, now: Instant) -> Option<Place> {
        self.admit(guess, now).ok()
    }

    /// Whether the password was tried, and with this outcome.
    fn tries(self: &Arc<Self>, guess: &Guess<'_>, outcome: Outcome, now: Instant) -> bool {
        let place = self.place(guess, now);
        place.map(|place| place.send() && place.settle(outcome, now)).is_some()
    }

    fn refuse(self: &Arc<Self>, guess: &Guess<'_>, now: Instant) -> bool {
        self.tries(guess, Outcome::Refused, now)
    }

    fn fill(self: &Arc<Self>, name: &str, now: Instant) {
        for tag in 0..FAILURES {
            assert!(self.refuse(&guess(name, tag), now));
        }
    }
}

#[test]
fn past_so_many_failures_nothing_is_tried_until_the_window_has_room_again() {
    let now = Instant::now();
    let shield = shield(now);
    shield.fill("alice", now);
    assert_eq!(shield.gate(&guess("alice", 9), now), Gate::Shut(WINDOW));
    assert!(!shield.refuse(&guess("alice", 9), now));
    assert_eq!(shield.gate(&guess("bob", 9), now), Gate::Open);
    assert_eq!(shield.status(now).blocked_users, 1);
    // The block alone is over sooner, but the directory may still count them all.
    assert_ne!(shield.gate(&guess("alice", 9), now + BLOCK), Gate::Open);
    assert_eq!(shield.gate(&guess("alice", 9), now + WINDOW), Gate::Open);
    assert_eq!(shield.status(now + WINDOW).blocked_users, 0);
}

#[test]
fn the_block_lasts_its_time_also_where_the_window_has_room() {
    let now = Instant::now();
    let shield = shield(now);
    for (tag, minute) in [0, 9, 9, 9, 9].into_iter().enumerate() {
        let tag = u64::try_from(tag).expect("few");
        assert!(shield.refuse(&guess("alice", tag), now + Duration::from_secs(60 * minute)));
    }
    let last = now + Duration::from_secs(540);
    assert_eq!(shield.gate(&guess("alice", 9), last), Gate::Shut(BLOCK));
    // One failure has left the window meanwhile.
    assert_eq!(shield.gate(&guess("alice", 9), last + BLOCK), Gate::Open);
}

#[test]
fn of_many_passwords_at_once_no_more_are_tried_than_may_fail() {
    let now = Instant::now();
    let shield = shield(now);
    let places: Vec<Place> =
        (0..100).filter_map(|tag| shield.place(&guess("alice", tag), now)).collect();
    assert_eq!(u64::try_from(places.len()).expect("few"), FAILURES);
    for place in places {
        place.settle(Outcome::Refused, now);
    }
    assert!(!shield.refuse(&guess("alice", 200), now));
}

#[test]
fn a_place_that_nobody_settles_is_given_back() {
    let now = Instant::now();
    let shield = with(1, 1, now);
    drop(shield.place(&from("192.0.2.1", "alice", 1), now));
    assert!(shield.tries(&from("192.0.2.1", "alice", 2), Outcome::Void, now));
    assert!(shield.refuse(&from("192.0.2.1", "alice", 3), now));
    assert_ne!(shield.gate(&from("192.0.2.1", "bob", 4), now), Gate::Open);
}

#[test]
fn a_place_whose_password_was_sent_stays_taken_if_nobody_lives_to_settle_it() {
    let now = Instant::now();
    let shield = with(1, 1, now);
    let place = shield.place(&from("192.0.2.1", "alice", 1), now).expect("a place");
    place.send();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _place = place;
        std::panic::resume_unwind(Box::new(()));
    }));
    assert!(panicked.is_err());
    assert!(!shield.refuse(&guess("alice", 2), now));
    assert_ne!(shield.gate(&from("192.0.2.1", "bob", 3), now), Gate::Open);
}

#[test]
fn the_same_wrong_password_counts_once_and_is_tried_again_once() {
    let now = Instant::now();
    let shield = shield(now);
    assert!(shield.refuse(&guess("alice", 1), now));
    for _ in 0..100 {
        assert_eq!(shield.gate(&guess("alice", 1), now), Gate::Wrong);
        assert!(!shield.refuse(&guess("alice", 1), now));
    }
    let later = now + NEGATIVE_TTL;
    assert!(shield.refuse(&guess("alice", 1), later));
    let much_later = later + 10 * NEGATIVE_TTL;
    assert_eq!(shield.gate(&guess("alice", 1), much_later), Gate::Wrong);
    // Two of five places are taken.
    for tag in [2, 3, 4] {
        assert!(shield.refuse(&guess("alice", tag), much_later));
    }
    assert!(!shield.refuse(&guess("alice", 5), much_later));
    assert_eq!(shield.gate(&guess("alice", 1), now + WINDOW + NEGATIVE_TTL), Gate::Open);
}

#[test]
fn a_right_password_makes_up_for_those_before_it_but_not_for_those_under_way() {
    let now = Instant::now();
    let shield = shield(now);
    for tag in 1..FAILURES {
        assert!(shield.refuse(&guess("alice", tag), now));
    }
    assert!(shield.tries(&guess("alice", 50), Outcome::Right, now));
    let under_way: Vec<_> =
        (11..10 + FAILURES).map(|tag| shield.place(&guess("alice", tag), now)).collect();
    assert!(shield.tries(&guess("alice", 50), Outcome::Right, now));
    assert!(shield.refuse(&guess("alice", 60), now));
    assert!(!shield.refuse(&guess("alice", 61), now));
    drop(under_way);
}

#[test]
fn an_outcome_that_nobody_knows_counts_each_time() {
    let now = Instant::now();
    let shield = with(2, 0, now);
    for _ in 0..2 {
        assert!(shield.tries(&guess("alice", 2), Outcome::Unknown, now));
    }
    assert!(!shield.tries(&guess("alice", 2), Outcome::Right, now));
    assert!(!shield.refuse(&guess("alice", 3), now));
}

#[test]
fn a_password_that_is_sent_again_takes_a_place_more() {
    let now = Instant::now();
    let shield = with(3, 0, now);
    let place = shield.place(&guess("alice", 1), now).expect("a place");
    assert!(place.send() && place.send() && place.send());
    assert!(!place.send());
    assert_eq!(shield.standing(whose("alice"), None, now).failures, 3);
    place.settle(Outcome::Refused, now);
    assert!(!shield.refuse(&guess("alice", 2), now));
    let right = with(3, 0, now);
    let place = right.place(&guess("alice", 1), now).expect("a place");
    assert!(place.send() && place.send());
    place.settle(Outcome::Right, now);
    assert_eq!(right.standing(whose("alice"), None, now).failures, 0);
}

#[test]
fn a_password_that_was_never_sent_does_not_count() {
    let now = Instant::now();
    let shield = with(1, 1, now);
    let place = shield.place(&from("192.0.2.1", "alice", 1), now).expect("a place");
    place.settle(Outcome::Unknown, now);
    assert!(shield.refuse(&from("192.0.2.1", "alice", 2), now));
}

#[test]
fn who_gives_the_password_that_is_being_tried_waits_for_what_comes_of_it() {
    let now = Instant::now();
    let shield = with(1, 1, now);
    let place = shield.place(&from("192.0.2.1", "alice", 1), now).expect("a place");
    for again in [guess("alice", 1), from("192.0.2.1", "alice", 1)] {
        assert_eq!(shield.gate(&again, now), Gate::Open);
    }
    assert_ne!(shield.gate(&guess("alice", 2), now), Gate::Open);
    assert_ne!(shield.gate(&from("192.0.2.1", "bob", 1), now), Gate::Open);
    // It is not sent twice for all that.
    assert!(shield.place(&guess("alice", 1), now).is_none());
    drop(place);
}

#[test]
fn all_names_of_a_user_share_their_failures() {
    let now = Instant::now();
    let shield = shield(now);
    let of = |tag| {
        let whose = Whose { name: "alice", id: Some("uid=alice,dc=x"), exists: Exists::Yes };
        Guess { whose, ..guess("", tag) }
    };
    assert!((0..FAILURES).all(|tag| shield.refuse(&of(tag), now)));
    assert!(!shield.refuse(&of(9), now));
    // Administrators go by names.
    assert_eq!(shield.standing(whose("ALICE"), None, now).failures, 5);
    assert!(shield.unblock(whose("Alice")));
    assert!(shield.refuse(&of(9), now));
    for (tag, name) in (1..FAILURES).zip(["bob", "Bob", "bob ", "\u{ff42}ob"]) {
        assert!(shield.refuse(&guess(name, tag), now));
    }
    assert!(shield.refuse(&guess("bob", 9), now));
    assert!(!shield.refuse(&guess("b\u{ad}ob", 10), now));
}

#[test]
fn of_many_at_once_from_a_client_no_more_are_tried_than_may_fail() {
    let now = Instant::now();
    let shield = with(5, 10, now);
    let names: Vec<String> = (0..250).map(|number| format!("user{number}")).collect();
    let client = "192.0.2.1".parse().ok();
    let admit = |name: &String| shield.place(&Guess { client, ..guess(name, 1) }, now);
    let places: Vec<Place> = names.iter().filter_map(admit).collect();
    assert_eq!(places.len(), 10);
    assert!(places.iter().all(Place::send));
}

#[test]
fn what_was_refused_before_another_was_right_is_still_wrong_and_does_not_count() {
    let now = Instant::now();
    let shield = shield(now);
    for round in 0..3 {
        assert_eq!(shield.refuse(&guess("alice", 4), now), round == 0);
        assert!(shield.tries(&guess("alice", 50), Outcome::Right, now));
        assert_eq!(shield.standing(whose("alice"), None, now).failures, 0);
        assert_eq!(shield.gate(&guess("alice", 4), now), Gate::Wrong);
    }
    // What is right now was wrong once.
    let later = now + NEGATIVE_TTL;
    assert!(shield.tries(&guess("alice", 4), Outcome::Right, later));
    assert_eq!(shield.gate(&guess("alice", 4), later), Gate::Open);
}

#[test]
fn what_fails_beside_a_right_password_or_has_no_outcome_is_not_made_up_for() {
    let now = Instant::now();
    let shield = shield(now);
    assert!(shield.tries(&guess("alice", 1), Outcome::Unknown, now));
    let right = shield.place(&guess("alice", 50), now).expect("a place");
    assert!(right.send());
    let meanwhile = now + Duration::from_secs(1);
    assert!(shield.refuse(&guess("alice", 2), meanwhile));
    right.settle(Outcome::Right, meanwhile);
    assert_eq!(shield.standing(whose("alice"), None, meanwhile).failures, 2);
}

#[test]
fn what_is_known_to_be_right_is_tried_in_any_case_and_counts_if_it_is_not() {
    let now = Instant::now();
    let shield = with(2, 2, now);
    for tag in 1..=2 {
        assert!(shield.refuse(&from("192.0.2.1", "alice", tag), now));
    }
    let sure = Guess { sure: true, ..from("192.0.2.1", "alice", 50) };
    assert!(shield.refuse(&sure, now));
    assert_eq!(shield.standing(whose("alice"), None, now).failures, 3);
    // Once, until it is answered for: it may be right no more.
    let sure = Guess { sure: true, ..guess("alice", 51) };
    let place = shield.place(&sure, now).expect("a place");
    assert!(shield.place(&sure, now).is_none());
    place.settle(Outcome::Right, now);
    assert_eq!(shield.standing(whose("alice"), None, now).failures, 0);
}

#[test]
fn a_password_that_is_forgotten_while_it_is_tried_is_not_remembered() {
    let now = Instant::now();
    let shield = shield(now);
    let place = shield.place(&guess("alice", 1), now).expect("a place");
    assert!(place.send());
    shield.forget(whose("alice"));
    place.settle(Outcome::Refused, now);
    assert_eq!(shield.gate(&guess("alice", 1), now), Gate::Open);
    assert_eq!(shield.standing(whose("alice"), None, now).failures, 1);
}

#[test]
fn a_client_is_shut_out_from_every_user_and_a_network_of_ipv6_is_one() {
    let now = Instant::now();
    let shield = with(5, 2, now);
    assert!(shield.refuse(&from("2001:db8::1", "alice", 1), now));
    assert!(shield.refuse(&from("2001:db8::2:1", "bob", 1), now));
    let gate = shield.gate(&from("2001:db8::3", "carol", 1), now);
    assert!(matches!(gate, Gate::Shut(left) if left >= WINDOW), "{gate:?}");
    assert_eq!(shield.status(now).blocked_clients, 1);
    assert_eq!(shield.gate(&from("2001:db8:0:1::1", "carol", 1), now), Gate::Open);
    assert_eq!(shield.gate(&guess("carol", 1), now), Gate::Open);
    assert_eq!(shield.gate(&from("2001:db8::3", "carol", 1), now + 2 * WINDOW), Gate::Open);
    assert!(shield.refuse(&from("192.0.2.1", "alice", 2), now));
    assert!(shield.refuse(&from("::ffff:192.0.2.1", "alice", 3), now));
    assert_ne!(shield.gate(&from("192.0.2.1", "carol", 1), now), Gate::Open);
}

#[test]
fn nothing_is_counted_where_any_number_may_fail_but_wrong_is_wrong() {
    let now = Instant::now();
    let shield = with(0, 0, now);
    for tag in 0..1000 {
        assert!(shield.refuse(&from("192.0.2.1", "alice", tag), now));
        assert_eq!(shield.gate(&guess("alice", tag), now), Gate::Wrong);
    }
    assert_eq!(shield.status(now).blocked_users, 0);
}

#[test]
fn an_unblocked_user_begins_anew_and_a_forgotten_password_is_tried_again() {
    let now = Instant::now();
    let shield = shield(now);
    assert!(!shield.unblock(whose("alice")));
    shield.fill("alice", now);
    assert!(shield.unblock(whose("alice")));
    assert!(shield.refuse(&guess("alice", 1), now));
    shield.forget(whose("alice"));
    assert!(shield.refuse(&guess("alice", 1), now));
    shield.forget_all();
    for tag in 1..=3 {
        assert!(shield.refuse(&guess("alice", tag), now));
    }
    // Forgotten, yet counted.
    assert!(!shield.refuse(&guess("alice", 9), now));
}

#[test]
fn a_million_made_up_names_neither_grow_it_nor_drive_out_a_user_under_attack() {
    let now = Instant::now();
    let shield = shield(now);
    shield.fill("alice", now);
    assert!(shield.refuse(&guess("bob", 1), now));
    for made_up in 0..1_000_000_u64 {
        let name = format!("made-up-{made_up}");
        let place = shield.admit(&self::made_up(&name, made_up), now);
        assert!(place.is_ok_and(|place| !place.settle(Outcome::Refused, now)));
    }
    assert!(!shield.refuse(&guess("alice", 9), now));
    assert_eq!(shield.gate(&guess("bob", 1), now), Gate::Wrong);
    assert!(super::lock(&shield.users).values().count() <= 8 * 4096);
}

/// So many names that share a row.
fn in_one_row(shield: &Shield, names: usize) -> Vec<String> {
    let names_of = (0..).map(|number: u32| format!("user{number}"));
    names_of
        .filter(|name| shield.user(whose(name)).is_multiple_of(super::USER_ROWS))
        .take(names)
        .collect()
}

#[test]
fn no_made_up_name_takes_the_place_of_one_that_exists() {
    let now = Instant::now();
    let shield = shield(now);
    let names = in_one_row(&shield, 11);
    let (users, others) = names.split_at(8);
    let left = |name: &str| shield.standing(whose(name), None, now).failures;
    for user in users {
        assert!(shield.refuse(&guess(user, 1), now));
    }
    for made_up in 0..100 {
        let refused = shield.admit(&self::made_up(&others[0], made_up), now).err();
        assert_eq!(refused, Some(Gate::Shut(super::MOMENT)));
    }
    assert!(users.iter().all(|user| left(user) == 1));
    // Who exists as well takes the place of one with fewer failures, but of none being tried.
    assert!(shield.refuse(&guess(&others[1], 1), now));
    assert_eq!(users.iter().filter(|user| left(user) == 0).count(), 1);
    let trying: Vec<_> = names
        .iter()
        .filter(|name| left(name) == 1)
        .map(|name| shield.place(&guess(name, 2), now).expect("a place"))
        .collect();
    assert_eq!(trying.len(), 8);
    assert!(shield.place(&guess(&others[2], 1), now).is_none());
    for place in trying {
        place.settle(Outcome::Refused, now);
    }
    assert!(names.iter().all(|name| [0, 2].contains(&left(name))));
}

#[test]
fn where_nobody_knows_who_exists_no_name_frees_one_that_is_shut() {
    let now = Instant::now();
    let shield = shield(now);
    let names = in_one_row(&shield, 9);
    let of = |name, tag| {
        let whose = Whose { exists: Exists::Unknown, ..whose(name) };
        Guess { whose, ..guess(name, tag) }
    };
    for name in &names[..8] {
        for tag in 0..FAILURES {
            assert!(shield.refuse(&of(name, tag), now));
        }
    }
    let refused = shield.admit(&of(&names[8], 1), now).err();
    assert_eq!(refused, Some(Gate::Shut(super::MOMENT)));
    assert!(names[..8].iter().all(|name| !shield.refuse(&of(name, 9), now)));
    // Of users who are known there is room for one more.
    assert!(shield.refuse(&guess(&names[8], 1), now));
}

#[test]
fn other_limits_give_nobody_new_tries() {
    let now = Instant::now();
    let before = with(5, 2, now);
    for tag in 0..4 {
        assert!(before.refuse(&guess("alice", tag), now));
    }
    assert!(before.refuse(&from("192.0.2.1", "bob", 1), now));
    assert!(before.refuse(&from("192.0.2.1", "carol", 1), now));
    let under_way = before.place(&guess("alice", 4), now).expect("a place");
    let settings =
        |failures, window| config::Shield { failures, window, block: BLOCK, per_client: 2 };
    let shield = before.with(&settings(6, WINDOW), NEGATIVE_TTL);
    shield.forget_all();
    // What is under way counts when it ends.
    assert!(shield.refuse(&guess("alice", 9), now));
    assert!(!shield.refuse(&guess("alice", 10), now));
    under_way.settle(Outcome::Refused, now);
    assert!(!shield.refuse(&guess("alice", 10), now));
    assert_eq!(shield.status(now).blocked_clients, 1);
    let other = before.with(&settings(5, WINDOW / 2), NEGATIVE_TTL);
    assert!(!other.refuse(&guess("alice", 10), now));
    assert_eq!(other.status(now).blocked_clients, 0);
    assert_eq!(other.status(now).blocks, before.status(now).blocks);
}

#[test]
fn four_refused_passwords_are_remembered_where_any_number_may_fail() {
    let now = Instant::now();
    let shield = with(0, 0, now);
    for tag in 1..=4 {
        assert!(shield.refuse(&guess("alice", tag), now));
    }
    for _ in 0..3 {
        assert!((1..=4).all(|tag| shield.gate(&guess("alice", tag), now) == Gate::Wrong));
    }
    assert!(shield.refuse(&guess("alice", 5), now));
    assert_eq!(shield.gate(&guess("alice", 1), now), Gate::Open);
    assert!((2..=5).all(|tag| shield.gate(&guess("alice", tag), now) == Gate::Wrong));
}

proptest! {
    /// Whatever is tried when, and however long a block is: no more passwords fail at the
    /// directory within any window than may, and who is told to wait need wait just so long.
    #[test]
    fn no_window_ever_has_more_failures_than_it_may_and_the_time_to_wait_is_true(
        tries in prop::collection::vec((0..400_u64, 0..12_u64, 0..5_u32), 1..80),
        block in prop_oneof![Just(0), Just(300), Just(1200)],
        failures in 1..6_usize,
    ) {
        let (begin, block) = (Instant::now(), Duration::from_secs(block));
        let settings = config::Shield { failures, window: WINDOW, block, per_client: 0 };
        let shield = Shield::new(&settings, NEGATIVE_TTL, begin);
        let (mut now, mut failed) = (begin, Vec::new());
        for (pause, tag, outcome) in tries {
            now += Duration::from_secs(pause);
            let outcome = if outcome == 0 { Outcome::Right } else { Outcome::Refused };
            if shield.tries(&guess("alice", tag), outcome, now) {
                match outcome {
                    // So does a directory.
                    Outcome::Right => failed.clear(),
                    _ => failed.push(now),
                }
            }
            let within = failed.iter().filter(|at| now.duration_since(**at) < WINDOW).count();
            prop_assert!(within <= failures, "{within} of {failures}");
        }
        if let Gate::Shut(left) = shield.gate(&guess("alice", 99), now) {
            let before = now + left - Duration::from_millis(1);
            prop_assert_ne!(shield.gate(&guess("alice", 99), before), Gate::Open);
            prop_assert_eq!(shield.gate(&guess("alice", 99), now + left), Gate::Open);
        }
    }
}
