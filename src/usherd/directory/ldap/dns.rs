//! The DNS: which servers a domain has (RFC 2782), and at which addresses they are.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::proto::rr::rdata::SRV;
use tokio::time::Instant;

use crate::config::{self, Security};

/// Servers of one domain beyond these are not taken: each has connections of its own.
const MOST: usize = 8;

/// The ports of LDAP and of the global catalogue, without TLS and inside of it.
const PORTS: [(u16, u16); 2] = [(389, 636), (3268, 3269)];

/// Whom to ask.
#[derive(Debug, Clone)]
pub(super) struct Dns(Vec<SocketAddr>);

/// As it stands in a message.
impl fmt::Display for Dns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers: Vec<_> = self.0.iter().map(SocketAddr::to_string).collect();
        match servers.as_slice() {
            [] => f.write_str("asked by /etc/resolv.conf"),
            servers => write!(f, "asked at {}", servers.join(", ")),
        }
    }
}

/// A server of a realm: where it is, and the domain whose DNS says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) host: config::Host,
    pub(super) domain: Option<String>,
}

impl Place {
    /// Where the configuration says.
    pub(super) fn written(host: &config::Host) -> Self {
        Self { host: host.clone(), domain: None }
    }

    /// Whom the certificate must name. A host outside of the domain may have been put there by
    /// anybody who can forge an answer of the DNS, with a certificate of its own (RFC 4513 3.1.3):
    /// it must name the domain.
    pub(super) fn named(&self) -> &str {
        let name = match &self.host {
            config::Host::Tcp(name, _) | config::Host::Srv(name) => name,
            config::Host::Unix(_) => "",
        };
        match self.domain.as_deref().map(organisation) {
            Some(domain) if !is_within(name, domain) => domain,
            _ => name,
        }
    }
}

/// The part of a domain behind the names of services and sites: `example.com` of
/// `berlin._sites.example.com`.
fn organisation(domain: &str) -> &str {
    let (mut own, mut rest) = (domain, domain);
    while let Some((label, behind)) = rest.split_once('.') {
        if label.starts_with('_') {
            own = behind;
        }
        rest = behind;
    }
    own
}

fn is_within(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|front| front.is_empty() || front.ends_with('.'))
}

/// The servers of a domain in the order in which to try them, and for how long they are known.
pub(super) struct Served {
    pub(super) places: Vec<Place>,
    pub(super) ttl: Duration,
}

impl Dns {
    /// The one of a realm; none where the system finds its hosts.
    pub(super) fn of(settings: &config::Ldap) -> Option<Self> {
        let by_records = settings.hosts.iter().any(|host| matches!(host, config::Host::Srv(_)));
        (by_records || !settings.dns.is_empty()).then(|| Self(settings.dns.clone()))
    }

    /// The servers that the DNS names for a domain; an error for people.
    pub(super) async fn served(&self, domain: &str, security: &Security) -> Result<Served, String> {
        let resolver = self.resolver().await?;
        let plain = format!("_ldap._tcp.{domain}.");
        if !matches!(security, Security::Ldaps(_)) {
            return self
                .asked(&resolver, &plain, domain)
                .await
                .map_err(|error| self.words(&plain, &error));
        }
        // Few domains have records of their own for ldaps; the others tell the hosts all the same.
        let own = format!("_ldaps._tcp.{domain}.");
        match self.asked(&resolver, &own, domain).await {
            Err(error) if error.is_no_records_found() => {}
            asked => return asked.map_err(|error| self.words(&own, &error)),
        }
        let asked = self.asked(&resolver, &plain, domain).await;
        let mut served = asked.map_err(|error| self.words(&plain, &error))?;
        served.places.iter_mut().for_each(|place| inside_tls(&mut place.host));
        Ok(served)
    }

    async fn asked(
        &self,
        resolver: &TokioResolver,
        name: &str,
        domain: &str,
    ) -> Result<Served, NetError> {
        let lookup = resolver.srv_lookup(name).await?;
        let records = lookup.answers().iter().filter_map(|record| match &record.data {
            RData::SRV(record) => Some(record.clone()),
            _ => None,
        });
        let ttl = lookup.valid_until().saturating_duration_since(Instant::now().into_std());
        let place = |record: SRV| {
            let target = record.target.to_ascii();
            let name = target.strip_suffix('.').unwrap_or(&target).to_ascii_lowercase();
            // A dot alone: the domain has no such service.
            (!name.is_empty()).then(|| Place {
                host: config::Host::Tcp(name, record.port),
                domain: Some(domain.to_owned()),
            })
        };
        let ordered = ordered(records.collect(), chance);
        Ok(Served { places: ordered.into_iter().filter_map(place).take(MOST).collect(), ttl })
    }

    /// Where a host is; an error for people.
    pub(super) async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, String> {
        let found = self.resolver().await?.lookup_ip(name).await;
        Ok(found.map_err(|error| self.words(name, &error))?.iter().collect())
    }

    /// That nobody answers.
    pub(super) fn silent(&self) -> String {
        format!("the DNS does not answer ({self}); check the name servers and the way to them")
    }

    fn words(&self, name: &str, error: &NetError) -> String {
        match error {
            error if error.is_nx_domain() => {
                format!("the DNS has no {name} ({self}); check the name, and whom dns asks")
            }
            error if error.is_no_records_found() => {
                format!("the DNS has nothing of that kind for {name} ({self})")
            }
            error => format!("the DNS does not tell {name} ({self}): {error}"),
        }
    }

    /// Made for each question, as the system's own does: its files may have changed. They are
    /// read where it holds nobody up.
    async fn resolver(&self) -> Result<TokioResolver, String> {
        let servers = self.0.clone();
        let made = tokio::task::spawn_blocking(move || make(&servers)).await;
        made.map_err(|error| format!("the DNS cannot be asked: {error}"))?
            .map_err(|error| format!("the DNS cannot be asked: {error}; see /etc/resolv.conf"))
    }
}

fn make(servers: &[SocketAddr]) -> Result<TokioResolver, NetError> {
    let mut builder = if servers.is_empty() {
        TokioResolver::builder_tokio()?
    } else {
        let servers = servers.iter().map(name_server).collect();
        let config = ResolverConfig::from_name_servers(servers);
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    builder.options_mut().cache_size = 0;
    builder.build()
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.into())
}

fn inside_tls(host: &mut config::Host) {
    if let config::Host::Tcp(_, port) = host
        && let Some((_, inside)) = PORTS.iter().find(|(plain, _)| plain == port)
    {
        *port = *inside;
    }
}

/// RFC 2782: by priority; among equals by chance, as their weights say.
fn ordered(mut records: Vec<SRV>, mut chance: impl FnMut(u32) -> u32) -> Vec<SRV> {
    // Those without weight stand first, so that they have a very small chance.
    records.sort_by_key(|record| (record.priority, record.weight));
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(priority) = records.first().map(|record| record.priority) {
        let equals = records.iter().take_while(|record| record.priority == priority);
        let sum: u32 = equals.map(|record| u32::from(record.weight)).sum();
        let (chosen, mut running) = (chance(sum), 0);
        let reached = |record: &SRV| {
            running += u32::from(record.weight);
            running >= chosen
        };
        let place = records.iter().position(reached).unwrap_or_default();
        ordered.push(records.remove(place));
    }
    ordered
}

/// From 0 to `most`.
fn chance(most: u32) -> u32 {
    getrandom::u32().unwrap_or_default() % most.saturating_add(1)
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::rr::Name;

    use super::*;

    fn records(written: &[(u16, u16, &str)]) -> Vec<SRV> {
        let record = |(priority, weight, name): &(u16, u16, &str)| {
            SRV::new(*priority, *weight, 389, Name::from_ascii(name).unwrap())
        };
        written.iter().map(record).collect()
    }

    fn names(records: &[SRV]) -> String {
        records.iter().map(|record| record.target.to_ascii()).collect()
    }

    #[test]
    fn priority_comes_before_weight() {
        let written = records(&[(20, 100, "c"), (10, 0, "a"), (10, 0, "b"), (30, 0, "d")]);
        assert_eq!(names(&ordered(written, |_| 0)), "abcd");
    }

    #[test]
    fn among_equals_chance_decides_by_weight() {
        let written = records(&[(1, 30, "c"), (1, 0, "a"), (1, 10, "b")]);
        for (chosen, first) in [(0, "a"), (1, "b"), (10, "b"), (11, "c"), (40, "c")] {
            let order = ordered(written.clone(), |most| chosen.min(most));
            assert!(names(&order).starts_with(first), "{chosen}: {}", names(&order));
            assert_eq!(order.len(), 3);
        }
    }

    #[test]
    fn over_many_turns_weights_tell() {
        let written = records(&[(1, 3, "a"), (1, 1, "b")]);
        let turns = (0..4000).filter(|_| names(&ordered(written.clone(), chance)).starts_with('a'));
        // The choice is among 0 to 4, of which a has 2 to 4; nine deviations are never seen.
        let share = turns.count();
        assert!((2100..=3300).contains(&share), "{share}");
    }

    #[test]
    fn a_certificate_names_a_host_of_the_domain_or_the_domain() {
        for (domain, host, named) in [
            ("example.com", "ldap1.example.com", "ldap1.example.com"),
            ("example.com", "example.com", "example.com"),
            ("example.com", "ldap1.example.org", "example.com"),
            ("example.com", "ldap1.notexample.com", "example.com"),
            ("berlin._sites.example.com", "dc1.example.com", "dc1.example.com"),
            ("dc._msdcs.example.com", "evil.org", "example.com"),
            ("_x.example.com", "dc1.example.com", "dc1.example.com"),
        ] {
            let host = config::Host::Tcp(host.to_owned(), 389);
            let place = Place { host, domain: Some(domain.to_owned()) };
            assert_eq!(place.named(), named, "{domain}");
        }
        let written = config::Host::Tcp("ldap1.example.org".to_owned(), 389);
        assert_eq!(Place::written(&written).named(), "ldap1.example.org");
    }

    #[test]
    fn a_plain_port_has_one_inside_of_tls() {
        for (port, inside) in [(389, 636), (3268, 3269), (636, 636), (1389, 1389)] {
            let mut host = config::Host::Tcp("a".to_owned(), port);
            inside_tls(&mut host);
            assert_eq!(host, config::Host::Tcp("a".to_owned(), inside));
        }
    }
}
