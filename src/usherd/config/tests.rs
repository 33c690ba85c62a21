//! Whole configurations, with the texts that people see.

mod chain;
mod files;
mod language;
mod ldap;
mod round_trip;
mod saslauthd;
mod suggestions;
mod tls;
mod values;

use std::path::Path;

use super::{ConfigError, Directory, Ldap, Loaded, Realm, parse};

/// The beginning of an LDAP realm that lacks nothing; lines that are added begin in line 6.
const CORP: &str = r#"[realm.corp]
type = "ldap"
host = "localhost"
connection_security = "plain"
base_dn = "dc=example,dc=com"
"#;

/// A realm that lacks nothing; lines that are added begin in line 3.
const LOCAL: &str = "[realm.corp]\ntype = \"local\"\n";

fn read(text: &str) -> Result<Loaded, ConfigError> {
    parse(text, Path::new("usher.toml"))
}

/// What is wrong with this text, as people see it.
#[track_caller]
fn problems(text: &str) -> String {
    match read(text) {
        Ok(_) => panic!("nothing is wrong with\n{text}"),
        Err(error) => error.to_string(),
    }
}

/// The realm of this text.
#[track_caller]
fn realm(text: &str) -> Realm {
    match read(text) {
        Ok(loaded) => loaded.settings.realms["corp"].as_ref().clone(),
        Err(error) => panic!("{error}"),
    }
}

/// The LDAP realm of `CORP` with these lines.
#[track_caller]
fn ldap(lines: &str) -> Ldap {
    match realm(&format!("{CORP}{lines}")).directory {
        Directory::Ldap(ldap) => *ldap,
        _ => panic!("no LDAP realm"),
    }
}
