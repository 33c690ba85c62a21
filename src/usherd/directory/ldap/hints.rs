//! What may be amiss where a user or an attribute was not found: a look where the road did not
//! look, for an administrator who asks why.

use ldap3::SearchEntry;
use tokio::time::Instant;

use super::connection::Search;
use super::pool::Pool;
use super::{entry, filter};
use crate::config::{self, Scope, Users};
use crate::directory::{Lacking, Unavailable};

/// By which attributes people log in elsewhere.
const USUAL_LOGINS: [&str; 5] = ["uid", "sAMAccountName", "userPrincipalName", "mail", "cn"];
/// Names that are told of an entry.
const MOST_NAMES: usize = 30;

/// What may be amiss, one line each. Nothing where the directory does not answer.
pub(super) async fn of(
    settings: &config::Ldap,
    pool: &Pool,
    user: &str,
    lacking: Lacking<'_>,
    deadline: Instant,
) -> Vec<String> {
    let look = Look { settings, pool, user, deadline };
    let hint = match (lacking, &settings.users) {
        (Lacking::Attributes(dn, names), _) => look.attributes(dn, names).await,
        (Lacking::User, Users::Below { base_dn, scope } | Users::Named { base_dn, scope, .. }) => {
            look.nobody(base_dn, *scope).await
        }
        (Lacking::User, Users::At(_)) => Ok(None),
    };
    hint.ok().flatten().into_iter().collect()
}

/// What may be amiss, if that shows; an error where the directory does not answer.
type Hint = Result<Option<String>, Unavailable>;

struct Look<'a> {
    settings: &'a config::Ldap,
    pool: &'a Pool,
    user: &'a str,
    deadline: Instant,
}

impl Look<'_> {
    /// Why nobody is found: the first of these that turns out so.
    async fn nobody(&self, base: &str, scope: Scope) -> Hint {
        if self.one(Search::of_entry(base, filter::ANY, [])).await?.is_none() {
            return self.no_base(base).await.map(Some);
        }
        let logins = &self.settings.login_attributes;
        let by_login = filter::of_user(None, logins, self.user);
        if let Some(found) = self.one(search(base, scope, by_login.clone())).await? {
            let filter = self.settings.filter.as_ref().map_or("", config::Filter::as_str);
            return Ok(Some(format!("{} is left out by the filter {filter}", found.dn)));
        }
        if let Some(found) = self.one(search(base, Scope::Subtree, by_login.clone())).await? {
            let dn = found.dn;
            return Ok(Some(format!("{dn} is not within search_scope; \"subtree\" finds it")));
        }
        let usual = USUAL_LOGINS.map(str::to_owned);
        let by_any = filter::of_user(None, &usual, self.user);
        if let Some(found) = self.one(search(base, Scope::Subtree, by_any)).await? {
            return Ok(Some(self.other_login(found)));
        }
        for context in self.contexts().await? {
            let below = search(&context, Scope::Subtree, by_login.clone());
            if let Some(found) = self.one(below).await? {
                return Ok(Some(format!("{} is not below base_dn {base:?}", found.dn)));
            }
        }
        let anybody = filter::of_anybody(None, logins);
        if self.one(search(base, Scope::Subtree, anybody.clone())).await?.is_none() {
            return Ok(Some(format!(
                "nothing below {base:?} matches {anybody}; is login_attribute right, and may the \
                 account read it?"
            )));
        }
        Ok(Some(format!("there are users below {base:?}, and none of them is {by_login}")))
    }

    async fn no_base(&self, base: &str) -> Result<String, Unavailable> {
        let contexts = self.contexts().await?;
        let own = if contexts.is_empty() { "not told".to_owned() } else { contexts.join(" and ") };
        Ok(format!(
            "base_dn {base:?} does not exist there, or the account may not see it; what the \
             server has: {own}"
        ))
    }

    /// Which login attribute would have found the entry.
    fn other_login(&self, found: SearchEntry) -> String {
        let (dn, attributes) = (found.dn.clone(), entry::attributes(found));
        let is_it = |value: &String| value.to_lowercase() == self.user.to_lowercase();
        let by = USUAL_LOGINS.into_iter().find(|name| attributes.values(name).iter().any(is_it));
        let by = by.unwrap_or("another attribute");
        format!(
            "{dn} has this name in {by}; login_attribute is {:?}",
            self.settings.login_attributes.join(", ")
        )
    }

    /// What the server holds (RFC 4512 section 5.1).
    async fn contexts(&self) -> Result<Vec<String>, Unavailable> {
        let root = self.one(Search::of_entry("", filter::ANY, ["namingContexts"])).await?;
        let attributes = root.map(entry::attributes).unwrap_or_default();
        Ok(attributes.values("namingContexts").to_vec())
    }

    /// What the entry has instead of these attributes.
    async fn attributes(&self, dn: &str, names: &[String]) -> Hint {
        let all = Search::of_entry(dn, filter::ANY, ["*"]);
        let Some(found) = self.one(all).await? else { return Ok(None) };
        let attributes = entry::attributes(found);
        let mut has: Vec<&str> = attributes.iter().map(|(name, _)| name).collect();
        has.sort_unstable_by_key(|name| name.to_lowercase());
        has.truncate(MOST_NAMES);
        let is_address = |values: &[String]| values.iter().any(|value| value.contains('@'));
        let address = attributes.iter().find(|(_, values)| is_address(values));
        let address = match address {
            Some((name, _)) if names.iter().any(|it| it.eq_ignore_ascii_case("mail")) => {
                format!("; {name} has an address")
            }
            _ => String::new(),
        };
        Ok(Some(format!(
            "the entry has no {} that the account may read; it has {}{address}",
            names.join(", no "),
            has.join(", ")
        )))
    }

    /// The first entry, if one is found.
    async fn one(&self, search: Search) -> Result<Option<SearchEntry>, Unavailable> {
        let answer = self.pool.search(search, self.deadline).await?;
        Ok(answer.entries.into_iter().next())
    }
}

fn search(base: &str, scope: Scope, filter: String) -> Search {
    Search {
        base: base.to_owned(),
        scope,
        filter,
        attributes: USUAL_LOGINS.map(str::to_owned).to_vec(),
        most: 1,
        may_be_absent: true,
    }
}
