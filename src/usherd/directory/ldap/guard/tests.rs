//! What passes the guard can be taken at its word, and what is right passes unchanged.

use ldap3::asn1::{Tag, parse_tag};
use ldap3::{ResultEntry, SearchEntry};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use proptest::sample::Index;
use tokio::io::{DuplexStream, duplex};

use super::*;
use crate::directory::ldap::tests::wire::{
    ALONE, BIND, SEARCH, bind_response, displaced_notice, done, element, entry, extended_response,
    message, nested, notice, reference, result,
};

/// A dialogue in which there are two searches, and something that is answered so.
fn dialogue(answer: Kind) -> Dialogue {
    let mut dialogue = Dialogue::default();
    dialogue.asked(&[2, 1, 1, SEARCH, 0]).unwrap();
    dialogue.asked(&[2, 1, 2, SEARCH, 0]).unwrap();
    dialogue.ask(FIRST_ID, answer, oneshot::channel().0);
    dialogue
}

/// A text, which a change may make less than that.
fn text() -> impl Strategy<Value = Vec<u8>> {
    "\\PC{0,4}".prop_map(String::into_bytes)
}

/// Messages of every kind, most of them right.
fn messages() -> impl Strategy<Value = Vec<u8>> {
    let id = prop_oneof![0..4_u8, Just(ALONE)].boxed();
    prop_oneof![
        id.clone().prop_map(bind_response),
        id.clone().prop_map(done),
        id.clone().prop_map(extended_response),
        id.clone().prop_map(reference),
        (id.clone(), text(), vec(vec(any::<u8>(), 0..200), 0..4)).prop_map(|(id, name, values)| {
            let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
            entry(id, &name, &values)
        }),
        (id.clone(), any::<u8>(), vec(any::<u8>(), 0..200))
            .prop_map(|(id, op, content)| { message(id, &element(op, &content)) }),
        (id, 0..0x80_u8, text(), vec(any::<u8>(), 0..3)).prop_map(|(id, code, text, critical)| {
            let control = [element(4, &text), element(1, &critical)].concat();
            let controls = element(0xa0, &element(0x30, &control));
            message(id, &[element(0x61, &result(code, &text)), controls].concat())
        }),
        text().prop_map(|text| notice(&text)),
        text().prop_map(|text| displaced_notice(&text)),
        (0..100_usize).prop_map(nested),
        vec(any::<u8>(), 0..64),
    ]
}

/// Changes of a message: bytes put in, replaced, and what follows cut off.
type Changes = Vec<(Index, u8, u8)>;

/// The message with these changes, made a message of the right length again if `whole`.
fn changed((bytes, changes, whole): (Vec<u8>, Changes, bool)) -> Vec<u8> {
    let head = Header::read(&bytes).ok().flatten().filter(|_| whole).map(|header| header.length);
    let mut content = bytes[head.unwrap_or(0)..].to_vec();
    for (at, byte, kind) in changes {
        let at = at.index(content.len() + 1);
        match kind % 8 {
            0..3 => content.insert(at, byte),
            3..7 if at < content.len() => content[at] = byte,
            _ => content.truncate(at),
        }
    }
    if head.is_some() { element(0x30, &content) } else { content }
}

/// What a server sends: messages of every kind, and what comes of them with a few changes.
fn sent() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let changes = vec((any::<Index>(), any::<u8>(), any::<u8>()), 0..3);
    vec((messages(), changes, any::<bool>()).prop_map(changed), 1..6)
}

/// Takes a message apart as ldap3 does, which panics where it cannot.
fn take_at_its_word(content: &[u8]) {
    let whole = element(0x30, content);
    let (rest, tag) = parse_tag(&whole).expect("a message");
    assert!(rest.is_empty());
    let mut parts = tag.expect_constructed().expect("a sequence").into_iter();
    let _id = parts.next().expect("an id").expect_primitive().expect("a number");
    let op = parts.next().expect("an operation");
    match op.id {
        4 => drop(SearchEntry::construct(ResultEntry::new(op))),
        19 => {
            for url in op.expect_constructed().expect("URLs") {
                String::from_utf8(url.expect_primitive().expect("a string")).expect("UTF-8");
            }
        }
        1 | 5 | 24 => drop(LdapResult::from(Tag::StructureTag(op))),
        other => panic!("{other} has passed"),
    }
    for control in parts.flat_map(|list| list.expect_constructed().expect("controls")) {
        let mut parts = control.expect_constructed().expect("a control").into_iter();
        let name = parts.next().expect("a name").expect_primitive().expect("a string");
        String::from_utf8(name).expect("UTF-8");
        for part in parts {
            let (id, content) = (part.id, part.expect_primitive().expect("in one piece"));
            assert!(id == 4 || (id == 1 && content.len() == 1), "{id}: {content:?}");
        }
    }
}

proptest! {
    #[test]
    fn whatever_passes_can_be_taken_at_its_word(
        sent in sent(),
        answer in prop_oneof![Just(Kind::Bind), Just(Kind::Extended)],
    ) {
        let mut dialogue = dialogue(answer);
        let bytes = sent.concat();
        let mut rest = bytes.as_slice();
        while let Ok(Some((content, length))) = frame(rest) {
            match dialogue.heard(content) {
                Ok(Verdict::Pass) => take_at_its_word(content),
                Ok(Verdict::Aside) => {}
                Err(_) => break,
            }
            rest = &rest[length..];
        }
    }

    #[test]
    fn no_request_makes_it_panic(bytes in vec(any::<u8>(), 0..64)) {
        let _ = Dialogue::default().asked(&bytes);
        let _ = extended_result(&bytes, FIRST_ID);
    }
}

/// A guard, the server's end of its connection, and ldap3's.
fn posted() -> (Guard, DuplexStream, UnixStream) {
    let (server, ours) = duplex(64);
    let (guard, client) = Guard::post(ours).unwrap();
    (guard, server, UnixStream::from_std(client).unwrap())
}

#[tokio::test]
async fn what_is_right_passes_unchanged_however_it_is_cut() {
    let request = [[0x30, 5, 2, 1, 2, SEARCH, 0], [0x30, 5, 2, 1, 1, SEARCH, 0]].concat();
    let large = entry(2, b"jpegPhoto", &[&[0xff; 200_000], b""]);
    let answer = [large, done(1), reference(2), done(2)].concat();
    for piece in [1, 7, 4096, answer.len()] {
        let (guard, server, client) = posted();
        let (mut from_client, mut to_client) = tokio::io::split(server);
        let (mut from_server, mut to_server) = client.into_split();
        let serve = async {
            let mut asked = vec![0; request.len()];
            from_client.read_exact(&mut asked).await.unwrap();
            assert_eq!(asked, request);
            for piece in answer.chunks(piece) {
                to_client.write_all(piece).await.unwrap();
            }
        };
        let ask = async {
            for piece in request.chunks(piece) {
                to_server.write_all(piece).await.unwrap();
            }
            let mut heard = vec![0; answer.len()];
            from_server.read_exact(&mut heard).await.unwrap();
            assert!(heard == answer, "cut into pieces of {piece}");
        };
        tokio::join!(serve, ask);
        assert_eq!(guard.ending(), None);
    }
}

const BIND_OF_A: Request<'_> = Request::SimpleBind { dn: "cn=a", password: "a", control: "1.2" };

#[tokio::test]
async fn what_the_daemon_asks_itself_is_told_to_nobody_else() {
    let (mut guard, server, mut client) = posted();
    let (mut from_client, mut to_client) = tokio::io::split(server);
    let request = BIND_OF_A.bytes(FIRST_ID);
    let serve = async {
        let mut asked = vec![0; request.len()];
        from_client.read_exact(&mut asked).await.unwrap();
        assert_eq!(asked, *request);
        let policy = element(0x30, b"\x04\x031.2\x01\x01\xff\x04\x02\x30\x00");
        let response = [element(0x61, &result(49, b"no")), element(0xa0, &policy)].concat();
        to_client.write_all(&message(ALONE, &response)).await.unwrap();
    };
    let (answer, ()) = tokio::join!(guard.ask(BIND_OF_A), serve);
    let answer = answer.unwrap();
    let control = &answer.ctrls[0].1;
    assert_eq!((answer.rc, &*answer.text, answer.ctrls.len()), (49, "no", 1));
    assert_eq!((&*control.ctype, control.crit), ("1.2", true));
    assert_eq!(control.val.as_deref(), Some(&b"\x30\x00"[..]));
    // The same answer again is none to the next question.
    let again = async {
        let mut asked = vec![0; request.len()];
        from_client.read_exact(&mut asked).await.unwrap();
        to_client.write_all(&bind_response(ALONE)).await.unwrap();
    };
    let (answer, ()) = tokio::join!(guard.ask(BIND_OF_A), again);
    assert!(answer.is_none());
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    let why = guard.ending().map(|ending| ending.why.clone());
    assert_eq!(why.as_deref(), Some("the server was cut off: it sent an answer to no request"));
    assert!(guard.ask(Request::ExternalBind).await.is_none());
}

#[tokio::test]
async fn ldap3_may_search_and_nothing_else() {
    let (guard, mut server, mut client) = posted();
    client.write_all(&message(1, &element(BIND, b""))).await.unwrap();
    assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    assert!(guard.ending().is_some());
}

#[tokio::test]
async fn a_guard_that_is_dismissed_closes_both_sides() {
    let (guard, mut server, mut client) = posted();
    guard.dismiss();
    assert_eq!(guard.ending(), Some(&Ending::because(GIVEN_UP)));
    assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_server_that_reads_nothing_does_not_keep_its_answers_back() {
    let (_guard, mut server, client) = posted();
    let (mut from_server, mut to_server) = client.into_split();
    // More than the connection holds, so that it is still being written.
    let request = element(0x30, &[&[2, 1, 1][..], &element(SEARCH, &[0; 4096])].concat());
    to_server.write_all(&request).await.unwrap();
    server.read_u8().await.unwrap();
    server.write_all(&done(1)).await.unwrap();
    let mut heard = vec![0; done(1).len()];
    from_server.read_exact(&mut heard).await.unwrap();
    assert_eq!(heard, done(1));
}

#[test]
fn requests_without_answers_have_an_end() {
    let mut dialogue = Dialogue::default();
    let request = |id: usize| [&[2, 2][..], &id.to_be_bytes()[6..], &[SEARCH, 0]].concat();
    for id in 0..MAX_ASKED {
        dialogue.asked(&request(id)).unwrap();
    }
    assert!(dialogue.asked(&request(MAX_ASKED)).is_err());
    assert_eq!(dialogue.heard(&done(1)[2..]), Ok(Verdict::Pass));
    assert_eq!(dialogue.asked(&request(MAX_ASKED)), Ok(()));
}
