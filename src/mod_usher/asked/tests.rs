use super::*;
use crate::fake::{Fake, found, identity, lookup, refusal};

fn question<'a>(fake: &Fake, connections: &'a Connections, asked: &'a mut Asked) -> Question<'a> {
    let user = "alice".to_owned();
    let whom = Whom { socket: fake.socket().into(), realm: None, user };
    let timeout = Duration::from_secs(10);
    Question { whom, client: None, timeout, asked, rules: &[], connections, reuse: None }
}

/// Runs `test` with a question about alice to a daemon that answers so.
fn with(
    answer: impl Fn(&Call) -> Verdict + Send + Sync + 'static,
    test: impl FnOnce(&mut Question<'_>),
) -> Vec<Call> {
    let (fake, connections, mut asked) =
        (Fake::start(answer), Connections::new(), Asked::default());
    test(&mut question(&fake, &connections, &mut asked));
    fake.calls()
}

fn rules_of(call: &Call) -> &[String] {
    match call {
        Call::Lookup(query) | Call::Authenticate(query, _) => &query.require,
        other => panic!("not a lookup: {other:?}"),
    }
}

#[test]
fn who_somebody_is_is_asked_once() {
    let calls = with(
        |_| found("alice"),
        |question| {
            for _ in 0..3 {
                assert_eq!(question.about(), Ok(&Answer::Known(identity("alice"))));
            }
        },
    );
    assert_eq!(calls, [lookup("alice")]);
}

#[test]
fn what_could_not_be_told_is_not_asked_again_by_the_same_request() {
    let calls = with(
        |_| Verdict::Unavailable(refusal(Reason::NoHost)),
        |question| {
            let cannot_tell = CannotTell {
                trouble: format!("{}  no_host", question.whom.socket.display()),
                why: "usherd: no_host (no_host)".to_owned(),
            };
            assert_eq!(question.about(), Err(&cannot_tell));
            assert_eq!(question.about(), Err(&cannot_tell));
            assert_eq!(question.holds("attribute:a=b"), Err(cannot_tell));
        },
    );
    assert_eq!(calls.len(), 1);
}

#[test]
fn a_rule_that_holds_brings_the_identity_along() {
    let calls = with(
        |_| found("alice"),
        |question| {
            assert_eq!(question.holds("attribute:a=b"), Ok(true));
            assert_eq!(question.holds("attribute:a=b"), Ok(true));
            assert!(question.about().is_ok());
        },
    );
    assert_eq!(calls.iter().map(rules_of).collect::<Vec<_>>(), [["attribute:a=b"]]);
}

#[test]
fn a_rule_that_does_not_hold_says_nothing_of_the_user() {
    let answer = |call: &Call| match rules_of(call) {
        [] => found("alice"),
        _ => Verdict::Denied(refusal(Reason::Rule)),
    };
    let calls = with(answer, |question| {
        assert_eq!(question.holds("attribute:a=b"), Ok(false));
        assert_eq!(question.about(), Ok(&Answer::Known(identity("alice"))));
        assert_eq!(question.holds("attribute:a=b"), Ok(false));
    });
    assert_eq!(calls.len(), 2);
}

#[test]
fn of_an_unknown_or_barred_user_no_rule_holds_and_none_is_asked() {
    for no in [
        Verdict::NotFound(refusal(Reason::NoSuchUser)),
        Verdict::Denied(refusal(Reason::AccountDisabled)),
    ] {
        let calls = with(
            move |_| no.clone(),
            |question| {
                assert_eq!(question.holds("attribute:a=b"), Ok(false));
                assert_eq!(question.holds("attribute:c=d"), Ok(false));
                assert!(question.about().is_ok());
            },
        );
        assert_eq!(calls.len(), 1);
    }
}

#[test]
fn a_login_tells_who_it_is_under_the_name_that_the_request_goes_on_with() {
    let answer = |call: &Call| match call {
        Call::Authenticate(..) => Verdict::Granted(identity("Alice")),
        _ => found("Alice"),
    };
    let calls = with(answer, |question| {
        for _ in 0..2 {
            let login = question.password(Password::from("secret"));
            assert_eq!(login, Ok(Login::Granted("Alice".to_owned())));
        }
        question.whom.user = "Alice".to_owned();
        assert!(matches!(question.about(), Ok(Answer::Known(_))));
    });
    assert_eq!(calls.len(), 1, "{calls:?}");
}

#[test]
fn a_rule_asked_after_a_login_goes_to_the_realm_that_answered() {
    let answer = |call: &Call| match call {
        Call::Authenticate(..) => Verdict::Granted(identity("alice")),
        _ => found("alice"),
    };
    let calls = with(answer, |question| {
        question.password(Password::from("secret")).unwrap();
        assert_eq!(question.holds("attribute:a=b"), Ok(true));
    });
    let Call::Lookup(query) = &calls[1] else { panic!("{calls:?}") };
    assert_eq!(query.realm.as_deref(), Some("corp"));
}

/// A user who has the attribute `a`, and none that begins with `no`. The realm understands `no` not.
fn answer_about_attributes(call: &Call) -> Verdict {
    match (call, rules_of(call)) {
        (_, rules) if rules.iter().any(|rule| rule == "no") => {
            Verdict::Invalid(refusal(Reason::BadRequest))
        }
        (_, rules) if rules.iter().any(|rule| rule.starts_with("attribute:no")) => {
            Verdict::Denied(refusal(Reason::Rule))
        }
        (Call::Authenticate(..), _) => Verdict::Granted(identity("alice")),
        _ => found("alice"),
    }
}

/// Logs in where these rules stand, and tells which hold; gives the rules of each question.
fn logged_in(place: &[&str], held: &[bool]) -> Vec<Vec<String>> {
    let place: Vec<String> = place.iter().map(|rule| (*rule).to_owned()).collect();
    let fake = Fake::start(answer_about_attributes);
    let (connections, mut asked) = (Connections::new(), Asked::default());
    let mut question = question(&fake, &connections, &mut asked);
    question.rules = &place;
    let granted = Ok(Login::Granted("alice".to_owned()));
    assert_eq!(question.password(Password::from("secret")), granted);
    for (rule, held) in place.iter().zip(held) {
        assert_eq!(question.holds(rule), Ok(*held), "{rule}");
    }
    assert_eq!(question.about(), Ok(&Answer::Known(identity("alice"))));
    fake.calls().iter().map(|call| rules_of(call).to_vec()).collect()
}

#[test]
fn a_login_tells_of_the_places_rules_too_if_they_hold() {
    let place = ["attribute:a=1", "attribute:a=2"];
    assert_eq!(logged_in(&place[..1], &[true]), [&place[..1]]);
    assert_eq!(logged_in(&place, &[true, true]), [place]);
}

#[test]
fn a_login_without_the_places_rules_is_still_one() {
    let no = ["attribute:no=1"];
    assert_eq!(logged_in(&no, &[false]), [&no[..], &[]]);
    // Which of several holds is asked for each.
    let place = ["attribute:a=1", "attribute:no=1"];
    let each = [&place[..1], &place[1..]];
    assert_eq!(logged_in(&place, &[true, false]), [&place[..], &[], each[0], each[1]]);
    // What the realm does not understand concerns nobody until it is judged.
    assert_eq!(logged_in(&["no"], &[]), [&["no"][..], &[]]);
}

/// Asks who somebody is whom others authenticated, as [`logged_in`] does.
fn looked_up(place: &[&str], held: &[bool]) -> Vec<Vec<String>> {
    let place: Vec<String> = place.iter().map(|rule| (*rule).to_owned()).collect();
    let fake = Fake::start(answer_about_attributes);
    let (connections, mut asked) = (Connections::new(), Asked::default());
    let mut question = question(&fake, &connections, &mut asked);
    question.rules = &place;
    for (rule, held) in place.iter().zip(held) {
        assert_eq!(question.holds(rule), Ok(*held), "{rule}");
    }
    assert_eq!(question.about(), Ok(&Answer::Known(identity("alice"))));
    fake.calls().iter().map(|call| rules_of(call).to_vec()).collect()
}

#[test]
fn whom_others_authenticated_is_asked_for_with_the_places_rules() {
    let place = ["attribute:a=1", "attribute:a=2"];
    assert_eq!(looked_up(&place[..1], &[true]), [&place[..1]]);
    assert_eq!(looked_up(&place, &[true, true]), [place]);
    assert_eq!(looked_up(&place, &[]), [place]);
    let no = ["attribute:no=1"];
    assert_eq!(looked_up(&no, &[false]), [&no[..], &[]]);
    let place = ["attribute:a=1", "attribute:no=1"];
    let each = [&place[..1], &place[1..]];
    assert_eq!(looked_up(&place, &[true, false]), [&place[..], &[], each[0], each[1]]);
    assert_eq!(looked_up(&["no"], &[]), [&["no"][..], &[]]);
}

#[test]
fn of_who_may_not_in_no_rule_is_said_to_hold() {
    let fake = Fake::start(|_| Verdict::Denied(refusal(Reason::AccountDisabled)));
    let (connections, mut asked) = (Connections::new(), Asked::default());
    let mut question = question(&fake, &connections, &mut asked);
    let place = ["attribute:a=1".to_owned()];
    question.rules = &place;
    assert_eq!(question.holds("attribute:a=1"), Ok(false));
    assert_eq!(fake.calls().len(), 1);
}

#[test]
fn no_login_is_asked_with_more_rules_than_a_question_can_hold() {
    let place = vec!["attribute:a=1"; MAX_RULES + 1];
    let calls = logged_in(&place, &[true]);
    assert_eq!(calls.iter().map(Vec::len).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn what_a_realm_refuses_it_refuses_with_the_places_rules_and_without() {
    let fake = Fake::start(|_| Verdict::Denied(refusal(Reason::Rule)));
    let (connections, mut asked) = (Connections::new(), Asked::default());
    let mut question = question(&fake, &connections, &mut asked);
    let place = ["attribute:a=1".to_owned()];
    question.rules = &place;
    let denied = Ok(Login::Denied(refusal(Reason::Rule)));
    assert_eq!(question.password(Password::from("secret")), denied);
}

#[test]
fn the_same_trouble_with_another_daemon_or_realm_is_another() {
    let trouble = |fake: &Fake, realm: Option<&str>| {
        let (connections, mut asked) = (Connections::new(), Asked::default());
        let mut question = question(fake, &connections, &mut asked);
        question.whom.realm = realm.map(str::to_owned);
        question.about().unwrap_err().trouble.clone()
    };
    let down = || Fake::start(|_| Verdict::Unavailable(refusal(Reason::NoHost)));
    let (one, other) = (down(), down());
    assert_eq!(trouble(&one, None), trouble(&one, None));
    assert_ne!(trouble(&one, None), trouble(&other, None));
    assert_ne!(trouble(&one, None), trouble(&one, Some("corp")));
    let unknown = Fake::start(|_| Verdict::Invalid(refusal(Reason::UnknownRealm)));
    assert!(trouble(&unknown, Some("corp")).ends_with(" corp unknown_realm"));
}

#[test]
fn another_password_is_asked_and_a_wrong_one_of_a_known_user_is_denied() {
    let wrong = || Verdict::Denied(refusal(Reason::BadCredentials));
    let answer = move |call: &Call| match call {
        Call::Authenticate(_, password) if password.as_bytes() == b"right" => {
            Verdict::Granted(identity("alice"))
        }
        Call::Authenticate(..) => wrong(),
        _ => found("alice"),
    };
    let calls = with(answer, |question| {
        let denied = Ok(Login::Denied(refusal(Reason::BadCredentials)));
        assert_eq!(question.password(Password::from("wrong")), denied);
        assert_eq!(question.password(Password::from("wrong")), denied);
        assert!(matches!(question.password(Password::from("right")), Ok(Login::Granted(_))));
    });
    assert_eq!(calls.len(), 3, "authenticate, lookup, authenticate: {calls:?}");
}

#[test]
fn a_user_whom_nobody_knows_is_left_to_the_next_provider() {
    let answer = |call: &Call| match call {
        Call::Authenticate(..) => Verdict::Denied(refusal(Reason::BadCredentials)),
        _ => Verdict::NotFound(refusal(Reason::NoSuchUser)),
    };
    with(answer, |question| {
        assert_eq!(question.password(Password::from("x")), Ok(Login::NoSuchUser));
    });
}

#[test]
fn the_time_outs_of_a_request_do_not_add_up() {
    with(
        |_| found("alice"),
        |question| {
            question.asked.waited = question.timeout;
            assert!(question.about().is_err());
        },
    );
}

#[test]
fn an_outage_is_that_of_the_request_that_is_judged() {
    let mut asked = Asked::default();
    assert!(asked.watch(1));
    assert!(!asked.watch(1), "it is watched");
    assert!(asked.watch(2), "its sub-request is another");
    asked.cannot_tell();
    assert!(asked.watched());
    assert!(!asked.watched());
    // Of what nobody watches nothing is kept.
    asked.cannot_tell();
    assert!(asked.watch(1) && !asked.watched());
}

/// Puts a question of each of so many requests of one connection to a daemon that answers so.
fn reusing(
    answer: impl Fn(&Call) -> Verdict + Send + Sync + 'static,
    rules: &[String],
    requests: usize,
    test: impl Fn(&mut Question<'_>),
) -> Vec<Call> {
    let (fake, connections, mut told) = (Fake::start(answer), Connections::new(), Told::default());
    for _ in 0..requests {
        let mut asked = Asked::default();
        let time = Duration::from_secs(3600);
        let reuse = Some(Reuse { told: &mut told, time, now: now() });
        test(&mut Question { rules, reuse, ..question(&fake, &connections, &mut asked) });
    }
    fake.calls()
}

#[test]
fn what_a_request_was_told_serves_the_next_of_its_connection() {
    let answer = |call: &Call| match rules_of(call) {
        [] => found("alice"),
        [rule] if rule == "attribute:a=b" => found("alice"),
        _ => Verdict::Denied(refusal(Reason::Rule)),
    };
    let judged = |question: &mut Question<'_>| {
        assert_eq!(question.about(), Ok(&Answer::Known(identity("alice"))));
        for _ in 0..2 {
            assert_eq!(question.holds("attribute:a=b"), Ok(true));
            assert_eq!(question.holds("attribute:c=d"), Ok(false));
        }
    };
    let asked = |rules: &[String]| {
        let calls = reusing(answer, rules, 3, judged);
        calls.iter().flat_map(rules_of).cloned().collect::<Vec<_>>()
    };
    // Each once, along with the first question or by itself.
    assert_eq!(asked(&[]), ["attribute:a=b", "attribute:c=d"]);
    assert_eq!(asked(&["attribute:a=b".to_owned()]), ["attribute:a=b", "attribute:c=d"]);
    let known = |question: &mut Question<'_>| assert!(question.about().is_ok());
    assert_eq!(reusing(answer, &[], 3, known), [lookup("alice")]);
}

#[test]
fn a_no_and_an_outage_do_not_serve_another_request() {
    for no in [
        Verdict::NotFound(refusal(Reason::NoSuchUser)),
        Verdict::Denied(refusal(Reason::AccountDisabled)),
        Verdict::Unavailable(refusal(Reason::NoHost)),
    ] {
        let calls = reusing(
            move |_| no.clone(),
            &[],
            2,
            |question| {
                assert!(!matches!(question.about(), Ok(Answer::Known(_))));
            },
        );
        assert_eq!(calls.len(), 2);
    }
}

#[test]
fn a_no_ends_what_was_known_before() {
    // By the time that the rule is asked, the account is disabled.
    let answer = |call: &Call| match rules_of(call) {
        [] => found("alice"),
        _ => Verdict::Denied(refusal(Reason::AccountDisabled)),
    };
    let calls = reusing(answer, &[], 2, |question| {
        assert!(question.about().is_ok());
        assert_eq!(question.holds("attribute:a=b"), Ok(false));
    });
    assert_eq!(calls.iter().filter(|call| rules_of(call).is_empty()).count(), 2);
}

#[test]
fn each_password_is_asked() {
    let calls = reusing(
        |_| Verdict::Granted(identity("alice")),
        &[],
        2,
        |question| {
            assert!(question.about().is_ok());
            assert_eq!(question.password("secret".into()), Ok(Login::Granted("alice".to_owned())));
        },
    );
    let passwords = |call: &&Call| matches!(call, Call::Authenticate(..));
    assert_eq!(calls.iter().filter(passwords).count(), 2);
}

/// What a login tells is of the realm that answered, not of the one that the name alone means.
#[test]
fn what_is_asked_after_a_login_serves_nobody_else() {
    let answer = |call: &Call| match call {
        Call::Authenticate(..) => Verdict::Granted(identity("alice")),
        _ => found("alice"),
    };
    let calls = reusing(answer, &[], 2, |question| {
        question.password(Password::from("secret")).unwrap();
        assert_eq!(question.holds("attribute:a=b"), Ok(true));
        // A request of this name that others authenticated.
        *question.asked = Asked::default();
        assert!(question.about().is_ok());
        assert_eq!(question.holds("attribute:a=b"), Ok(true));
    });
    let lookups: Vec<_> = calls.iter().filter(|call| matches!(call, Call::Lookup(_))).collect();
    let rule = |call: &&&Call| !rules_of(call).is_empty();
    // One for each login, and one for both of the others, as is who it is.
    assert_eq!((lookups.len(), lookups.iter().filter(rule).count()), (4, 3), "{calls:?}");
}

#[test]
fn a_place_that_takes_nothing_from_others_asks_though_its_request_has() {
    let calls = reusing(
        |_| found("alice"),
        &[],
        2,
        |question| {
            assert!(question.about().is_ok());
            assert_eq!(question.holds("attribute:a=b"), Ok(true));
            let reuse = question.reuse.take();
            for _ in 0..2 {
                assert!(question.about().is_ok());
                assert_eq!(question.holds("attribute:a=b"), Ok(true));
            }
            question.reuse = reuse;
        },
    );
    // The second request had both from the first until it came to that place.
    let rules: Vec<usize> = calls.iter().map(|call| rules_of(call).len()).collect();
    assert_eq!(rules, [0, 1, 0, 1]);
}

#[test]
fn a_login_that_is_refused_ends_what_was_known_but_not_a_wrong_password() {
    for (reason, lookups) in [
        (Reason::AccountDisabled, 2),
        (Reason::Rule, 2),
        (Reason::Throttled, 1),
        // Each is followed by a look whether there is such a user.
        (Reason::BadCredentials, 3),
    ] {
        let answer = move |call: &Call| match call {
            Call::Authenticate(..) => Verdict::Denied(refusal(reason)),
            _ => found("alice"),
        };
        let calls = reusing(answer, &[], 2, |question| {
            assert!(question.about().is_ok());
            assert!(matches!(question.password("secret".into()), Ok(Login::Denied(_))));
        });
        let lookup = |call: &&Call| matches!(call, Call::Lookup(_));
        assert_eq!(calls.iter().filter(lookup).count(), lookups, "{reason:?}");
    }
}
