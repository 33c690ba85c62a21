//! Where log lines go: to the journal, else to standard error, by a thread of its own, so that a
//! slow reader never holds a request up. Lines beyond what it can take are lost, and counted.

use std::fmt;
use std::sync::{Arc, OnceLock};

use tracing::{Event, Level, Subscriber};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::{Format as Layout, FormatEvent, FormatFields, Full, Writer};
use tracing_subscriber::fmt::{FmtContext, layer};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use super::native::{Native, journal};
use super::{AUDIT, Count};

/// Lines that wait for a slow reader; more are lost.
const MOST_WAITING: usize = 16_384;

static LOST: OnceLock<(ErrorCounter, Arc<Count>)> = OnceLock::new();

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For the journal, with fields; where there is none, lines with a priority in front
    /// (sd-daemon(3)).
    Journal,
    /// One JSON object a line.
    Json,
    /// For people at a terminal.
    Text,
}

impl Format {
    /// The journal's where standard error leads there, else text.
    pub fn fitting() -> Self {
        if std::env::var_os("JOURNAL_STREAM").is_some() { Self::Journal } else { Self::Text }
    }
}

/// Begins logging; what is still to be written is written when the guard is dropped.
///
/// `RUST_LOG` sets the level (`debug`, or `usherd=debug,ldap3=info`); without it, `level`.
pub fn begin(format: Format, level: Level) -> WorkerGuard {
    let (lost, registry) = (Arc::<Count>::default(), tracing_subscriber::registry());
    let registry = registry.with(filter(level));
    let builder = || {
        let builder = NonBlockingBuilder::default().thread_name("log").lossy(true);
        builder.buffered_lines_limit(MOST_WAITING)
    };
    let native = Some(format).filter(|format| *format == Format::Journal);
    let (writer, guard) = match native.and_then(|_| journal(&lost)) {
        Some(datagrams) => {
            let (writer, guard) = builder().finish(datagrams);
            let _ = LOST.set((writer.error_counter(), lost));
            let _ = registry.with(Native(writer)).try_init();
            return guard;
        }
        None => builder().finish(std::io::stderr()),
    };
    let _ = LOST.set((writer.error_counter(), lost));
    let layer = layer().with_writer(writer).with_ansi(false).with_target(false);
    // An error means that logging has begun already, as it should.
    let _ = match format {
        Format::Text => registry.with(layer).try_init(),
        Format::Json => registry.with(layer.json().flatten_event(true)).try_init(),
        Format::Journal => {
            let lines = Layout::default().without_time().with_level(false).with_target(false);
            registry.with(layer.event_format(Prioritised(lines))).try_init()
        }
    };
    guard
}

/// Decisions are no chatter: whoever does not name them wants them, whatever the level.
fn filter(level: Level) -> Targets {
    let wanted = std::env::var("RUST_LOG").unwrap_or_default();
    let parsed = wanted.parse::<Targets>().ok().filter(|_| !wanted.is_empty());
    match parsed {
        Some(filter)
            if wanted.contains(AUDIT) || filter.default_level() > Some(LevelFilter::INFO) =>
        {
            filter
        }
        Some(filter) => filter.with_target(AUDIT, LevelFilter::INFO),
        None => Targets::new().with_default(LevelFilter::from_level(level)),
    }
}

/// Lines that were lost so far.
pub(super) fn lost() -> u64 {
    LOST.get().map_or(0, |(queue, failed)| {
        failed.now() + u64::try_from(queue.dropped_lines()).unwrap_or(u64::MAX)
    })
}

/// As sd-daemon(3) numbers them.
pub(super) fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "3",
        Level::WARN => "4",
        Level::INFO => "6",
        Level::DEBUG | Level::TRACE => "7",
    }
}

/// Lines with a priority in front.
struct Prioritised(Layout<Full, ()>);

impl<S, N> FormatEvent<S, N> for Prioritised
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        write!(writer, "<{}>", priority(*event.metadata().level()))?;
        self.0.format_event(context, writer, event)
    }
}
