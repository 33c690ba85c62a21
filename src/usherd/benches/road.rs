//! The road of a known user inside the daemon, from the bytes of the request to those of the
//! answer.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;
use usher_protocol::{Answer, Call, Reply, Request, frame};
use usherd::realm::Realms;
use usherd::telemetry::Notes;

/// The answer, in memory that the one before has used. It is there at once, so nothing need run it.
pub(crate) fn answer(realms: &Realms, request: &[u8], frames: &mut Vec<u8>) {
    let request: Request = frame::decode(&request[frame::HEADER..]).expect("a request");
    let (mut notes, begun) = (Notes::default(), Instant::now());
    let road = async {
        let verdict = match &request.call {
            Call::Authenticate(query, password) => {
                realms.authenticate(query, password, &mut notes, in_a_minute()).await
            }
            Call::Lookup(query) => realms.lookup(query, &mut notes, in_a_minute()).await,
            other => panic!("not measured: {other:?}"),
        };
        notes.tally.expect("a realm").answer(&verdict, begun.elapsed());
        verdict
    };
    let Poll::Ready(verdict) = pin!(road).poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("not known");
    };
    assert!(verdict.identity().is_some(), "{verdict:?}");
    let answer = Answer { id: request.id, reply: Reply::Verdict(verdict) };
    frames.clear();
    frame::append_answer(frames, &answer).expect("encodes");
}

pub(crate) fn in_a_minute() -> Instant {
    Instant::now() + Duration::from_secs(60)
}
