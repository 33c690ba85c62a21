//! What the words mean, and what is read and answered.

use usher_protocol::{MAX_PASSWORD, MAX_USER, Reason, Refusal, Verdict};

use super::request::{Request, Trouble, read};
use super::{MOST_ANSWER, answer, counted, query};
use crate::config::Saslauthd;

fn request(parts: [&[u8]; 4]) -> Vec<u8> {
    let part = |part: &&[u8]| {
        let length = u16::try_from(part.len()).expect("short");
        [&length.to_be_bytes(), *part].concat()
    };
    parts.iter().flat_map(part).collect()
}

async fn parsed(user: &str, service: &str, realm: &str) -> Request {
    let bytes = request([user.as_bytes(), b"pass", service.as_bytes(), realm.as_bytes()]);
    match read(&mut bytes.as_slice()).await {
        Ok(request) => request,
        Err(trouble) => panic!("{trouble:?}"),
    }
}

fn settings() -> Saslauthd {
    let map = |name: &str, realm: &str| [(name.to_owned(), realm.to_owned())].into();
    Saslauthd {
        realms: map("mail.example.com", "corp"),
        services: map("smtp", "mail"),
        ..Saslauthd::default()
    }
}

#[tokio::test]
async fn a_realm_of_theirs_is_one_of_ours_or_the_domain_of_the_user() {
    let plain = settings();
    let ignoring = Saslauthd { combine_realm: false, ..settings() };
    for (service, realm, settings, expected) in [
        ("imap", "", &plain, ("alice", None)),
        ("imap", "Mail.Example.Com", &plain, ("alice", Some("corp"))),
        ("smtp", "Mail.Example.Com", &plain, ("alice", Some("corp"))),
        ("imap", "corp.example.com", &plain, ("alice@corp.example.com", None)),
        ("imap", "corp.example.com", &ignoring, ("alice", None)),
        ("smtp", "", &plain, ("alice", Some("mail"))),
        ("smtp", "x.org", &plain, ("alice@x.org", Some("mail"))),
    ] {
        let query = query(&parsed("alice", service, realm).await, settings);
        assert_eq!((query.user.as_str(), query.realm.as_deref()), expected, "{service} {realm}");
    }
}

#[tokio::test]
async fn strings_are_bounded_before_there_is_room_for_them() {
    let (user, password) = (vec![b'x'; MAX_USER + 1], vec![b'x'; MAX_PASSWORD + 1]);
    for parts in [
        [&user[..], b"p", b"s", b"r"],
        [b"u", &password[..], b"s", b"r"],
        [b"u", b"p", &user[..], b"r"],
        [b"u", b"p", b"s", &user[..]],
        [b"\xff", b"p", b"s", b"r"],
    ] {
        let trouble = read(&mut request(parts).as_slice()).await.err();
        assert!(matches!(trouble, Some(Trouble::Malformed(_))), "{trouble:?}");
    }
    let whole = request([b"alice", b"secret", b"imap", b""]);
    for length in 0..whole.len() {
        let trouble = read(&mut &whole[..length]).await.err();
        assert_eq!(trouble, Some(Trouble::Gone), "{length}");
    }
}

#[test]
fn a_no_says_why_and_fits_into_the_room_that_clients_have() {
    let refusal = Refusal::new(Reason::NoHost, format!("ldap1\n{}", "\u{e4}".repeat(1000)));
    let text = answer(&Verdict::Unavailable(refusal));
    assert!(text.starts_with("NO unavailable: no_host: ldap1 \u{e4}"), "{text}");
    let bytes = counted(&text);
    assert!(bytes.len() <= MOST_ANSWER + 2);
    assert_eq!(usize::from(bytes[0]) << 8 | usize::from(bytes[1]), bytes.len() - 2);
    assert!(std::str::from_utf8(&bytes[2..]).is_ok());
    assert_eq!(counted("OK"), b"\0\x02OK");
}
