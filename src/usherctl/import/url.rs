//! The URLs of LDAP (RFC 4516), as httpd and the module for nginx take them: there may be several
//! hosts.

use super::described::Realm;
use super::filter;

/// A URL, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Url {
    /// `ldap`, `ldaps` or `ldapi`.
    pub(super) scheme: String,
    /// With their ports.
    pub(super) hosts: Vec<String>,
    pub(super) base: String,
    pub(super) attributes: Vec<String>,
    pub(super) scope: Option<String>,
    pub(super) filter: Option<String>,
}

impl Url {
    /// # Errors
    /// What is wrong with it, for people.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("the URL {text:?} {what}");
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("has no scheme"))?;
        let scheme = scheme.to_ascii_lowercase();
        if !["ldap", "ldaps", "ldapi"].contains(&scheme.as_str()) {
            return Err(wrong("is not of LDAP"));
        }
        let (hosts, rest) = rest.split_once('/').unwrap_or((rest, ""));
        let decode = |text: &str| decode(text).ok_or_else(|| wrong("has a % that encodes nothing"));
        let mut parts = rest.splitn(5, '?');
        let mut next = || decode(parts.next().unwrap_or_default());
        let (base, attributes, scope, filter) = (next()?, next()?, next()?, next()?);
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        let attributes = attributes.split(',').map(str::trim).filter(|name| !name.is_empty());
        Ok(Self {
            scheme,
            hosts: hosts.split_whitespace().map(str::to_owned).collect(),
            base,
            attributes: attributes.map(str::to_owned).collect(),
            scope: some(scope),
            filter: some(filter),
        })
    }

    /// The hosts as `host` has them, and how they are secured.
    pub(super) fn set_hosts(&self, realm: &mut Realm, security: &str) {
        let local = vec!["localhost".to_owned()];
        let hosts = if self.hosts.is_empty() { &local } else { &self.hosts };
        let scheme = &self.scheme;
        let hosts: Vec<String> = match scheme.as_str() {
            "ldapi" => hosts.iter().map(|host| format!("{scheme}://{host}")).collect(),
            _ => hosts.clone(),
        };
        realm.set_list("host", &hosts);
        realm.set("connection_security", security);
    }

    /// Where users are searched, how, and by which attribute.
    pub(super) fn set_search(&self, realm: &mut Realm, login: &str) {
        set_base(realm, &self.base);
        realm.set("search_scope", scope(self.scope.as_deref()));
        if let Some(text) = &self.filter {
            realm.set("filter", filter::whole(text));
        }
        realm.set("login_attribute", login);
    }
}

/// Where users are searched. A realm cannot search from the root of all.
pub(super) fn set_base(realm: &mut Realm, base: &str) {
    if base.is_empty() {
        realm.let_nobody_in("No base of the search was given: name one in base_dn.");
        realm.remark("No base was given, and this one is made up:");
        realm.set("base_dn", "dc=example,dc=com");
    } else {
        realm.set("base_dn", base);
    }
}

/// The word for a scope: `sub` without one.
pub(super) fn scope(word: Option<&str>) -> &'static str {
    match word.map(str::to_ascii_lowercase).as_deref() {
        Some("base") => "base",
        Some("one" | "onelevel") => "onelevel",
        _ => "subtree",
    }
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let (high, low) = (digit()?, digit()?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::Url;

    #[test]
    fn each_part_has_its_place() {
        let url = Url::parse(
            "ldap://a:3268 b/ou=a%20b,dc=com?uid,mail?one?(&(objectClass=person)(x=%3f))",
        )
        .expect("a URL");
        assert_eq!(url.hosts, ["a:3268", "b"]);
        assert_eq!(url.base, "ou=a b,dc=com");
        assert_eq!(url.attributes, ["uid", "mail"]);
        assert_eq!(url.scope.as_deref(), Some("one"));
        assert_eq!(url.filter.as_deref(), Some("(&(objectClass=person)(x=?))"));
    }

    #[test]
    fn what_is_left_out_is_left_to_the_defaults() {
        let url = Url::parse("LDAPS://host").expect("a URL");
        assert_eq!((url.scheme.as_str(), url.base.as_str(), url.filter), ("ldaps", "", None));
        for text in ["host", "http://host/", "ldap://host/%zz"] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
    }
}
