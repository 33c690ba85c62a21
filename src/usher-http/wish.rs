//! What a proxy adds to a question: the realm, and rules that must hold besides the realm's own.
//! `X-Usher-Realm` and `X-Usher-Require`, or `?realm=` and `&require=` for proxies that can set
//! only a URL.

use hyper::HeaderMap;
use usher_protocol::MAX_RULES;

pub(crate) const REALM: &str = "x-usher-realm";
pub(crate) const REQUIRE: &str = "x-usher-require";

/// The realm and the rules.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) realm: Option<String>,
    pub(crate) require: Vec<String>,
}

impl Wish {
    /// Reads both places. Some proxies hand the headers of their own clients on: a client could
    /// name a realm beside the proxy's, so two that differ are an error and never a choice.
    ///
    /// # Errors
    /// One line for people.
    pub(crate) fn read(headers: &HeaderMap, query: Option<&str>) -> Result<Self, &'static str> {
        let mut wish = Self::default();
        for (name, value) in headers {
            let known = [REALM, REQUIRE].contains(&name.as_str());
            if known {
                let value = std::str::from_utf8(value.as_bytes());
                wish.add(name.as_str(), value.map_err(|_| "a header is not UTF-8")?.to_owned())?;
            }
        }
        for pair in query.unwrap_or_default().split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            match key {
                "realm" => wish.add(REALM, decoded(value)?)?,
                "require" => wish.add(REQUIRE, decoded(value)?)?,
                _ => {}
            }
        }
        Ok(wish)
    }

    fn add(&mut self, name: &str, value: String) -> Result<(), &'static str> {
        if value.is_empty() {
            return Ok(());
        }
        if name == REQUIRE {
            self.require.push(value);
            let few = self.require.len() <= MAX_RULES;
            return few.then_some(()).ok_or("there are too many rules");
        }
        match self.realm.replace(value) {
            before if before.is_none() || before == self.realm => Ok(()),
            _ => Err("two different realms are named"),
        }
    }
}

/// As forms write it: `+` is a space, `%` and two digits a byte.
fn decoded(text: &str) -> Result<String, &'static str> {
    const BROKEN: &str = "the query is not percent-encoded UTF-8";
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let both = digit().zip(digit()).ok_or(BROKEN)?;
                u8::try_from(both.0 * 16 + both.1).map_err(|_| BROKEN)?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| BROKEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[(&'static str, &str)], query: &str) -> Result<Wish, &'static str> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        Wish::read(&map, Some(query))
    }

    #[test]
    fn headers_and_query_say_the_same_things() {
        let wish = Wish {
            realm: Some("corp".to_owned()),
            require: vec!["group=dev|ops".to_owned(), "group=a b".to_owned()],
        };
        let headers = [(REALM, "corp"), (REQUIRE, "group=dev|ops"), (REQUIRE, "group=a b")];
        assert_eq!(read(&headers, "").as_ref(), Ok(&wish));
        let query = "realm=corp&require=group%3Ddev%7cops&x=%zz&require=group=a+b&require=";
        assert_eq!(read(&[], query), Ok(wish));
        assert_eq!(read(&[(REALM, "")], "realm="), Ok(Wish::default()));
    }

    #[test]
    fn rules_add_up_and_realms_must_agree() {
        let both = read(&[(REALM, "corp"), (REQUIRE, "group=a")], "realm=corp&require=group=b");
        assert_eq!(both.unwrap().require, ["group=a", "group=b"]);
        assert!(read(&[(REALM, "corp")], "realm=other").is_err());
        assert!(read(&[(REALM, "corp"), (REALM, "other")], "").is_err());
        assert!(read(&[], "realm=corp&realm=other").is_err());
    }

    #[test]
    fn what_cannot_be_read_is_an_error_and_never_ignored() {
        for query in ["realm=%", "realm=%4", "require=%zz", "require=%ff"] {
            assert!(read(&[], query).is_err(), "{query}");
        }
        assert!(read(&[], &"require=a&".repeat(MAX_RULES)).is_ok());
        assert!(read(&[], &"require=a&".repeat(MAX_RULES + 1)).is_err());
    }
}
