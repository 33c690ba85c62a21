//! `[saslauthd]`: the socket of saslauthd, and what its clients' words mean.

use std::collections::BTreeMap;

use toml::Spanned;

use super::problem::{Fault, Findings};
use super::settings::Saslauthd;
use super::{Surroundings, listen, raw, suggest, units};

type Written = BTreeMap<Spanned<String>, Spanned<String>>;

pub(super) fn saslauthd(
    given: &Spanned<raw::Saslauthd>,
    file: &raw::File,
    around: &Surroundings,
    findings: &mut Findings<'_>,
) -> Saslauthd {
    let raw = given.get_ref();
    let default = Saslauthd::default();
    let group = raw.socket_group.as_ref();
    let settings = Saslauthd {
        socket: findings
            .read("socket", &raw.socket, default.socket, |path| listen::socket_path(path, around)),
        socket_mode: findings
            .read("socket_mode", &raw.socket_mode, default.socket_mode, |text| listen::mode(text)),
        socket_group: group.and_then(|group| {
            findings.take("socket_group", group.span(), listen::group_id(group.get_ref()))
        }),
        max_connections: findings.read(
            "max_connections",
            &raw.max_connections,
            default.max_connections,
            units::count(1..=65_536),
        ),
        combine_realm: raw.combine_realm.as_ref().is_none_or(|given| *given.get_ref()),
        realms: names(raw.realms.as_ref(), file, findings)
            .into_iter()
            .map(|(name, realm)| (name.to_lowercase(), realm))
            .collect(),
        services: names(raw.services.as_ref(), file, findings),
    };
    refuse_same_socket(given, &settings, file, around, findings);
    settings
}

/// Names of theirs and the realms of ours that they mean.
fn names(
    written: Option<&Spanned<Written>>,
    file: &raw::File,
    findings: &mut Findings<'_>,
) -> BTreeMap<String, String> {
    let realms = file.realm.iter().flat_map(|realms| realms.get_ref().keys());
    let known: Vec<&str> = realms.map(|name| name.get_ref().as_str()).collect();
    let mut names = BTreeMap::new();
    for (name, realm) in written.iter().flat_map(|written| written.get_ref()) {
        if !known.contains(&realm.get_ref().as_str()) {
            let fault = Fault::new(format!("there is no realm {:?}", realm.get_ref()));
            findings.refuse(realm.span(), suggest::with_hint(fault, realm.get_ref(), &known));
        }
        names.insert(name.get_ref().clone(), realm.get_ref().clone());
    }
    names
}

fn refuse_same_socket(
    given: &Spanned<raw::Saslauthd>,
    settings: &Saslauthd,
    file: &raw::File,
    around: &Surroundings,
    findings: &mut Findings<'_>,
) {
    let listen = file.listen.as_ref().map(Spanned::get_ref);
    let others = listen.into_iter().flat_map(|listen| [&listen.socket, &listen.admin_socket]);
    let taken = others
        .flatten()
        .any(|other| around.path(other.get_ref()).is_ok_and(|other| other == settings.socket));
    if taken {
        let at = given.get_ref().socket.as_ref().map_or(given.span(), Spanned::span);
        findings.refuse(at, Fault::new("socket is also a socket of [listen]"));
    }
}
