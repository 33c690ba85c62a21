//! How a value stands in a header. HTTP says only what its ASCII part means, and applications
//! differ in what they read out of the rest.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

/// All but what never means anything is escaped (RFC 3986 2.3).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The encodings of `header_encoding`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(crate) enum Encoding {
    /// The bytes as they are. WSGI applications see each byte as a character of ISO-8859-1.
    #[default]
    #[serde(rename = "utf-8")]
    Utf8,
    /// As in URLs: all but letters, digits and `-._~` of ASCII.
    #[serde(rename = "percent")]
    Percent,
    /// Of the UTF-8 bytes, always.
    #[serde(rename = "base64")]
    Base64,
    /// As in mail, where the value is not ASCII.
    #[serde(rename = "rfc2047")]
    Rfc2047,
    /// For applications that follow WSGI: the characters of ISO-8859-1, and the nearest letters of
    /// ASCII for others.
    #[serde(rename = "iso-8859-1")]
    Latin1,
    /// The nearest letters of ASCII: two names may become one, so this is for showing only.
    #[serde(rename = "ascii")]
    Ascii,
}

impl Encoding {
    /// The bytes for the header. No control character leaves, whatever the daemon said.
    pub(crate) fn apply(self, value: &str) -> Vec<u8> {
        let value: Cow<'_, str> = match value.contains(char::is_control) {
            true => value.replace(char::is_control, " ").into(),
            false => value.into(),
        };
        match self {
            Self::Latin1 => return latin1(&value),
            Self::Utf8 => value.into_owned(),
            Self::Percent => percent(&value),
            Self::Base64 => STANDARD.encode(value.as_bytes()),
            Self::Rfc2047 => rfc2047(&value),
            Self::Ascii => deunicode::deunicode(&value).replace(char::is_control, " "),
        }
        .into_bytes()
    }
}

pub(crate) fn percent(value: &str) -> String {
    utf8_percent_encode(value, UNRESERVED).to_string()
}

/// A character of ISO-8859-1 is its own number.
fn latin1(value: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(value.len());
    for character in value.chars() {
        if let Ok(byte) = u8::try_from(character) {
            bytes.push(byte);
        } else {
            let nearest = deunicode::deunicode_char(character).unwrap_or("?");
            bytes.extend(nearest.bytes().filter(|byte| !byte.is_ascii_control()));
        }
    }
    bytes
}

/// Encoded words of at most 75 characters, cut between characters (RFC 2047, section 5).
fn rfc2047(value: &str) -> String {
    const MOST_BYTES: usize = 45;
    if value.is_ascii() && !value.contains("=?") {
        return value.to_owned();
    }
    let mut words = vec![String::new()];
    for character in value.chars() {
        match words.last_mut() {
            Some(word) if word.len() + character.len_utf8() <= MOST_BYTES => word.push(character),
            _ => words.push(character.into()),
        }
    }
    let words = words.iter().map(|word| format!("=?UTF-8?B?{}?=", STANDARD.encode(word)));
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(encoding: Encoding, value: &str) -> String {
        String::from_utf8(encoding.apply(value)).unwrap()
    }

    #[test]
    fn each_encoding_is_as_the_manual_says() {
        for (encoding, plain, name) in [
            (Encoding::Utf8, "a b@c,d+e", "Zoë Łuk"),
            (Encoding::Percent, "a%20b%40c%2Cd%2Be", "Zo%C3%AB%20%C5%81uk"),
            (Encoding::Base64, "YSBiQGMsZCtl", "Wm/DqyDFgXVr"),
            (Encoding::Rfc2047, "a b@c,d+e", "=?UTF-8?B?Wm/DqyDFgXVr?="),
            (Encoding::Ascii, "a b@c,d+e", "Zoe Luk"),
        ] {
            assert_eq!(shown(encoding, "a b@c,d+e"), plain, "{encoding:?}");
            assert_eq!(shown(encoding, "Zoë Łuk"), name, "{encoding:?}");
            assert_eq!(shown(encoding, ""), "", "{encoding:?}");
        }
    }

    #[test]
    fn what_iso_8859_1_has_is_one_byte() {
        assert_eq!(Encoding::Latin1.apply("Zoë Łuk"), b"Zo\xeb Luk");
        assert_eq!(Encoding::Latin1.apply("ÿ\u{85}ő\n"), b"\xff o ");
    }

    #[test]
    fn no_control_character_leaves() {
        for encoding in [Encoding::Utf8, Encoding::Ascii, Encoding::Rfc2047] {
            assert_eq!(shown(encoding, "a\r\nX: y\0"), "a  X: y ", "{encoding:?}");
        }
        assert_eq!(shown(Encoding::Percent, "a\n"), "a%20");
        assert_eq!(shown(Encoding::Base64, "a\n"), "YSA=");
    }

    #[test]
    fn encoded_words_are_short_and_whole() {
        let long = "ë".repeat(100);
        let words = shown(Encoding::Rfc2047, &long);
        let decoded = words.split(' ').map(|word| {
            assert!(word.len() <= 75, "{word}");
            let inner = word.strip_prefix("=?UTF-8?B?").unwrap().strip_suffix("?=").unwrap();
            String::from_utf8(STANDARD.decode(inner).unwrap()).unwrap()
        });
        assert_eq!(decoded.collect::<String>(), long);
        assert!(shown(Encoding::Rfc2047, "a=?b").starts_with("=?UTF-8?B?"));
    }
}
