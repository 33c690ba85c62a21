//! Connections for binds alone, as Active Directory has them. Samba has none, so here is no real
//! server.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::hostile::{Answer, Script, Server, Way};
use super::wire::{EXTENDED, SEARCH, done, element, entry, message, result};
use super::{pool, well};
use crate::directory::Verification;

const ACTIVE_DIRECTORY: &str = "directory = \"active_directory\"";

/// The rootDSE, with these extensions.
fn root(id: u8, extensions: &[&[u8]]) -> Answer {
    Answer::Send([entry(id, b"supportedExtension", extensions), done(id)].concat())
}

/// What a bind on such a server comes to.
async fn bind(lines: &str, script: impl Script) -> Verification {
    let server = Server::start(Way::Plain, script).await;
    super::bind(&pool(&server, lines)).await.unwrap()
}

#[tokio::test]
async fn they_are_used_where_the_server_offers_them() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let script = |id, op| match op {
        SEARCH => root(id, &[b"1.3.6.1.4.1.1466.20037", b"1.2.840.113556.1.4.1781"]),
        EXTENDED => {
            ASKED.fetch_add(1, Ordering::Relaxed);
            well(id, op)
        }
        _ => well(id, op),
    };
    assert_eq!(bind(ACTIVE_DIRECTORY, script).await, Verification::Right(None));
    assert_ne!(ASKED.load(Ordering::Relaxed), 0);
    // Users who read their own entries need the usual ones, and other servers have none.
    ASKED.store(0, Ordering::Relaxed);
    let own = format!("{ACTIVE_DIRECTORY}\nuser_dn = \"cn=%u,dc=example\"");
    for lines in ["", &own] {
        assert_eq!(bind(lines, script).await, Verification::Right(None));
    }
    assert_eq!(ASKED.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_server_that_does_not_offer_or_refuses_them_has_usual_binds() {
    let without = |id, op| match op {
        SEARCH => root(id, &[b"1.3.6.1.4.1.1466.20037"]),
        EXTENDED => Answer::Close(Vec::new()),
        _ => well(id, op),
    };
    assert_eq!(bind(ACTIVE_DIRECTORY, without).await, Verification::Right(None));
    let refusing = |id, op| match op {
        SEARCH => root(id, &[b"1.2.840.113556.1.4.1781"]),
        EXTENDED => Answer::Send(message(id, &element(0x78, &result(53, b"no")))),
        _ => well(id, op),
    };
    assert_eq!(bind(ACTIVE_DIRECTORY, refusing).await, Verification::Right(None));
}
