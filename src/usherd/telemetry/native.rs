//! The journal's own protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): an event is a datagram of
//! fields. A thread of its own sends them, so that a journal that hangs holds nobody up.

use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Arc;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_appender::non_blocking::NonBlocking;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::messages::message_id;
use super::{Count, log};

const SOCKET: &str = "/run/systemd/journal/socket";
/// Longer values are cut, so that a datagram holds them all.
const MOST: usize = 16 * 1024;

/// The way to the journal, if there is one.
pub(super) fn journal(lost: &Arc<Count>) -> Option<Datagrams> {
    let socket = UnixDatagram::unbound().ok()?;
    let lost = Arc::clone(lost);
    Path::new(SOCKET).exists().then_some(Datagrams { socket, lost })
}

/// Sends what is written, each time as a datagram. The socket is not connected: the journal may
/// be restarted.
pub(super) struct Datagrams {
    socket: UnixDatagram,
    lost: Arc<Count>,
}

impl Write for Datagrams {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        if self.socket.send_to(record, SOCKET).is_err() {
            self.lost.one();
        }
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Events as records of the journal.
pub(super) struct Native(pub(super) NonBlocking);

impl<S: Subscriber> Layer<S> for Native {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut record = Record::default();
        event.record(&mut record);
        let about = event.metadata();
        let text = std::mem::take(&mut record.message) + &record.rest;
        record.field("MESSAGE", &text);
        record.field("PRIORITY", log::priority(*about.level()));
        record.field("SYSLOG_IDENTIFIER", "usherd");
        if let Some(id) = message_id(about.name()) {
            record.field("MESSAGE_ID", id);
        }
        // A queue that is full loses it, and counts that.
        let _ = self.0.clone().write_all(&record.bytes);
    }
}

/// The fields of an event. The message for people has them as well.
#[derive(Default)]
struct Record {
    bytes: Vec<u8>,
    message: String,
    rest: String,
}

impl Record {
    /// A value of several lines has its length in front.
    fn field(&mut self, name: &str, value: &str) {
        let end = value.len().min(MOST);
        let end = (0..=end).rev().find(|end| value.is_char_boundary(*end)).unwrap_or(0);
        let value = value.get(..end).unwrap_or_default().as_bytes();
        self.bytes.extend_from_slice(name.as_bytes());
        if value.contains(&b'\n') {
            self.bytes.push(b'\n');
            self.bytes.extend_from_slice(&(value.len() as u64).to_le_bytes());
        } else {
            self.bytes.push(b'=');
        }
        self.bytes.extend_from_slice(value);
        self.bytes.push(b'\n');
    }
}

impl Visit for Record {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            return self.message.push_str(value);
        }
        let _ = write!(self.rest, " {}={value:?}", field.name());
        self.field(&format!("USHER_{}", field.name().to_ascii_uppercase()), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let value = format!("{value:?}");
        if field.name() == "message" {
            return self.message.push_str(&value);
        }
        let _ = write!(self.rest, " {}={value}", field.name());
        self.field(&format!("USHER_{}", field.name().to_ascii_uppercase()), &value);
    }
}

#[cfg(test)]
mod tests {
    use super::Record;

    #[test]
    fn lines_have_an_equals_sign_and_texts_a_length() {
        let mut record = Record::default();
        record.field("A", "b=c");
        record.field("MESSAGE", "x\ny");
        record.field("LONG", &"é".repeat(10_000));
        let mut expected = b"A=b=c\nMESSAGE\n\x03\0\0\0\0\0\0\0x\ny\nLONG=".to_vec();
        expected.extend("é".repeat(8192).bytes().chain([b'\n']));
        assert_eq!(record.bytes, expected);
    }
}
