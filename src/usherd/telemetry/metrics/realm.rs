//! What realms answered, and what they remember.

use std::fmt;

use usher_protocol::{Answers, Histogram, RealmStatus, Reason, Sources, Status};

use super::{Families, Labels};

pub(super) fn encode(status: &Status, to: &mut Families<'_>) -> fmt::Result {
    let realms = &status.realms;
    to.counter(
        "requests",
        "Answers by outcome; those that are a yes, by source. No realm: of requests that mean none.",
        by_realm(status).flat_map(|(realm, its)| answers(realm, its)),
    )?;
    to.counter(
        "refusals",
        "Answers that are not a yes, by reason.",
        by_realm(status).flat_map(|(realm, its)| {
            let of = |reason: Reason| {
                let mut reasons = its.reasons.iter();
                reasons.find(|(known, _)| *known == reason).map_or(0, |(_, count)| *count)
            };
            Reason::ALL
                .map(|reason| (vec![("realm", realm), ("reason", reason.as_str())], of(reason)))
        }),
    )?;
    to.histogram(
        "request_duration_seconds",
        "How long a request takes: in all (answer), and its parts that ask the directory who \
         somebody is (find) and whether a password is right (verify).",
        realms.iter().flat_map(stages),
    )?;
    questions(realms, to)?;
    cache(realms, to)?;
    shield(realms, to)?;
    to.gauge(
        "realm_problem",
        "1 while something is wrong with a realm as a whole; the status says what.",
        realms.iter().map(|realm| (of(realm), u64::from(realm.problem.is_some()))),
    )
}

/// The answers of each realm, and those to requests that mean none or had no time to.
fn by_realm(status: &Status) -> impl Iterator<Item = (&str, &Answers)> {
    let realms = status.realms.iter().map(|realm| (realm.name.as_str(), &realm.answers));
    realms.chain([("", &status.elsewhere)])
}

fn of(realm: &RealmStatus) -> Labels<'_> {
    vec![("realm", &realm.name)]
}

fn outcome_of<'a>(realm: &'a str, outcome: &'static str, source: &'static str) -> Labels<'a> {
    vec![("realm", realm), ("outcome", outcome), ("source", source)]
}

fn answers<'a>(realm: &'a str, answers: &Answers) -> Vec<(Labels<'a>, u64)> {
    let yes = [("granted", answers.granted), ("found", answers.found)];
    let yes = yes.into_iter().flat_map(|(outcome, Sources { directory, cache, stale })| {
        [("directory", directory), ("cache", cache), ("stale", stale)]
            .map(|(source, count)| (outcome_of(realm, outcome, source), count))
    });
    let no = [
        ("denied", answers.denied),
        ("not_found", answers.not_found),
        ("unavailable", answers.unavailable),
        ("forbidden", answers.forbidden),
        ("invalid", answers.invalid),
    ];
    let no = no.into_iter().map(|(outcome, count)| (outcome_of(realm, outcome, ""), count));
    yes.chain(no).collect()
}

fn stages(realm: &RealmStatus) -> [(Labels<'_>, &Histogram); 3] {
    [("answer", &realm.answer_time), ("find", &realm.find_time), ("verify", &realm.verify_time)]
        .map(|(stage, time)| (vec![("realm", realm.name.as_str()), ("stage", stage)], time))
}

fn questions(realms: &[RealmStatus], to: &mut Families<'_>) -> fmt::Result {
    to.gauge(
        "questions_under_way",
        "Questions to the directory under way.",
        realms.iter().map(|realm| (of(realm), realm.questions.under_way)),
    )?;
    to.counter(
        "questions",
        "Questions to the directory: put to it (asked), or shared with one under way (joined).",
        realms.iter().flat_map(|realm| {
            [("asked", realm.questions.asked), ("joined", realm.questions.joined)]
                .map(|(how, count)| (vec![("realm", realm.name.as_str()), ("how", how)], count))
        }),
    )
}

fn cache(realms: &[RealmStatus], to: &mut Families<'_>) -> fmt::Result {
    type Read = fn(&RealmStatus) -> u64;
    let gauges: [(&str, &str, Read); 3] = [
        ("cache_entries", "Names of which something is known.", |realm| realm.cache.entries),
        ("cache_bytes", "Heap bytes of what is remembered.", |realm| realm.cache.bytes),
        ("cache_limit_bytes", "Most of them (max_bytes).", |realm| realm.cache.max_bytes),
    ];
    let counters: [(&str, &str, Read); 3] = [
        ("cache_hits", "Questions answered from memory.", |realm| realm.cache.hits),
        ("cache_misses", "Questions that memory did not answer.", |realm| realm.cache.misses),
        ("cache_evictions", "Names forgotten for want of room.", |realm| realm.cache.evictions),
    ];
    for (name, help, read) in gauges {
        to.gauge(name, help, realms.iter().map(|realm| (of(realm), read(realm))))?;
    }
    counters.into_iter().try_for_each(|(name, help, read)| {
        to.counter(name, help, realms.iter().map(|realm| (of(realm), read(realm))))
    })
}

fn shield(realms: &[RealmStatus], to: &mut Families<'_>) -> fmt::Result {
    let blocked = |what, read: fn(&RealmStatus) -> u64| {
        realms
            .iter()
            .map(move |realm| (vec![("realm", realm.name.as_str()), ("what", what)], read(realm)))
    };
    to.gauge(
        "shield_blocked",
        "User names and client addresses whose passwords are not tried now.",
        blocked("user", |realm| realm.shield.blocked_users)
            .chain(blocked("client", |realm| realm.shield.blocked_clients)),
    )?;
    to.counter(
        "shield_blocks",
        "Times that a user name was blocked.",
        realms.iter().map(|realm| (of(realm), realm.shield.blocks)),
    )?;
    to.counter(
        "shield_known_wrong",
        "Passwords not tried, since the directory had refused them before.",
        realms.iter().map(|realm| (of(realm), realm.shield.known_wrong)),
    )
}
