use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;
use usher_protocol::{Query, Verdict};

use super::names::Names;
use crate::telemetry::{AUDIT, Notes, harmless};

/// A question, and what came of it.
#[derive(Debug)]
pub struct Decision<'a> {
    /// `authenticate`, `lookup` or `explain`.
    pub method: &'static str,
    /// What was asked.
    pub query: &'a Query,
    /// What was answered.
    pub verdict: &'a Verdict,
    /// What was noted on the road.
    pub notes: &'a Notes<'a>,
    /// The user id of whoever asked.
    pub uid: u32,
    /// The request's id, which its client chose.
    pub request: u64,
    /// How long it took.
    pub took: Duration,
}

/// What is recorded of it. All texts are harmless.
#[derive(Serialize)]
pub(super) struct Event<'a> {
    method: &'static str,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    realm: Option<Cow<'a, str>>,
    user: Cow<'a, str>,
    /// Who that is, where it is a yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    is: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<IpAddr>,
    peer_uid: u32,
    request: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    duration_us: u64,
    /// For how many such decisions it stands, if not for itself alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    one_of: Option<u64>,
}

impl<'a> Event<'a> {
    pub(super) fn new(decision: &Decision<'a>, names: &Names, one_of: u64) -> Self {
        let Decision { method, query, verdict, notes, uid, request, took } = *decision;
        let (who, no) = (verdict.identity(), verdict.refusal());
        let realm = who.map(|who| who.profile.realm()).or(notes.realm);
        let known = who.is_some() || notes.known;
        Self {
            method,
            outcome: verdict.outcome(),
            reason: no.map(|no| no.reason.as_str()),
            message: no.map(|no| match verdict {
                // The words of a directory, which may have what it was asked in them.
                Verdict::Unavailable(_) => names.message(&no.message, &query.user, known),
                _ => harmless(&no.message),
            }),
            realm: realm.or(query.realm.as_deref()).map(harmless),
            user: names.told(&query.user, known),
            is: who.map(|who| harmless(who.profile.user())),
            client: query.client,
            peer_uid: uid,
            request,
            source: who.map(|who| who.source.as_str()),
            host: notes.host.as_deref(),
            duration_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            one_of: (one_of > 1).then_some(one_of),
        }
    }

    /// Into the log. A daemon whose directory is down says so once, where it notices: a request
    /// that cannot be answered meanwhile is told at the debug level only.
    pub(super) fn log(&self) {
        /// The event of this level; a macro, since a level is a part of what is known of a place
        /// in the program.
        macro_rules! decided {
            ($level:ident) => {
                tracing::$level!(
                    name: "decision",
                    target: AUDIT,
                    method = self.method,
                    outcome = self.outcome,
                    reason = self.reason,
                    realm = self.realm.as_deref(),
                    user = &*self.user,
                    is = self.is.as_deref(),
                    client = self.client.map(tracing::field::display),
                    peer_uid = self.peer_uid,
                    request = self.request,
                    source = self.source,
                    host = self.host,
                    duration_us = self.duration_us,
                    one_of = self.one_of,
                    why = self.message.as_deref(),
                    "decided"
                )
            };
        }
        match self.outcome {
            "unavailable" | "invalid" => decided!(debug),
            _ => decided!(info),
        }
    }
}
