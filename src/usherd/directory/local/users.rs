//! The users of a file, what stands in a `users.toml`, and when a file changed.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use usher_protocol::Reason;

use super::hash::Hash;
use super::htpasswd;
use crate::config::{self, Case, Format};
use crate::directory::{Attributes, Entry, Found};

/// The users of one file.
pub(super) struct Users {
    /// By name, in lower case where the realm does so.
    by_login: BTreeMap<String, Vec<Arc<User>>>,
    decoy: Option<Arc<Hash>>,
    case: Case,
}

pub(super) struct User {
    pub(super) hash: Arc<Hash>,
    entry: Entry,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    user: BTreeMap<String, Line>,
}

#[derive(Deserialize)]
struct Line {
    password: String,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    first_name: Option<String>,
    #[serde(default)]
    last_name: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    disabled: bool,
    #[serde(flatten)]
    attributes: BTreeMap<String, Values>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Values {
    One(String),
    Several(Vec<String>),
}

impl Users {
    pub(super) fn read(local: &config::Local, case: Case) -> Result<Self, String> {
        let at =
            |error: &dyn std::fmt::Display| format!("users file {}: {error}", local.file.display());
        let text = std::fs::read_to_string(&local.file).map_err(|error| {
            let hint = "the daemon's user must be able to read it, and enter its folders";
            at(&format!("cannot be read: {error}; {hint}"))
        })?;
        let users = match local.format {
            Format::Usher => parse(&text),
            Format::Htpasswd => htpasswd::parse(&text),
        };
        Ok(Self::new(users.map_err(|error| at(&error))?, case))
    }

    fn new(users: Vec<User>, case: Case) -> Self {
        let mut by_login: BTreeMap<String, Vec<Arc<User>>> = BTreeMap::new();
        for user in users {
            by_login.entry(login(&user.entry.id, case)).or_default().push(Arc::new(user));
        }
        // Whoever is not there must not be told of by a fast answer.
        let slowest = by_login.values().flatten().max_by_key(|user| user.hash.cost());
        let decoy = slowest.map(|user| Arc::clone(&user.hash));
        Self { by_login, decoy, case }
    }

    pub(super) fn len(&self) -> usize {
        self.by_login.values().map(Vec::len).sum()
    }

    /// The names of those whose passwords are kept in a weak way.
    pub(super) fn weak(&self) -> Vec<&str> {
        let weak = self.by_login.values().flatten().filter(|user| user.hash.is_weak());
        weak.map(|user| user.entry.id.as_str()).collect()
    }

    /// The one entry of a login, which the realm has already put in the right case.
    pub(super) fn find(&self, login: &str) -> Found {
        match self.by_login.get(login).map(Vec::as_slice) {
            None | Some([]) => Found::Nobody,
            Some([user]) => Found::One(user.entry.clone()),
            Some(_) => Found::Several,
        }
    }

    pub(super) fn by_name(&self, name: &str) -> Option<Arc<User>> {
        let same = self.by_login.get(&login(name, self.case))?;
        same.iter().find(|user| user.entry.id == name).cloned()
    }

    /// The hash to try for names that nobody has.
    pub(super) fn decoy(&self) -> Option<Arc<Hash>> {
        self.decoy.clone()
    }
}

/// The users of a `users.toml`.
fn parse(text: &str) -> Result<Vec<User>, String> {
    // Only the message: the source line that the full text quotes may hold a password.
    let file: File = toml::from_str(text).map_err(|error| {
        let line = error.span().and_then(|span| text.get(..span.start));
        let line = line.map_or(1, |before| before.matches('\n').count() + 1);
        format!("line {line}: {}", error.message())
    })?;
    file.user.into_iter().map(|(name, line)| User::of_table(&name, line)).collect()
}

impl User {
    /// A user of whom no more than a name and a password is known.
    pub(super) fn new(name: &str, hash: Hash) -> Self {
        let (id, username) = (name.to_owned(), name.to_owned());
        Self { hash: Arc::new(hash), entry: Entry { id, username, ..Entry::default() } }
    }

    fn of_table(name: &str, line: Line) -> Result<Self, String> {
        let hash = Hash::parse(&line.password).map_err(|error| {
            format!(
                "the password of [user.{name}] {error}; `usherctl hash-password` makes one that is"
            )
        })?;
        let mut attributes = Attributes::default();
        // The file's words, and the names that LDAP has for them: metadata may use either.
        for (ours, ldap, value) in [
            ("email", "mail", line.email),
            ("first_name", "givenName", line.first_name),
            ("last_name", "sn", line.last_name),
        ] {
            if let Some(value) = value {
                attributes.add(ours, [value.clone()]);
                attributes.add(ldap, [value]);
            }
        }
        for (attribute, values) in line.attributes {
            match values {
                Values::One(value) => attributes.add(&attribute, [value]),
                Values::Several(values) => attributes.add(&attribute, values),
            }
        }
        let mut user = Self::new(name, hash);
        user.entry.attributes = attributes;
        user.entry.groups = line.groups;
        user.entry.barred = line.disabled.then_some(Reason::AccountDisabled);
        Ok(user)
    }
}

fn login(name: &str, case: Case) -> String {
    match case {
        Case::Lower => name.to_lowercase(),
        Case::Keep => name.to_owned(),
    }
}

/// By what a changed file is known; a replaced one has another inode.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp(Option<(u64, u64, i64, i64)>);

impl Stamp {
    pub(super) fn of(path: &Path) -> Self {
        let meta = std::fs::metadata(path).ok();
        Self(meta.map(|meta| (meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec())))
    }
}

#[cfg(test)]
mod tests;
