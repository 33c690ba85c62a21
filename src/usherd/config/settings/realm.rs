//! `[realm.NAME]`, of any type.

use std::time::Duration;

use serde::Deserialize;

use super::directory::Directory;
use crate::config::rule::Rule;

/// `[realm.NAME]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Realm {
    /// The name in the configuration.
    pub name: String,
    /// Where its users are.
    pub directory: Directory,
    /// The realm that tells who a user is, where it is not this one.
    pub metadata_from: Option<String>,
    /// How a user may be spelled.
    pub usernames: Usernames,
    /// Whether the state of an account is told to those who may not know its password.
    pub reveal_account_state: bool,
    /// All must hold for every request.
    pub rules: Vec<Rule>,
    /// What is told of a user, in this order.
    pub metadata: Vec<Metadata>,
    /// What is remembered.
    pub cache: Cache,
    /// When passwords are no longer tried.
    pub shield: Shield,
}

/// `type = "chain"`: realms of which the first that knows a user decides.
#[derive(Debug, Clone, PartialEq)]
pub struct Chain {
    /// The name in the configuration.
    pub name: String,
    /// The realms and chains in the order in which they are asked; at least one, without circles.
    pub realms: Vec<String>,
    /// Which domains choose it and are cut off; case is the realms' affair.
    pub usernames: Usernames,
    /// Whether the next is asked where one does not answer.
    pub goes_on: bool,
}

/// How a user of a realm may be spelled.
#[derive(Debug, Clone, PartialEq)]
pub struct Usernames {
    /// Names before `\` or after `@` that mean this realm, in lower case.
    pub domains: Vec<String>,
    /// Which domains are cut off.
    pub strip: StripDomain,
    /// Whether case is kept.
    pub case: Case,
}

/// Which domains are cut off a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StripDomain {
    /// Those of the realm's `domains`. An unlisted domain means another person.
    Listed,
    /// Every domain.
    Any,
    /// None.
    Never,
}

/// What becomes of upper and lower case in user names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Case {
    /// `Alice` and `alice` are one user, written `alice`.
    Lower,
    /// The directory's spelling is told.
    Keep,
}

/// One name told of a user.
#[derive(Debug, Clone, PartialEq)]
pub struct Metadata {
    /// The environment name, such as `X_REMOTE_EMAIL`.
    pub name: String,
    /// Where its value comes from.
    pub value: MetadataValue,
}

/// Where the value of a metadata name comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum MetadataValue {
    /// The canonical user name.
    Username,
    /// The first value of an attribute.
    Attribute {
        /// The attribute's name.
        name: String,
        /// Whether the value is told in lower case.
        lowercase: bool,
    },
    /// The names of the user's groups.
    Groups {
        /// What stands between them.
        join: String,
    },
}

/// `[realm.NAME.cache]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Cache {
    /// How long an identity and a right password are fresh.
    pub ttl: Duration,
    /// How long an unknown user and a known wrong password are.
    pub negative_ttl: Duration,
    /// How long past `ttl` an identity is told while no host answers.
    pub stale: Duration,
    /// How long past `ttl` a right password is accepted while no host answers.
    pub offline_authentication: Duration,
    /// Most heap bytes.
    pub max_bytes: usize,
    /// An identity in use is read again past this part of its `ttl`, from 0 to 1; 0: not ahead.
    pub refresh_ahead: f64,
}

/// `[realm.NAME.shield]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Shield {
    /// Passwords of one user that may fail within `window`; 0: any number.
    pub failures: usize,
    /// How long a failure counts.
    pub window: Duration,
    /// How long nothing is tried, at least, when `failures` is reached.
    pub block: Duration,
    /// Failures from one client address within `window`; 0: any number.
    pub per_client: usize,
}
