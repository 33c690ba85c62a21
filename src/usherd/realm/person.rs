//! A user as the cache keeps them: packed, since there may be very many.

use usher_protocol::Reason;

use crate::cache::{self, allocated};
use crate::directory::{Attributes, Entry};

/// What the directory said of a user: all texts one after the other, in two allocations however
/// many attributes there are. In this order: the id, the user name, the names of the attributes
/// and the filters that were wanted beside the realm's own, the filters that match, the groups,
/// and each attribute with its values.
#[derive(Debug, PartialEq, Eq)]
pub struct Person {
    text: Box<str>,
    /// Where each text ends; [`NAME`] is added where it is the name of an attribute.
    ends: Box<[u32]>,
    extra: u32,
    filters: u32,
    groups: u32,
    barred: Option<Reason>,
}

/// No entry is that long.
const NAME: u32 = 1 << 31;

impl Person {
    /// Packs an entry; `extra` are the attributes that were asked for beside the realm's own.
    pub fn new(entry: &Entry, extra: &[String]) -> Self {
        let mut texts: Vec<(&str, u32)> = vec![(&entry.id, 0), (&entry.username, 0)];
        let lists = extra.iter().chain(&entry.filters).chain(&entry.groups);
        texts.extend(lists.map(|text| (text.as_str(), 0)));
        for (name, values) in entry.attributes.iter() {
            texts.push((name, NAME));
            texts.extend(values.iter().map(|value| (value.as_str(), 0)));
        }
        // To the byte: what is cut off a larger piece is lost to the allocator.
        let mut text = String::with_capacity(texts.iter().map(|(text, _)| text.len()).sum());
        let ends = texts.iter().map(|(next, mark)| {
            text.push_str(next);
            u32::try_from(text.len()).unwrap_or(NAME - 1) | mark
        });
        let ends: Box<[u32]> = ends.collect();
        let count = |texts: &[String]| u32::try_from(texts.len()).unwrap_or_default();
        Self {
            text: text.into(),
            ends,
            extra: count(extra),
            filters: count(&entry.filters),
            groups: count(&entry.groups),
            barred: entry.barred,
        }
    }

    /// The entry as the directory told it.
    pub(super) fn entry(&self) -> Entry {
        let mut attributes = Attributes::default();
        let mut rest = self.attributes().peekable();
        while let Some((_, name)) = rest.next() {
            let mut values = Vec::new();
            while let Some((_, value)) = rest.next_if(|(is_name, _)| !is_name) {
                values.push(value.to_owned());
            }
            attributes.add(name, values);
        }
        Entry {
            id: self.id().to_owned(),
            username: self.username().to_owned(),
            attributes,
            groups: self.groups().map(str::to_owned).collect(),
            filters: self.filters().map(str::to_owned).collect(),
            barred: self.barred,
        }
    }

    /// Why the account may not be used, where the entry itself says so.
    pub(super) fn barred(&self) -> Option<Reason> {
        self.barred
    }

    fn id(&self) -> &str {
        self.texts().next().map_or("", |(_, text)| text)
    }

    /// The user name in the directory's spelling.
    pub(super) fn username(&self) -> &str {
        self.texts().nth(1).map_or("", |(_, text)| text)
    }

    /// The attributes and filters that were wanted beside the realm's own.
    pub(super) fn extra(&self) -> impl Iterator<Item = &str> {
        self.texts().skip(2).take(self.extra as usize).map(|(_, text)| text)
    }

    /// The filters that were wanted and match.
    pub(super) fn filters(&self) -> impl Iterator<Item = &str> {
        let before = 2 + self.extra as usize;
        self.texts().skip(before).take(self.filters as usize).map(|(_, text)| text)
    }

    /// The names of the groups.
    pub(super) fn groups(&self) -> impl Iterator<Item = &str> {
        let before = 2 + self.extra as usize + self.filters as usize;
        self.texts().skip(before).take(self.groups as usize).map(|(_, text)| text)
    }

    /// The values of an attribute; names have no case (RFC 4512 2.5).
    pub(super) fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let named =
            move |(is_name, text): &(bool, &str)| *is_name && text.eq_ignore_ascii_case(name);
        let mut rest = self.attributes();
        let found = rest.any(|text| named(&text));
        rest.take_while(move |(is_name, _)| found && !is_name).map(|(_, value)| value)
    }

    /// Whether each of these attributes and filters was wanted.
    pub(super) fn covers(&self, extra: &[String]) -> bool {
        extra.iter().all(|name| self.extra().any(|known| known == name))
    }

    fn attributes(&self) -> impl Iterator<Item = (bool, &str)> {
        self.texts().skip(2 + (self.extra + self.filters + self.groups) as usize)
    }

    fn texts(&self) -> impl Iterator<Item = (bool, &str)> {
        let mut begin = 0;
        self.ends.iter().map(move |end| {
            let text = begin..(end & !NAME) as usize;
            begin = text.end;
            (end & NAME != 0, self.text.get(text).unwrap_or_default())
        })
    }
}

impl cache::Identity for Person {
    fn heap_bytes(&self) -> usize {
        allocated(self.text.len()) + allocated(size_of_val(&*self.ends))
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
            let person = Person::new(&entry, &extra);
            assert_eq!(person.entry(), entry);
            assert_eq!((person.id(), person.username()), ("uid=alice", "Alice"));
            assert!(person.filters().eq(["(a=b)"]));
            assert!(person.groups().eq(groups) && person.values("MAIL").eq(mail));
            assert!(person.values("sn").eq(["Müller"]) && person.values("cn").eq([""; 0]));
            assert!(person.covers(&extra) && !person.covers(&["title".to_owned()]));
        }
    }
}
