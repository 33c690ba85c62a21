//! `[realm.NAME.cache]` and `[realm.NAME.shield]`: what a realm remembers.

use std::time::Duration;

use toml::Spanned;

use super::problem::{Fault, Findings};
use super::settings::{Cache, Shield};
use super::{raw, units};

const DAY: Duration = Duration::from_secs(86_400);

/// What is remembered of users.
pub(super) fn cache(raw: &raw::Realm, findings: &mut Findings<'_>) -> Cache {
    let none = raw::Cache::default();
    let raw = raw.cache.as_ref().map_or(&none, Spanned::get_ref);
    let week = || units::duration(Duration::ZERO..=7 * DAY);
    let month = || units::duration(Duration::ZERO..=30 * DAY);
    let (five_minutes, hour) = (Duration::from_secs(300), Duration::from_secs(3600));
    let half_minute = Duration::from_secs(30);
    Cache {
        ttl: findings.read("ttl", &raw.ttl, five_minutes, week()),
        negative_ttl: findings.read("negative_ttl", &raw.negative_ttl, half_minute, week()),
        stale: findings.read("stale", &raw.stale, hour, month()),
        offline_authentication: findings.read(
            "offline_authentication",
            &raw.offline_authentication,
            Duration::ZERO,
            month(),
        ),
        max_bytes: findings.read(
            "max_bytes",
            &raw.max_bytes,
            64 << 20,
            units::size(4096..=1 << 40),
        ),
        refresh_ahead: findings.read("refresh_ahead", &raw.refresh_ahead, 0.8, part),
    }
}

/// When passwords are no longer tried.
pub(super) fn shield(raw: &raw::Realm, findings: &mut Findings<'_>) -> Shield {
    let none = raw::Shield::default();
    let raw = raw.shield.as_ref().map_or(&none, Spanned::get_ref);
    let (second, minute) = (Duration::from_secs(1), Duration::from_secs(60));
    Shield {
        failures: findings.read("failures", &raw.failures, 5, units::count(0..=100)),
        window: findings.read(
            "window",
            &raw.window,
            10 * minute,
            units::duration(second..=7 * DAY),
        ),
        block: findings.read(
            "block",
            &raw.block,
            5 * minute,
            units::duration(Duration::ZERO..=7 * DAY),
        ),
        per_client: findings.read("per_client", &raw.per_client, 50, units::count(0..=1_000_000)),
    }
}

pub(super) fn part(part: &f64) -> Result<f64, Fault> {
    (0.0..=1.0).contains(part).then_some(*part).ok_or_else(|| Fault::new("must be between 0 and 1"))
}
