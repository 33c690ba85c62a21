//! Attributes that a server sends a part at a time, as Active Directory does. Samba sends parts only
//! to those who ask for parts, so here is no real server.

use std::time::Duration;

use ldap3::SearchEntry;
use tokio::time::Instant;

use super::hostile::{Answer, Script, Server, Way};
use super::wire::{Attribute, SEARCH, done, entry, entry_with};
use super::{pool, well};
use crate::directory::Unavailable;
use crate::directory::ldap::connection::Search;
use crate::directory::ldap::eyes::Eyes;

/// Answers a search with this part of an attribute.
fn part(id: u8, name: &str, values: &[&[u8]]) -> Answer {
    Answer::Send([entry(id, name.as_bytes(), values), done(id)].concat())
}

/// What one search for an entry finds.
async fn look(script: impl Script) -> Result<SearchEntry, Unavailable> {
    let server = Server::start(Way::Plain, script).await;
    let pool = pool(&server, "pool = { search_lanes = 1 }");
    let search = Search::of_entry("uid=a", "(uid=a)", ["memberOf"]);
    let deadline = Instant::now() + Duration::from_secs(20);
    let found = Eyes::Account { pool: &pool, follow: false }.search(search, deadline).await;
    found.map(|mut entries| entries.pop().unwrap())
}

#[tokio::test]
async fn all_parts_are_put_together() {
    // Searches are counted.
    let script = |id, op| match (op, id) {
        (SEARCH, 1) => part(id, "memberOf;range=0-1", &[b"a", b"b"]),
        (SEARCH, 2) => part(id, "MEMBEROF;Range=2-3", &[b"c", b"d"]),
        (SEARCH, 3) => part(id, "memberOf;range=4-*", &[b"e"]),
        _ => well(id, op),
    };
    let found = look(script).await.unwrap();
    assert_eq!(found.attrs.len(), 1);
    assert_eq!(found.attrs["memberOf"], ["a", "b", "c", "d", "e"]);
}

#[tokio::test]
async fn an_attribute_without_values_beside_its_parts_is_none() {
    // As Active Directory sends it (MS-ADTS 3.1.1.3.1.3.3).
    let script = |id, op| match (op, id) {
        (SEARCH, 1) => {
            let parts: [Attribute<'_>; 2] =
                [(b"memberOf", &[]), (b"memberOf;range=0-1", &[b"a", b"b"])];
            Answer::Send([entry_with(id, &parts), done(id)].concat())
        }
        (SEARCH, 2) => {
            let parts: [Attribute<'_>; 2] = [(b"memberOf;range=2-*", &[b"c"]), (b"memberOf", &[])];
            Answer::Send([entry_with(id, &parts), done(id)].concat())
        }
        _ => well(id, op),
    };
    let found = look(script).await.unwrap();
    assert_eq!(found.attrs["memberOf"], ["a", "b", "c"]);
    assert_eq!(found.attrs.len(), 1);
}

#[tokio::test]
async fn parts_without_an_end_are_an_error() {
    let nothing = |id, op| match (op, id) {
        (SEARCH, 1) => part(id, "memberOf;range=0-1", &[b"a", b"b"]),
        (SEARCH, _) => part(id, "memberOf;range=2-3", &[]),
        _ => well(id, op),
    };
    let told = "2 values of memberOf of uid=a, and not the rest";
    assert!(look(nothing).await.unwrap_err().message.contains(told));
    let other = |id, op| match (op, id) {
        (SEARCH, 1) => part(id, "memberOf;range=0-1", &[b"a", b"b"]),
        (SEARCH, _) => part(id, "mail", &[b"c"]),
        _ => well(id, op),
    };
    assert!(look(other).await.unwrap_err().message.contains(told));
}
