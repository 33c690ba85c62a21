//! Bytes to messages and back: the length, the version byte, the size limit.
//!
//! No I/O here, so it can be fuzzed. This is the only file that knows bincode; whoever replaces it
//! keeps the bytes that the crate's documentation describes and `tests/vectors.txt` holds. Those of
//! a profile are made in `profile.rs` besides.

use std::fmt;

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::{Answer, Call, Identity, Query, Reply, Request, Verdict};

/// The protocol version in every frame.
pub const VERSION: u8 = 1;
/// Most bytes after the length: the version byte and the message.
pub const MAX_LENGTH: usize = 65_536;
/// Bytes of the length itself.
pub const HEADER: usize = 4;

/// Bounds what a claimed length inside a message can make the decoder allocate. bincode counts eight
/// bytes for a length that takes one, and the bytes of the text besides.
const LIMIT: usize = 9 * MAX_LENGTH;
const WIRE: Configuration<LittleEndian, Varint, Limit<LIMIT>> =
    bincode::config::standard().with_limit::<LIMIT>();

/// What travels in a frame.
pub trait Message: Serialize + DeserializeOwned {
    /// At least the bytes of its encoding if it holds a secret, so that none is left behind by a
    /// growing buffer.
    fn room(&self) -> usize;
}

impl Message for Request {
    fn room(&self) -> usize {
        const NUMBERS: usize = 64;
        match &self.call {
            Call::Authenticate(query, password) => {
                NUMBERS + room(query) + password.as_bytes().len()
            }
            Call::Lookup(query) => NUMBERS + room(query),
            Call::Explain(query, password) => {
                let password = password.as_ref().map_or(0, |it| it.as_bytes().len());
                NUMBERS + room(query) + password
            }
            Call::Status
            | Call::Reload
            | Call::Flush { .. }
            | Call::Unblock { .. }
            | Call::Metrics { .. }
            | Call::Compare { .. } => NUMBERS,
        }
    }
}

impl Message for Answer {
    fn room(&self) -> usize {
        512
    }
}

fn room(query: &Query) -> usize {
    const LENGTH: usize = 9;
    query.user.len()
        + query.realm.as_ref().map_or(0, String::len)
        + query.require.iter().map(|rule| rule.len() + LENGTH).sum::<usize>()
}

/// Why bytes are not a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrameError {
    /// The length is not between 2 and [`MAX_LENGTH`].
    Length(u32),
    /// Another version than [`VERSION`].
    Version(u8),
    /// The message cannot be read, or bytes are left over.
    Malformed(String),
    /// The message to be sent is longer than a frame can be.
    TooLong(usize),
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(length) => {
                write!(f, "a frame of {length} bytes; 2 to {MAX_LENGTH} are allowed")
            }
            Self::Version(version) => {
                write!(f, "protocol version {version}; the versions spoken here are: {VERSION}")
            }
            Self::Malformed(what) => write!(f, "a message that cannot be read: {what}"),
            Self::TooLong(length) => {
                write!(f, "a message of {length} bytes; a frame holds {MAX_LENGTH}")
            }
        }
    }
}

impl std::error::Error for FrameError {}

/// The whole frame of a message, in memory that is wiped.
pub fn encode(message: &impl Message) -> Result<Zeroizing<Vec<u8>>, FrameError> {
    let mut frame = Zeroizing::new(Vec::with_capacity(HEADER + 1 + message.room()));
    append(&mut frame, message)?;
    Ok(frame)
}

/// Adds an answer's frame to others; nothing, if it cannot be. Answers hold no secret.
pub fn append_answer(frames: &mut Vec<u8>, answer: &Answer) -> Result<(), FrameError> {
    let begin = frames.len();
    let appended = match &answer.reply {
        Reply::Verdict(Verdict::Granted(who)) => append_yes(frames, (answer.id, 0, 0), who),
        Reply::Verdict(Verdict::Found(who)) => append_yes(frames, (answer.id, 0, 1), who),
        _ => append(frames, answer),
    };
    appended.inspect_err(|_| frames.truncate(begin))
}

/// A yes about somebody, by its id and the numbers of the variants. The profile has its bytes
/// already.
fn append_yes(
    frames: &mut Vec<u8>,
    front: (u64, u32, u32),
    who: &Identity,
) -> Result<(), FrameError> {
    let Identity { profile, source, age_s, warning } = who;
    framed(frames, |frames| {
        write(frames, &front)?;
        frames.extend_from_slice(profile.as_bytes());
        write(frames, &(source, age_s, warning))
    })
}

fn append(frames: &mut Vec<u8>, message: &impl Message) -> Result<(), FrameError> {
    framed(frames, |frames| write(frames, message))
}

fn write(frames: &mut Vec<u8>, values: &impl Serialize) -> Result<(), FrameError> {
    bincode::serde::encode_into_std_write(values, frames, WIRE)
        .map(drop)
        .map_err(|error| FrameError::Malformed(error.to_string()))
}

/// The header, and what follows it.
fn framed(
    frames: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), FrameError>,
) -> Result<(), FrameError> {
    let begin = frames.len();
    frames.extend_from_slice(&[0, 0, 0, 0, VERSION]);
    write(frames)?;
    let length = frames.len() - begin - HEADER;
    match u32::try_from(length) {
        Ok(claim) if length <= MAX_LENGTH => {
            if let Some(header) = frames.get_mut(begin..begin + HEADER) {
                header.copy_from_slice(&claim.to_be_bytes());
            }
            Ok(())
        }
        _ => Err(FrameError::TooLong(length)),
    }
}

/// The number of bytes that follow a frame's header.
pub fn length(header: [u8; HEADER]) -> Result<usize, FrameError> {
    let claim = u32::from_be_bytes(header);
    match usize::try_from(claim) {
        Ok(length) if (2..=MAX_LENGTH).contains(&length) => Ok(length),
        _ => Err(FrameError::Length(claim)),
    }
}

/// The message in the bytes that follow a frame's header.
pub fn decode<M: Message>(body: &[u8]) -> Result<M, FrameError> {
    let Some((&version, message)) = body.split_first() else {
        return Err(FrameError::Length(0));
    };
    if version != VERSION {
        return Err(FrameError::Version(version));
    }
    let (value, used) = bincode::serde::decode_from_slice(message, WIRE)
        .map_err(|error| FrameError::Malformed(error.to_string()))?;
    if used != message.len() {
        return Err(FrameError::Malformed(format!("{} bytes left over", message.len() - used)));
    }
    Ok(value)
}

#[cfg(test)]
mod tests;
