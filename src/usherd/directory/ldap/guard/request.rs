//! Requests with one answer, as they go over the wire: binds (RFC 4511 4.2) and extended
//! operations (4.12). ldap3 is not told of them: it keeps copies of a password that nobody wipes.

use zeroize::Zeroizing;

use super::ber::Element::{self, Constructed, Primitive};
use super::ber::tag;
use super::message::Kind;

/// The message id of all of them: there is one at a time. ldap3 counts its own from 1 and does not
/// come this far.
pub(super) const ID: u32 = 0x7fff_ffff;

/// A request that the daemon makes itself.
pub(in crate::directory::ldap) struct Request {
    /// What it is answered with.
    pub(super) answer: Kind,
    /// It may hold a password.
    pub(in crate::directory::ldap) bytes: Zeroizing<Vec<u8>>,
}

impl Request {
    /// A bind with a password, and with a control without a value that servers may pass over.
    pub(in crate::directory::ldap) fn simple_bind(dn: &str, password: &str, control: &str) -> Self {
        let password = Primitive(0x80, password.as_bytes());
        let control = [Primitive(tag::OCTET_STRING, control.as_bytes())];
        Self::bind(dn, password, &[Constructed(tag::SEQUENCE, &control)])
    }

    /// A bind as whom the connection shows the client to be (RFC 4422 appendix A).
    pub(in crate::directory::ldap) fn external_bind() -> Self {
        let mechanism =
            [Primitive(tag::OCTET_STRING, b"EXTERNAL"), Primitive(tag::OCTET_STRING, b"")];
        Self::bind("", Constructed(0xa3, &mechanism), &[])
    }

    /// An extended operation that has a name and no value.
    pub(in crate::directory::ldap) fn extended(name: &str) -> Self {
        let name = [Primitive(0x80, name.as_bytes())];
        Self::of(Kind::Extended, Constructed(0x77, &name), &[])
    }

    fn bind(dn: &str, credentials: Element<'_>, controls: &[Element<'_>]) -> Self {
        let version = Primitive(tag::INTEGER, &[3]);
        let content = [version, Primitive(tag::OCTET_STRING, dn.as_bytes()), credentials];
        Self::of(Kind::Bind, Constructed(0x60, &content), controls)
    }

    fn of(answer: Kind, operation: Element<'_>, controls: &[Element<'_>]) -> Self {
        let id = ID.to_be_bytes();
        let content = [Primitive(tag::INTEGER, &id), operation, Constructed(0xa0, controls)];
        // Controls are there or are not; there is no empty list of them in what servers send.
        let content = if controls.is_empty() { &content[..2] } else { &content[..] };
        Self { answer, bytes: Constructed(tag::SEQUENCE, content).bytes() }
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Request};
    use crate::directory::ldap::tests::wire::element;

    const ID: &[u8] = &[2, 4, 0x7f, 0xff, 0xff, 0xff];

    #[test]
    fn a_bind_with_a_password() {
        let request = Request::simple_bind("cn=a", "s3", "1.2");
        let bind = element(0x60, b"\x02\x01\x03\x04\x04cn=a\x80\x02s3");
        let controls = element(0xa0, b"\x30\x05\x04\x031.2");
        assert_eq!(*request.bytes, element(0x30, &[ID, &bind, &controls].concat()));
        assert_eq!(request.answer, Kind::Bind);
    }

    #[test]
    fn its_memory_is_never_moved_so_that_no_copy_of_a_password_stays_behind() {
        for length in [0, 1, 100, 127, 128, 255, 256, 5_000, 70_000] {
            let password = "p".repeat(length);
            let request = Request::simple_bind("cn=a", &password, "1.2");
            let bind = element(0x80, password.as_bytes());
            let bind = element(0x60, &[&b"\x02\x01\x03\x04\x04cn=a"[..], &bind].concat());
            let controls = element(0xa0, b"\x30\x05\x04\x031.2");
            assert_eq!(*request.bytes, element(0x30, &[ID, &bind, &controls].concat()));
            assert_eq!(request.bytes.capacity(), request.bytes.len(), "{length}");
        }
    }

    #[test]
    fn a_bind_by_what_the_connection_shows() {
        let bind = element(0x60, b"\x02\x01\x03\x04\x00\xa3\x0c\x04\x08EXTERNAL\x04\x00");
        assert_eq!(*Request::external_bind().bytes, element(0x30, &[ID, &bind].concat()));
    }

    #[test]
    fn an_extended_operation() {
        let request = Request::extended("1.2");
        let operation = element(0x77, b"\x80\x031.2");
        assert_eq!(*request.bytes, element(0x30, &[ID, &operation].concat()));
        assert_eq!(request.answer, Kind::Extended);
    }
}
