use usher_protocol::Reason;

/// What is wanted of an entry beside its name and its groups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Attributes to read.
    pub attributes: Vec<String>,
    /// Filters (RFC 4515) to match it with.
    pub filters: Vec<String>,
}

impl Wanted {
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
    /// The filters that were wanted and match.
    pub filters: Vec<String>,
    /// Why the account may not be used, where the entry itself says so. It is told to those
    /// alone who know the password, or were authenticated elsewhere.
    pub barred: Option<Reason>,
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

    /// Each attribute with its values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(name, values)| (name.as_str(), values.as_slice()))
    }
}

#[cfg(test)]
mod tests {
    use super::Attributes;

    #[test]
    fn names_have_no_case() {
        let mut attributes = Attributes::default();
        attributes.add("givenName", ["Alice".to_owned()]);
        attributes.add("GIVENNAME", ["Ally".to_owned()]);
        assert_eq!(attributes.values("givenname"), ["Alice", "Ally"]);
        assert_eq!(attributes.first("sn"), None);
    }
}
