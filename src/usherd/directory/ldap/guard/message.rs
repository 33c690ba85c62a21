//! What a server may say, to the letter (RFC 4511 4.1.1 to 4.14). Nothing else is let through: the
//! library behind the guard takes what it is given at its word.

use ldap3::LdapResult;
use ldap3::controls::{Control as ControlOfLdap3, RawControl};

use super::ber::{Reader, tag, utf8};
use super::{MAX_ELEMENTS, Violation};

/// RFC 4511 4.4.1.
const NOTICE_OF_DISCONNECTION: &str = "1.3.6.1.4.1.1466.20036";

/// The operations of a protocol message that a server may send us, by their tags.
mod op {
    pub(super) const BIND: u8 = 0x61;
    pub(super) const ENTRY: u8 = 0x64;
    pub(super) const DONE: u8 = 0x65;
    pub(super) const REFERENCE: u8 = 0x73;
    pub(super) const EXTENDED: u8 = 0x78;
}

/// What a server answers with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bind,
    Entry,
    Reference,
    Done,
    Extended,
}

/// A message that is as it should be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Response<'a> {
    pub(super) id: u32,
    pub(super) kind: Kind,
    /// The result, where the kind has one.
    pub(super) result: Outcome<'a>,
    /// An extended response's own name.
    name: Option<&'a str>,
    /// What is in its list of controls.
    controls: &'a [u8],
    /// Values, attributes, URLs and controls in it.
    pub(super) elements: usize,
}

/// RFC 4511 4.1.9.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Outcome<'a> {
    code: u32,
    text: &'a str,
}

/// RFC 4511 4.1.11.
struct Control<'a> {
    name: &'a str,
    critical: bool,
    value: Option<&'a [u8]>,
}

impl Control<'_> {
    fn to_ldap3(&self) -> ControlOfLdap3 {
        let (ctype, val) = (self.name.to_owned(), self.value.map(<[u8]>::to_vec));
        ControlOfLdap3(None, RawControl { ctype, crit: self.critical, val })
    }
}

impl<'a> Response<'a> {
    /// Reads the content of a message: what stands in its SEQUENCE.
    pub(super) fn read(content: &'a [u8]) -> Result<Self, Violation> {
        let mut reader = Reader(content);
        let id = reader.number(tag::INTEGER)?;
        let (op, content) = reader.any()?;
        let mut budget = MAX_ELEMENTS;
        let mut response = operation(id, op, content, &mut budget)?;
        // Active Directory writes the name of its notices behind the operation.
        if let (0, Some(name)) = (id, reader.optional(0x8a)?) {
            response.name = Some(utf8(name)?);
        }
        if let Some(list) = reader.optional(0xa0)? {
            response.controls = list;
            let mut list = Reader(list);
            while !list.is_empty() {
                spend(&mut budget)?;
                control(&mut list)?;
            }
        }
        reader.end()?;
        response.elements = MAX_ELEMENTS - budget;
        Ok(response)
    }

    /// Whether the server says that it closes.
    pub(super) fn is_notice_of_disconnection(&self) -> bool {
        self.name == Some(NOTICE_OF_DISCONNECTION)
    }

    /// The result as the rest of the room knows it.
    pub(super) fn to_ldap3(&self) -> LdapResult {
        let mut list = Reader(self.controls);
        let controls = std::iter::from_fn(|| control(&mut list).ok());
        LdapResult {
            rc: self.result.code,
            matched: String::new(),
            text: self.result.text.to_owned(),
            refs: Vec::new(),
            ctrls: controls.map(|control| control.to_ldap3()).collect(),
        }
    }
}

/// The id of a message, as far as it can be told from the beginning of its content.
pub(super) fn id(content: &[u8]) -> Option<u32> {
    Reader(content).number(tag::INTEGER).ok()
}

fn operation<'a>(
    id: u32,
    op: u8,
    content: &'a [u8],
    budget: &mut usize,
) -> Result<Response<'a>, Violation> {
    let mut reader = Reader(content);
    let (kind, result) = (Kind::Done, Outcome::default());
    let mut response = Response { id, kind, result, name: None, controls: &[], elements: 0 };
    match op {
        op::BIND => {
            response.kind = Kind::Bind;
            response.result = outcome(&mut reader, budget)?;
            reader.optional(0x87)?;
        }
        op::ENTRY => {
            response.kind = Kind::Entry;
            entry(&mut reader, budget)?;
        }
        op::DONE => response.result = outcome(&mut reader, budget)?,
        op::REFERENCE => {
            response.kind = Kind::Reference;
            urls(&mut reader, budget)?;
        }
        op::EXTENDED => {
            response.kind = Kind::Extended;
            response.result = outcome(&mut reader, budget)?;
            response.name = reader.optional(0x8a)?.map(utf8).transpose()?;
            reader.optional(0x8b)?;
        }
        _ => return Err(Violation::Wrong("an operation that nobody asked for")),
    }
    reader.end()?;
    Ok(response)
}

/// LDAPResult, RFC 4511 4.1.9.
fn outcome<'a>(reader: &mut Reader<'a>, budget: &mut usize) -> Result<Outcome<'a>, Violation> {
    let code = reader.number(tag::ENUMERATED)?;
    let _matched_dn = reader.text(tag::OCTET_STRING)?;
    let text = reader.text(tag::OCTET_STRING)?;
    if let Some(referral) = reader.optional(0xa3)? {
        urls(&mut Reader(referral), budget)?;
    }
    Ok(Outcome { code, text })
}

fn urls(reader: &mut Reader<'_>, budget: &mut usize) -> Result<(), Violation> {
    while !reader.is_empty() {
        spend(budget)?;
        reader.text(tag::OCTET_STRING)?;
    }
    Ok(())
}

/// SearchResultEntry, RFC 4511 4.5.2. Values may be any bytes.
fn entry(reader: &mut Reader<'_>, budget: &mut usize) -> Result<(), Violation> {
    reader.text(tag::OCTET_STRING)?;
    let mut attributes = Reader(reader.expect(tag::SEQUENCE)?);
    while !attributes.is_empty() {
        spend(budget)?;
        let mut attribute = Reader(attributes.expect(tag::SEQUENCE)?);
        attribute.text(tag::OCTET_STRING)?;
        let mut values = Reader(attribute.expect(tag::SET)?);
        attribute.end()?;
        while !values.is_empty() {
            spend(budget)?;
            values.expect(tag::OCTET_STRING)?;
        }
    }
    Ok(())
}

/// The next of a list.
fn control<'a>(list: &mut Reader<'a>) -> Result<Control<'a>, Violation> {
    let mut control = Reader(list.expect(tag::SEQUENCE)?);
    let name = control.text(tag::OCTET_STRING)?;
    let critical = match control.optional(tag::BOOLEAN)? {
        None => false,
        Some(&[truth]) => truth != 0,
        Some(_) => return Err(Violation::Wrong("a truth value that is none")),
    };
    let value = control.optional(tag::OCTET_STRING)?;
    control.end()?;
    Ok(Control { name, critical, value })
}

fn spend(budget: &mut usize) -> Result<(), Violation> {
    *budget = budget.checked_sub(1).ok_or_else(|| {
        Violation::TooMuch(format!("more than {MAX_ELEMENTS} values in a message"), None)
    })?;
    Ok(())
}
