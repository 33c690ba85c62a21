//! The user database of this machine (NSS), which may ask a server and hang: it is read off the
//! executor, by a bounded number of threads.

use std::ffi::CString;
use std::sync::Arc;

use nix::unistd::{Gid, Group, User, getgrouplist};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use usher_protocol::Reason;

use super::{Attributes, Entry, Found, Unavailable, told};
use crate::config::found;

/// Most threads that wait for it.
const THREADS: usize = 16;

pub(super) struct Nss {
    turns: Arc<Semaphore>,
}

impl Nss {
    pub(super) fn new() -> Self {
        Self { turns: Arc::new(Semaphore::new(THREADS)) }
    }

    /// Who the user is. A thread that hangs keeps its turn.
    pub(super) async fn find(&self, user: &str, deadline: Instant) -> Result<Found, Unavailable> {
        let begun = Instant::now();
        let found = self.look(user, deadline).await;
        told::found("the user database (NSS)", user, &found, begun);
        found
    }

    async fn look(&self, user: &str, deadline: Instant) -> Result<Found, Unavailable> {
        let late = |what: &str| {
            Unavailable::new(
                Reason::Deadline,
                format!("the user database of this machine (NSS) {what}; see nsswitch.conf(5)"),
            )
        };
        let turn = timeout_at(deadline, Arc::clone(&self.turns).acquire_owned());
        let Ok(Ok(turn)) = turn.await else {
            return Err(late("has not answered others for too long"));
        };
        let user = user.to_owned();
        let reading = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            read(&user)
        });
        match timeout_at(deadline, reading).await {
            Err(_) => Err(late("has not answered in time")),
            Ok(Err(error)) => Err(Unavailable::new(Reason::NoHost, error.to_string())),
            Ok(Ok(Err(error))) => Err(Unavailable::new(
                Reason::NoHost,
                format!(
                    "the user database of this machine (NSS) cannot be read: {error}; does getent(1) \
                     find the user, and as the daemon's own user too?"
                ),
            )),
            Ok(Ok(Ok(entry))) => Ok(entry.map_or(Found::Nobody, Found::One)),
        }
    }
}

fn read(name: &str) -> nix::Result<Option<Entry>> {
    let Some(user) = found(User::from_name(name))? else { return Ok(None) };
    let gecos = user.gecos.to_string_lossy().into_owned();
    let mut attributes = named(&gecos);
    let home = user.dir.to_string_lossy().into_owned();
    let shell = user.shell.to_string_lossy().into_owned();
    for (name, value) in [
        ("uid", user.name.clone()),
        ("uidNumber", user.uid.to_string()),
        ("gidNumber", user.gid.to_string()),
        ("gecos", gecos),
        ("homeDirectory", home),
        ("loginShell", shell),
    ] {
        attributes.add(name, [value]);
    }
    let groups = groups(&user)?;
    let (id, username) = (user.name.clone(), user.name);
    Ok(Some(Entry { id, username, attributes, groups, ..Entry::default() }))
}

/// The name that stands before the first comma of a gecos field, whole and as first and last name.
fn named(gecos: &str) -> Attributes {
    let mut attributes = Attributes::default();
    let full = gecos.split(',').next().unwrap_or_default().trim();
    if full.is_empty() {
        return attributes;
    }
    attributes.add("cn", [full.to_owned()]);
    let (first, last) = match full.rsplit_once(' ') {
        Some((first, last)) => (first.trim_end(), Some(last)),
        None => (full, None),
    };
    attributes.add("givenName", [first.to_owned()]);
    if let Some(last) = last {
        attributes.add("sn", [last.to_owned()]);
    }
    attributes
}

/// The names of the user's groups, the primary one first. A group without a name is none.
fn groups(user: &User) -> nix::Result<Vec<String>> {
    let name = CString::new(user.name.as_str()).map_err(|_| nix::errno::Errno::EINVAL)?;
    let mut names = Vec::new();
    for gid in getgrouplist(&name, Gid::from_raw(user.gid.as_raw()))? {
        if let Some(group) = found(Group::from_gid(gid))?
            && !names.contains(&group.name)
        {
            names.push(group.name);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::{named, read};

    #[test]
    fn a_gecos_field_has_a_name_before_its_first_comma() {
        for (gecos, cn, first, last) in [
            ("Alice Archer,Room 5,+1 555,", Some("Alice Archer"), Some("Alice"), Some("Archer")),
            (
                "Anna Maria van Dyke",
                Some("Anna Maria van Dyke"),
                Some("Anna Maria van"),
                Some("Dyke"),
            ),
            ("Cher", Some("Cher"), Some("Cher"), None),
            (",,,", None, None, None),
            ("", None, None, None),
        ] {
            let attributes = named(gecos);
            let told = ["cn", "givenName", "sn"].map(|name| attributes.first(name));
            assert_eq!(told, [cn, first, last], "{gecos}");
        }
    }

    #[test]
    fn root_is_there_and_nobody_else_of_no_name() {
        let root = read("root").expect("reads").expect("is there");
        assert_eq!(root.attributes.first("uidNumber"), Some("0"));
        assert!(root.groups.contains(&"root".to_owned()));
        assert_eq!(read("no-such-user").expect("reads"), None);
    }
}
