//! Frames out of a stream, through one buffer that never keeps what was read from it.

use tokio::io::{AsyncRead, AsyncReadExt};
use usher_protocol::Request;
use usher_protocol::frame::{self, FrameError, HEADER};
use zeroize::{Zeroize, Zeroizing};

/// Most requests fit, and several at once.
const ROOM: usize = 1024;

/// Why there is no request.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The peer has closed the connection, or it broke.
    Gone,
    /// What came is no request.
    Frame(FrameError),
}

/// Reads frames. Passwords pass through its buffer, so that is wiped behind them.
pub(super) struct Reader<R> {
    stream: R,
    buffer: Zeroizing<Vec<u8>>,
    filled: usize,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub(super) fn new(stream: R) -> Self {
        Self { stream, buffer: Zeroizing::new(vec![0; ROOM]), filled: 0 }
    }

    /// Waits for the first byte of a frame; false if none comes any more.
    pub(super) async fn wait(&mut self) -> bool {
        self.has_more() || self.fill().await.is_ok()
    }

    /// Whether more than the last request has been read.
    pub(super) fn has_more(&self) -> bool {
        self.filled > 0
    }

    /// Whether a whole request has been read.
    pub(super) fn has_request(&self) -> bool {
        let header = self.buffer.first_chunk::<HEADER>().filter(|_| self.filled >= HEADER);
        let length = header.and_then(|header| frame::length(*header).ok());
        length.is_some_and(|length| self.filled >= HEADER + length)
    }

    /// The next request.
    pub(super) async fn request(&mut self) -> Result<Request, Trouble> {
        loop {
            let needed = match self.buffer.first_chunk::<HEADER>() {
                Some(header) if self.filled >= HEADER => {
                    HEADER + frame::length(*header).map_err(Trouble::Frame)?
                }
                _ => HEADER,
            };
            if needed > HEADER && self.filled >= needed {
                return self.take(needed);
            }
            self.make_room(needed);
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<(), Trouble> {
        let free = self.buffer.get_mut(self.filled..).unwrap_or_default();
        match self.stream.read(free).await {
            Ok(0) | Err(_) => Err(Trouble::Gone),
            Ok(read) => {
                self.filled += read;
                Ok(())
            }
        }
    }

    /// Decodes a whole frame at the front and moves up what follows.
    fn take(&mut self, length: usize) -> Result<Request, Trouble> {
        let body = self.buffer.get(HEADER..length).unwrap_or_default();
        let request = frame::decode(body).map_err(Trouble::Frame);
        self.buffer.copy_within(length..self.filled, 0);
        let left = self.filled - length;
        if let Some(used) = self.buffer.get_mut(left..self.filled) {
            used.zeroize();
        }
        self.filled = left;
        request
    }

    /// A new buffer, since one that grows in place leaves its old bytes behind.
    fn make_room(&mut self, needed: usize) {
        if self.buffer.len() < needed {
            let mut larger = Zeroizing::new(vec![0; needed]);
            for (to, from) in larger.iter_mut().zip(self.buffer.iter()) {
                *to = *from;
            }
            self.buffer = larger;
        }
    }
}

#[cfg(test)]
mod tests {
    use usher_protocol::{Call, Password, Query, Request, frame};

    use super::{Reader, Trouble};

    fn request(id: u64, user: &str) -> Request {
        let query = Query { user: user.to_owned(), ..Query::default() };
        Request { id, timeout_ms: None, call: Call::Authenticate(query, Password::from("s3cret")) }
    }

    fn stream(requests: &[Request]) -> Vec<u8> {
        let encode = |request| frame::encode(request).expect("encodes").to_vec();
        requests.iter().flat_map(encode).collect()
    }

    #[tokio::test]
    async fn several_requests_in_one_read_and_one_larger_than_the_buffer() {
        let requests = [request(1, "a"), request(2, &"b".repeat(5000)), request(3, "c")];
        let bytes = stream(&requests);
        let mut reader = Reader::new(bytes.as_slice());
        for expected in &requests {
            assert!(reader.wait().await);
            assert_eq!(&reader.request().await.expect("a request"), expected);
        }
        assert!(!reader.wait().await);
    }

    #[tokio::test]
    async fn the_buffer_keeps_nothing_of_what_was_read() {
        let bytes = stream(&[request(1, "alice"), request(2, "bob")]);
        let mut reader = Reader::new(bytes.as_slice());
        for _ in 0..2 {
            reader.request().await.expect("a request");
        }
        assert!(reader.buffer.iter().all(|byte| *byte == 0));
    }

    #[tokio::test]
    async fn half_a_frame_is_no_request() {
        let bytes = stream(&[request(1, "alice")]);
        let mut reader = Reader::new(&bytes[..bytes.len() - 1]);
        assert!(reader.wait().await);
        assert!(matches!(reader.request().await, Err(Trouble::Gone)));
    }
}
