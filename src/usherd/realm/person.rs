//! A user as the cache keeps them: packed, since there may be very many, and in one piece, since
//! each look at another place in memory may take longer than all else.

use usher_protocol::{Profile, Reason};

use super::metadata;
use crate::cache::{self, allocated};
use crate::config;
use crate::directory::Entry;

/// What the directory said of a user: all texts in one allocation, however many attributes there
/// are. In this order: the id, the user name, the names of the attributes and the filters that
/// were wanted beside the realm's own, the filters that match, the groups, and each attribute with
/// its values. A clone shares them.
#[derive(Debug, Clone)]
pub struct Person {
    /// What the realm whose directory said it tells. In front of it: the [`Counts`], where each
    /// text ends, the texts. [`NAME`] is added to the end of what is the name of an attribute.
    profile: Profile,
    barred: Option<Reason>,
}

/// Of all texts, and of the attributes and filters that were wanted, the filters that match, the
/// groups.
type Counts = [u32; 4];

/// No entry is that long.
const NAME: u32 = 1 << 31;
/// Bytes of a count, or of where a text ends.
const NUMBER: usize = size_of::<u32>();
/// The counters in front of what an `Arc` holds.
const COUNTERS: usize = 2 * size_of::<usize>();

impl Person {
    /// Packs an entry of a realm's directory; `extra` are the attributes that were asked for beside
    /// the realm's own.
    pub fn new(entry: &Entry, extra: &[String], realm: &config::Realm) -> Self {
        let mut texts: Vec<(&str, u32)> = vec![(&entry.id, 0), (&entry.username, 0)];
        let lists = extra.iter().chain(&entry.filters).chain(&entry.groups);
        texts.extend(lists.map(|text| (text.as_str(), 0)));
        for (name, values) in entry.attributes.iter() {
            texts.push((name, NAME));
            texts.extend(values.iter().map(|value| (value.as_str(), 0)));
        }
        let counts = [texts.len(), extra.len(), entry.filters.len(), entry.groups.len()];
        let counts: Counts = counts.map(|count| u32::try_from(count).unwrap_or_default());
        let mut packed: Vec<u8> = counts.into_iter().flat_map(u32::to_ne_bytes).collect();
        let mut end = 0;
        for (text, mark) in &texts {
            end += text.len();
            let end = u32::try_from(end).unwrap_or(NAME - 1);
            packed.extend_from_slice(&(end | mark).to_ne_bytes());
        }
        texts.iter().for_each(|(text, _)| packed.extend_from_slice(text.as_bytes()));
        let untold = Profile::after(packed.clone(), "", "", &[("", ""); 0], &[""; 0]);
        let said = Self { profile: untold, barred: entry.barred };
        Self { profile: metadata::profile(realm, &said, packed), ..said }
    }

    /// What the realm whose directory knows the user tells.
    pub(super) fn into_profile(self) -> Profile {
        self.profile
    }

    /// Why the account may not be used, where the entry itself says so.
    pub(super) fn barred(&self) -> Option<Reason> {
        self.barred
    }

    /// What the directory knows the entry by.
    pub(super) fn id(&self) -> &str {
        self.texts().next().map_or("", |(_, id)| text(id))
    }

    /// The user name in the directory's spelling.
    pub(super) fn username(&self) -> &str {
        self.texts().nth(1).map_or("", |(_, name)| text(name))
    }

    /// Whether this is the user name, whatever the case.
    pub(super) fn is_called(&self, name: &str) -> bool {
        let [own, other] =
            [self.username(), name].map(|it| it.chars().flat_map(char::to_uppercase));
        own.eq(other)
    }

    /// The attributes and filters that were wanted beside the realm's own.
    pub(super) fn extra(&self) -> impl Iterator<Item = &str> {
        let [_, extra, ..] = self.counts();
        self.list(2, extra)
    }

    /// The filters that were wanted and match.
    pub(super) fn filters(&self) -> impl Iterator<Item = &str> {
        let [_, extra, filters, _] = self.counts();
        self.list(2 + extra, filters)
    }

    /// The names of the groups.
    pub(super) fn groups(&self) -> impl Iterator<Item = &str> {
        let [_, extra, filters, groups] = self.counts();
        self.list(2 + extra + filters, groups)
    }

    /// The values of an attribute; names have no case (RFC 4512 2.5).
    pub(super) fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let name = name.as_bytes();
        let mut rest = self.attributes();
        let found = rest.any(|(is_name, text)| is_name && text.eq_ignore_ascii_case(name));
        rest.take_while(move |(is_name, _)| found && !is_name).map(|(_, value)| text(value))
    }

    /// Whether each of these attributes and filters was wanted.
    pub(super) fn covers(&self, extra: &[String]) -> bool {
        extra.iter().all(|name| self.extra().any(|known| known == name))
    }

    fn attributes(&self) -> impl Iterator<Item = (bool, &[u8])> {
        let [_, extra, filters, groups] = self.counts();
        self.texts().skip((2 + extra + filters + groups) as usize)
    }

    fn list(&self, before: u32, count: u32) -> impl Iterator<Item = &str> {
        self.texts().skip(before as usize).take(count as usize).map(|(_, it)| text(it))
    }

    fn counts(&self) -> Counts {
        let counts = self.profile.before().as_chunks::<NUMBER>().0.first_chunk();
        counts.map(|counts| counts.map(u32::from_ne_bytes)).unwrap_or_default()
    }

    /// Each text, and whether it is the name of an attribute.
    fn texts(&self) -> impl Iterator<Item = (bool, &[u8])> {
        let packed = self.profile.before().get(size_of::<Counts>()..).unwrap_or_default();
        let [texts, ..] = self.counts();
        let (ends, texts) = packed.split_at_checked(texts as usize * NUMBER).unwrap_or_default();
        let mut begin = 0;
        ends.as_chunks().0.iter().map(move |end| {
            let end = u32::from_ne_bytes(*end);
            let text = begin..(end & !NAME) as usize;
            begin = text.end;
            (end & NAME != 0, texts.get(text).unwrap_or_default())
        })
    }
}

/// What was packed as a text is one.
fn text(packed: &[u8]) -> &str {
    std::str::from_utf8(packed).unwrap_or_default()
}

impl cache::Identity for Person {
    fn heap_bytes(&self) -> usize {
        allocated(COUNTERS + self.profile.packed_bytes())
    }

    fn is_same_as(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

#[cfg(test)]
mod tests {
    use usher_protocol::Reason;

    use super::Person;
    use crate::directory::{Attributes, Entry};
    use crate::realm::tests::settings;

    #[test]
    fn what_was_packed_is_told_as_it_was() {
        let texts = |texts: &[&str]| -> Vec<String> {
            texts.iter().map(|text| (*text).to_owned()).collect()
        };
        let extra = texts(&["mobile"]);
        for (groups, mail) in [(vec!["dev", "ops"], vec!["a@x", ""]), (vec![], vec![])] {
            let mut attributes = Attributes::default();
            attributes.add("mail", texts(&mail));
            attributes.add("sn", ["Müller".to_owned()]);
            let entry = Entry {
                id: "uid=alice".to_owned(),
                username: "Alice".to_owned(),
                attributes,
                groups: texts(&groups),
                filters: texts(&["(a=b)"]),
                barred: Some(Reason::AccountDisabled),
            };
            let person = Person::new(&entry, &extra, &settings(""));
            assert_eq!((person.id(), person.username()), ("uid=alice", "Alice"));
            assert!(person.is_called("alice") && !person.is_called("alic"));
            assert_eq!(person.barred(), Some(Reason::AccountDisabled));
            assert!(person.filters().eq(["(a=b)"]));
            assert!(person.groups().eq(groups) && person.values("MAIL").eq(mail));
            assert!(person.values("sn").eq(["Müller"]) && person.values("cn").eq([""; 0]));
            assert!(person.covers(&extra) && !person.covers(&["title".to_owned()]));
            let profile = person.into_profile();
            assert_eq!((profile.realm(), profile.user()), ("corp", "alice"));
        }
    }
}
