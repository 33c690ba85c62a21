//! What the tests stand on: the programs, a directory server, and the one way to wait.

pub(crate) mod certificate;
pub(crate) mod crowd;
pub(crate) mod ctl;
pub(crate) mod daemon;
pub(crate) mod dns;
pub(crate) mod echo;
pub(crate) mod hostile;
pub(crate) mod http;
pub(crate) mod httpd;
pub(crate) mod journal;
pub(crate) mod kallithea;
pub(crate) mod kerberos;
pub(crate) mod ldif;
pub(crate) mod load;
pub(crate) mod nginx;
pub(crate) mod process;
pub(crate) mod programs;
pub(crate) mod prometheus;
pub(crate) mod proxy;
pub(crate) mod samba;
pub(crate) mod shim;
pub(crate) mod slapd;
pub(crate) mod wire;

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// Far beyond what anything here takes on a busy machine; whoever waits this long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for an event: polls until `check` gives something. The only sleep of the tests.
pub(crate) fn until<T>(what: &str, check: impl FnMut() -> Option<T>) -> T {
    until_within(PATIENCE, what, check)
}

/// As [`until`], with more patience or less.
pub(crate) fn until_within<T>(
    patience: Duration,
    what: &str,
    mut check: impl FnMut() -> Option<T>,
) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = check() {
            return value;
        }
        assert!(start.elapsed() < patience, "waited {patience:?} in vain for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// As [`until`], for what is either so or not.
pub(crate) fn until_true(what: &str, mut check: impl FnMut() -> bool) {
    until(what, || check().then_some(()));
}

/// A file's text, as far as it is UTF-8 and there.
pub(crate) fn text_of(path: &Path) -> String {
    std::fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}

/// The folder of the repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
