//! Messages of LDAP, made by hand.

pub(in crate::directory::ldap) const BIND: u8 = 0x60;
pub(in crate::directory::ldap) const SEARCH: u8 = 0x63;
pub(in crate::directory::ldap) const EXTENDED: u8 = 0x77;

/// An element: its tag, its length in as few bytes as it takes, its content.
pub(in crate::directory::ldap) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let digits = &length[length.iter().take_while(|byte| **byte == 0).count()..];
    let mut bytes = vec![tag];
    match digits {
        [] => bytes.push(0),
        [short @ 0..0x80] => bytes.push(*short),
        _ => {
            bytes.push(0x80 | u8::try_from(digits.len()).unwrap());
            bytes.extend(digits);
        }
    }
    bytes.extend(content);
    bytes
}

/// From here on, a number stands for an id of what the daemon asks itself; those are longer than
/// the ids of ldap3.
pub(in crate::directory::ldap) const ALONE: u8 = 0x80;

/// A message with this id, operation and whatever follows.
pub(in crate::directory::ldap) fn message(id: u8, rest: &[u8]) -> Vec<u8> {
    let id: &[u8] = if id < ALONE { &[2, 1, id] } else { &[2, 4, 0x40, 0, 0, id - ALONE] };
    element(0x30, &[id, rest].concat())
}

/// The components of an LDAPResult.
pub(in crate::directory::ldap) fn result(code: u8, text: &[u8]) -> Vec<u8> {
    [vec![0x0a, 1, code], element(4, b""), element(4, text)].concat()
}

pub(in crate::directory::ldap) fn bind_response(id: u8) -> Vec<u8> {
    message(id, &element(0x61, &result(0, b"")))
}

pub(in crate::directory::ldap) fn done(id: u8) -> Vec<u8> {
    message(id, &element(0x65, &result(0, b"")))
}

pub(in crate::directory::ldap) fn extended_response(id: u8) -> Vec<u8> {
    message(id, &element(0x78, &result(0, b"")))
}

/// An entry with one attribute.
pub(in crate::directory::ldap) fn entry(id: u8, name: &[u8], values: &[&[u8]]) -> Vec<u8> {
    entry_with(id, &[(name, values)])
}

/// An attribute of an entry: its name, and its values.
pub(in crate::directory::ldap) type Attribute<'a> = (&'a [u8], &'a [&'a [u8]]);

/// An entry with these attributes.
pub(in crate::directory::ldap) fn entry_with(id: u8, attributes: &[Attribute<'_>]) -> Vec<u8> {
    let attribute = |(name, values): &Attribute<'_>| {
        let values: Vec<u8> = values.iter().flat_map(|value| element(4, value)).collect();
        element(0x30, &[element(4, name), element(0x31, &values)].concat())
    };
    let attributes: Vec<u8> = attributes.iter().flat_map(attribute).collect();
    message(id, &element(0x64, &[element(4, b"uid=a"), element(0x30, &attributes)].concat()))
}

pub(in crate::directory::ldap) fn reference(id: u8) -> Vec<u8> {
    message(id, &element(0x73, &element(4, b"ldap://b/dc=b")))
}

/// The notice of disconnection, as RFC 4511 4.4.1 writes it.
pub(in crate::directory::ldap) fn notice(text: &[u8]) -> Vec<u8> {
    let name = element(0x8a, b"1.3.6.1.4.1.1466.20036");
    message(0, &element(0x78, &[result(52, text), name].concat()))
}

/// The same as Active Directory writes it.
pub(in crate::directory::ldap) fn displaced_notice(text: &[u8]) -> Vec<u8> {
    let name = element(0x8a, b"1.3.6.1.4.1.1466.20036");
    message(0, &[element(0x78, &result(52, text)), name].concat())
}

/// Sequences in sequences.
pub(in crate::directory::ldap) fn nested(depth: usize) -> Vec<u8> {
    (0..depth).fold(Vec::new(), |content, _| element(0x30, &content))
}
