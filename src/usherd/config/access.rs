//! `[access]`: who may ask. Names become ids here, once, so that no request waits for a lookup.

use nix::unistd::{Gid, Group, Uid, User};
use toml::Spanned;

use super::nss::found;
use super::problem::{Fault, Findings};
use super::raw;
use super::settings::{Access, Peers};

pub(super) fn access(raw: &raw::Access, findings: &mut Findings<'_>) -> Access {
    let mut peers = |key, list: &Option<Spanned<Vec<Spanned<raw::Peer>>>>| {
        list.as_ref().map(|list| peers(key, list.get_ref(), findings))
    };
    Access {
        authenticate: peers("authenticate", &raw.authenticate),
        lookup: peers("lookup", &raw.lookup),
        metrics: peers("metrics", &raw.metrics),
    }
}

fn peers(key: &str, list: &[Spanned<raw::Peer>], findings: &mut Findings<'_>) -> Peers {
    let mut peers = Peers::default();
    for entry in list {
        let name = &entry.get_ref().0;
        let added = match name.strip_prefix('@') {
            Some(group) => add_group(group, &mut peers),
            None => user_id(name).map(|uid| _ = peers.uids.insert(uid)),
        };
        findings.take(key, entry.span(), added);
        peers.names.push(name.clone());
    }
    peers
}

/// A group's members have it as a supplementary group, which the socket does not tell: their own
/// ids are taken. Those whose primary group it is are known by its id.
fn add_group(name: &str, peers: &mut Peers) -> Result<(), Fault> {
    let number = number(name);
    let group = match number {
        Some(gid) => Group::from_gid(Gid::from_raw(gid)),
        None => Group::from_name(name),
    };
    let group =
        found(group).map_err(|cause| Fault::new(format!("cannot be looked up: {cause}")))?;
    if let Some(gid) = group.as_ref().map(|group| group.gid.as_raw()).or(number) {
        peers.gids.insert(gid);
    } else {
        return Err(super::listen::no_group(name));
    }
    for member in group.map(|group| group.mem).unwrap_or_default() {
        // Files of groups outlive the users they list.
        if let Ok(Some(user)) = User::from_name(&member) {
            peers.uids.insert(user.uid.as_raw());
        }
    }
    Ok(())
}

fn user_id(name: &str) -> Result<u32, Fault> {
    if let Some(uid) = number(name) {
        return Ok(Uid::from_raw(uid).as_raw());
    }
    match found(User::from_name(name)) {
        Ok(Some(user)) => Ok(user.uid.as_raw()),
        Ok(None) => Err(Fault::new(format!("names a user that does not exist: {name:?}"))
            .hint("write \"@NAME\" for a group")),
        Err(cause) => Err(Fault::new(format!("cannot be looked up: {cause}"))),
    }
}

/// A numeric id. The highest number means none to the system.
fn number(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|id| digits && *id != u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_need_not_be_known_to_the_system() {
        let mut peers = Peers::default();
        assert_eq!(user_id("54321"), Ok(54321));
        assert_eq!(add_group("54321", &mut peers), Ok(()));
        assert!(peers.gids.contains(&54321));
    }

    #[test]
    fn names_become_ids() {
        let mut peers = Peers::default();
        assert_eq!(user_id("root"), Ok(0));
        assert_eq!(add_group("root", &mut peers), Ok(()));
        assert!(peers.gids.contains(&0));
    }

    #[test]
    fn names_that_nobody_has_are_refused() {
        for name in ["no-such-user", "", "-1", "+1", "4294967295"] {
            assert!(user_id(name).is_err(), "{name}");
            assert!(add_group(name, &mut Peers::default()).is_err(), "{name}");
        }
    }
}
