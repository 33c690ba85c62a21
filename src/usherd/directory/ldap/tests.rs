//! Connections to servers that do what no server should, in plain text and under TLS.

mod down;
mod fast_binds;
mod hostile;
mod leave;
mod ranges;
pub(super) mod wire;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use usher_protocol::Password;

use hostile::{Answer, Script, Server, Way};

use self::wire::{
    ALONE, BIND, EXTENDED, SEARCH, bind_response, displaced_notice, done, element, entry,
    extended_response, message, nested, notice, reference, result,
};
use super::connection::{Connection, Search};
use super::pool::Pool;
use super::{Bind, Failure};
use crate::config::{self, Directory, Scope};
use crate::directory::{Attempt, Unavailable, Verification};

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(20);

/// The pool of a realm with this server and these lines.
fn pool(server: &Server, lines: &str) -> Pool {
    pool_of(&server.host(), lines)
}

/// The same with these hosts.
fn pool_of(hosts: &str, lines: &str) -> Pool {
    Pool::open("corp", &settings(hosts, lines)).unwrap()
}

fn settings(hosts: &str, lines: &str) -> config::Ldap {
    let text = format!(
        "[realm.corp]\ntype = \"ldap\"\nconnection_security = \"plain\"\nhost = \"{hosts}\"\n\
         base_dn = \"dc=example\"\n{lines}\n"
    );
    let loaded = config::parse(&text, Path::new("usher.toml")).unwrap();
    match &loaded.settings.realms["corp"].directory {
        Directory::Ldap(settings) => (**settings).clone(),
        _ => panic!("not LDAP"),
    }
}

/// A bind as a user who may try it anywhere.
async fn bind(pool: &Pool) -> Result<Verification, Unavailable> {
    let password = Password::from("secret");
    let bind = Bind::new("cn=alice", Attempt::new(&password, &|| true)).unwrap();
    Ok(pool.bind(bind, Instant::now() + LIMIT).await?.0)
}

const WAYS: [Way; 3] = [Way::Plain, Way::StartTls, Way::Ldaps];

fn search() -> Search {
    Search {
        base: "dc=example".to_owned(),
        scope: Scope::Subtree,
        filter: "(uid=a)".to_owned(),
        attributes: vec!["mail".to_owned()],
        most: 2,
        may_be_absent: false,
    }
}

/// Answers as it should be.
fn well(id: u8, op: u8) -> Answer {
    Answer::Send(match op {
        BIND => bind_response(id),
        SEARCH => [reference(id), entry(id, b"mail", &[b"a@b"]), done(id)].concat(),
        EXTENDED => extended_response(id),
        _ => Vec::new(),
    })
}

/// Answers requests of this kind so, and all others well.
fn to(kind: u8, answer: impl Fn(u8) -> Answer + Copy + Send + Sync + 'static) -> impl Script {
    move |id, op| if op == kind { answer(id) } else { well(id, op) }
}

/// A connection of this kind to a server of this kind.
async fn connect(way: Way, script: impl Script) -> (Server, Result<Connection, Failure>) {
    let server = Server::start(way, script).await;
    let connection = Connection::open(&server.endpoint(), LIMIT).await;
    (server, connection)
}

/// Binds, then searches: the number of entries, or what goes wrong first.
async fn ask(way: Way, script: impl Script) -> Result<usize, Failure> {
    let (_server, connection) = connect(way, script).await;
    let mut connection = connection?;
    let asked = async {
        connection.bind("cn=reader", "secret", LIMIT).await?;
        connection.search(&search(), LIMIT).await
    };
    let asked = asked.await;
    assert_eq!(connection.is_closed(), asked.is_err(), "{asked:?}");
    Ok(asked?.len())
}

/// Asks a server in every way; the connection must be lost with these words.
async fn assert_cut(script: impl Script, told: &str) {
    for way in WAYS {
        match ask(way, script).await {
            Err(Failure::Lost(why)) => assert!(why.contains(told), "{way:?}: {why}"),
            other => panic!("{way:?}, {told}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn what_is_as_it_should_be_passes() {
    for way in WAYS {
        assert_eq!(ask(way, well).await, Ok(1), "{way:?}");
    }
}

#[tokio::test]
async fn messages_nested_ten_thousand_deep_are_cut_off() {
    let told = "an element where another belongs";
    assert_cut(to(BIND, |_| Answer::Send(nested(10_000))), told).await;
    let inside = to(SEARCH, |id| {
        let attributes = element(0x30, &nested(10_000));
        Answer::Send(message(id, &element(0x64, &[element(4, b"uid=a"), attributes].concat())))
    });
    assert_cut(inside, told).await;
}

#[tokio::test]
async fn lengths_that_nobody_can_mean_are_cut_off() {
    let long = |_| Answer::Send(vec![0x30, 0x84, 0x7f, 0xff, 0xff, 0xff, 2, 1, 1, 0x61, 0, 0]);
    assert_cut(to(BIND, long), "a message of 2147483647 bytes, more than 1048576").await;
    let longer = |_| Answer::Send(vec![0x30, 0x85, 1, 0, 0, 0, 0]);
    assert_cut(to(BIND, longer), "a length of more than four bytes").await;
    let indefinite = |_| Answer::Send(vec![0x30, 0x80, 2, 1, 1, 0x61, 0x80, 0, 0, 0, 0]);
    assert_cut(to(BIND, indefinite), "an indefinite length").await;
    let inside = |_| Answer::Send(vec![0x30, 7, 2, 1, 1, 0x61, 0x80, 0, 0]);
    assert_cut(to(BIND, inside), "an indefinite length").await;
}

#[tokio::test]
async fn what_is_no_message_is_cut_off() {
    let empty = |_| Answer::Send(element(0x30, b""));
    assert_cut(to(BIND, empty), "an element where another belongs").await;
    let set = |_| Answer::Send(element(0x31, b""));
    assert_cut(to(BIND, set), "something that is no message").await;
    let other = |_| Answer::Send(b"HTTP/1.1 400 Bad Request\r\n".to_vec());
    assert_cut(to(BIND, other), "something that is no message").await;
    assert_cut(to(BIND, |_| Answer::Send(vec![0x3f, 0x81, 0])), "a tag of more than one").await;
    let overrun = |_| Answer::Send(vec![0x30, 5, 2, 1, 1, 0x61, 0x7f]);
    assert_cut(to(BIND, overrun), "an element that is longer than what it is in").await;
    let more =
        |id| Answer::Send(message(id, &[element(0x61, &result(0, b"")), nested(1)].concat()));
    assert_cut(to(BIND, more), "an element too many").await;
}

#[tokio::test]
async fn a_message_that_ends_halfway_is_the_end() {
    let half = |id| Answer::Close(bind_response(id)[..7].to_vec());
    assert_cut(to(BIND, half), "bind: the server closed the connection").await;
    let nothing = |_| Answer::Close(Vec::new());
    assert_cut(to(SEARCH, nothing), "search: the server closed the connection").await;
    assert_cut(to(BIND, nothing), "closed the connection without a word").await;
}

#[tokio::test]
async fn text_that_is_not_utf_8_is_cut_off() {
    let told = "text that is not UTF-8";
    let diagnostic = |id| Answer::Send(message(id, &element(0x61, &result(49, b"\xff"))));
    assert_cut(to(BIND, diagnostic), told).await;
    assert_cut(to(SEARCH, |id| Answer::Send(entry(id, b"\xc3", &[b"a"]))), told).await;
    // Values may be any bytes.
    let photo = |id| Answer::Send([entry(id, b"photo", &[b"\xff"]), done(id)].concat());
    assert_eq!(ask(Way::Plain, to(SEARCH, photo)).await, Ok(1));
}

#[tokio::test]
async fn an_answer_of_another_kind_than_its_request_is_cut_off() {
    let told = "an answer of another kind than the request's";
    assert_cut(to(SEARCH, |id| Answer::Send(bind_response(id))), told).await;
    assert_cut(to(BIND, |id| Answer::Send(extended_response(id))), told).await;
    assert_cut(to(BIND, |id| Answer::Send(done(id))), told).await;
    let compare = |id| Answer::Send(message(id, &element(0x6f, &result(6, b""))));
    assert_cut(to(BIND, compare), "an operation that nobody asked for").await;
}

#[tokio::test]
async fn an_answer_to_nothing_is_cut_off() {
    let told = "an answer to no request";
    assert_cut(to(BIND, |_| Answer::Send(bind_response(1))), told).await;
    assert_cut(to(BIND, |_| Answer::Send(bind_response(0))), told).await;
    let again = |id| Answer::Send([done(id), done(id)].concat());
    let (_server, connection) = connect(Way::Plain, to(SEARCH, again)).await;
    let connection = connection.unwrap();
    assert_eq!(connection.search(&search(), LIMIT).await.map(|entries| entries.len()), Ok(0));
    assert!(connection.is_closed());
}

#[tokio::test]
async fn numbers_out_of_their_range_are_cut_off() {
    let told = "a number out of its range";
    let code = |id| {
        let result = [&[0x0a, 5, 1, 0, 0, 0, 0, 4, 0, 4, 0][..]].concat();
        Answer::Send(message(id, &element(0x61, &result)))
    };
    assert_cut(to(BIND, code), told).await;
    let id = |_| Answer::Send(element(0x30, &[&[2, 1, 0xff][..], &bind_response(1)[5..]].concat()));
    assert_cut(to(BIND, id), told).await;
}

/// A right answer to a bind with this control.
fn with_control(id: u8, control: &[u8]) -> Answer {
    let controls = element(0xa0, &element(0x30, control));
    Answer::Send(message(id, &[element(0x61, &result(0, b"")), controls].concat()))
}

#[tokio::test]
async fn malformed_controls_are_cut_off() {
    let nothing = to(BIND, |id| with_control(id, b""));
    assert_cut(nothing, "an element where another belongs").await;
    let truth = to(BIND, |id| with_control(id, &[element(4, b"1.2"), vec![1, 0]].concat()));
    assert_cut(truth, "a truth value that is none").await;
    let more = to(BIND, |id| with_control(id, &[4, 0, 4, 0, 4, 0]));
    assert_cut(more, "an element too many").await;
    let well = to(BIND, |id| with_control(id, &[4, 3, b'1', b'.', b'2', 1, 1, 0, 4, 0]));
    assert_eq!(ask(Way::Plain, well).await, Ok(1));
}

#[tokio::test]
async fn a_notice_of_disconnection_is_told_with_its_reason() {
    let told = "the server ends the connection: result 52 (unavailable, \"going down\")";
    assert_cut(to(BIND, |_| Answer::Send(notice(b"going down"))), told).await;
    assert_cut(to(BIND, |_| Answer::Close(displaced_notice(b"going down"))), told).await;
    // What came before it counts.
    let after = |id| Answer::Send([done(id), notice(b"going down")].concat());
    let (_server, connection) = connect(Way::Ldaps, to(SEARCH, after)).await;
    let connection = connection.unwrap();
    assert_eq!(connection.search(&search(), LIMIT).await.map(|entries| entries.len()), Ok(0));
    assert!(connection.is_closed());
}

#[tokio::test]
async fn what_a_server_says_is_told_on_one_line_and_not_without_end() {
    let text = |id| {
        let text = [b"two\nlines \x1b[2J".as_slice(), &[b'x'; 100_000]].concat();
        Answer::Send(message(id, &element(0x65, &result(53, &text))))
    };
    match ask_once(to(SEARCH, text)).await {
        Err(Failure::Answer(why)) => {
            assert!(why.contains(r"two\nlines \u{1b}[2J") && why.len() < 700, "{why}");
        }
        other => panic!("{other:?}"),
    }
}

/// A search on a connection that goes on afterwards.
async fn ask_once(script: impl Script) -> Result<usize, Failure> {
    let (_server, connection) = connect(Way::Plain, script).await;
    Ok(connection?.search(&search(), LIMIT).await?.len())
}

#[tokio::test]
async fn other_notices_are_passed_over() {
    let other = to(BIND, |id| {
        let name = element(0x8a, b"1.2.3");
        let notice = message(0, &element(0x78, &[result(0, b""), name].concat()));
        Answer::Send([notice.clone(), bind_response(id), notice].concat())
    });
    assert_eq!(ask(Way::Plain, other).await, Ok(1));
}

/// An attribute of 100 MB.
fn huge(id: u8, op: u8) -> Answer {
    let head = vec![0x30, 0x84, 0x05, 0xf5, 0xe1, 0x00, 2, 1, id, 0x64, 0x84, 0x05, 0xf5, 0xe0, 0];
    if op == SEARCH { Answer::Forever(head, vec![0; 4096]) } else { well(id, op) }
}

/// As `assert_cut`, where no other host would do any better.
async fn assert_too_much(script: impl Script, told: &str) {
    for way in WAYS {
        match ask(way, script).await {
            Err(Failure::Answer(why)) => assert!(why.contains(told), "{way:?}: {why}"),
            other => panic!("{way:?}, {told}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn what_is_too_large_is_the_fault_of_what_was_asked() {
    assert_too_much(huge, "a message of 100000000 bytes, more than 1048576").await;
    let values = to(SEARCH, |id| Answer::Send(entry(id, b"mail", &[&b""[..]; 40_000])));
    assert_too_much(values, "more than 32768 values in a message").await;
    let messages = to(SEARCH, |id| Answer::Forever(Vec::new(), reference(id)));
    assert_too_much(messages, "more than 10000 messages for one search").await;
    let bytes = to(SEARCH, |id| {
        let url = element(4, &[b'a'; 500_000]);
        Answer::Forever(Vec::new(), message(id, &element(0x73, &url)))
    });
    assert_too_much(bytes, "more than 4194304 bytes for one search").await;
}

#[tokio::test]
async fn a_search_beside_one_whose_answer_is_too_large_is_merely_lost() {
    // The first waits in vain, the second is the culprit.
    let script = move |id, op| if id == 1 { Answer::Send(Vec::new()) } else { huge(id, op) };
    let (_server, connection) = connect(Way::Ldaps, script).await;
    let connection = connection.unwrap();
    let search = search();
    let both = tokio::join!(connection.search(&search, LIMIT), connection.search(&search, LIMIT));
    assert!(matches!(both, (Err(Failure::Beside(_)), Err(Failure::Answer(_)))), "{both:?}");
}

#[tokio::test]
async fn entries_without_end_cost_the_connection_alone() {
    let endless = to(SEARCH, |id| Answer::Forever(Vec::new(), entry(id, b"mail", &[b"a@b"])));
    for way in WAYS {
        let (_server, connection) = connect(way, endless).await;
        let connection = connection.unwrap();
        // More than one is enough to know; the rest runs into the limit.
        let entries = connection.search(&search(), LIMIT).await.unwrap();
        assert!(entries.len() > 1);
        let ended = async {
            while !connection.is_closed() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(LIMIT, ended).await.expect("the connection goes on");
    }
}

#[tokio::test]
async fn a_bind_that_is_given_up_takes_its_connection_with_it() {
    for way in WAYS {
        let (server, connection) = connect(way, to(BIND, |_| Answer::Send(Vec::new()))).await;
        let mut connection = connection.unwrap();
        let given_up = Duration::from_millis(600);
        let bind = connection.bind("cn=alice", "secret", given_up).await;
        assert!(matches!(bind, Err(Failure::Slow(_))), "{bind:?}");
        assert_eq!(server.connections(), 1);
        drop(connection);
        let closed = async {
            while server.connections() > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(LIMIT, closed).await.expect("the connection stays open");
    }
}

#[tokio::test]
async fn a_bind_that_is_given_up_for_another_host_takes_its_connection_with_it() {
    static HANGS: AtomicBool = AtomicBool::new(false);
    let script = |id, op| match HANGS.load(Ordering::Relaxed) {
        true => Answer::Send(Vec::new()),
        false => well(id, op),
    };
    let first = Server::start(Way::Plain, script).await;
    let second = Server::start(Way::Plain, well).await;
    let hosts = format!("{}, {}", first.host(), second.host());
    // Longer than the test may take: nothing is closed for want of an answer alone.
    let lines = "pool = { operation_timeout = \"5m\", max_age = \"1d\" }";
    let pool = pool_of(&hosts, lines);
    assert!(bind(&pool).await.is_ok());
    let closed = first.closed();
    HANGS.store(true, Ordering::Relaxed);
    assert!(bind(&pool).await.is_ok());
    // That of the bind, and that on which the host was checked.
    let both = async {
        while first.closed() < closed + 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, both).await.expect("the connection stays open");
}

#[tokio::test]
async fn what_is_slipped_in_behind_the_answer_to_start_tls_is_never_an_answer() {
    let script =
        to(EXTENDED, |id| Answer::Send([extended_response(id), bind_response(ALONE + 1)].concat()));
    let (_server, connection) = connect(Way::StartTls, script).await;
    match connection.map(drop) {
        Err(Failure::Host(why)) => assert!(why.contains("it does not speak TLS there"), "{why}"),
        other => panic!("{other:?}"),
    }
}

/// StartTLS must fail with these words.
async fn assert_not_started(script: impl Script, told: &str) {
    let (_server, connection) = connect(Way::StartTls, script).await;
    match connection.map(drop) {
        Err(Failure::Host(why)) => {
            assert!(why.starts_with("StartTLS: ") && why.contains(told), "{why}");
        }
        other => panic!("{told}: {other:?}"),
    }
}

#[tokio::test]
async fn a_server_that_answers_start_tls_wrongly_is_told() {
    let refused = |id, _| Answer::Send(message(id, &element(0x78, &result(52, b"no key"))));
    let told = "the server refuses: result 52 (unavailable, \"no key\")";
    assert_not_started(refused, told).await;
    assert_not_started(|id, _| Answer::Send(bind_response(id)), "an answer of another kind").await;
    assert_not_started(|_, _| Answer::Send(extended_response(9)), "to no request").await;
    assert_not_started(|_, _| Answer::Send(notice(b"busy")), "(unavailable, \"busy\")").await;
    assert_not_started(|_, _| Answer::Send(nested(10_000)), "an element where another").await;
    assert_not_started(|_, _| Answer::Close(Vec::new()), "the server closed").await;
    let indefinite = |_, _| Answer::Send(vec![0x30, 0x80, 2, 1, 1, 0x78, 0x80, 0, 0, 0, 0]);
    assert_not_started(indefinite, "an indefinite length").await;
    let long = |_, _| Answer::Send(vec![0x30, 0x84, 0x7f, 0xff, 0xff, 0xff, 2, 1, 1, 0x78, 0]);
    assert_not_started(long, "a message of 2147483647 bytes").await;
    let text = |id, _| Answer::Send(message(id, &element(0x78, &result(53, b"\xff"))));
    assert_not_started(text, "text that is not UTF-8").await;
    let code = |id, _| {
        let result = [0x0a, 5, 1, 0, 0, 0, 0, 4, 0, 4, 0];
        Answer::Send(message(id, &element(0x78, &result)))
    };
    assert_not_started(code, "a number out of its range").await;
}

#[tokio::test]
async fn an_answer_to_start_tls_that_does_not_end_is_given_up() {
    let begun = |_, _| Answer::Send(vec![0x30, 0x83, 0x0f, 0xff, 0xff, 2, 1, 1]);
    let server = Server::start(Way::StartTls, begun).await;
    let opened = Connection::open(&server.endpoint(), Duration::from_millis(600)).await;
    assert!(matches!(opened.map(drop), Err(Failure::Slow(_))));
    // However fast it goes on, it has an end.
    let drips = |_, _| Answer::Forever(vec![0x30, 0x83, 0x0f, 0xff, 0xff, 2, 1, 1], vec![0; 4096]);
    let server = Server::start(Way::StartTls, drips).await;
    let opened = Connection::open(&server.endpoint(), LIMIT).await;
    assert!(matches!(opened.map(drop), Err(Failure::Host(_))));
    let closed = async {
        while server.connections() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, closed).await.expect("the connection stays open");
}
