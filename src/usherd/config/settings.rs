//! What a valid configuration says. Only `config` makes these; whatever stands here was checked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use serde::Deserialize;
use usher_protocol::Password;

use super::filter::Filter;
use super::rule::Rule;

/// The whole configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The realm of requests that name none; the only realm where there is just one.
    pub default_realm: Option<String>,
    /// Sockets and limits.
    pub listen: Listen,
    /// Who may ask.
    pub access: Access,
    /// Where decisions are recorded.
    pub audit: Audit,
    /// Where the clients of saslauthd ask, if they do.
    pub saslauthd: Option<Saslauthd>,
    /// The realms by name.
    pub realms: BTreeMap<String, Arc<Realm>>,
    /// The chains of realms by name. There is at least one realm.
    pub chains: BTreeMap<String, Arc<Chain>>,
}

/// `[listen]`: sockets and limits.
#[derive(Debug, Clone, PartialEq)]
pub struct Listen {
    /// Where requests come in.
    pub socket: PathBuf,
    /// Permission bits of the socket.
    pub socket_mode: u32,
    /// The group that owns the socket, with its id; none: the daemon's own.
    pub socket_group: Option<(String, u32)>,
    /// Where `usherctl` gives commands.
    pub admin_socket: PathBuf,
    /// Most connections at once, beside those to the admin socket.
    pub max_connections: usize,
    /// Most requests in work for one connection.
    pub max_in_flight: usize,
    /// The deadline of a request that brings none; no request can have a longer one.
    pub request_timeout: Duration,
}

/// `[audit]`: where decisions are recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Audit {
    /// As JSON lines; none: in the log.
    pub file: Option<PathBuf>,
    /// The part of the yeses from memory that is recorded, from 0 to 1.
    pub cached: f64,
    /// What becomes of names that nobody has.
    pub unknown_users: UnknownUsers,
}

/// What becomes of names that nobody has: one may be a password, typed into the wrong field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownUsers {
    /// A hash is recorded.
    Hashed,
    /// The name is recorded.
    Shown,
}

/// `[access]`: who may ask.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Access {
    /// For `authenticate`; none: whoever the socket's mode lets in.
    pub authenticate: Option<Peers>,
    /// For `lookup`; none: whoever the socket's mode lets in.
    pub lookup: Option<Peers>,
    /// For the metrics; none: whoever the socket's mode lets in.
    pub metrics: Option<Peers>,
}

/// Users and groups of this machine.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Peers {
    /// As they were written.
    pub names: Vec<String>,
    /// The users, and the members of the groups when the configuration was read.
    pub uids: BTreeSet<u32>,
    /// The groups, for peers whose primary group it is.
    pub gids: BTreeSet<u32>,
}

/// `[saslauthd]`: the socket of saslauthd, and what its clients' words mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Saslauthd {
    /// Where requests come in.
    pub socket: PathBuf,
    /// Permission bits of the socket.
    pub socket_mode: u32,
    /// The group that owns the socket, with its id; none: the daemon's own.
    pub socket_group: Option<(String, u32)>,
    /// Most connections at once; each is one request.
    pub max_connections: usize,
    /// Whether a request's realm is the domain of its user.
    pub combine_realm: bool,
    /// Realms of ours for those that requests name, in lower case.
    pub realms: BTreeMap<String, String>,
    /// Realms of ours for services, where the request's realm does not say.
    pub services: BTreeMap<String, String>,
}

impl Default for Saslauthd {
    fn default() -> Self {
        Self {
            socket: "/run/saslauthd/mux".into(),
            socket_mode: 0o660,
            socket_group: None,
            max_connections: 256,
            combine_realm: true,
            realms: BTreeMap::new(),
            services: BTreeMap::new(),
        }
    }
}

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

/// `type = "ldap"`.
#[derive(Debug, Clone, PartialEq)]
pub struct Ldap {
    /// In order of preference; at least one.
    pub hosts: Vec<Host>,
    /// The servers of the DNS that know them; none: those of the system.
    pub dns: Vec<SocketAddr>,
    /// How connections are secured.
    pub security: Security,
    /// Who searches.
    pub account: Account,
    /// Whether the servers are Active Directory's domain controllers.
    pub active_directory: bool,
    /// Whether references to other hosts of the realm are followed.
    pub follow_referrals: bool,
    /// Where users are.
    pub users: Users,
    /// Which entries are users; none: all.
    pub filter: Option<Filter>,
    /// The attributes that hold a login; any may match, the first is told. At least one.
    pub login_attributes: Vec<String>,
    /// Where a user's groups stand.
    pub groups: Option<Groups>,
    /// How many connections, and how long to wait for them.
    pub pool: Pool,
}

impl Ldap {
    /// Whether nobody but the user can read the user's entry, once the password was right.
    pub fn users_read_themselves(&self) -> bool {
        let bound_first = matches!(self.users, Users::At(_) | Users::Named { .. });
        bound_first && self.account == Account::Anonymous
    }
}

/// Where the entries of users are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Users {
    /// They are searched by a login attribute.
    Below {
        /// Where.
        base_dn: String,
        /// How deep below.
        scope: Scope,
    },
    /// At this DN, with the user's name for `%u`.
    At(String),
    /// Active Directory binds them by this name, with the user's for `%u`, and they are searched.
    Named {
        /// `%u@corp.example.com` or `CORP\%u`.
        template: String,
        /// Where.
        base_dn: String,
        /// How deep below.
        scope: Scope,
    },
}

/// A server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// By name or address, and port.
    Tcp(String, u16),
    /// By the path of a Unix socket (`ldapi`).
    Unix(PathBuf),
    /// Those that the DNS names for this domain (RFC 2782).
    Srv(String),
}

impl fmt::Display for Host {
    /// As it is written in a configuration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(name, port) if name.contains(':') => write!(f, "[{name}]:{port}"),
            Self::Tcp(name, port) => write!(f, "{name}:{port}"),
            Self::Srv(domain) => write!(f, "srv:{domain}"),
            Self::Unix(path) => {
                f.write_str("ldapi://")?;
                path.display().to_string().bytes().try_for_each(|byte| match byte {
                    b if b.is_ascii_alphanumeric() || b"-._".contains(&b) => {
                        write!(f, "{}", char::from(b))
                    }
                    b => write!(f, "%{b:02X}"),
                })
            }
        }
    }
}

/// `connection_security`.
#[derive(Debug, Clone, PartialEq)]
pub enum Security {
    /// Nothing is encrypted.
    Plain,
    /// TLS from the first byte on.
    Ldaps(Tls),
    /// TLS once both sides said so (RFC 4511 4.14).
    StartTls(Tls),
}

impl Security {
    /// How encryption is done, if it is.
    pub fn tls(&self) -> Option<&Tls> {
        match self {
            Self::Plain => None,
            Self::Ldaps(tls) | Self::StartTls(tls) => Some(tls),
        }
    }
}

/// What encrypted connections rest on.
#[derive(Debug, Clone, PartialEq)]
pub struct Tls {
    /// What a server's certificate must be.
    pub checks: CertificateChecks,
    /// Who may sign it.
    pub authorities: Authorities,
    /// What is shown to servers that ask for a certificate.
    pub client: Option<ClientCertificate>,
}

/// `certificate_checks`, as the `TLS_REQCERT` of ldap.conf(5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CertificateChecks {
    /// Any certificate is taken.
    Never,
    /// A bad certificate is taken, and logged.
    Allow,
    /// As `Demand`: a server of TLS always shows a certificate.
    Try,
    /// It must be trusted, in date, and name the host.
    Demand,
    /// As `Demand`.
    Hard,
}

impl CertificateChecks {
    /// Whether a bad certificate ends the connection.
    pub fn refuses(self) -> bool {
        matches!(self, Self::Try | Self::Demand | Self::Hard)
    }
}

/// The certificates that are trusted.
#[derive(Debug, Clone, PartialEq)]
pub struct Authorities {
    /// The file or the folder that they were read from; none: the system's store.
    pub path: Option<PathBuf>,
    /// What was read.
    pub certificates: Arc<[CertificateDer<'static>]>,
}

/// A certificate of ours.
#[derive(Debug, Clone)]
pub struct ClientCertificate {
    /// The file with it and its chain.
    pub certificate: PathBuf,
    /// The file with its key.
    pub key: PathBuf,
    /// What was read.
    pub pair: Arc<CertifiedKey>,
}

impl PartialEq for ClientCertificate {
    /// The certificate holds the public half of the key, so the keys need no comparison.
    fn eq(&self, other: &Self) -> bool {
        (&self.certificate, &self.key, &self.pair.cert)
            == (&other.certificate, &other.key, &other.pair.cert)
    }
}

/// Who searches.
#[derive(Debug, Clone, PartialEq)]
pub enum Account {
    /// Nobody in particular.
    Anonymous,
    /// A simple bind.
    Simple {
        /// The account's DN.
        dn: String,
        /// Its password; never empty.
        password: Password,
        /// Where the password stands.
        origin: Origin,
    },
    /// Whom our certificate names, or the user of this process where a host is a Unix socket
    /// (SASL EXTERNAL, RFC 4422 appendix A).
    External,
}

/// Where a password stands. Its text is for people: `file /etc/usher/ldap.secret`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In the configuration itself.
    Inline,
    /// In a file of its own.
    File(PathBuf),
    /// In systemd's credential of this name.
    Credential(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline => f.write_str("configuration"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Credential(name) => write!(f, "credential {name}"),
        }
    }
}

/// `search_scope`, as RFC 4511 4.5.1.2 defines it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The base itself.
    Base,
    /// Its direct children.
    OneLevel,
    /// The base and everything below it.
    Subtree,
}

/// `[realm.NAME.groups]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Groups {
    /// Where groups are known.
    pub source: GroupSource,
    /// The attribute that is a group's name.
    pub name_attribute: String,
    /// How many levels of groups that are in groups count too.
    pub nested: usize,
}

/// Where groups are known.
#[derive(Debug, Clone, PartialEq)]
pub enum GroupSource {
    /// In an attribute of whoever is in them, such as `memberOf`.
    Attribute(String),
    /// In entries of their own.
    Search {
        /// Where groups are searched, in the whole subtree.
        base_dn: String,
        /// What matches the groups of an entry: `%d` is its DN, `%u` the user's name.
        filter: Filter,
    },
}

/// `pool`.
#[derive(Debug, Clone, PartialEq)]
pub struct Pool {
    /// Search connections to a host.
    pub search_lanes: usize,
    /// Bind connections to a host.
    pub bind_lanes: usize,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for the answer to one operation.
    pub operation_timeout: Duration,
    /// When the next host is asked as well.
    pub hedge_after: Duration,
    /// How long a connection may be idle before it is asked whether it is still there.
    pub idle_probe: Duration,
    /// How old a connection may become.
    pub max_age: Duration,
}
