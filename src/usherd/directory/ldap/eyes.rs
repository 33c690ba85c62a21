//! Whose eyes see: what a search finds depends on who asks.

use ldap3::SearchEntry;
use tokio::time::Instant;
use usher_protocol::Reason;

use super::active_directory::{self, Part};
use super::connection::Search;
use super::filter;
use super::held::Held;
use super::pool::Pool;
use crate::directory::Unavailable;

/// Values of one attribute; more are an error.
const MOST_VALUES: usize = 20_000;

/// Who searches.
pub(super) enum Eyes<'a> {
    /// The account, on connections that all share.
    Account(&'a Pool),
    /// A user, where the user's password was right.
    User(Held),
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
            Self::Account(pool) => pool.search(search, deadline).await,
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
                    "the directory sent {} values of {name} of {dn}, and not the rest",
                    part.values.len()
                );
                return Err(Unavailable::new(Reason::NoHost, text));
            };
            part.values.extend(more.values);
            part.next = more.next;
        }
        Ok((part.name, part.values))
    }
}
