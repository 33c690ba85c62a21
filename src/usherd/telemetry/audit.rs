use usher_protocol::{Query, Source, Verdict};

/// Logs a decision. Never a password; names are quoted, so that no input can forge a line.
///
/// A daemon whose directory is down says so once, where it notices; each request that cannot be
/// answered meanwhile, and each answer from memory, is told at the debug level only.
pub fn decision(query: &Query, uid: u32, verdict: &Verdict) {
    let (user, realm, client) = (&query.user, &query.realm, query.client);
    let outcome = verdict.outcome();
    match verdict {
        Verdict::Granted(who) | Verdict::Found(who) => {
            let (realm, source) = (&who.realm, who.source.as_str());
            if who.source == Source::Cache {
                tracing::debug!(outcome, user, realm, ?client, uid, source, "decided");
            } else {
                tracing::info!(outcome, user, realm, ?client, uid, source, "decided");
            }
        }
        Verdict::Denied(no) | Verdict::NotFound(no) | Verdict::Forbidden(no) => {
            let reason = no.reason.as_str();
            tracing::info!(outcome, user, realm, ?client, uid, reason, "decided");
        }
        Verdict::Unavailable(no) | Verdict::Invalid(no) => {
            let (reason, message) = (no.reason.as_str(), &no.message);
            tracing::debug!(outcome, user, realm, ?client, uid, reason, message, "decided");
        }
    }
}
