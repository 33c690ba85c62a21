//! Reading a password: from the terminal without echo, or one line of standard input.

use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Read};
use std::os::fd::AsFd;
use std::{fmt, mem};

use nix::sys::signal::{SigSet, Signal};
use usher_protocol::{MAX_PASSWORD, Password};
use zeroize::Zeroizing;

/// Asks for a password on the terminal where there is one, else reads a line.
pub(crate) fn read(prompt: &str) -> Result<Password, SecretError> {
    if io::stdin().is_terminal() { ask(prompt) } else { read_line(&mut standard_input()?) }
}

/// The same for a new password, which is typed twice where it cannot be seen.
pub(crate) fn read_new() -> Result<Password, SecretError> {
    if !io::stdin().is_terminal() {
        return read_line(&mut standard_input()?);
    }
    let password = ask("New password: ")?;
    if password == ask("The same again: ")? { Ok(password) } else { Err(SecretError::Different) }
}

/// rpassword answers ^C by raising SIGINT, which would end the process before the terminal echoes
/// again. Held back until then, it still ends the process, by the signal that shells expect.
fn ask(prompt: &str) -> Result<Password, SecretError> {
    let mut interrupt = SigSet::empty();
    interrupt.add(Signal::SIGINT);
    let before = interrupt.thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_BLOCK);
    let typed = rpassword::prompt_password(prompt);
    if let Ok(before) = before {
        // Cannot fail with a mask that the kernel gave.
        let _ = before.thread_set_mask();
    }
    match typed {
        Ok(typed) => bounded(Zeroizing::new(typed.into_bytes())),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(SecretError::Missing),
        Err(error) => Err(SecretError::Io(error)),
    }
}

/// Standard input without the buffer of `std`, which would keep a copy.
fn standard_input() -> Result<File, SecretError> {
    io::stdin().as_fd().try_clone_to_owned().map(File::from).map_err(SecretError::Io)
}

/// Byte by byte, so that what follows the line is left to whoever reads next. The bytes need not
/// be UTF-8.
fn read_line(input: &mut impl Read) -> Result<Password, SecretError> {
    // Room for the longest password and its line break: it never grows and leaves a copy behind.
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_PASSWORD + 2));
    let mut byte = Zeroizing::new([0]);
    loop {
        match input.read(&mut *byte) {
            Ok(0) if line.is_empty() => return Err(SecretError::Missing),
            Ok(0) => return bounded(line),
            Ok(_) if *byte == *b"\n" => break,
            Ok(_) if line.len() > MAX_PASSWORD => return Err(SecretError::TooLong),
            Ok(_) => line.extend_from_slice(&*byte),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(SecretError::Io(error)),
        }
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    bounded(line)
}

fn bounded(mut bytes: Zeroizing<Vec<u8>>) -> Result<Password, SecretError> {
    if bytes.len() > MAX_PASSWORD {
        return Err(SecretError::TooLong);
    }
    Ok(Password::new(mem::take(&mut bytes)))
}

/// Why there is no password.
#[derive(Debug)]
pub(crate) enum SecretError {
    /// The input ended before there was a line.
    Missing,
    /// More than the protocol carries.
    TooLong,
    /// The two entries differ.
    Different,
    /// The terminal or the input cannot be read.
    Io(io::Error),
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("no password: the input ended before a line"),
            Self::TooLong => write!(f, "the password is longer than {MAX_PASSWORD} bytes"),
            Self::Different => f.write_str("the two passwords differ"),
            Self::Io(error) => write!(f, "cannot read the password: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(mut input: &[u8]) -> Result<Vec<u8>, String> {
        read_line(&mut input)
            .map(|password| password.as_bytes().to_vec())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn one_line_break_is_not_part_of_it() {
        assert_eq!(line(b"secret\n"), Ok(b"secret".to_vec()));
        assert_eq!(line(b"secret\r\n"), Ok(b"secret".to_vec()));
        assert_eq!(line(b"secret"), Ok(b"secret".to_vec()));
        assert_eq!(line(b" se\rcret \r\r\n"), Ok(b" se\rcret \r".to_vec()));
    }

    #[test]
    fn what_follows_the_line_is_left_alone() {
        let mut input = &b"first\nsecond\n"[..];
        assert_eq!(read_line(&mut input).expect("a line"), Password::from("first"));
        assert_eq!(input, b"second\n");
    }

    #[test]
    fn bytes_that_are_not_utf8_pass() {
        assert_eq!(line(b"\xff\xfe\n"), Ok(vec![0xff, 0xfe]));
    }

    #[test]
    fn an_empty_line_is_a_password_and_no_line_is_none() {
        assert_eq!(line(b"\n"), Ok(Vec::new()));
        assert!(line(b"").expect_err("refused").contains("the input ended"));
    }

    #[test]
    fn the_longest_password_passes_with_either_line_break() {
        let longest = vec![b'x'; MAX_PASSWORD];
        for end in [&b""[..], b"\n", b"\r\n"] {
            assert_eq!(line(&[&longest[..], end].concat()), Ok(longest.clone()));
        }
    }

    #[test]
    fn a_byte_more_is_refused() {
        for end in [&b""[..], b"\n", b"\r\n"] {
            let input = [&vec![b'x'; MAX_PASSWORD + 1][..], end].concat();
            assert!(line(&input).expect_err("refused").contains("longer than 1024 bytes"));
        }
    }
}
