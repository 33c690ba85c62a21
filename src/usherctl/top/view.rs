//! The picture: a line about the daemon, the realms, their hosts, and what is wrong.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Cell, Paragraph, Row, Table};
use usher_protocol::{HostState, RealmStatus};

use super::Picture;
use super::change::Change;
use crate::escape;
use crate::status::{Micros, Percent, Span};

const DAY: u64 = 86_400;

const REALM: [(&str, u16); 11] = [
    ("REALM", 16),
    ("TYPE", 6),
    ("ANSWERS/S", 9),
    ("DENIED/S", 8),
    ("FAILED/S", 8),
    ("HALF", 8),
    ("99 %", 8),
    ("HITS", 6),
    ("CACHE", 6),
    ("ASKING", 6),
    ("BLOCKED", 7),
];
const HOST: [(&str, u16); 9] = [
    ("HOST", 34),
    ("STATE", 8),
    ("FOR", 12),
    ("LANES", 7),
    ("BUSY", 7),
    ("WAITING", 7),
    ("SEARCH", 8),
    ("BIND", 8),
    ("CERT", 8),
];

/// Draws all of it, as far as there is room.
pub(super) fn draw(frame: &mut Frame<'_>, picture: &Picture, now: u64) {
    let change = picture.change.as_ref();
    let realms = change.map_or(0, |change| change.now.realms.len());
    let hosts = change
        .map_or(0, |change| change.now.realms.iter().map(|realm| realm.hosts.len()).sum::<usize>());
    let rows = |count: usize| Constraint::Length(u16::try_from(count + 2).unwrap_or(u16::MAX));
    let [head, first, second, wrong, keys] = Layout::vertical([
        Constraint::Length(2),
        rows(realms),
        rows(hosts),
        Constraint::Min(0),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(Paragraph::new(header(picture)), head);
    if let Some(change) = change {
        let rows = change.now.realms.iter().map(|realm| realm_row(change, realm));
        frame.render_widget(table(&REALM, rows.collect()), first);
        frame.render_widget(table(&HOST, host_rows(change, now)), second);
        frame.render_widget(Paragraph::new(troubles(change)), wrong);
    }
    frame.render_widget(Paragraph::new(plain("q: end", Modifier::DIM)), keys);
}

fn header(picture: &Picture) -> Line<'static> {
    if let Some(trouble) = &picture.trouble {
        return coloured(format!("looking again: {}", escape::line(trouble)), Color::Red);
    }
    let Some(Change { now: status, .. }) = &picture.change else {
        return Line::raw("asking usherd");
    };
    let (version, uptime) = (escape::line(&status.version), Span(status.uptime_s));
    let text = format!(
        "usherd {version}, up {uptime}, {} of {} connections",
        status.connections, status.max_connections
    );
    plain(&text, Modifier::BOLD)
}

fn realm_row(change: &Change, realm: &RealmStatus) -> Row<'static> {
    let rate = |number| {
        change.rate(realm, number).map_or_else(|| "-".to_owned(), |rate| format!("{rate:.0}"))
    };
    let times = change.realm_times(realm, |realm| &realm.answer_time);
    let cache = realm.cache;
    Row::new([
        escape::line(&realm.name),
        escape::line(&realm.kind),
        rate(|realm| realm.answers.total()),
        rate(|realm| realm.answers.denied + realm.answers.not_found),
        rate(|realm| realm.answers.unavailable),
        Micros(times.quantile_us(0.5)).to_string(),
        Micros(times.quantile_us(0.99)).to_string(),
        Percent(cache.hits, cache.hits + cache.misses).to_string(),
        Percent(cache.bytes, cache.max_bytes).to_string(),
        realm.questions.under_way.to_string(),
        (realm.shield.blocked_users + realm.shield.blocked_clients).to_string(),
    ])
}

fn host_rows(change: &Change, now: u64) -> Vec<Row<'static>> {
    let hosts = change
        .now
        .realms
        .iter()
        .flat_map(|realm| realm.hosts.iter().map(move |host| (realm, host)));
    hosts
        .map(|(realm, host)| {
            let slow =
                |times| Micros(change.host_times(realm, host, times).quantile_us(0.99)).to_string();
            let certificate = host.certificate_expires.map_or_else(String::new, |expires| {
                format!("{} d", expires.saturating_sub(now) / DAY)
            });
            Row::new([
                Cell::from(escape::line(&host.url)),
                Cell::from(host.state.as_str()).style(colour(match host.state {
                    HostState::Up => Color::Green,
                    HostState::Down => Color::Red,
                    HostState::Untried | HostState::Proving => Color::Yellow,
                })),
                Cell::from(Span(host.state_s).to_string()),
                Cell::from(format!("{}+{}", host.search_lanes, host.bind_lanes)),
                Cell::from(format!("{}+{}", host.searching, host.binding)),
                Cell::from(host.waiting.to_string()),
                Cell::from(slow(|host| &host.search_time)),
                Cell::from(slow(|host| &host.bind_time)),
                Cell::from(certificate),
            ])
        })
        .collect()
}

/// What is wrong with realms, and what hosts that are left alone said last.
fn troubles(change: &Change) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for realm in &change.now.realms {
        let problem = realm.problem.iter().map(|problem| (&realm.name, problem));
        let down = realm.hosts.iter().filter(|host| host.state == HostState::Down);
        let errors = down.filter_map(|host| Some((&host.url, host.last_error.as_ref()?)));
        for (what, why) in problem.chain(errors) {
            let text = format!("{}: {}", escape::line(what), escape::line(why));
            lines.push(coloured(text, Color::Red));
        }
    }
    lines
}

fn table<const N: usize>(
    columns: &[(&'static str, u16); N],
    rows: Vec<Row<'static>>,
) -> Table<'static> {
    let widths = columns.map(|(_, width)| Constraint::Length(width));
    let names = Row::new(columns.map(|(name, _)| name)).style(style(Modifier::REVERSED));
    Table::new(rows, widths).header(names)
}

fn plain(text: &str, modifier: Modifier) -> Line<'static> {
    Line::styled(text.to_owned(), style(modifier))
}

fn coloured(text: String, wanted: Color) -> Line<'static> {
    Line::styled(text, colour(wanted))
}

fn style(modifier: Modifier) -> Style {
    Style::default().add_modifier(modifier)
}

/// No colours where they are not wanted (<https://no-color.org>).
fn colour(wanted: Color) -> Style {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if unwanted { Style::default() } else { Style::default().fg(wanted) }
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::status::sample;

    fn drawn(picture: &Picture, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
        terminal.draw(|frame| draw(frame, picture, sample::NOW)).expect("drawn");
        terminal.backend().to_string()
    }

    #[test]
    fn realms_hosts_and_what_is_wrong_are_shown() {
        let mut picture = Picture::default();
        assert!(drawn(&picture, 120, 20).contains("asking usherd"));
        picture.learn(Ok(sample::status()));
        let shown = drawn(&picture, 120, 20);
        for text in [
            "usherd 0.1.0, up 1 d 1 h, 3 of 4096 connections",
            "corp",
            "break-glass",
            "HITS   CACHE  ASKING",
            "ldaps://ldap2:636                  down     5 s",
            "30 d",
            "ldaps://ldap2:636: refused\\u{1b}[1m",
            "break-glass: users.toml cannot be read",
        ] {
            assert!(shown.contains(text), "{text} is not in\n{shown}");
        }
        picture.learn(Err("usherd did not answer in time".to_owned()));
        let shown = drawn(&picture, 120, 20);
        assert!(shown.contains("looking again: usherd did not answer in time"), "{shown}");
        assert!(shown.contains("break-glass"), "{shown}");
    }

    #[test]
    fn no_screen_is_too_small() {
        let mut picture = Picture::default();
        picture.learn(Ok(sample::status()));
        for (width, height) in [(1, 1), (20, 5), (300, 2)] {
            drawn(&picture, width, height);
        }
    }
}
