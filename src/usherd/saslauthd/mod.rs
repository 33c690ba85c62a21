//! The mouth of saslauthd: a connection is one question, asked in its words and answered on the
//! same road as every other.
//!
//! ```text
//! client                                              usherd
//!   count user  count password  count service  count realm ->
//!                                        <- count "OK" | "NO why"
//! ```
//!
//! Each count is of two bytes, the higher first. The words are saslauthd's; what they mean is in
//! `[saslauthd]`.

mod request;

use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use usher_protocol::{Query, Verdict};

use crate::config::Saslauthd;
use crate::control::Control;
use crate::session::{Case, Peer};
use request::{Request, Trouble};

/// Clients have room for 1024 bytes.
const MOST_ANSWER: usize = 1000;

/// Answers the one request of a connection, by the deadline that requests have. Where the daemon
/// stops before it has come, nobody waits for it.
pub async fn serve(
    mut stream: UnixStream,
    peer: Peer,
    control: Arc<Control>,
    stop: CancellationToken,
) {
    let rules = control.rules();
    let deadline = Instant::now() + rules.listen.request_timeout;
    let read = tokio::select! {
        biased;
        read = timeout_at(deadline, request::read(&mut stream)) => read,
        () = stop.cancelled() => return,
    };
    let answer = match read {
        Ok(Ok(request)) => {
            let case = Case { control: &control, peer, id: 0, received: Instant::now(), deadline };
            // systemd may pass a socket that the configuration says nothing of.
            let default = Saslauthd::default();
            let query = query(&request, rules.saslauthd.as_ref().unwrap_or(&default));
            answer(&case.authenticate(&rules, &query, &request.password).await)
        }
        Ok(Err(Trouble::Gone)) => return,
        Ok(Err(Trouble::Malformed(what))) => malformed(&control, peer, &what),
        Err(_) => malformed(&control, peer, "the rest of the request did not come in time"),
    };
    // A client that does not take its answer gets none; the kernel has room for this one at once.
    let writing = async {
        stream.write_all(&counted(&answer)).await?;
        stream.shutdown().await
    };
    let patience = Instant::now() + rules.listen.request_timeout;
    let _ = timeout_at(patience, writing).await;
}

/// Says why before closing, as far as the socket takes it without waiting.
pub fn turn_away(stream: &UnixStream) {
    let text = "NO overloaded: every connection is at work (max_connections of [saslauthd])";
    let _ = stream.try_write(&counted(text));
}

/// Who is meant: the realm that is named, else that of the service, else as `DOMAIN` in
/// `user@DOMAIN`.
fn query(request: &Request, settings: &Saslauthd) -> Query {
    let Request { user, service, realm, .. } = request;
    if let Some(ours) = settings.realms.get(&realm.to_lowercase()) {
        return Query { user: user.clone(), realm: Some(ours.clone()), ..Query::default() };
    }
    let user = if realm.is_empty() || !settings.combine_realm {
        user.clone()
    } else {
        format!("{user}@{realm}")
    };
    Query { user, realm: settings.services.get(service).cloned(), ..Query::default() }
}

fn answer(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Granted(_) => "OK".to_owned(),
        other => {
            let why = other.refusal();
            let (reason, message) =
                why.map_or(("bad_request", ""), |why| (why.reason.as_str(), why.message.as_str()));
            let harmless = |c: char| if c.is_control() { ' ' } else { c };
            let mut text = format!("NO {}: {reason}: ", other.outcome());
            text.extend(message.chars().map(harmless));
            text
        }
    }
}

fn malformed(control: &Control, peer: Peer, what: &str) -> String {
    control.counters.malformed_frames.one();
    if control.complaints.due(Instant::now()) {
        tracing::warn!(uid = peer.uid, "closed a connection of saslauthd's clients: {what}");
    }
    format!("NO invalid: bad_request: {what}")
}

fn counted(text: &str) -> Vec<u8> {
    let end = (0..=text.len().min(MOST_ANSWER)).rev().find(|end| text.is_char_boundary(*end));
    let text = text.get(..end.unwrap_or(0)).unwrap_or_default();
    let count = u16::try_from(text.len()).unwrap_or(0);
    [&count.to_be_bytes(), text.as_bytes()].concat()
}

#[cfg(test)]
mod tests;
