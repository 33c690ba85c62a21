//! Passwords of accounts. None of them ever stands in a message.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use usher_protocol::{MAX_PASSWORD, Password};

use super::problem::Fault;

/// That a file cannot be read, and what to do where it is there.
pub(super) fn unreadable(path: &Path, cause: &io::Error) -> Fault {
    let fault = Fault::new(format!("cannot be read from {}: {cause}", path.display()));
    match cause.kind() {
        io::ErrorKind::PermissionDenied => {
            fault.hint("the user that runs usherd must be able to read it, and to enter its folder")
        }
        _ => fault,
    }
}

/// A password, and whether everybody can read the file that holds it.
#[derive(Debug)]
pub(super) struct Secret {
    pub(super) password: Password,
    pub(super) exposed: bool,
}

/// The password in a file, without the one line end after it.
pub(super) fn read(path: &Path) -> Result<Secret, Fault> {
    let unreadable = |cause| unreadable(path, &cause);
    let file = File::open(path).map_err(unreadable)?;
    let exposed = is_exposed(&file.metadata().map_err(unreadable)?);
    // One more than a password and its line end may have: enough to see that it is too long.
    let most = MAX_PASSWORD + "\r\n".len() + 1;
    let mut password = Vec::with_capacity(most);
    file.take(most as u64).read_to_end(&mut password).map_err(unreadable)?;
    if password.pop_if(|last| *last == b'\n').is_some() {
        password.pop_if(|last| *last == b'\r');
    }
    let password = Password::new(password);
    check(&password).map_err(|fault| Fault {
        what: format!("in {} {}", path.display(), fault.what),
        ..fault
    })?;
    Ok(Secret { password, exposed })
}

/// Whether a directory would take it for a password at all.
pub(super) fn check(password: &Password) -> Result<(), Fault> {
    let bytes = password.as_bytes();
    if bytes.is_empty() {
        Err(Fault::new("is empty"))
    } else if bytes.len() > MAX_PASSWORD {
        Err(Fault::new(format!("is longer than {MAX_PASSWORD} bytes")))
    } else if bytes.contains(&0) {
        Err(Fault::new("contains a NUL").hint("was it saved as UTF-16?"))
    } else if password.as_str().is_none() {
        Err(Fault::new("is not UTF-8").hint("directories compare passwords in UTF-8"))
    } else {
        Ok(())
    }
}

/// That everybody can read a file, and what to do about it.
pub(super) fn exposed(path: &Path) -> String {
    let path = path.display();
    format!("{path} can be read by every user of this machine: chmod o= {path}")
}

/// Whether everybody on this machine can read a file.
pub(super) fn is_exposed(metadata: &Metadata) -> bool {
    metadata.permissions().mode() & 0o004 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(content: &[u8]) -> Result<Secret, Fault> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        read(file.path())
    }

    #[test]
    fn one_line_end_is_cut_off() {
        for content in ["s3cret", "s3cret\n", "s3cret\r\n"] {
            assert_eq!(of(content.as_bytes()).unwrap().password, Password::from("s3cret"));
        }
        assert_eq!(of(b" s3cret \n\n").unwrap().password, Password::from(" s3cret \n"));
        assert_eq!(of(b"s3cret\r").unwrap().password, Password::from("s3cret\r"));
    }

    #[test]
    fn what_no_directory_would_take_is_refused() {
        for (content, what) in [
            (&b""[..], "is empty"),
            (b"\n", "is empty"),
            (b"a\0b", "contains a NUL"),
            (b"\xff\xfe", "is not UTF-8"),
            (&[b'x'; MAX_PASSWORD + 1], "is longer than 1024 bytes"),
            (&[b'x'; 100_000], "is longer than 1024 bytes"),
        ] {
            assert!(of(content).unwrap_err().what.ends_with(what), "{what}");
        }
    }

    #[test]
    fn the_longest_password_may_have_a_line_end() {
        let mut content = vec![b'x'; MAX_PASSWORD];
        content.extend(b"\r\n");
        assert_eq!(of(&content).unwrap().password.as_bytes().len(), MAX_PASSWORD);
    }

    #[test]
    fn a_missing_file_is_named_with_the_cause() {
        assert_eq!(
            read(Path::new("/nonexistent/secret")).unwrap_err().what,
            "cannot be read from /nonexistent/secret: No such file or directory (os error 2)"
        );
    }

    #[test]
    fn a_file_that_everybody_can_read_is_noticed() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "s3cret").unwrap();
        for (mode, exposed) in [(0o600, false), (0o640, false), (0o644, true)] {
            std::fs::set_permissions(file.path(), PermissionsExt::from_mode(mode)).unwrap();
            assert_eq!(read(file.path()).unwrap().exposed, exposed);
        }
    }
}
