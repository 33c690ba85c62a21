//! Where a server says that somebody else knows more (RFC 4511 4.1.10, 4.5.3), by LDAP URLs
//! (RFC 4516). An entry that was found there has such a URL for its DN, so that whoever asks for
//! it later asks there.

use std::fmt::Write;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::connection::Search;
use crate::config::Scope;

/// The ports that a URL means where it names none, or these; a realm's hosts may have others.
const USUAL: [u16; 2] = [389, 636];

/// A server, and what is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Elsewhere {
    pub(super) name: String,
    /// None: whichever this realm uses.
    pub(super) port: Option<u16>,
    pub(super) dn: String,
    scope: Option<Scope>,
}

impl Elsewhere {
    /// Reads a URL; none where it is none of a server that could be meant.
    pub(super) fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        if !["ldap", "ldaps"].iter().any(|known| known.eq_ignore_ascii_case(scheme)) {
            return None;
        }
        let (server, rest) = rest.split_once('/').unwrap_or((rest, ""));
        let mut parts = rest.split('?');
        let dn = percent_decode_str(parts.next()?).decode_utf8().ok()?.into_owned();
        let scope = match parts.nth(1) {
            None | Some("") => None,
            Some("base") => Some(Scope::Base),
            Some("one") => Some(Scope::OneLevel),
            Some("sub") => Some(Scope::Subtree),
            Some(_) => return None,
        };
        let (name, port) = match server.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => (name, Some(port.parse().ok()?)),
            _ => (server, None),
        };
        let name = name.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        (!name.is_empty()).then_some(Self { name, port, dn, scope })
    }

    /// Whether a host of the realm is meant.
    pub(super) fn is(&self, name: &str, port: u16) -> bool {
        name.eq_ignore_ascii_case(&self.name) && self.port.is_none_or(|own| own == port)
    }

    /// The same server on whichever port.
    pub(super) fn on_any_port(&self) -> Option<Self> {
        let usual = self.port.is_none_or(|port| USUAL.contains(&port));
        usual.then(|| Self { port: None, ..self.clone() })
    }

    /// The URL of an entry on this server.
    pub(super) fn entry(&self, dn: &str) -> String {
        let mut url = match self.name.contains(':') {
            true => format!("ldap://[{}]", self.name),
            false => format!("ldap://{}", self.name),
        };
        // Writing to a String cannot fail.
        let _ = self.port.map(|port| write!(url, ":{port}"));
        let _ = write!(url, "/{}", utf8_percent_encode(dn, NON_ALPHANUMERIC));
        url
    }

    /// How a search goes on there. Without a DN in the URL it is that of the search, and a search
    /// of one level goes on with the entry that the URL names (RFC 4511 4.5.3).
    pub(super) fn continued(&self, search: &Search, is_reference: bool) -> Search {
        let scope = self.scope.unwrap_or(match search.scope {
            Scope::OneLevel if is_reference => Scope::Base,
            scope => scope,
        });
        let dn = if self.dn.is_empty() { dn_of(&search.base) } else { self.dn.clone() };
        Search { base: self.entry(&dn), scope, ..search.clone() }
    }
}

/// The DN of an entry, wherever it is.
pub(super) fn dn_of(id: &str) -> String {
    Elsewhere::parse(id).map_or_else(|| id.to_owned(), |elsewhere| elsewhere.dn)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{Elsewhere, dn_of};
    use crate::config::Scope;

    #[test]
    fn urls_tell_server_and_entry() {
        let read = Elsewhere::parse("ldap://B.example.com:1389/ou=a%20b,dc=c??sub?(x=y)").unwrap();
        assert_eq!((read.name.as_str(), read.port), ("b.example.com", Some(1389)));
        assert_eq!((read.dn.as_str(), read.scope), ("ou=a b,dc=c", Some(Scope::Subtree)));
        let read = Elsewhere::parse("ldaps://[2001:db8::1]").unwrap();
        assert_eq!((read.name.as_str(), read.port, read.dn.as_str()), ("2001:db8::1", None, ""));
        assert!(read.is("2001:DB8::1", 636));
        for other in [
            "",
            "ldap://",
            "ldap:///dc=a",
            "http://a/dc=b",
            "ldap://a:x/",
            "ldap://a/dc=%ff",
            "ldap://a/dc=b??deep",
            "uid=a,ou=b",
        ] {
            assert_eq!(Elsewhere::parse(other), None, "{other}");
        }
    }

    #[test]
    fn an_entry_elsewhere_is_named_by_a_url_that_can_be_read_again() {
        let server = Elsewhere::parse("ldap://b:389/").unwrap();
        for dn in ["uid=a,dc=b", "cn=50% ä?/#,dc=b", "cn=a\\,b", "cn=://"] {
            let read = Elsewhere::parse(&server.entry(dn)).unwrap();
            assert_eq!((read.name.as_str(), read.port, read.dn.as_str()), ("b", Some(389), dn));
            assert_eq!(dn_of(&server.entry(dn)), dn);
            assert_eq!(dn_of(dn), dn);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), scheme in "(ldaps?://)?") {
            let _ = Elsewhere::parse(&format!("{scheme}{text}"));
        }
    }
}
