use proptest::prelude::*;

use super::{FrameError, HEADER, MAX_LENGTH, VERSION, append_answer, decode, encode, length};
use crate::{
    Answer, Call, Identity, Password, Profile, Query, Reason, Refusal, Reply, Request, Source,
    Verdict, Warning,
};

fn body(message: &impl super::Message) -> Vec<u8> {
    encode(message).expect("encodes")[HEADER..].to_vec()
}

fn authenticate(user: &str) -> Request {
    let query = Query { user: user.to_owned(), ..Query::default() };
    Request { id: 7, timeout_ms: None, call: Call::Authenticate(query, Password::from("pw")) }
}

#[test]
fn the_header_counts_what_follows() {
    let frame = encode(&authenticate("alice")).expect("encodes");
    let header = *frame.first_chunk::<HEADER>().expect("header");
    assert_eq!(length(header), Ok(frame.len() - HEADER));
}

#[test]
fn lengths_outside_the_limits_are_refused() {
    for claim in [0, 1, 65_537, u32::MAX] {
        assert_eq!(length(claim.to_be_bytes()), Err(FrameError::Length(claim)));
    }
    assert_eq!(length(65_536_u32.to_be_bytes()), Ok(MAX_LENGTH));
}

#[test]
fn another_version_is_named() {
    let mut bytes = body(&authenticate("alice"));
    bytes[0] = 2;
    assert_eq!(decode::<Request>(&bytes), Err(FrameError::Version(2)));
}

#[test]
fn bytes_left_over_are_refused() {
    let mut bytes = body(&authenticate("alice"));
    bytes.push(0);
    assert!(matches!(decode::<Request>(&bytes), Err(FrameError::Malformed(_))));
}

#[test]
fn every_truncation_is_refused() {
    let bytes = body(&authenticate("alice"));
    for end in 0..bytes.len() {
        assert!(decode::<Request>(&bytes[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn a_claimed_count_of_rules_is_capped() {
    let mut bytes = vec![VERSION, 1, 0, 1, 0, 1, b'a', 0];
    bytes.extend([251, 65, 0]);
    bytes.extend([0; 65]);
    let error = decode::<Request>(&bytes).expect_err("65 rules");
    assert!(error.to_string().contains("at most 64 rules"), "{error}");
}

#[test]
fn a_claimed_length_beyond_the_message_is_refused_without_its_memory() {
    let mut bytes = vec![VERSION, 1, 0, 1, 0, 253];
    bytes.extend((1_u64 << 40).to_le_bytes());
    assert!(matches!(decode::<Request>(&bytes), Err(FrameError::Malformed(_))));
}

#[test]
fn a_message_too_long_for_a_frame_is_not_sent() {
    let refusal = Refusal::new(Reason::BadRequest, "x".repeat(MAX_LENGTH));
    let answer = Answer { id: 1, reply: Reply::Verdict(Verdict::Invalid(refusal)) };
    assert!(matches!(encode(&answer), Err(FrameError::TooLong(_))));
}

#[test]
fn an_answer_may_fill_its_frame_with_short_texts() {
    for group in ["", "g", "group"] {
        let groups = vec![group; 60_000 / (1 + group.len())];
        let profile = Profile::new("alice", "corp", &[("", ""); 0], &groups);
        let who = Identity { profile, source: Source::Cache, age_s: 0, warning: None };
        let answer = Answer { id: 1, reply: Reply::Verdict(Verdict::Found(who)) };
        assert_eq!(decode::<Answer>(&body(&answer)).expect("decodes"), answer);
    }
}

#[test]
fn a_profile_that_is_shorter_than_it_says_is_refused() {
    let profile = Profile::new("alice", "corp", &[("MAIL", "alice@example.com")], &["dev"]);
    let who = Identity { profile, source: Source::Cache, age_s: 0, warning: None };
    let whole = body(&Answer { id: 1, reply: Reply::Verdict(Verdict::Granted(who)) });
    for end in 0..whole.len() {
        assert!(decode::<Answer>(&whole[..end]).is_err(), "cut at {end}");
    }
    let claim = whole.iter().position(|byte| *byte == b'M').expect("the name") - 2;
    let lying = [&whole[..claim], &[253], &[0xff; 8], &whole[claim + 1..]].concat();
    assert!(decode::<Answer>(&lying).is_err());
}

proptest! {
    #[test]
    fn a_yes_has_the_bytes_of_its_message_however_it_is_written(
        id in any::<u64>(),
        (user, realm) in (".{0,300}", ".{0,9}"),
        metadata in proptest::collection::vec((".{0,9}", ".{0,300}"), 0..5),
        groups in proptest::collection::vec(".{0,20}", 0..300),
        age_s in any::<u64>(),
        (granted, expires) in (any::<bool>(), any::<Option<u64>>()),
    ) {
        let profile = Profile::new(&user, &realm, &metadata, &groups);
        let warning = expires.map(Warning::PasswordExpires);
        let who = Identity { profile, source: Source::Stale, age_s, warning };
        let verdict = if granted { Verdict::Granted(who) } else { Verdict::Found(who) };
        let answer = Answer { id, reply: Reply::Verdict(verdict) };
        let mut frames = b"before".to_vec();
        append_answer(&mut frames, &answer).expect("encodes");
        let whole = encode(&answer).expect("encodes");
        prop_assert_eq!(&frames[6..], whole.as_slice());
        prop_assert_eq!(decode::<Answer>(&frames[6 + HEADER..]).expect("decodes"), answer);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode::<Request>(&bytes);
        let _ = decode::<Answer>(&bytes);
    }

    #[test]
    fn requests_survive_the_journey(
        id in any::<u64>(),
        timeout_ms in any::<Option<u32>>(),
        user in ".{0,40}",
        password in proptest::collection::vec(any::<u8>(), 0..300),
        client in any::<Option<std::net::IpAddr>>(),
        require in proptest::collection::vec(".{0,20}", 0..5),
    ) {
        let query = Query { realm: None, user, client, require };
        let call = Call::Authenticate(query, Password::new(password));
        let request = Request { id, timeout_ms, call };
        let frame = encode(&request).expect("encodes");
        prop_assert!(frame.capacity() <= HEADER + 1 + super::Message::room(&request));
        prop_assert_eq!(decode::<Request>(&frame[HEADER..]).expect("decodes"), request);
    }
}
