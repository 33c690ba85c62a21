//! One connection: opened, bound, asked, each within its time.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ldap3::{
    DerefAliases, Ldap, LdapConnAsync, LdapConnSettings, LdapError, LdapResult, SearchEntry,
    SearchOptions, StdStream,
};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::host::describe;
use super::{Failure, filter, policy};
use crate::config::{Account, Host, Scope};

/// A peer that vanished is noticed by then, however idle the connection.
const KEEPALIVE: Duration = Duration::from_secs(30);
const USER_TIMEOUT: Duration = Duration::from_secs(10);

/// A host that is silent for this long is suspect, even where a request had less time than an
/// operation may take.
const PATIENCE: Duration = Duration::from_millis(500);

/// What is asked of a server.
pub(super) struct Search {
    pub(super) base: String,
    pub(super) scope: Scope,
    pub(super) filter: String,
    pub(super) attributes: Vec<String>,
    /// More entries than this are not waited for.
    pub(super) most: usize,
    /// Whether a base that does not exist is an answer, and no mistake of the configuration.
    pub(super) may_be_absent: bool,
}

impl Search {
    /// A search for one entry by its name, which may be gone: what it tells of these attributes,
    /// if the filter matches it.
    pub(super) fn of_entry<const N: usize>(dn: &str, filter: &str, attributes: [&str; N]) -> Self {
        // No attributes at all are asked for by a name of their own (RFC 4511 section 4.5.1.8).
        let attributes = if N == 0 { &["1.1"][..] } else { &attributes[..] };
        Self {
            base: dn.to_owned(),
            scope: Scope::Base,
            filter: filter.to_owned(),
            attributes: attributes.iter().map(|name| (*name).to_owned()).collect(),
            most: 1,
            may_be_absent: true,
        }
    }
}

/// A connection, and the task that moves its bytes.
pub(super) struct Connection {
    ldap: Ldap,
    driver: JoinHandle<()>,
    /// Set before the driver has ended, so that nobody takes the connection meanwhile.
    closed: AtomicBool,
}

impl Drop for Connection {
    /// The driver may hang in a write to a stopped server; it does not end by itself then.
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    /// Connects, in at most `limit`.
    pub(super) async fn open(host: &Host, limit: Duration) -> Result<Self, Failure> {
        let opening = async {
            let (stream, url) = connect(host).await?;
            let settings = LdapConnSettings::new().set_std_stream(stream);
            let (driver, ldap) =
                LdapConnAsync::with_settings(settings, url).await.map_err(io::Error::from)?;
            let driver = tokio::spawn(async move {
                if let Err(error) = driver.drive().await {
                    tracing::debug!("an LDAP connection ended: {error}");
                }
            });
            Ok(Self { ldap, driver, closed: AtomicBool::new(false) })
        };
        match timeout(limit, opening).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(Failure::Host(format!("cannot connect: {}", plain(&error)))),
            Err(_) => Err(silent("connect", limit)),
        }
    }

    /// Binds as the account that searches.
    pub(super) async fn bind_account(
        &mut self,
        account: &Account,
        limit: Duration,
    ) -> Result<(), Failure> {
        let (dn, password) = match account {
            // Even anonymous: only an answered operation proves that somebody is there.
            Account::Anonymous => ("", ""),
            Account::Simple { dn, password, .. } => (dn.as_str(), password.as_str().unwrap_or("")),
        };
        let result = self.bind(dn, password, limit).await?;
        match result.rc {
            0 => Ok(()),
            51 | 52 => Err(Failure::Host(format!("cannot bind now: {}", describe(&result)))),
            _ => {
                let who = if dn.is_empty() { "anonymous" } else { dn };
                Err(Failure::Account(format!(
                    "refuses the account {who}: {}; check account and password of the realm",
                    describe(&result)
                )))
            }
        }
    }

    /// One bind. After any failure the connection's state is unknown and it must not be used
    /// again: a bind that timed out may still take effect.
    pub(super) async fn bind(
        &mut self,
        dn: &str,
        password: &str,
        limit: Duration,
    ) -> Result<LdapResult, Failure> {
        let policy = policy::request();
        let bind = self.ldap.with_controls(policy).simple_bind(dn, password);
        match timeout(limit, bind).await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(error)) => Err(lost("bind", error)),
            Err(_) => Err(silent("bind", limit)),
        }
    }

    /// At most one entry more than the search wants.
    pub(super) async fn search(
        &self,
        search: &Search,
        limit: Duration,
    ) -> Result<Vec<SearchEntry>, Failure> {
        match timeout(limit, self.stream(search)).await {
            Ok(Ok((entries, result))) => judge(entries, &result, search),
            Ok(Err(error)) => Err(lost("search", error)),
            Err(_) => Err(silent("search", limit)),
        }
    }

    /// Whether the server answers at all, whatever it says: it reads the rootDSE (RFC 4512 5.1).
    pub(super) async fn probe(&self, limit: Duration) -> Result<(), Failure> {
        let root = Search::of_entry("", filter::ANY, []);
        match self.search(&root, limit).await {
            Ok(_) | Err(Failure::Answer(_)) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Ends it, whoever still uses it.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.driver.abort();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire) || self.driver.is_finished()
    }

    /// The streaming search, finished: ldap3's plain one leaks its message id.
    async fn stream(&self, search: &Search) -> Result<(Vec<SearchEntry>, LdapResult), LdapError> {
        let scope = match search.scope {
            Scope::Base => ldap3::Scope::Base,
            Scope::OneLevel => ldap3::Scope::OneLevel,
            Scope::Subtree => ldap3::Scope::Subtree,
        };
        let limit = i32::try_from(search.most).unwrap_or(i32::MAX);
        let options = SearchOptions::new().deref(DerefAliases::Never).sizelimit(limit);
        // Handles of one connection share it; their operations travel side by side.
        let mut ldap = self.ldap.clone();
        let mut stream = ldap
            .with_search_options(options)
            .streaming_search(&search.base, scope, &search.filter, &search.attributes)
            .await?;
        let mut entries = Vec::new();
        while let Some(entry) = stream.next().await? {
            if entry.is_ref() || entry.is_intermediate() {
                continue;
            }
            entries.push(SearchEntry::construct(entry));
            if entries.len() > search.most {
                break;
            }
        }
        Ok((entries, stream.finish().await))
    }
}

/// RFC 4511 4.1.9: which result codes are answers, and whose fault the others are.
fn judge(
    entries: Vec<SearchEntry>,
    result: &LdapResult,
    search: &Search,
) -> Result<Vec<SearchEntry>, Failure> {
    match result.rc {
        0 => Ok(entries),
        // sizeLimitExceeded, as asked for. With fewer entries the server has a limit of its own,
        // and what is missing would only look as if it were not there.
        _ if entries.len() >= search.most => Ok(entries),
        // busy, unavailable, other: this host's trouble.
        1 | 51 | 52 | 80 => Err(Failure::Host(format!("search: {}", describe(result)))),
        // noSuchObject, invalidDNSyntax.
        32 | 34 if search.may_be_absent => Ok(Vec::new()),
        32 => Err(Failure::Answer(format!(
            "the base DN {:?} does not exist, or the account may not see it: {}",
            search.base,
            describe(result)
        ))),
        _ => Err(Failure::Answer(format!("search with {}: {}", search.filter, describe(result)))),
    }
}

/// Owned by us: without TCP_NODELAY the first operation waits for a delayed acknowledgement.
async fn connect(host: &Host) -> io::Result<(StdStream, &'static str)> {
    match host {
        Host::Tcp(name, port) => {
            let stream = TcpStream::connect((name.as_str(), *port)).await?;
            stream.set_nodelay(true)?;
            let socket = SockRef::from(&stream);
            socket.set_tcp_keepalive(
                &TcpKeepalive::new().with_time(KEEPALIVE).with_interval(USER_TIMEOUT),
            )?;
            socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
            // ldap3 takes the scheme from the URL and nothing else, given a stream.
            Ok((StdStream::Tcp(stream.into_std()?), "ldap://localhost"))
        }
        Host::Unix(path) => {
            let stream = UnixStream::connect(path).await?;
            Ok((StdStream::Unix(stream.into_std()?), "ldapi://localhost"))
        }
    }
}

/// The error never quotes the operation, which may hold a password.
fn lost(operation: &str, error: LdapError) -> Failure {
    let what = match error {
        LdapError::Io { source } => plain(&source),
        LdapError::OpSend { .. } | LdapError::ResultRecv { .. } | LdapError::EndOfStream => {
            "the connection was closed".to_owned()
        }
        LdapError::FilterParsing => return Failure::Answer("the filter cannot be read".to_owned()),
        _ => "the connection cannot be used any more".to_owned(),
    };
    Failure::Lost(format!("{operation}: {what}"))
}

fn silent(operation: &str, limit: Duration) -> Failure {
    let text = format!("{operation}: no answer in {} ms", limit.as_millis());
    if limit < PATIENCE { Failure::Deadline(text) } else { Failure::Slow(text) }
}

fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset".to_owned(),
        io::ErrorKind::NotFound => "no such socket".to_owned(),
        _ => error.to_string(),
    }
}
