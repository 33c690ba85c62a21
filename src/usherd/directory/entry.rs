use std::mem::size_of;

use usher_protocol::Reason;

/// What is asked of an entry beside its name and its groups.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Asked {
    /// Attributes to read.
    pub attributes: Vec<String>,
    /// Filters (RFC 4515) to match it with.
    pub filters: Vec<String>,
}

impl Asked {
    /// Asks for an attribute, once; names have no case.
    pub fn attribute(&mut self, name: &str) {
        if !self.attributes.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            self.attributes.push(name.to_owned());
        }
    }

    /// Asks for a filter, once.
    pub fn filter(&mut self, filter: &str) {
        if !self.filters.iter().any(|known| known == filter) {
            self.filters.push(filter.to_owned());
        }
    }

    /// Asks for all that `other` asks for.
    pub fn extend(&mut self, other: &Self) {
        other.attributes.iter().for_each(|name| self.attribute(name));
        other.filters.iter().for_each(|filter| self.filter(filter));
    }

    /// What is not asked for by `other`.
    pub fn beyond(mut self, other: &Self) -> Self {
        let known = |name: &String| other.attributes.iter().any(|it| it.eq_ignore_ascii_case(name));
        self.attributes.retain(|name| !known(name));
        self.filters.retain(|filter| !other.filters.contains(filter));
        self
    }

    /// How much is asked for.
    pub fn len(&self) -> usize {
        self.attributes.len() + self.filters.len()
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Heap bytes in use.
    pub fn heap_bytes(&self) -> usize {
        let all = self.attributes.iter().chain(&self.filters);
        all.map(|text| size_of::<String>() + text.capacity()).sum()
    }
}

/// What a directory says about one user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// What the directory knows it by: the DN, or the name in a file.
    pub id: String,
    /// The user name in the directory's spelling.
    pub username: String,
    /// The attributes that were asked for and exist.
    pub attributes: Attributes,
    /// The names of the user's groups.
    pub groups: Vec<String>,
    /// The filters that were asked for and match.
    pub filters: Vec<String>,
    /// Why the account may not be used, where the entry itself says so. It is told to those
    /// alone who know the password, or were authenticated elsewhere.
    pub barred: Option<Reason>,
}

impl Entry {
    /// Heap bytes in use.
    pub fn heap_bytes(&self) -> usize {
        let texts = self.groups.iter().chain(&self.filters);
        let texts = texts.map(|text| size_of::<String>() + text.capacity());
        self.id.capacity()
            + self.username.capacity()
            + self.attributes.heap_bytes()
            + texts.sum::<usize>()
    }
}

/// Attributes by name; names have no case (RFC 4512 2.5).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes(Vec<(String, Vec<String>)>);

impl Attributes {
    /// Adds values to an attribute.
    pub fn add(&mut self, name: &str, values: impl IntoIterator<Item = String>) {
        match self.0.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some((_, known)) => known.extend(values),
            None => self.0.push((name.to_owned(), values.into_iter().collect())),
        }
    }

    /// The values of an attribute; none if the entry does not have it.
    pub fn values(&self, name: &str) -> &[String] {
        self.0
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map_or(&[], |(_, values)| values.as_slice())
    }

    /// The first value of an attribute.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.values(name).first().map(String::as_str)
    }

    fn heap_bytes(&self) -> usize {
        let pair = |(name, values): &(String, Vec<String>)| {
            let values = values.iter().map(|value| size_of::<String>() + value.capacity());
            size_of::<(String, Vec<String>)>() + name.capacity() + values.sum::<usize>()
        };
        self.0.iter().map(pair).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::{Asked, Attributes};

    #[test]
    fn what_is_asked_for_is_asked_once() {
        let mut own = Asked::default();
        own.attribute("mail");
        let mut more = Asked::default();
        ["MAIL", "sn", "SN"].iter().for_each(|name| more.attribute(name));
        ["(a=b)", "(a=b)"].iter().for_each(|filter| more.filter(filter));
        let extra = more.clone().beyond(&own);
        assert_eq!((extra.attributes.as_slice(), extra.len()), (["sn".to_owned()].as_slice(), 2));
        own.extend(&extra);
        assert!(more.beyond(&own).is_empty());
    }

    #[test]
    fn names_have_no_case() {
        let mut attributes = Attributes::default();
        attributes.add("givenName", ["Alice".to_owned()]);
        attributes.add("GIVENNAME", ["Ally".to_owned()]);
        assert_eq!(attributes.values("givenname"), ["Alice", "Ally"]);
        assert_eq!(attributes.first("sn"), None);
    }
}
