//! TOML to settings. Nothing half-checked leaves this room: what is invalid cannot be represented.
//!
//! A file takes one road: its text becomes the tables of `raw` (known keys, right types, places),
//! and each room below turns its table into [`Settings`] and takes down every problem it finds.

mod access;
mod account;
mod active_directory;
mod audit;
mod cache;
mod chain;
mod crowd;
mod filter;
mod groups;
mod host;
mod hosts;
mod keys;
mod ldap;
mod listen;
mod metadata;
mod name;
mod nss;
mod pam;
mod print;
mod problem;
mod raw;
mod realm;
mod rule;
mod saslauthd;
mod secret;
mod settings;
mod suggest;
mod tls;
mod units;

use std::path::{Path, PathBuf};

use toml::Spanned;
use zeroize::Zeroizing;

pub use filter::Filter;
pub use nss::found;
pub use print::print;
pub use problem::ConfigError;
pub use rule::{Rule, Test};
pub use settings::*;

use problem::{Fault, Findings};

/// A configuration that can be used.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// What it says.
    pub settings: Settings,
    /// What the operator should know of it, a line each: `FILE:LINE:COLUMN: MESSAGE`.
    pub warnings: Vec<String>,
}

/// Reads a configuration. Relative paths in it start at its own folder.
///
/// # Errors
/// All that is wrong with it.
pub fn load(path: &Path) -> Result<Loaded, ConfigError> {
    // The text may hold a password.
    let text = std::fs::read_to_string(path)
        .map(Zeroizing::new)
        .map_err(|error| ConfigError::unreadable(path, error))?;
    parse(&text, path)
}

/// Reads a configuration from its text, as if it stood in the file at `path`.
///
/// # Errors
/// All that is wrong with it.
pub fn parse(text: &str, path: &Path) -> Result<Loaded, ConfigError> {
    let around = Surroundings::of(path).map_err(|error| ConfigError::unreadable(path, error))?;
    parse_in(&around, text, path)
}

fn parse_in(around: &Surroundings, text: &str, path: &Path) -> Result<Loaded, ConfigError> {
    let file: raw::File =
        toml::from_str(text).map_err(|error| ConfigError::malformed(path, text, error))?;
    let mut findings = Findings::new(path, text);
    let settings = settings(&file, around, &mut findings);
    let warnings = findings.conclude()?;
    Ok(Loaded { settings, warnings })
}

fn settings(file: &raw::File, around: &Surroundings, findings: &mut Findings<'_>) -> Settings {
    let listen = file.listen.as_ref().map(Spanned::get_ref);
    let access = file.access.as_ref().map(Spanned::get_ref);
    let recorded = file.audit.as_ref().map(Spanned::get_ref);
    let realms = file.realm.as_ref().map(Spanned::get_ref);
    let saslauthd = file.saslauthd.as_ref();
    let realm::Realms { realms, chains } =
        realm::realms(realms.unwrap_or(&Default::default()), around, findings);
    Settings {
        default_realm: default_realm(file, findings),
        saslauthd: saslauthd.map(|given| saslauthd::saslauthd(given, file, around, findings)),
        listen: listen::listen(listen.unwrap_or(&raw::Listen::default()), around, findings),
        audit: audit::audit(recorded.unwrap_or(&raw::Audit::default()), around, findings),
        access: access::access(access.unwrap_or(&raw::Access::default()), findings),
        realms,
        chains,
    }
}

/// The realm that is named, or the only one.
fn default_realm(file: &raw::File, findings: &mut Findings<'_>) -> Option<String> {
    let names = file.realm.iter().flat_map(|realms| realms.get_ref().keys());
    let names: Vec<&str> = names.map(|name| name.get_ref().as_str()).collect();
    match (&file.default_realm, names.as_slice()) {
        (_, []) => {
            let fault = Fault::new("there is no realm").hint("a realm begins with [realm.NAME]");
            findings.refuse(0..0, fault);
            None
        }
        (None, [only]) => Some((*only).to_owned()),
        (None, _) => {
            let fault = Fault::new("default_realm is missing, and there is more than one realm");
            findings.refuse(0..0, fault.hint(format!("one of: {}", names.join(", "))));
            None
        }
        (Some(name), _) if names.contains(&name.get_ref().as_str()) => Some(name.get_ref().clone()),
        (Some(name), _) => {
            let what = format!("default_realm names no realm: {:?}", name.get_ref());
            let fault = suggest::with_hint(Fault::new(what), name.get_ref(), &names);
            findings.refuse(name.span(), fault);
            None
        }
    }
}

/// What a configuration depends on beside its text.
struct Surroundings {
    /// Where relative paths start.
    folder: PathBuf,
    /// Where systemd keeps credentials.
    credentials: Option<PathBuf>,
    /// Whether every user of this machine can read the file.
    exposed: bool,
}

impl Surroundings {
    fn of(path: &Path) -> std::io::Result<Self> {
        let absolute = std::path::absolute(path)?;
        Ok(Self {
            folder: absolute.parent().unwrap_or(Path::new("/")).to_owned(),
            credentials: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from),
            exposed: path.metadata().is_ok_and(|metadata| secret::is_exposed(&metadata)),
        })
    }

    /// A path as it is written, made absolute.
    fn path(&self, text: &str) -> Result<PathBuf, Fault> {
        if text.is_empty() {
            Err(Fault::new("is empty"))
        } else if text.contains('\0') {
            Err(Fault::new("contains a NUL"))
        } else {
            Ok(self.folder.join(text))
        }
    }

    /// Where a credential stands.
    fn credential(&self, name: &str) -> Result<PathBuf, Fault> {
        if name.is_empty() || name.contains(['/', '\0']) || name == "." || name == ".." {
            return Err(Fault::new(format!("is not the name of a credential: {name:?}")));
        }
        let folder = self.credentials.as_ref().ok_or_else(|| {
            Fault::new("cannot be read: this program was started without credentials")
                .hint(format!("LoadCredential={name}:FILE in the unit sets CREDENTIALS_DIRECTORY"))
        })?;
        Ok(folder.join(name))
    }
}

#[cfg(test)]
mod tests;
