//! Where log lines go: standard error, by a thread of its own, so that a slow reader never holds
//! a request up. Lines beyond what it can take are dropped.

use std::fmt;
use std::sync::OnceLock;

use tracing::{Event, Level, Subscriber};
use tracing_appender::non_blocking::{ErrorCounter, WorkerGuard};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::{Format as Layout, FormatEvent, FormatFields, Full, Writer};
use tracing_subscriber::fmt::{FmtContext, layer};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

static LOST: OnceLock<ErrorCounter> = OnceLock::new();

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For the journal: a priority in front (sd-daemon(3)), no time, which the journal knows.
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
    let (writer, guard) = tracing_appender::non_blocking(std::io::stderr());
    let _ = LOST.set(writer.error_counter());
    let filter = std::env::var("RUST_LOG").ok().and_then(|text| text.parse::<Targets>().ok());
    let filter =
        filter.unwrap_or_else(|| Targets::new().with_default(LevelFilter::from_level(level)));
    let registry = tracing_subscriber::registry().with(filter);
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

/// Lines that were lost so far.
pub(super) fn lost() -> u64 {
    LOST.get().map_or(0, |lost| u64::try_from(lost.dropped_lines()).unwrap_or(u64::MAX))
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
        let priority = match *event.metadata().level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            Level::DEBUG | Level::TRACE => 7,
        };
        write!(writer, "<{priority}>")?;
        self.0.format_event(context, writer, event)
    }
}
