//! What a walk sees beside the road of a request, so that nobody has to find it out later: what
//! kind of server this is, how far its clock is from ours, whether users have what the
//! configuration asks for, how groups are found, and when the directory locks an account. Nothing
//! of it is needed to serve, so what cannot be read is called unknown.

use std::time::Duration;

use ldap3::SearchEntry;
use x509_cert::der::DateTime;

use super::connection::{Connection, Search};
use super::{entry, filter, walk};
use crate::config::{self, GroupSource, MetadataValue, Scope, Test, Users};
use crate::directory::{Attributes, Wanted};

/// Clocks that are further apart disagree about what has expired.
const MOST_SKEW: Duration = Duration::from_secs(60);
/// Policies of passwords that are read.
const MOST_POLICIES: usize = 100;
/// What is printed of a server's name for itself, in signs.
const LONGEST_NAME: usize = 100;

/// What is read of the rootDSE (RFC 4512 5.1, RFC 3045, MS-ADTS 3.1.1.3.2).
const ROOT: [&str; 7] = [
    "objectClass",
    "vendorName",
    "vendorVersion",
    "forestFunctionality",
    "currentTime",
    "defaultNamingContext",
    "namingContexts",
];

/// What was seen on the way.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) steps: Vec<String>,
    pub(super) warnings: Vec<String>,
}

/// A look from a connection that is bound as the account.
pub(super) struct Ahead<'a> {
    pub(super) connection: &'a Connection,
    pub(super) realm: &'a config::Realm,
    pub(super) settings: &'a config::Ldap,
    pub(super) seen: &'a mut Seen,
}

impl Ahead<'_> {
    /// With the entries of some users, where there are such to be seen.
    pub(super) async fn look(mut self, sample: &[SearchEntry]) {
        let root = self.read(Search::of_entry("", filter::ANY, ROOT)).await.into_iter().next();
        let root = root.unwrap_or_default();
        self.kind(&root);
        self.clock(&root);
        if let Some(user) = sample.first() {
            self.attributes(sample);
            self.groups(user).await;
        }
        self.lock(&root).await;
    }

    fn kind(&mut self, root: &Attributes) {
        let domain = root.first("forestFunctionality");
        let vendor = ["vendorName", "vendorVersion"].map(|name| root.first(name));
        let mut name: Vec<_> = vendor.into_iter().flatten().map(printable).collect();
        if let Some(level) = domain {
            name.insert(0, format!("Active Directory (functional level {})", printable(level)));
        } else if root.values("objectClass").iter().any(|it| it == "OpenLDAProotDSE") {
            name = vec!["OpenLDAP".to_owned()];
        }
        self.seen.steps.push(match &name[..] {
            [] => "kind of server unknown".to_owned(),
            name => name.join(" "),
        });
        if domain.is_some() != self.settings.active_directory && !name.is_empty() {
            self.seen.warnings.push(
                match domain {
                    Some(_) => {
                        "the server is Active Directory: set directory = \"active_directory\""
                    }
                    None => "the server is no Active Directory, and directory says that it is",
                }
                .to_owned(),
            );
        }
    }

    fn clock(&mut self, root: &Attributes) {
        let Some(theirs) = root.first("currentTime").and_then(time) else {
            self.seen.steps.push("its clock unknown".to_owned());
            return;
        };
        let apart = walk::now().abs_diff(theirs);
        self.seen.steps.push(format!("its clock {} s from ours", apart.as_secs()));
        self.seen.warnings.extend(skew(apart));
    }

    /// An attribute that nobody has is misspelled, or hidden from the account.
    fn attributes(&mut self, sample: &[SearchEntry]) {
        let users: Vec<_> = sample.iter().cloned().map(entry::attributes).collect();
        let (seen, missing): (Vec<_>, Vec<_>) = attributes(self.realm, self.settings)
            .into_iter()
            .partition(|name| users.iter().any(|user| user.first(name).is_some()));
        self.seen.steps.push(format!("saw {} of users", list(&seen)));
        if !missing.is_empty() {
            self.seen.warnings.push(format!(
                "{} seen on none of {} users: check the spelling, and what the account may see",
                list(&missing),
                users.len()
            ));
        }
    }

    async fn groups(&mut self, user: &SearchEntry) {
        let Some(groups) = &self.settings.groups else { return };
        let nested = match groups.nested {
            0 => String::new(),
            levels => format!(" and {levels} levels up"),
        };
        let (base_dn, filter) = match &groups.source {
            GroupSource::Attribute(name) => {
                self.seen.steps.push(format!("groups by the attribute {name}{nested}"));
                return;
            }
            GroupSource::Search { base_dn, filter } => (base_dn, filter),
        };
        let login = self.settings.login_attributes.first();
        let attributes = entry::attributes(user.clone());
        let name = login.and_then(|login| attributes.first(login)).unwrap_or_default();
        let search = Search {
            base: base_dn.clone(),
            scope: Scope::Subtree,
            filter: filter::of_groups(filter, &[&user.dn], name),
            attributes: vec!["1.1".to_owned()],
            most: MOST_POLICIES,
            may_be_absent: false,
        };
        match self.connection.search(&search, self.settings.pool.operation_timeout).await {
            Ok(found) => self.seen.steps.push(format!(
                "groups by a search in {base_dn}{nested} ({} of one user)",
                found.len()
            )),
            Err(failure) => self.seen.warnings.push(format!("groups: {}", failure.text())),
        }
    }

    /// The shield must stop a password before the directory locks the account for it.
    async fn lock(&mut self, root: &Attributes) {
        let Some(threshold) = self.threshold(root).await else {
            self.seen.steps.push("lock-out threshold unknown".to_owned());
            return;
        };
        let Some(threshold) = threshold else {
            self.seen.steps.push("no lock-out".to_owned());
            return;
        };
        self.seen.steps.push(format!("locks accounts at {threshold} failures"));
        let ours = self.realm.shield.failures;
        let says = match ours {
            0 => "the shield lets any number of wrong passwords through".to_owned(),
            ours if ours >= threshold => format!("the shield lets {ours} wrong passwords through"),
            _ => return,
        };
        let wish = match threshold {
            1 => "there is no number that prevents that".to_owned(),
            _ => format!("set shield.failures to {} or less", threshold - 1),
        };
        let warning = format!("{says} and the directory locks at {threshold}: {wish}");
        self.seen.warnings.push(warning);
    }

    /// The fewest failures that lock an account, none where no number does; nothing where no
    /// policy can be read.
    async fn threshold(&self, root: &Attributes) -> Option<Option<usize>> {
        let mut counts = Vec::new();
        if let Some(domain) = root.first("defaultNamingContext") {
            // MS-ADTS 3.1.1.5.2: the domain's own, and those of some users alone.
            let own = Search::of_entry(domain, filter::ANY, ["lockoutThreshold"]);
            let below = Search::of_entry(
                domain,
                "(objectClass=msDS-PasswordSettings)",
                ["msDS-LockoutThreshold"],
            );
            for policy in [self.read(own).await, self.read(everywhere(below)).await].concat() {
                let count = policy.first("lockoutThreshold");
                counts.extend(count.or(policy.first("msDS-LockoutThreshold")).map(str::to_owned));
            }
        } else {
            // draft-behera-ldap-password-policy 5.2.11, 5.2.12.
            for base in root.values("namingContexts").iter().filter(|base| self.is_above(base)) {
                let names = ["pwdMaxFailure", "pwdLockout"];
                let policies = Search::of_entry(base, "(objectClass=pwdPolicy)", names);
                for policy in self.read(everywhere(policies)).await {
                    let locks = policy.first("pwdLockout") == Some("TRUE");
                    let count = policy.first("pwdMaxFailure").filter(|_| locks).unwrap_or("0");
                    counts.push(count.to_owned());
                }
            }
        }
        let counts: Vec<usize> = counts.iter().filter_map(|count| count.parse().ok()).collect();
        (!counts.is_empty()).then(|| counts.into_iter().filter(|count| *count > 0).min())
    }

    /// Whether users are below this, as far as that is known.
    fn is_above(&self, base: &str) -> bool {
        match &self.settings.users {
            Users::Below { base_dn, .. } | Users::Named { base_dn, .. } => {
                base_dn.to_lowercase().ends_with(&base.to_lowercase())
            }
            Users::At(_) => true,
        }
    }

    async fn read(&self, search: Search) -> Vec<Attributes> {
        let limit = self.settings.pool.operation_timeout;
        let found = self.connection.search(&search, limit).await.unwrap_or_default();
        found.into_iter().map(entry::attributes).collect()
    }
}

/// That clocks so far apart are too far apart.
fn skew(apart: Duration) -> Option<String> {
    (apart > MOST_SKEW).then(|| {
        let seconds = apart.as_secs();
        format!(
            "its clock and ours are {seconds} s apart: what expires does so at the wrong time; set \
             the clocks"
        )
    })
}

/// The attributes of users that the realm is about; not those that another realm tells.
pub(super) fn attributes(realm: &config::Realm, settings: &config::Ldap) -> Vec<String> {
    let mut all = Wanted::default();
    settings.login_attributes.iter().for_each(|name| all.attribute(name));
    let tells_itself = realm.metadata_from.is_none();
    for metadata in realm.metadata.iter().filter(|_| tells_itself) {
        if let MetadataValue::Attribute { name, .. } = &metadata.value {
            all.attribute(name);
        }
    }
    for rule in realm.rules.iter().filter(|_| tells_itself) {
        if let Test::Attribute { name, .. } = &rule.test {
            all.attribute(name);
        }
    }
    if let Some(config::Groups { source: GroupSource::Attribute(name), .. }) = &settings.groups {
        all.attribute(name);
    }
    all.attributes
}

/// The same in the whole subtree.
fn everywhere(search: Search) -> Search {
    Search { scope: Scope::Subtree, most: MOST_POLICIES, ..search }
}

/// GeneralizedTime in UTC (RFC 4517 3.3.13), as `20261127095016.0Z`, since 1970.
fn time(text: &str) -> Option<Duration> {
    let digits = text.strip_suffix('Z')?.split('.').next().filter(|it| it.len() == 14)?;
    let part = |from, to| digits.get(from..to)?.parse::<u8>().ok();
    let year = digits.get(..4)?.parse().ok()?;
    let [month, day, hour, minute, second] = [4, 6, 8, 10, 12].map(|from| part(from, from + 2));
    let time = DateTime::new(year, month?, day?, hour?, minute?, second?).ok()?;
    Some(time.unix_duration())
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(" ") }
}

/// A name as far as a line has room for it.
fn printable(name: &str) -> String {
    name.chars().filter(|sign| !sign.is_control()).take(LONGEST_NAME).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{MOST_SKEW, printable, skew, time};

    #[test]
    fn clocks_that_are_a_minute_apart_draw_a_warning() {
        assert_eq!(skew(MOST_SKEW), None);
        let told = skew(MOST_SKEW + Duration::from_secs(1)).expect("a warning");
        assert!(told.contains("61 s apart"), "{told}");
    }

    #[test]
    fn times_are_read_as_servers_write_them() {
        let day = Some(Duration::from_secs(86_400 + 3_661));
        assert_eq!(time("19700102010101.0Z"), day);
        assert_eq!(time("19700102010101Z"), day);
        for text in ["", "Z", "1970", "19700102010101", "19701302010101Z", "x9700102010101Z"] {
            assert_eq!(time(text), None, "{text}");
        }
    }

    #[test]
    fn a_name_fits_into_a_line() {
        assert_eq!(printable("Directory\n\x1b[31mServer"), "Directory[31mServer");
        assert_eq!(printable(&"é".repeat(1000)).chars().count(), 100);
    }
}
