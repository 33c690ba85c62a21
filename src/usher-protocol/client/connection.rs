//! A stream to the daemon: one write and one read for most questions.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::{ClientError, left, timed_out};
use crate::frame::{self, HEADER};
use crate::{Answer, Reply};

/// Most answers fit.
const ROOM: usize = 4096;

#[derive(Debug)]
pub(super) struct Connection {
    stream: UnixStream,
    /// The time-outs that the socket has, none known at first: to set them for every question
    /// would double its calls.
    write_timeout: Duration,
    read_timeout: Duration,
    buffer: Vec<u8>,
    filled: usize,
}

impl Connection {
    pub(super) fn new(stream: UnixStream) -> Self {
        let (write_timeout, read_timeout) = (Duration::ZERO, Duration::ZERO);
        Self { stream, write_timeout, read_timeout, buffer: vec![0; ROOM], filled: 0 }
    }

    /// Sends a request, and waits for the answer with its id.
    pub(super) fn exchange(
        &mut self,
        request: &[u8],
        id: u64,
        deadline: Instant,
    ) -> Result<Reply, ClientError> {
        self.write(request, deadline)?;
        loop {
            let answer = self.answer(deadline)?;
            // Id 0 is the daemon's complaint about what it could not read: ours.
            if answer.id == id || answer.id == 0 {
                return Ok(answer.reply);
            }
        }
    }

    fn write(&mut self, bytes: &[u8], deadline: Instant) -> Result<(), ClientError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let timeout = timeout(deadline)?;
            if timeout != self.write_timeout {
                self.stream.set_write_timeout(Some(timeout)).map_err(ClientError::Io)?;
                self.write_timeout = timeout;
            }
            let written = progress(self.stream.write(rest))?;
            rest = rest.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    fn answer(&mut self, deadline: Instant) -> Result<Answer, ClientError> {
        self.fill(HEADER, deadline)?;
        let header = self.buffer.first_chunk().copied().unwrap_or_default();
        let length = HEADER + frame::length(header).map_err(ClientError::Frame)?;
        self.fill(length, deadline)?;
        let body = self.buffer.get(HEADER..length).unwrap_or_default();
        let answer = frame::decode(body).map_err(ClientError::Frame)?;
        self.buffer.copy_within(length..self.filled, 0);
        self.filled -= length;
        Ok(answer)
    }

    /// Reads until the buffer holds so many bytes, and what came with them.
    fn fill(&mut self, length: usize, deadline: Instant) -> Result<(), ClientError> {
        if self.buffer.len() < length {
            self.buffer.resize(length, 0);
        }
        while self.filled < length {
            let timeout = timeout(deadline)?;
            if timeout != self.read_timeout {
                self.stream.set_read_timeout(Some(timeout)).map_err(ClientError::Io)?;
                self.read_timeout = timeout;
            }
            let free = self.buffer.get_mut(self.filled..).unwrap_or_default();
            self.filled += progress(self.stream.read(free))?;
        }
        Ok(())
    }
}

fn timeout(deadline: Instant) -> Result<Duration, ClientError> {
    left(deadline).map(rounded)
}

/// Up to a whole millisecond, so that the questions of somebody who always waits equally long
/// share a time-out.
fn rounded(left: Duration) -> Duration {
    const MILLISECOND: u128 = 1_000_000;
    let milliseconds = left.as_nanos().div_ceil(MILLISECOND);
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(u64::MAX))
}

/// The bytes moved; 0 when interrupted, for the caller to go on.
fn progress(result: io::Result<usize>) -> Result<usize, ClientError> {
    match result {
        Ok(0) => Err(ClientError::Closed),
        Ok(moved) => Ok(moved),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
        Err(error) if timed_out(&error) => Err(ClientError::Deadline),
        Err(error) => Err(ClientError::Io(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::{Reason, Refusal, Verdict};

    fn answer(id: u64, text: &str) -> Vec<u8> {
        let verdict = Verdict::NotFound(Refusal::new(Reason::NoSuchUser, text.to_owned()));
        frame::encode(&Answer { id, reply: Reply::Verdict(verdict) }).unwrap().to_vec()
    }

    fn text(reply: Result<Reply, ClientError>) -> String {
        match reply {
            Ok(Reply::Verdict(Verdict::NotFound(refusal))) => refusal.message,
            other => panic!("{other:?}"),
        }
    }

    fn soon() -> Instant {
        super::super::now() + Duration::from_secs(10)
    }

    #[test]
    fn answers_that_come_together_or_in_pieces_or_are_longer_than_the_buffer_are_read() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut connection = Connection::new(ours);
        let long = "x".repeat(3 * ROOM);
        let bytes = [answer(1, "of another"), answer(2, "two"), answer(3, &long)].concat();
        let (first, rest) = bytes.split_at(bytes.len() - ROOM);
        theirs.write_all(first).unwrap();
        assert_eq!(text(connection.exchange(b"?", 2, soon())), "two");
        thread::scope(|scope| {
            scope.spawn(|| rest.iter().for_each(|byte| theirs.write_all(&[*byte]).unwrap()));
            assert_eq!(text(connection.exchange(b"?", 3, soon())), long);
        });
        assert_eq!(connection.filled, 0);
    }

    #[test]
    fn who_lets_the_answer_drip_wins_no_time() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let dripping = thread::spawn(move || {
            let bytes = answer(1, &"x".repeat(ROOM));
            // Ends when the other side is gone.
            let drip = |byte: &u8| {
                thread::sleep(Duration::from_millis(5));
                theirs.write_all(&[*byte])
            };
            bytes.iter().try_for_each(drip).is_err()
        });
        let deadline = super::super::now() + Duration::from_millis(50);
        let result = Connection::new(ours).exchange(b"?", 1, deadline);
        assert!(matches!(result, Err(ClientError::Deadline)), "{result:?}");
        assert!(dripping.join().unwrap());
    }

    #[test]
    fn equal_waits_share_a_time_out_and_none_is_for_ever() {
        for (left, milliseconds) in [(1, 1), (2_999_950_000, 3000), (3_000_000_000, 3000)] {
            assert_eq!(rounded(Duration::from_nanos(left)), Duration::from_millis(milliseconds));
        }
    }
}
