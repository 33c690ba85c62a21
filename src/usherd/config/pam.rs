//! What only `type = "pam"` has.

use std::path::PathBuf;

use toml::Spanned;

use super::problem::{Fault, Findings};
use super::settings::Pam;
use super::{Surroundings, raw, units};

const HELPER: &str = "/usr/libexec/usher/usher-pam";

pub(super) fn pam(raw: &raw::Realm, around: &Surroundings, findings: &mut Findings<'_>) -> Pam {
    let none = raw::Pool::default();
    let pool = raw.pool.as_ref().map_or(&none, Spanned::get_ref);
    for (key, at) in pool.given() {
        if key != "bind_lanes" {
            let what = format!("{key} is not a key of a pam realm's pool");
            findings.refuse(at, Fault::new(what).hint("bind_lanes is, the number of helpers"));
        }
    }
    let helper = PathBuf::from(HELPER);
    Pam {
        service: findings.read("service", &raw.service, "usher".to_owned(), |name| service(name)),
        helper: findings.read("helper", &raw.helper, helper, |path| around.path(path)),
        lanes: findings.read("bind_lanes", &pool.bind_lanes, 16, units::count(1..=1024)),
    }
}

/// The name of a file in /etc/pam.d.
fn service(name: &str) -> Result<String, Fault> {
    let is_name = name.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_.".contains(&it));
    if is_name && !name.starts_with('.') && (1..=64).contains(&name.len()) {
        Ok(name.to_owned())
    } else {
        Err(Fault::new(format!("is not the name of a PAM service: {name:?}"))
            .hint("a file in /etc/pam.d has the name"))
    }
}
