//! From what the server sent to what the directory says.

use ldap3::SearchEntry;

use super::active_directory;
use crate::config;
use crate::directory::{Attributes, Entry};

/// The entry that was found for what somebody typed.
pub(super) fn read(found: SearchEntry, typed: &str, settings: &config::Ldap) -> Entry {
    let (id, attributes) = (found.dn.clone(), attributes(found));
    let username = username(&attributes, typed, settings);
    let barred = settings.active_directory.then(|| active_directory::barred(&attributes)).flatten();
    Entry { id, username, attributes, barred, ..Entry::default() }
}

/// The attributes, as far as they are text.
pub(super) fn attributes(found: SearchEntry) -> Attributes {
    let mut attributes = Attributes::default();
    for (name, values) in found.attrs {
        attributes.add(&name, values);
    }
    // ldap3 puts an attribute here as soon as one of its values is not UTF-8.
    for (name, values) in found.bin_attrs {
        attributes.add(&name, values.into_iter().filter_map(|bytes| String::from_utf8(bytes).ok()));
    }
    attributes
}

/// The directory's own spelling: of what was typed where the first login attribute has it, so
/// that nobody changes names by typing another of their logins.
fn username(attributes: &Attributes, typed: &str, settings: &config::Ldap) -> String {
    let names = settings.login_attributes.first().map_or(&[][..], |name| attributes.values(name));
    let same = |name: &&String| name.to_lowercase() == typed.to_lowercase();
    names.iter().find(same).or(names.first()).cloned().unwrap_or_else(|| typed.to_owned())
}
