//! Whose eyes see: what a search finds depends on who asks.

use std::collections::HashSet;

use ldap3::SearchEntry;
use tokio::time::Instant;
use usher_protocol::Reason;

use super::active_directory::{self, Part};
use super::connection::Search;
use super::filter;
use super::held::Held;
use super::pool::Pool;
use super::referral::{self, Elsewhere};
use crate::directory::Unavailable;
use crate::telemetry::harmless;

/// Values of one attribute; more are an error.
const MOST_VALUES: usize = 20_000;
/// How often a search is referred on.
const MOST_HOPS: usize = 5;

/// Who searches.
pub(super) enum Eyes<'a> {
    /// The account, on connections that all share.
    Account {
        pool: &'a Pool,
        /// Whether references to other hosts of the realm are followed.
        follow: bool,
    },
    /// A user, where the user's password was right.
    User(Box<Held>),
}

impl Eyes<'_> {
    /// The entries that a search finds, with their attributes whole.
    pub(super) async fn search(
        &self,
        search: Search,
        deadline: Instant,
    ) -> Result<Vec<SearchEntry>, Unavailable> {
        let mut found = self.look(search, deadline).await?;
        for entry in &mut found {
            for part in active_directory::parts(entry) {
                let (name, values) = self.rest(&entry.dn, part, deadline).await?;
                entry.attrs.insert(name, values);
            }
        }
        Ok(found)
    }

    async fn look(
        &self,
        search: Search,
        deadline: Instant,
    ) -> Result<Vec<SearchEntry>, Unavailable> {
        match self {
            Self::Account { pool, follow: true } => follow(pool, search, deadline).await,
            Self::Account { pool, follow: false } => {
                let answer = pool.search(search, deadline).await?;
                match answer.referral {
                    Some(said) => Err(Unavailable::new(Reason::NoHost, said).not_silent()),
                    None => Ok(answer.entries),
                }
            }
            Self::User(held) => held.search(&search, deadline).await,
        }
    }

    /// All values of an attribute of which a part was sent.
    async fn rest(
        &self,
        dn: &str,
        mut part: Part,
        deadline: Instant,
    ) -> Result<(String, Vec<String>), Unavailable> {
        while let Some(next) = part.next {
            let name = &part.name;
            let wanted = format!("{name};range={next}-*");
            let search = Search::of_entry(dn, filter::ANY, [&wanted]);
            let mut found = self.look(search, deadline).await?;
            let parts = found.first_mut().map(active_directory::parts).unwrap_or_default();
            let more = parts.into_iter().find(|more| more.name.eq_ignore_ascii_case(name));
            let more = more.filter(|more| !more.values.is_empty());
            let Some(more) = more.filter(|_| part.values.len() < MOST_VALUES) else {
                let text = format!(
                    "the directory sent {} values of {name} of {}, and not the rest; a server may \
                     do so whose account sees a part only, and {MOST_VALUES} is the most",
                    part.values.len(),
                    harmless(dn)
                );
                return Err(Unavailable::new(Reason::NoHost, text).not_silent());
            };
            part.values.extend(more.values);
            part.next = more.next;
        }
        Ok((part.name, part.values))
    }
}

/// The entries that a search finds, here and on the hosts of the realm to which it is referred.
async fn follow(
    pool: &Pool,
    search: Search,
    deadline: Instant,
) -> Result<Vec<SearchEntry>, Unavailable> {
    let (most, mut entries) = (search.most, Vec::new());
    let (mut asked, mut found) = (HashSet::new(), HashSet::new());
    let mut next = vec![(search, 0)];
    while let Some((search, hops)) = next.pop() {
        let mut answer = pool.search(search.clone(), deadline).await?;
        if let Some(server) = Elsewhere::parse(&search.base) {
            answer.entries.iter_mut().for_each(|entry| entry.dn = server.entry(&entry.dn));
        }
        for entry in answer.entries {
            // Servers that refer to each other find the same twice.
            let dn = referral::dn_of(&entry.dn).to_lowercase();
            if found.insert(dn) {
                entries.push(entry);
            }
        }
        let (before, is_reference) = (next.len(), answer.referral.is_none());
        let places = answer.references.iter().filter_map(|url| Elsewhere::parse(url));
        for place in places.filter(|place| pool.host_of(place).is_some()) {
            let continued = place.continued(&search, is_reference);
            if asked.insert(continued.base.to_lowercase()) {
                next.push((continued, hops + 1));
            }
        }
        // Whoever was asked already has answered; a referral to nobody else is no answer.
        let refused = answer.referral.filter(|_| next.len() == before);
        let too_far = || {
            let url = harmless(&search.base);
            format!("{url}: referred on more than {MOST_HOPS} times; name the last host instead")
        };
        let too_far = (hops >= MOST_HOPS && next.len() > before).then(too_far);
        if let Some(said) = refused.or(too_far) {
            return Err(Unavailable::new(Reason::NoHost, said).not_silent());
        }
        if entries.len() > most {
            break;
        }
    }
    Ok(entries)
}
