//! One connection: opened, bound, asked, each within its time.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ldap3::{
    DerefAliases, Ldap, LdapConnAsync, LdapConnSettings, LdapError, LdapResult, SearchEntry,
    SearchOptions, StdStream, parse_refs,
};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::endpoint::Endpoint;
use super::guard::{Guard, Request};
use super::host::describe;
use super::{Failure, filter, policy, referral};
use crate::config::{Account, Scope};
use crate::directory::net::plain;
use crate::telemetry::harmless;

/// A host that is silent for this long is suspect, even where a request had less time than an
/// operation may take.
const PATIENCE: Duration = Duration::from_millis(500);

/// References beyond these are passed over.
const MOST_REFERENCES: usize = 32;

/// LDAP_SERVER_FAST_BIND_OID (MS-ADTS 3.1.1.3.4.2.4).
const FAST_BIND: &str = "1.2.840.113556.1.4.1781";

/// What is asked of a server.
#[derive(Debug, Clone)]
pub(super) struct Search {
    /// A DN, or the URL of an entry on a host of its own.
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

/// As ldapsearch(1) would be asked.
impl fmt::Display for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scope = match self.scope {
            Scope::Base => "base",
            Scope::OneLevel => "onelevel",
            Scope::Subtree => "subtree",
        };
        write!(f, "base {:?}, scope {scope}, filter {}", self.base, self.filter)
    }
}

/// What a server knows, and who else may know more.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) entries: Vec<SearchEntry>,
    /// URLs of where the search may go on.
    pub(super) references: Vec<String>,
    /// What the server said where it knows nothing but these.
    pub(super) referral: Option<String>,
}

/// A connection: ldap3, the task that drives it, and the guard between it and the server. ldap3
/// searches; binds and what goes with them are asked of the guard.
pub(super) struct Connection {
    ldap: Ldap,
    driver: JoinHandle<()>,
    guard: Guard,
    /// Set before the driver has ended, so that nobody takes the connection meanwhile.
    closed: AtomicBool,
}

impl Drop for Connection {
    /// The driver does not end by itself where a write hangs. The guard ends with this too.
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    /// Connects, in at most `limit`.
    pub(super) async fn open(endpoint: &Endpoint, limit: Duration) -> Result<Self, Failure> {
        let opening = async {
            let (guard, stream) = endpoint.connect().await?;
            let settings = LdapConnSettings::new().set_std_stream(StdStream::Unix(stream));
            // ldap3 takes the scheme from the URL and nothing else, given a stream.
            let (driver, ldap) = LdapConnAsync::with_settings(settings, "ldapi://localhost")
                .await
                .map_err(|error| Failure::Host(format!("cannot connect: {}", cause(&error))))?;
            let driver = tokio::spawn(async move {
                // Why it ended is what the guard tells.
                let _ = driver.drive().await;
            });
            Ok(Self { ldap, driver, guard, closed: AtomicBool::new(false) })
        };
        timeout(limit, opening).await.unwrap_or_else(|_| Err(silent("connect", limit)))
    }

    /// Binds as the account that searches.
    pub(super) async fn bind_account(
        &mut self,
        account: &Account,
        limit: Duration,
    ) -> Result<(), Failure> {
        let (who, result) = match account {
            // Even anonymous: only an answered operation proves that somebody is there.
            Account::Anonymous => ("anonymous", self.bind("", "", limit).await?),
            Account::Simple { dn, password, .. } => {
                let password = password.as_str().unwrap_or("");
                (dn.as_str(), self.bind(dn, password, limit).await?)
            }
            Account::External => {
                let bind = self.ask("bind", Request::ExternalBind, limit).await?;
                ("of SASL EXTERNAL", bind)
            }
        };
        accepted(who, &result)
    }

    /// Has a domain controller check passwords and nothing else on this connection (MS-ADTS
    /// 5.1.1.3), unless it does not want to. It is nobody's connection then, whoever binds.
    pub(super) async fn bind_fast(&mut self, limit: Duration) -> Result<(), Failure> {
        let result = self.ask("fast bind", Request::Extended(FAST_BIND), limit).await?;
        if result.rc != 0 {
            tracing::debug!("a connection for binds is a usual one: {}", describe(&result));
        }
        Ok(())
    }

    /// Whether the server has such connections, as its rootDSE says (RFC 4512 5.1).
    pub(super) async fn offers_fast_binds(&self, limit: Duration) -> Result<bool, Failure> {
        const OFFERED: &str = "supportedExtension";
        let root = self.search(&Search::of_entry("", filter::ANY, [OFFERED]), limit).await?;
        let mut values = root.iter().flat_map(|root| &root.attrs);
        Ok(values.any(|(name, values)| {
            name.eq_ignore_ascii_case(OFFERED) && values.iter().any(|value| value == FAST_BIND)
        }))
    }

    /// One bind. After any failure the connection's state is unknown and it must not be used
    /// again: a bind that timed out may still take effect.
    pub(super) async fn bind(
        &mut self,
        dn: &str,
        password: &str,
        limit: Duration,
    ) -> Result<LdapResult, Failure> {
        let bind = Request::SimpleBind { dn, password, control: policy::CONTROL };
        self.ask("bind", bind, limit).await
    }

    async fn ask(
        &mut self,
        operation: &str,
        request: Request<'_>,
        limit: Duration,
    ) -> Result<LdapResult, Failure> {
        match timeout(limit, self.guard.ask(request)).await {
            Ok(Some(result)) => Ok(result),
            Ok(None) => Err(self.lost(operation, UNUSABLE)),
            Err(_) => Err(silent(operation, limit)),
        }
    }

    /// What is found here. That it is elsewhere is an error.
    pub(super) async fn search(
        &self,
        search: &Search,
        limit: Duration,
    ) -> Result<Vec<SearchEntry>, Failure> {
        let answer = self.answer(search, limit).await?;
        match answer.referral {
            Some(text) => Err(Failure::Answer(text)),
            None => Ok(answer.entries),
        }
    }

    /// At most one entry more than the search wants.
    pub(super) async fn answer(&self, search: &Search, limit: Duration) -> Result<Answer, Failure> {
        let mut id = None;
        match timeout(limit, self.stream(search, &mut id)).await {
            Ok(Ok((answer, result))) => judge(answer, &result, search),
            Ok(Err(error)) => match self.guard.ending() {
                // It would be no less from another host, and this one is as well as before.
                Some(end) if end.too_much_for.is_some() && end.too_much_for == id => {
                    Err(Failure::Answer(format!("search: {}", end.why)))
                }
                Some(end) if end.too_much_for.is_some() => {
                    Err(Failure::Beside(format!("search: lost beside another; {}", end.why)))
                }
                _ if matches!(error, LdapError::FilterParsing) => {
                    let text = "search: the filter cannot be read; check the filters of the realm, \
                                of its groups and of its rules (usherctl explain shows what is sent)";
                    Err(Failure::Answer(text.to_owned()))
                }
                _ => Err(self.lost("search", &cause(&error))),
            },
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
        self.guard.dismiss();
        self.driver.abort();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
            || self.guard.ending().is_some()
            || self.driver.is_finished()
    }

    /// What the guard saw is told rather than what else is known.
    fn lost(&self, operation: &str, otherwise: &str) -> Failure {
        let why = self.guard.ending().map_or(otherwise, |end| end.why.as_str());
        Failure::Lost(format!("{operation}: {why}"))
    }

    /// The streaming search, finished: ldap3's plain one leaks its message id. That of the search
    /// is told as soon as it is sent.
    async fn stream(
        &self,
        search: &Search,
        id: &mut Option<u32>,
    ) -> Result<(Answer, LdapResult), LdapError> {
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
            .streaming_search(
                &referral::dn_of(&search.base),
                scope,
                &search.filter,
                &search.attributes,
            )
            .await?;
        *id = stream.ldap_handle().last_id().try_into().ok();
        let mut answer = Answer::default();
        while let Some(entry) = stream.next().await? {
            if entry.is_ref() {
                if answer.references.len() < MOST_REFERENCES {
                    answer.references.extend(parse_refs(entry.0));
                }
            } else if !entry.is_intermediate() {
                answer.entries.push(SearchEntry::construct(entry));
            }
            if answer.entries.len() > search.most {
                break;
            }
        }
        Ok((answer, stream.finish().await))
    }
}

/// RFC 4511 4.1.9: which result codes are answers, and whose fault the others are.
fn judge(mut answer: Answer, result: &LdapResult, search: &Search) -> Result<Answer, Failure> {
    match result.rc {
        0 => Ok(answer),
        // Enough is known, and the rest was not waited for.
        _ if answer.entries.len() > search.most => Ok(answer),
        // sizeLimitExceeded, as asked for. With fewer entries the server has a limit of its own,
        // and what is missing would only look as if it were not there.
        4 if answer.entries.len() == search.most => Ok(answer),
        // referral.
        10 => {
            answer.references.extend(result.refs.iter().take(MOST_REFERENCES).cloned());
            answer.referral = Some(format!("search: {}", describe(result)));
            Ok(answer)
        }
        // busy, unavailable, other: this host's trouble.
        1 | 51 | 52 | 80 => Err(Failure::Host(format!("search: {}", describe(result)))),
        // noSuchObject, invalidDNSyntax.
        32 | 34 if search.may_be_absent => Ok(Answer::default()),
        32 => Err(Failure::Answer(format!(
            "the base DN {:?} does not exist, or the account may not see it: {}",
            harmless(&search.base),
            describe(result)
        ))),
        // Without the filter: what was typed for a name stands in it, which may be a password.
        _ => Err(Failure::Answer(format!("search: {}", describe(result)))),
    }
}

/// Whether the account may search from now on.
fn accepted(who: &str, result: &LdapResult) -> Result<(), Failure> {
    match result.rc {
        0 => Ok(()),
        // operationsError, busy, unavailable, other: nothing is said of the account.
        1 | 51 | 52 | 80 => Err(Failure::Host(format!("cannot bind now: {}", describe(result)))),
        _ => Err(Failure::Account(format!(
            "refuses the account {who}: {}; check account and password of the realm",
            describe(result)
        ))),
    }
}

pub(super) fn silent(operation: &str, limit: Duration) -> Failure {
    let text = format!(
        "{operation}: no answer in {} ms; the server hangs or is overloaded, or a firewall drops \
         what is sent",
        limit.as_millis()
    );
    if limit < PATIENCE { Failure::Deadline(text) } else { Failure::Slow(text) }
}

const UNUSABLE: &str = "the connection cannot be used any more";

/// In words of our own: those of the library may quote the operation, whose filter holds what was
/// typed for a name.
fn cause(error: &LdapError) -> String {
    match error {
        LdapError::Io { source } => plain(source),
        LdapError::EndOfStream => "the connection ended in the middle of an answer".to_owned(),
        LdapError::OpSend { .. } | LdapError::IdScrubSend { .. } => {
            "the connection had ended before it was sent".to_owned()
        }
        LdapError::ResultRecv { .. } => "the connection ended before the answer".to_owned(),
        _ => UNUSABLE.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use ldap3::{LdapResult, SearchEntry};

    use super::{Answer, Search, accepted, judge};
    use crate::directory::ldap::Failure;

    fn result(rc: u32) -> LdapResult {
        let (matched, text) = (String::new(), String::new());
        LdapResult { rc, matched, text, refs: Vec::new(), ctrls: Vec::new() }
    }

    #[test]
    fn an_account_is_refused_only_where_the_server_says_so_of_it() {
        assert_eq!(accepted("cn=reader", &result(0)), Ok(()));
        for rc in [1, 51, 52, 80] {
            let said = accepted("cn=reader", &result(rc));
            assert!(matches!(said, Err(Failure::Host(_))), "{rc}: {said:?}");
        }
        for rc in [7, 8, 13, 32, 34, 48, 49, 50, 53] {
            let said = accepted("cn=reader", &result(rc));
            assert!(matches!(said, Err(Failure::Account(_))), "{rc}: {said:?}");
        }
    }

    #[test]
    fn as_many_entries_as_were_asked_for_make_no_error_an_answer() {
        let search = Search { most: 2, ..Search::of_entry("", "(uid=Tr0ub4dor)", []) };
        let entry = || SearchEntry { dn: String::new(), attrs: [].into(), bin_attrs: [].into() };
        let found = |count| Answer { entries: vec![entry(); count], ..Answer::default() };
        let said = |count: usize, rc| judge(found(count), &result(rc), &search).map(|_| ());
        assert_eq!((said(2, 4), said(3, 88), said(1, 0)), (Ok(()), Ok(()), Ok(())));
        for (count, rc) in [(1, 4), (2, 1), (2, 3), (2, 11), (2, 50), (2, 51), (2, 80)] {
            let said = said(count, rc).expect_err("an error");
            assert!(!said.text().contains("Tr0ub4dor"), "{said:?}");
        }
    }
}
