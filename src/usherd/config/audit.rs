//! `[audit]`: where decisions are recorded.

use super::problem::Findings;
use super::settings::{Audit, UnknownUsers};
use super::{Surroundings, cache, raw};

pub(super) fn audit(raw: &raw::Audit, around: &Surroundings, findings: &mut Findings<'_>) -> Audit {
    let file = raw
        .file
        .as_ref()
        .and_then(|file| findings.take("file", file.span(), around.path(file.get_ref())));
    Audit {
        file,
        cached: findings.read("cached", &raw.cached, 0.0, cache::part),
        unknown_users: raw
            .unknown_users
            .as_ref()
            .map_or(UnknownUsers::Hashed, |given| given.get_ref().0),
    }
}
