//! The kinds of directory, and all of them but LDAP.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use usher_protocol::Password;

use super::ldap::Ldap;
use super::tls::{Origin, Tls};

/// The kinds of directory.
#[derive(Debug, Clone, PartialEq)]
pub enum Directory {
    /// A file of ours.
    Local(Local),
    /// Servers of Atlassian Crowd.
    Crowd(Box<Crowd>),
    /// PAM and the user database of this machine.
    Pam(Pam),
    /// Servers that speak LDAP.
    Ldap(Box<Ldap>),
}

impl Directory {
    /// The word in the configuration's `type`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Local(_) => "local",
            Self::Crowd(_) => "crowd",
            Self::Pam(_) => "pam",
            Self::Ldap(_) => "ldap",
        }
    }
}

/// `type = "local"`.
#[derive(Debug, Clone, PartialEq)]
pub struct Local {
    /// The file of users, absolute.
    pub file: PathBuf,
    /// How it is written.
    pub format: Format,
}

/// `format`: how a file of users is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// `users.toml`.
    Usher,
    /// As htpasswd(1) of Apache httpd writes it.
    Htpasswd,
}

impl Format {
    /// The word in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Self::Usher => "usher",
            Self::Htpasswd => "htpasswd",
        }
    }
}

/// `type = "crowd"`.
#[derive(Debug, Clone, PartialEq)]
pub struct Crowd {
    /// In order of preference; at least one, and all of them with encryption or none.
    pub hosts: Vec<CrowdHost>,
    /// How encryption is done, if it is.
    pub tls: Option<Tls>,
    /// The name of an application that Crowd knows.
    pub application: String,
    /// Its password; never empty.
    pub password: Password,
    /// Where the password stands.
    pub origin: Origin,
    /// Most connections to a host.
    pub lanes: usize,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for an answer.
    pub operation_timeout: Duration,
}

/// A server of Crowd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrowdHost {
    /// Whether the connection is encrypted.
    pub secure: bool,
    /// Its name or address.
    pub name: String,
    /// Its port.
    pub port: u16,
    /// What stands before the paths of the API: nothing, or a path that begins with a slash.
    pub path: String,
}

impl CrowdHost {
    /// Name and port as in URLs and headers.
    pub fn authority(&self) -> String {
        let name = match self.name.contains(':') {
            true => format!("[{}]", self.name),
            false => self.name.clone(),
        };
        match (self.secure, self.port) {
            (true, 443) | (false, 80) => name,
            (_, port) => format!("{name}:{port}"),
        }
    }

    /// The base URL.
    pub fn url(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}{}", self.authority(), self.path)
    }
}

/// `type = "pam"`.
#[derive(Debug, Clone, PartialEq)]
pub struct Pam {
    /// The file in `/etc/pam.d`.
    pub service: String,
    /// The program that asks PAM, or a socket behind which it is started; absolute.
    pub helper: PathBuf,
    /// Most passwords at a time.
    pub lanes: usize,
}
