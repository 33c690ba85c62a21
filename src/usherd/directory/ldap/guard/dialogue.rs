//! What was asked on a connection, and what may still be answered.

use std::collections::HashMap;

use ldap3::LdapResult;
use tokio::sync::oneshot;

use super::ber::{Reader, tag};
use super::message::{self, Kind, Response};
use super::{MAX_ANSWERS, MAX_ASKED, MAX_ELEMENTS, MAX_HELD, MAX_SEARCH, Violation};
use crate::directory::ldap::host::describe;

const NO_REQUEST: Violation = Violation::Wrong("an answer to no request");

#[derive(Debug, Default)]
pub(super) struct Dialogue {
    /// The requests without their last answer, by message id.
    open: HashMap<u32, Asked>,
    /// What came for all of them so far.
    held: Amount,
}

#[derive(Debug)]
enum Asked {
    /// By ldap3, with what came so far.
    Search(Amount),
    /// By the daemon itself, which waits for one answer of this kind.
    Alone(Kind, oneshot::Sender<LdapResult>),
}

/// What whoever reads it has to hold.
#[derive(Debug, Clone, Copy, Default)]
struct Amount {
    messages: usize,
    bytes: usize,
    elements: usize,
}

impl Amount {
    fn add(&mut self, bytes: usize, elements: usize) {
        self.messages += 1;
        self.bytes += bytes;
        self.elements += elements;
    }

    fn take(&mut self, other: Self) {
        self.messages = self.messages.saturating_sub(other.messages);
        self.bytes = self.bytes.saturating_sub(other.bytes);
        self.elements = self.elements.saturating_sub(other.elements);
    }

    /// Of what it is more than so many times what one search may have.
    fn exceeds(self, times: usize) -> Option<String> {
        [
            (self.messages, MAX_ANSWERS, "messages"),
            (self.bytes, MAX_SEARCH, "bytes"),
            (self.elements, MAX_ELEMENTS, "values"),
        ]
        .into_iter()
        .find(|(amount, most, _)| *amount > times * most)
        .map(|(_, most, what)| format!("more than {} {what}", times * most))
    }
}

/// What becomes of a message that is as it should be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is an answer for ldap3.
    Pass,
    /// It is none for ldap3, and does no harm.
    Aside,
}

impl Dialogue {
    /// Notes a request of the daemon's own with this id, and whom its answer is to be told.
    pub(super) fn ask(&mut self, id: u32, answer: Kind, tell: oneshot::Sender<LdapResult>) {
        self.open.insert(id, Asked::Alone(answer, tell));
    }

    /// Notes a request of ldap3's: what stands in the SEQUENCE of its message.
    pub(super) fn asked(&mut self, content: &[u8]) -> Result<(), Violation> {
        let mut reader = Reader(content);
        let id = reader.number(tag::INTEGER)?;
        let (op, _) = reader.any()?;
        let asked = match op {
            0x63 => Asked::Search(Amount::default()),
            // UnbindRequest and AbandonRequest have no answer (RFC 4511 4.3, 4.11). What is
            // abandoned may be answered nevertheless.
            0x42 | 0x50 => return Ok(()),
            _ => return Err(Violation::Wrong("a request that the guard does not know")),
        };
        if self.open.len() >= MAX_ASKED {
            return Err(Violation::Wrong("too few answers"));
        }
        self.open.insert(id, asked);
        Ok(())
    }

    /// Judges an answer: what stands in the SEQUENCE of its message.
    pub(super) fn heard(&mut self, content: &[u8]) -> Result<Verdict, Violation> {
        let response = Response::read(content).map_err(|violation| match violation {
            Violation::TooMuch(what, _) => Violation::TooMuch(what, message::id(content)),
            other => other,
        })?;
        if response.id == 0 {
            return unsolicited(&response);
        }
        let asked = self.open.get_mut(&response.id).ok_or(NO_REQUEST)?;
        match (asked, response.kind) {
            (Asked::Alone(kind, _), came) if *kind == came => {
                if let Some(Asked::Alone(_, tell)) = self.open.remove(&response.id) {
                    // Who has given up waiting gives up the connection, too.
                    let _ = tell.send(response.to_ldap3());
                }
                Ok(Verdict::Aside)
            }
            (Asked::Search(own), Kind::Done) => {
                self.held.take(*own);
                self.open.remove(&response.id);
                Ok(Verdict::Pass)
            }
            (Asked::Search(own), Kind::Entry | Kind::Reference) => {
                own.add(content.len(), response.elements);
                self.held.add(content.len(), response.elements);
                let alone = own.exceeds(1).map(|what| what + " for one search");
                let all = || Some(self.held.exceeds(MAX_HELD)? + " for searches beside each other");
                match alone.or_else(all) {
                    Some(too_much) => Err(Violation::TooMuch(too_much, Some(response.id))),
                    None => Ok(Verdict::Pass),
                }
            }
            _ => Err(Violation::Wrong("an answer of another kind than the request's")),
        }
    }
}

/// RFC 4511 4.4: a notice of disconnection is obeyed, others are not for us.
fn unsolicited(response: &Response<'_>) -> Result<Verdict, Violation> {
    if response.kind != Kind::Extended {
        return Err(NO_REQUEST);
    }
    if response.is_notice_of_disconnection() {
        return Err(Violation::Notice(describe(&response.to_ldap3())));
    }
    Ok(Verdict::Aside)
}

/// The result in the answer to the only request, which was an extended one with this id.
pub(super) fn extended_result(content: &[u8], id: u32) -> Result<LdapResult, Violation> {
    let (tell, mut told) = oneshot::channel();
    let mut dialogue = Dialogue::default();
    dialogue.ask(id, Kind::Extended, tell);
    dialogue.heard(content)?;
    told.try_recv().map_err(|_| NO_REQUEST)
}
