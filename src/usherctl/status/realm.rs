//! One realm, for people.

use usher_protocol::{
    Answers, CacheStatus, Histogram, HostStatus, Questions, RealmStatus, ShieldStatus, Sources,
};

use super::{Micros, Percent, Size, Span};
use crate::escape;

const DAY: u64 = 86_400;

pub(super) fn text(realm: &RealmStatus, now: u64) -> String {
    let mut text = format!("realm {} ({})\n", escape::line(&realm.name), escape::line(&realm.kind));
    let mut line = |name: &str, value: String| text.push_str(&format!("  {name:<7}  {value}\n"));
    if let Some(problem) = &realm.problem {
        line("problem", escape::line(problem));
    }
    for (host, told) in realm.hosts.iter().zip(host_lines(&realm.hosts, now)) {
        line(host.state.as_str(), format!("{told}{}", last_error(host)));
    }
    if realm.answers.total() > 0 {
        let minute = realm.last_minute;
        line("answers", format!("{minute} in the last minute; {}", answers(&realm.answers)));
        line("time", times(realm));
    } else {
        line("answers", "none".to_owned());
    }
    let Questions { under_way, asked, joined } = realm.questions;
    if asked > 0 {
        let more = format!("{asked} questions, {under_way} under way; {joined} more joined one");
        line("asked", more);
    }
    let CacheStatus { entries, bytes, max_bytes, hits, misses, evictions } = realm.cache;
    // A realm that reads a file of ours remembers nothing.
    if max_bytes > 0 && hits + misses > 0 {
        let (bytes, most, ratio) = (Size(bytes), Size(max_bytes), Percent(hits, hits + misses));
        let fill = format!("{entries} entries, {bytes} of {most}; hits {ratio}");
        line("cache", format!("{fill}; {evictions} evicted"));
    }
    let ShieldStatus { blocked_users, blocked_clients, blocks, known_wrong } = realm.shield;
    if blocked_users + blocked_clients + blocks + known_wrong > 0 {
        line(
            "shield",
            format!(
                "blocked now: {blocked_users} users, {blocked_clients} client addresses; \
                 {blocks} blocks; {known_wrong} known wrong passwords not tried"
            ),
        );
    }
    text
}

/// A line for each host, without its state and its last error.
fn host_lines(hosts: &[HostStatus], now: u64) -> Vec<String> {
    let urls: Vec<String> = hosts.iter().map(|host| escape::line(&host.url)).collect();
    let width = urls.iter().map(|url| url.chars().count()).max().unwrap_or(0);
    hosts.iter().zip(urls).map(|(host, url)| host_line(host, &url, width, now)).collect()
}

fn host_line(host: &HostStatus, url: &str, width: usize, now: u64) -> String {
    let HostStatus { search_lanes, bind_lanes, searching, binding, waiting, .. } = host;
    let since = Span(host.state_s);
    let mut line = format!(
        "{url:<width$}  for {since}; lanes: {search_lanes} search, {bind_lanes} bind; busy: \
         {searching} and {binding}"
    );
    if *waiting > 0 {
        line.push_str(&format!("; {waiting} waiting"));
    }
    if let Some(expires) = host.certificate_expires {
        line.push_str(&match expires.checked_sub(now) {
            Some(left) => format!("; certificate: {} d left", left / DAY),
            None => "; certificate: expired".to_owned(),
        });
    }
    line
}

/// What the last failure of a host was, to stand at the end of its line.
fn last_error(host: &HostStatus) -> String {
    let error = host.last_error.as_deref().map(escape::line);
    error.map_or_else(String::new, |error| format!("; last error: {error}"))
}

/// What there was, the rest left out.
pub(super) fn answers(answers: &Answers) -> String {
    let Answers { granted, found, denied, not_found, unavailable, forbidden, invalid, reasons } =
        answers;
    let yes = |outcome: &str, sources: &Sources| {
        let Sources { cache, stale, .. } = sources;
        let more = match (cache, stale) {
            (0, 0) => String::new(),
            (cache, 0) => format!(" ({cache} from memory)"),
            (cache, stale) => format!(" ({cache} from memory, {stale} stale)"),
        };
        (sources.total(), format!("{} {outcome}{more}", sources.total()))
    };
    let no = |outcome: &str, count: &u64| (*count, format!("{count} {outcome}"));
    let all = [
        yes("granted", granted),
        yes("found", found),
        no("denied", denied),
        no("not found", not_found),
        no("unavailable", unavailable),
        no("forbidden", forbidden),
        no("invalid", invalid),
    ];
    let told: Vec<String> =
        all.into_iter().filter_map(|(count, text)| (count > 0).then_some(text)).collect();
    let why: Vec<String> =
        reasons.iter().map(|(reason, count)| format!("{count} {}", reason.as_str())).collect();
    let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join(", ")) };
    told.join(", ") + &why
}

fn times(realm: &RealmStatus) -> String {
    let time = |stage: &str, time: &Histogram| match time.count() {
        0 => format!("{stage} -"),
        _ => format!(
            "{stage} {} (99 %: {})",
            Micros(time.quantile_us(0.5)),
            Micros(time.quantile_us(0.99))
        ),
    };
    [
        time("answer", &realm.answer_time),
        time("find", &realm.find_time),
        time("verify", &realm.verify_time),
    ]
    .join(", ")
}
