//! What a command came to, and the only place that prints it.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

/// The exit status; scripts rely on the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Granted, found, done.
    Yes = 0,
    /// Denied, not found.
    No = 1,
    /// The command line, the input or the configuration is wrong.
    Usage = 2,
    /// Nobody could tell.
    Unavailable = 3,
    /// This caller may not ask.
    Forbidden = 4,
}

/// The words and the exit status of a command.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// For standard output, with its line breaks.
    pub(crate) answer: String,
    /// For standard error, without a line break at its end.
    pub(crate) complaint: Option<String>,
    pub(crate) exit: Exit,
}

impl Report {
    pub(crate) fn answer(exit: Exit, answer: String) -> Self {
        Self { answer, complaint: None, exit }
    }

    /// The command could not be tried as it was given.
    pub(crate) fn usage(complaint: String) -> Self {
        Self { answer: String::new(), complaint: Some(complaint), exit: Exit::Usage }
    }

    /// Prints it, and nothing more is printed after it.
    pub(crate) fn deliver(self) -> ExitCode {
        if let Some(complaint) = self.complaint {
            complain(&complaint);
        }
        match print(&mut io::stdout().lock(), &self.answer) {
            Ok(()) => ExitCode::from(self.exit as u8),
            // An answer that did not arrive must not look like a yes.
            Err(error) => {
                complain(&format!("cannot write to standard output: {error}"));
                ExitCode::from(Exit::Usage as u8)
            }
        }
    }
}

/// A reader that has seen enough and left, such as head(1), is no error.
fn print(out: &mut impl Write, answer: &str) -> io::Result<()> {
    match out.write_all(answer.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Where standard error is closed too, the exit status is all that is left to say.
fn complain(complaint: &str) {
    let _ = writeln!(io::stderr(), "usherctl: {complaint}");
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Broken(ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn a_reader_that_left_is_no_error() {
        assert!(print(&mut Broken(ErrorKind::BrokenPipe), "x").is_ok());
    }

    #[test]
    fn a_full_disk_is_an_error() {
        assert!(print(&mut Broken(ErrorKind::StorageFull), "x").is_err());
    }
}
