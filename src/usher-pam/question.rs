//! What is asked.

use std::str::FromStr;

/// More than any question has: names and passwords are bounded by whoever asks.
pub(crate) const MOST: usize = 8 * 1024;
/// Seconds within which it comes: whoever asks has it ready.
pub(crate) const PATIENCE: u32 = 5;
/// Longer than any request may take.
const LONGEST: u32 = 600;

/// One password of one user.
#[derive(PartialEq, Eq)]
pub(crate) struct Question<'a> {
    /// How long anybody waits for the answer.
    pub(crate) seconds: u32,
    pub(crate) service: &'a str,
    pub(crate) user: &'a str,
    pub(crate) password: &'a [u8],
}

impl<'a> Question<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        if bytes.len() >= MOST {
            return Err("it is too long".to_owned());
        }
        let parts: Vec<&[u8]> = bytes.split(|byte| *byte == 0).collect();
        let [milliseconds, service, user, password] = parts[..] else {
            return Err(format!("it has {} parts and not 4", parts.len()));
        };
        let text = |name: &str, part: &'a [u8]| {
            std::str::from_utf8(part).map_err(|_| format!("its {name} is not UTF-8"))
        };
        let milliseconds = u32::from_str(text("time", milliseconds)?)
            .map_err(|error| format!("its time is not a number: {error}"))?;
        let (service, user) = (text("service", service)?, text("user", user)?);
        let is_name = service.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_.".contains(&it));
        if service.is_empty() || !is_name || service.starts_with('.') {
            return Err("its service is no name of one".to_owned());
        }
        if user.is_empty() || password.is_empty() {
            return Err("its user or its password is empty".to_owned());
        }
        let seconds = milliseconds.div_ceil(1000).clamp(1, LONGEST);
        Ok(Self { seconds, service, user, password })
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, Question};

    #[test]
    fn a_question_has_four_parts() {
        let Ok(question) = Question::parse(b"4750\0usher\0alice\0s3\ncret") else {
            panic!("refused")
        };
        assert_eq!((question.seconds, question.service, question.user), (5, "usher", "alice"));
        assert_eq!(question.password, b"s3\ncret");
    }

    #[test]
    fn whatever_else_is_refused() {
        for bytes in [
            &b""[..],
            b"1\0usher\0alice\0",
            b"1\0usher\0\0x",
            b"1\0\0alice\0x",
            b"1\0../passwd\0alice\0x",
            b"1\0.hidden\0alice\0x",
            b"x\0usher\0alice\0x",
            b"-1\0usher\0alice\0x",
            b"1\0usher\0alice",
            b"1\0usher\0alice\0x\0y",
            b"1\0usher\0\xff\0x",
            &[b'x'; MOST],
        ] {
            assert!(Question::parse(bytes).is_err(), "{bytes:?}");
        }
    }
}
