//! Requests with one answer, as they go over the wire: binds (RFC 4511 4.2) and extended
//! operations (4.12). ldap3 is not told of them: it keeps copies of a password that nobody wipes.

use zeroize::Zeroizing;

use super::ber::Element::{self, Constructed, Primitive};
use super::ber::tag;
use super::message::Kind;

/// The least message id of these requests. ldap3 counts its own from 1 and does not come this far.
pub(in crate::directory::ldap) const FIRST_ID: u32 = 0x4000_0000;

/// A request that the daemon makes itself.
#[derive(Clone, Copy)]
pub(in crate::directory::ldap) enum Request<'a> {
    SimpleBind {
        dn: &'a str,
        password: &'a str,
        /// The name of a control without a value, which servers may pass over.
        control: &'a str,
    },
    /// As whom the connection shows the client to be (RFC 4422 appendix A).
    ExternalBind,
    /// The operation of this name, without a value.
    Extended(&'a str),
}

impl Request<'_> {
    /// What it is answered with.
    pub(super) fn answer(&self) -> Kind {
        match self {
            Self::SimpleBind { .. } | Self::ExternalBind => Kind::Bind,
            Self::Extended(_) => Kind::Extended,
        }
    }

    /// It may hold a password, so it is wiped.
    pub(in crate::directory::ldap) fn bytes(&self, id: u32) -> Zeroizing<Vec<u8>> {
        match self {
            Self::SimpleBind { dn, password, control } => {
                let password = Primitive(0x80, password.as_bytes());
                let control = [Primitive(tag::OCTET_STRING, control.as_bytes())];
                bind(id, dn, password, &[Constructed(tag::SEQUENCE, &control)])
            }
            Self::ExternalBind => {
                let (name, none): (&[u8], &[u8]) = (b"EXTERNAL", b"");
                let mechanism = [name, none].map(|text| Primitive(tag::OCTET_STRING, text));
                bind(id, "", Constructed(0xa3, &mechanism), &[])
            }
            Self::Extended(name) => {
                message(id, Constructed(0x77, &[Primitive(0x80, name.as_bytes())]), &[])
            }
        }
    }
}

fn bind(
    id: u32,
    dn: &str,
    credentials: Element<'_>,
    controls: &[Element<'_>],
) -> Zeroizing<Vec<u8>> {
    let (version, dn) =
        (Primitive(tag::INTEGER, &[3]), Primitive(tag::OCTET_STRING, dn.as_bytes()));
    message(id, Constructed(0x60, &[version, dn, credentials]), controls)
}

fn message(id: u32, operation: Element<'_>, controls: &[Element<'_>]) -> Zeroizing<Vec<u8>> {
    let id = id.to_be_bytes();
    let content = [Primitive(tag::INTEGER, &id), operation, Constructed(0xa0, controls)];
    // Where there are no controls, there is no list of them either.
    let content = if controls.is_empty() { &content[..2] } else { &content[..] };
    Constructed(tag::SEQUENCE, content).bytes()
}

#[cfg(test)]
mod tests {
    use super::{FIRST_ID, Request};
    use crate::directory::ldap::tests::wire::element;

    /// The message with this operation and whatever follows.
    fn message(rest: &[&[u8]]) -> Vec<u8> {
        let id = [2, 4, 0x40, 0, 0, 0];
        element(0x30, &[&id[..], &rest.concat()].concat())
    }

    #[test]
    fn a_bind_with_a_password_in_memory_that_is_never_moved_so_that_no_copy_stays_behind() {
        for length in [1, 100, 127, 128, 255, 256, 5_000, 70_000] {
            let password = "p".repeat(length);
            let request = Request::SimpleBind { dn: "cn=a", password: &password, control: "1.2" };
            let bytes = request.bytes(FIRST_ID);
            let bind = [&b"\x02\x01\x03\x04\x04cn=a"[..], &element(0x80, password.as_bytes())];
            let controls = element(0xa0, b"\x30\x05\x04\x031.2");
            assert_eq!(*bytes, message(&[&element(0x60, &bind.concat()), &controls]), "{length}");
            assert_eq!(bytes.capacity(), bytes.len(), "{length}");
        }
    }

    #[test]
    fn a_bind_by_what_the_connection_shows() {
        let bind = element(0x60, b"\x02\x01\x03\x04\x00\xa3\x0c\x04\x08EXTERNAL\x04\x00");
        assert_eq!(*Request::ExternalBind.bytes(FIRST_ID), message(&[&bind]));
    }

    #[test]
    fn an_extended_operation() {
        let operation = element(0x77, b"\x80\x031.2");
        assert_eq!(*Request::Extended("1.2").bytes(FIRST_ID), message(&[&operation]));
    }
}
