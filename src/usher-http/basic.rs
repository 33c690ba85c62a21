//! `Authorization: Basic` (RFC 7617). Whatever is wrong with one is a 401 like any other: the
//! proxies know no other way to ask for better ones.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use usher_protocol::Password;
use zeroize::Zeroizing;

/// Why there is nobody to ask about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// Nobody has said who they are yet.
    Missing,
    /// Another scheme, or not what RFC 7617 describes.
    Malformed,
}

/// The user's name and password.
pub(crate) fn credentials(headers: &HeaderMap) -> Result<(String, Password), Unusable> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let value = given.next().ok_or(Unusable::Missing)?;
    if given.next().is_some() {
        return Err(Unusable::Malformed);
    }
    decode(value.as_bytes()).ok_or(Unusable::Malformed)
}

fn decode(value: &[u8]) -> Option<(String, Password)> {
    let (scheme, rest) = value.split_at_checked(b"basic".len())?;
    if !scheme.eq_ignore_ascii_case(b"basic") || !rest.starts_with(b" ") {
        return None;
    }
    let mut plain = Zeroizing::new(vec![0; rest.len()]);
    let length = STANDARD.decode_slice(rest.trim_ascii(), &mut plain).ok()?;
    let text = std::str::from_utf8(plain.get(..length)?).ok()?;
    // A name has no colon; a password may.
    let (user, password) = text.split_once(':')?;
    if user.is_empty() || password.is_empty() || text.contains(char::is_control) {
        return None;
    }
    Some((user.to_owned(), Password::from(password)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&[u8]]) -> Result<(String, Password), Unusable> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, hyper::header::HeaderValue::from_bytes(value).unwrap());
        }
        credentials(&headers)
    }

    fn basic(plain: &[u8]) -> Vec<u8> {
        format!("Basic {}", STANDARD.encode(plain)).into_bytes()
    }

    fn pair(user: &str, password: &str) -> (String, Password) {
        (user.to_owned(), Password::from(password))
    }

    #[test]
    fn the_examples_of_rfc_7617_are_read() {
        let aladdin = pair("Aladdin", "open sesame");
        assert_eq!(read(&[b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="]), Ok(aladdin));
        assert_eq!(read(&[b"Basic dGVzdDoxMjPCow=="]), Ok(pair("test", "123\u{a3}")));
    }

    #[test]
    fn the_scheme_is_read_in_any_case_and_a_password_may_have_colons() {
        assert_eq!(read(&[b"bAsIc  YTpi"]), Ok(pair("a", "b")));
        assert_eq!(read(&[&basic(b"a:b:c:")]), Ok(pair("a", "b:c:")));
        assert_eq!(read(&[&basic(br"CORP\zo\c3\ab:x")]).unwrap().0, r"CORP\zo\c3\ab");
    }

    #[test]
    fn what_is_malformed_is_told_from_what_is_missing() {
        assert_eq!(read(&[]), Err(Unusable::Missing));
        let malformed: [&[u8]; 9] = [
            b"",
            b"Basic",
            b"Basic ",
            b"BasicYTpi",
            b"Bearer YTpi",
            b"Basic YTpi!",
            b"Basic YTpi YTpi",
            b"Basic \xff\xff",
            b"Digest username=\"a\"",
        ];
        for value in malformed {
            assert_eq!(read(&[value]), Err(Unusable::Malformed), "{value:?}");
        }
        let plains: [&[u8]; 8] = [b"", b"a", b":", b":b", b"a:", b"a\0:b", b"a:b\n", b"a:\xff\xfe"];
        for plain in plains {
            assert_eq!(read(&[&basic(plain)]), Err(Unusable::Malformed), "{plain:?}");
        }
        assert_eq!(read(&[b"Basic YTpi", b"Basic YTpi"]), Err(Unusable::Malformed));
    }
}
