//! Answers into a stream.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;
use zeroize::Zeroizing;

/// Most bytes that are put together for one write.
const MOST: usize = 64 * 1024;

/// The bytes of answers. The turns of their requests are given back when they have been written:
/// a client that does not read its answers gets no more of them.
pub(super) struct Outgoing {
    bytes: Zeroizing<Vec<u8>>,
    written: usize,
    turns: OwnedSemaphorePermit,
}

impl Outgoing {
    pub(super) fn new(frame: Zeroizing<Vec<u8>>, turn: OwnedSemaphorePermit) -> Self {
        Self { bytes: frame, written: 0, turns: turn }
    }

    /// The turns that are not given back yet.
    pub(super) fn turns(&self) -> usize {
        self.turns.num_permits()
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= MOST
    }

    pub(super) fn append(&mut self, more: Self) {
        self.bytes.extend_from_slice(&more.bytes);
        self.turns.merge(more.turns);
    }

    /// Writes what the stream takes without waiting. Whether that was all; what is wrong with the
    /// stream shows when the rest is written.
    pub(super) fn try_write(&mut self, stream: &OwnedWriteHalf) -> bool {
        let rest = self.bytes.get(self.written..).unwrap_or_default();
        self.written += stream.try_write(rest).unwrap_or(0);
        self.written == self.bytes.len()
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
            return;
        }
    }
}
