//! Whom to ask about: a user and a password a line, separated by one space.

use std::io::{self, Read};

use usher_protocol::{MAX_PASSWORD, MAX_USER, Password};
use zeroize::Zeroizing;

/// More than anybody tries, and little enough for the memory.
const MAX_BYTES: u64 = 64 << 20;

/// A user, and the password that is tried.
pub(crate) struct Person {
    pub(crate) user: String,
    pub(crate) password: Password,
}

/// Everybody in the file. A lookup needs no passwords, and leaves them alone.
pub(crate) fn read(input: impl Read, lookup: bool) -> io::Result<Vec<Person>> {
    let mut bytes = Zeroizing::new(Vec::new());
    input.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(refused(format!("more than {} MiB", MAX_BYTES >> 20)));
    }
    let mut people = Vec::new();
    for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.is_empty() {
            let person = person(line, lookup);
            people.push(person.map_err(|what| refused(format!("line {number}: {what}")))?);
        }
    }
    if people.is_empty() { Err(refused("no line has a user".to_owned())) } else { Ok(people) }
}

/// The first space ends the user, and all that follows is the password.
fn person(line: &[u8], lookup: bool) -> Result<Person, &'static str> {
    let mut halves = line.splitn(2, |byte| *byte == b' ');
    let user = halves.next().unwrap_or_default();
    let user = str::from_utf8(user).map_err(|_| "the user is not UTF-8")?;
    let password = match halves.next() {
        _ if lookup => Password::from(""),
        Some(password) if password.len() > MAX_PASSWORD => return Err("the password is too long"),
        Some(password) => Password::new(password.to_vec()),
        None => return Err("a user and a password, separated by one space, are expected"),
    };
    if user.is_empty() || user.len() > MAX_USER {
        return Err("the user has 1 to 256 bytes");
    }
    Ok(Person { user: user.to_owned(), password })
}

fn refused(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(text: &[u8], lookup: bool) -> Result<Vec<(String, Vec<u8>)>, String> {
        let people = read(text, lookup).map_err(|error| error.to_string())?;
        Ok(people.into_iter().map(|it| (it.user, it.password.as_bytes().to_vec())).collect())
    }

    #[test]
    fn the_first_space_ends_the_user() {
        let people = tried(b"alice secret\r\n\nbob two words \n", false).expect("read");
        let expected =
            [("alice".to_owned(), b"secret".to_vec()), ("bob".to_owned(), b"two words ".to_vec())];
        assert_eq!(people, expected);
    }

    #[test]
    fn a_lookup_needs_no_password_and_keeps_none() {
        let people = tried(b"alice\nbob secret\n", true).expect("read");
        assert_eq!(people, [("alice".to_owned(), Vec::new()), ("bob".to_owned(), Vec::new())]);
    }

    #[test]
    fn a_fault_is_told_by_its_line_and_without_the_password() {
        for (text, told) in [
            (&b"alice secret\nbob\n"[..], "line 2: a user and a password"),
            (b" secret\n", "line 1: the user has 1 to 256 bytes"),
            (b"\xff secret\n", "line 1: the user is not UTF-8"),
            (b"\n\n", "no line has a user"),
        ] {
            let error = tried(text, false).expect_err("refused");
            assert!(error.contains(told) && !error.contains("secret"), "{error}");
        }
    }
}
