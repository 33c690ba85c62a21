//! Answers into a stream.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;
use usher_protocol::{Answer, Reason, Refusal, Reply, Verdict, frame};

/// Most bytes that are put together for one write.
const MOST: usize = 64 * 1024;

/// The bytes of answers. Their turns are given back when they have been written: a client that does
/// not read its answers gets no more of them.
#[derive(Default)]
pub(super) struct Outgoing {
    bytes: Vec<u8>,
    written: usize,
    turns: Vec<OwnedSemaphorePermit>,
}

impl Outgoing {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= MOST
    }

    /// Adds an answer.
    pub(super) fn add(&mut self, answer: &Answer) {
        // What says that an answer is too long is short enough.
        let _ = frame::append_answer(&mut self.bytes, answer).or_else(|error| {
            let text =
                format!("the answer cannot be sent: {error}; tell fewer groups or attributes");
            let refusal = Refusal::new(Reason::Overloaded, text);
            let reply = Reply::Verdict(Verdict::Unavailable(refusal));
            frame::append_answer(&mut self.bytes, &Answer { id: answer.id, reply })
        });
    }

    /// Keeps a turn as well.
    pub(super) fn hold(&mut self, turn: Option<OwnedSemaphorePermit>) {
        self.turns.extend(turn);
    }

    fn append(&mut self, more: Self) {
        self.bytes.extend_from_slice(&more.bytes);
        self.turns.extend(more.turns);
    }

    /// Writes what the stream takes without waiting. Whether that was all, so that it is empty
    /// again; what is wrong with the stream shows when the rest is written.
    pub(super) fn try_write(&mut self, stream: &OwnedWriteHalf) -> bool {
        let rest = self.bytes.get(self.written..).unwrap_or_default();
        self.written += stream.try_write(rest).unwrap_or(0);
        let done = self.written == self.bytes.len();
        if done {
            self.bytes.clear();
            self.bytes.shrink_to(MOST);
            self.written = 0;
        }
        done
    }

    async fn write(&mut self, stream: &OwnedWriteHalf) -> std::io::Result<()> {
        while let Some(rest @ [_, ..]) = self.bytes.get(self.written..) {
            stream.writable().await?;
            match stream.try_write(rest) {
                Ok(written) => self.written += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Writes answers in the order in which they are found. A client that does not take them in time
/// loses its connection.
pub(super) async fn write_answers(
    stream: Arc<OwnedWriteHalf>,
    mut outgoing: Receiver<Outgoing>,
    patience: Duration,
) {
    while let Some(mut next) = outgoing.recv().await {
        while !next.is_full()
            && let Ok(more) = outgoing.try_recv()
        {
            next.append(more);
        }
        if !matches!(timeout(patience, next.write(&stream)).await, Ok(Ok(()))) {
            // Before the turns are given back: whoever sees them free sees this as well.
            outgoing.close();
            return;
        }
    }
}
