//! BER as LDAP restricts it (RFC 4511 5.1): lengths are definite, tags have one byte, strings are
//! in one piece.

use zeroize::Zeroizing;

use super::Violation;

/// The tags that messages are made of.
pub(super) mod tag {
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const ENUMERATED: u8 = 0x0a;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;
}

/// The beginning of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) tag: u8,
    /// Its own bytes.
    pub(super) length: usize,
    /// The bytes of the content that follows.
    pub(super) content: usize,
}

impl Header {
    /// Reads one; none if there is only a part of it.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<Self>, Violation> {
        let &[tag, first, ref rest @ ..] = bytes else { return Ok(None) };
        if tag & 0x1f == 0x1f {
            return Err(Violation::Wrong("a tag of more than one byte"));
        }
        let long = match first {
            0..0x80 => {
                return Ok(Some(Self { tag, length: 2, content: usize::from(first) }));
            }
            0x80 => return Err(Violation::Wrong("an indefinite length")),
            0x81..=0x84 => usize::from(first & 0x7f),
            _ => return Err(Violation::Wrong("a length of more than four bytes")),
        };
        let Some(digits) = rest.get(..long) else { return Ok(None) };
        let content = digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit));
        Ok(Some(Self { tag, length: 2 + long, content }))
    }
}

/// The elements of something constructed, one after the other.
#[derive(Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The content of the next element if it has this tag.
    pub(super) fn optional(&mut self, tag: u8) -> Result<Option<&'a [u8]>, Violation> {
        if self.0.first() != Some(&tag) {
            return Ok(None);
        }
        self.any().map(|(_, content)| Some(content))
    }

    /// The content of the next element, which must have this tag.
    pub(super) fn expect(&mut self, tag: u8) -> Result<&'a [u8], Violation> {
        self.optional(tag)?.ok_or(Violation::Wrong("an element where another belongs"))
    }

    /// The next element, whatever it is.
    pub(super) fn any(&mut self) -> Result<(u8, &'a [u8]), Violation> {
        const SHORT: Violation = Violation::Wrong("an element that is longer than what it is in");
        let header = Header::read(self.0)?.ok_or(SHORT)?;
        let (_, rest) = self.0.split_at_checked(header.length).ok_or(SHORT)?;
        let (content, rest) = rest.split_at_checked(header.content).ok_or(SHORT)?;
        self.0 = rest;
        Ok((header.tag, content))
    }

    /// A string of UTF-8 with this tag.
    pub(super) fn text(&mut self, tag: u8) -> Result<&'a str, Violation> {
        utf8(self.expect(tag)?)
    }

    /// A number from 0 to `maxInt` (RFC 4511 4.1.1).
    pub(super) fn number(&mut self, tag: u8) -> Result<u32, Violation> {
        let content = self.expect(tag)?;
        match content {
            [first, ..] if content.len() <= 4 && *first < 0x80 => {
                Ok(content.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
            }
            _ => Err(Violation::Wrong("a number out of its range")),
        }
    }

    /// Nothing may follow.
    pub(super) fn end(&self) -> Result<(), Violation> {
        if self.is_empty() { Ok(()) } else { Err(Violation::Wrong("an element too many")) }
    }
}

/// An element to be written. It may hold a password, so it cannot be printed.
#[derive(Clone, Copy)]
pub(super) enum Element<'a> {
    /// With this tag and content.
    Primitive(u8, &'a [u8]),
    /// With this tag, made of others.
    Constructed(u8, &'a [Element<'a>]),
}

impl Element<'_> {
    /// In memory that is never moved while it is written, and wiped when it is no longer needed.
    pub(super) fn bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.length()));
        self.append(&mut bytes);
        bytes
    }

    fn append(&self, bytes: &mut Vec<u8>) {
        let (Self::Primitive(tag, _) | Self::Constructed(tag, _)) = *self;
        bytes.push(tag);
        let length = self.content().to_be_bytes();
        match digits(self.content()) {
            0 => bytes.extend(length.last()),
            long => {
                bytes.push(0x80 | long as u8);
                bytes.extend(length.iter().skip(length.len() - long));
            }
        }
        match self {
            Self::Primitive(_, content) => bytes.extend_from_slice(content),
            Self::Constructed(_, parts) => parts.iter().for_each(|part| part.append(bytes)),
        }
    }

    /// The bytes of the content.
    fn content(&self) -> usize {
        match self {
            Self::Primitive(_, content) => content.len(),
            Self::Constructed(_, parts) => parts.iter().map(Element::length).sum(),
        }
    }

    /// The bytes in all.
    fn length(&self) -> usize {
        let content = self.content();
        2 + digits(content) + content
    }
}

/// In how many bytes a length is told beside the first; none where that tells it.
fn digits(length: usize) -> usize {
    if length < 0x80 { 0 } else { length.ilog2() as usize / 8 + 1 }
}

/// The text in a string.
pub(super) fn utf8(content: &[u8]) -> Result<&str, Violation> {
    std::str::from_utf8(content).map_err(|_| Violation::Wrong("text that is not UTF-8"))
}
