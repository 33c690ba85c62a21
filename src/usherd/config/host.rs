//! Servers, as they can be written: `name`, `name:port`, `[::1]:port`, LDAP URLs and `srv:domain`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use super::problem::Fault;
use super::raw::Security;
use super::settings::Host;

/// A server as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) address: Address,
    /// What its URL says of the security of connections; none where it has no scheme.
    pub(super) security: Option<Security>,
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// A name or an address, and the port where one is written.
    Tcp(String, Option<u16>),
    /// A Unix socket.
    Unix(PathBuf),
    /// Wherever the DNS says that this domain is served.
    Srv(String),
}

impl Server {
    /// Reads one.
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        if let Some(domain) = text.strip_prefix("srv:") {
            return Ok(Self { address: srv(domain)?, security: None });
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(Self { address: tcp(text)?, security: None });
        };
        let (address, security) = match scheme.to_ascii_lowercase().as_str() {
            "ldap" => (tcp(authority(rest)?)?, Security::Plain),
            "ldaps" => (tcp(authority(rest)?)?, Security::Ldaps),
            "ldapi" => (unix(rest)?, Security::Plain),
            _ => {
                return Err(Fault::new(format!("has a URL of an unknown scheme: {scheme:?}"))
                    .hint("ldap, ldaps and ldapi are known"));
            }
        };
        Ok(Self { address, security: Some(security) })
    }
}

impl Address {
    /// The host, on this port where none is written.
    pub(super) fn on(self, port: u16) -> Host {
        match self {
            Self::Tcp(name, own) => Host::Tcp(name, own.unwrap_or(port)),
            Self::Unix(path) => Host::Unix(path),
            Self::Srv(domain) => Host::Srv(domain),
        }
    }

    /// The name, if what is sent there leaves this machine.
    pub(super) fn remote(&self) -> Option<&str> {
        let name = match self {
            Self::Tcp(name, _) | Self::Srv(name) => name,
            Self::Unix(_) => return None,
        };
        let is_loopback = name.eq_ignore_ascii_case("localhost")
            || name.parse().is_ok_and(|v4: Ipv4Addr| v4.is_loopback())
            || name.parse().is_ok_and(|v6: Ipv6Addr| v6.is_loopback());
        (!is_loopback).then_some(name.as_str())
    }
}

/// The part of a URL that names the server.
fn authority(rest: &str) -> Result<&str, Fault> {
    match rest.split_once('/') {
        None => Ok(rest),
        Some((authority, "")) => Ok(authority),
        Some(_) => Err(Fault::new("has a URL with more than a server")
            .hint("base_dn, filter and search_scope have keys of their own")),
    }
}

/// A name or an address, and perhaps a port.
pub(super) fn tcp(text: &str) -> Result<Address, Fault> {
    if text.parse::<Ipv6Addr>().is_ok() {
        return Ok(Address::Tcp(text.to_owned(), None));
    }
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(self::port(port)?)),
        _ => (text, None),
    };
    let bracketed = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let (name, fits) = match bracketed {
        Some(address) => (address, address.parse::<Ipv6Addr>().is_ok()),
        None => (name, is_name(name)),
    };
    if fits {
        Ok(Address::Tcp(name.to_owned(), port))
    } else {
        Err(Fault::new(format!("is not the name of a server: {name:?}"))
            .hint("name, name:port, [::1]:port, ldap://name:port or ldapi://%2Fpath"))
    }
}

/// The domain after `srv:`; a dot at its end says no more than is meant anyway.
fn srv(domain: &str) -> Result<Address, Fault> {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    if is_name(domain) && domain.parse::<Ipv4Addr>().is_err() {
        return Ok(Address::Srv(domain.to_ascii_lowercase()));
    }
    Err(Fault::new(format!("is not the name of a domain: {domain:?}"))
        .hint("for instance srv:example.com; the records tell hosts and ports"))
}

/// A server of the DNS: an address, and a port where it is not the usual one.
pub(super) fn name_server(text: &str) -> Result<SocketAddr, Fault> {
    const DNS_PORT: u16 = 53;
    let address = text.parse::<IpAddr>().map(|address| SocketAddr::new(address, DNS_PORT));
    address
        .or_else(|_| text.parse::<SocketAddr>())
        .ok()
        .filter(|address| address.port() != 0)
        .ok_or_else(|| {
            Fault::new(format!("is not the address of a server of the DNS: {text:?}"))
                .hint("192.0.2.53, 192.0.2.53:5353, 2001:db8::53 or [2001:db8::53]:5353")
        })
}

fn port(text: &str) -> Result<u16, Fault> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse()
        .ok()
        .filter(|port| digits && *port != 0)
        .ok_or_else(|| Fault::new(format!("has a port that is none: {text:?}")))
}

/// A name as the resolver takes it, or an IPv4 address.
fn is_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.strip_suffix('.').unwrap_or(name).split('.').all(label)
}

/// The path of a socket, with its slashes as `%2F`.
fn unix(text: &str) -> Result<Address, Fault> {
    let text = text.strip_suffix('/').unwrap_or(text);
    let path = percent_decoded(text).filter(|path| path.starts_with('/') && !path.contains('\0'));
    match path {
        Some(path) if !text.contains('/') => Ok(Address::Unix(PathBuf::from(path))),
        _ => Err(Fault::new("has an ldapi URL without the path of a socket")
            .hint("write its slashes as %2F: ldapi://%2Frun%2Fslapd%2Fldapi")),
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'))?);
        bytes.extend(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;

    fn tcp(name: &str, port: Option<u16>, security: Option<Security>) -> Result<Server, Fault> {
        Ok(Server { address: Address::Tcp(name.to_owned(), port), security })
    }

    #[test]
    fn servers_are_written_as_names_addresses_and_urls() {
        for (text, server) in [
            ("ldap1", tcp("ldap1", None, None)),
            ("ldap1.example.com.", tcp("ldap1.example.com.", None, None)),
            ("ldap1:1389", tcp("ldap1", Some(1389), None)),
            ("192.0.2.1:389", tcp("192.0.2.1", Some(389), None)),
            ("::1", tcp("::1", None, None)),
            ("[::1]", tcp("::1", None, None)),
            ("[::1]:389", tcp("::1", Some(389), None)),
            ("ldap://ldap1", tcp("ldap1", None, Some(Security::Plain))),
            ("LDAP://ldap1:1389/", tcp("ldap1", Some(1389), Some(Security::Plain))),
            ("ldaps://[2001:db8::1]:636", tcp("2001:db8::1", Some(636), Some(Security::Ldaps))),
        ] {
            assert_eq!(Server::parse(text), server, "{text}");
        }
    }

    #[test]
    fn a_socket_is_a_path_with_its_slashes_escaped() {
        for text in ["ldapi://%2Frun%2fldapi", "ldapi://%2Frun%2Fldapi/"] {
            let server = Server::parse(text).unwrap();
            assert_eq!(server.address, Address::Unix(PathBuf::from("/run/ldapi")));
            assert_eq!(server.security, Some(Security::Plain));
        }
        for text in [
            "ldapi://",
            "ldapi:///run/ldapi",
            "ldapi://run",
            "ldapi://%2",
            "ldapi://%2F%zz",
            "ldapi://%2F%+1",
        ] {
            assert!(Server::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_server_is_refused() {
        for text in [
            "",
            "a b",
            "-a",
            "a..b",
            "ldap1:",
            "ldap1:0",
            "ldap1:70000",
            "ldap1:+1",
            "[::1",
            "[ldap1]",
            "a:b:1",
            "ldap://ldap1/dc=com",
            "ldap://",
            "http://ldap1",
            "user@ldap1",
        ] {
            assert!(Server::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_domain_stands_for_the_servers_that_its_records_name() {
        for (text, domain) in [
            ("srv:example.com", "example.com"),
            ("srv:Corp.Example.COM.", "corp.example.com"),
            ("srv:berlin._sites.example.com", "berlin._sites.example.com"),
        ] {
            let server = Server { address: Address::Srv(domain.to_owned()), security: None };
            assert_eq!(Server::parse(text), Ok(server), "{text}");
        }
        for text in ["srv:", "srv:a b", "srv:example.com:389", "srv://example.com", "srv:192.0.2.1"]
        {
            assert!(Server::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_name_server_is_an_address_and_has_a_port() {
        for (text, address) in [
            ("192.0.2.53", "192.0.2.53:53"),
            ("192.0.2.53:5353", "192.0.2.53:5353"),
            ("2001:db8::53", "[2001:db8::53]:53"),
            ("[2001:db8::53]:5353", "[2001:db8::53]:5353"),
        ] {
            assert_eq!(name_server(text), Ok(address.parse().unwrap()), "{text}");
        }
        for text in ["", "dns1.example.com", "192.0.2.53:", "192.0.2.53:0", "192.0.2.53 "] {
            assert!(name_server(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_port_of_its_own_wins() {
        let on = |text: &str| Server::parse(text).unwrap().address.on(389);
        assert_eq!(on("ldap1"), Host::Tcp("ldap1".to_owned(), 389));
        assert_eq!(on("ldap1:1389"), Host::Tcp("ldap1".to_owned(), 1389));
    }

    #[test]
    fn loopback_and_sockets_are_local() {
        for text in ["localhost", "127.0.0.2", "[::1]:389", "ldapi://%2Frun"] {
            assert_eq!(Server::parse(text).unwrap().address.remote(), None, "{text}");
        }
        for text in ["ldap1", "10.0.0.1", "localhost.example.com"] {
            assert_eq!(Server::parse(text).unwrap().address.remote(), Some(text));
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), scheme in "(ldapi?s?://|srv:)?") {
            let _ = Server::parse(&format!("{scheme}{text}"));
        }
    }
}
