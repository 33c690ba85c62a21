//! What the language knows and this version does not do, all of it: to build a capability is also
//! to delete its lines here. Whoever asks for one of these is told, instead of getting less than
//! they asked for.

use super::problem::Fault;
use super::raw::Kind;

/// The types of realm that can be built.
pub(super) enum Supported {
    Ldap,
    Local,
    Pam,
}

/// The type of a realm, if this version has it.
pub(super) fn kind(asked: Kind) -> Result<Supported, Fault> {
    match asked {
        Kind::Ldap => Ok(Supported::Ldap),
        Kind::Local => Ok(Supported::Local),
        Kind::Pam => Ok(Supported::Pam),
        Kind::Crowd | Kind::Chain => {
            Err(Fault::new(format!("\"{}\" is not supported in this version", asked.word())))
        }
    }
}
