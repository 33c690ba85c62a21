//! What was asked on a connection, and what may still be answered.

use std::collections::HashMap;

use ldap3::LdapResult;

use super::ber::{Reader, tag};
use super::message::{self, Kind, Response};
use super::{MAX_ANSWERS, MAX_ASKED, MAX_SEARCH, Violation};
use crate::directory::ldap::host::describe;

const NO_REQUEST: Violation = Violation::Wrong("an answer to no request");

/// The requests without their last answer, by message id.
#[derive(Debug, Default)]
pub(super) struct Dialogue(HashMap<u32, Asked>);

#[derive(Debug, Clone, Copy)]
enum Asked {
    Bind,
    /// With how many messages came so far, and of how many bytes.
    Search(usize, usize),
    Extended,
}

/// What becomes of a message that is as it should be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is an answer.
    Pass,
    /// Nobody waits for it, and it does no harm.
    Ignore,
}

impl Dialogue {
    /// Notes a request: what stands in the SEQUENCE of its message.
    pub(super) fn asked(&mut self, content: &[u8]) -> Result<(), Violation> {
        let mut reader = Reader(content);
        let id = reader.number(tag::INTEGER)?;
        let (op, _) = reader.any()?;
        let asked = match op {
            0x60 => Asked::Bind,
            0x63 => Asked::Search(0, 0),
            0x77 => Asked::Extended,
            // UnbindRequest and AbandonRequest have no answer (RFC 4511 4.3, 4.11). What is
            // abandoned may be answered nevertheless.
            0x42 | 0x50 => return Ok(()),
            _ => return Err(Violation::Wrong("a request that the guard does not know")),
        };
        if self.0.len() >= MAX_ASKED {
            return Err(Violation::Wrong("too few answers"));
        }
        self.0.insert(id, asked);
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
        let asked = self.0.get_mut(&response.id).ok_or(NO_REQUEST)?;
        match (asked, response.kind) {
            (Asked::Bind, Kind::Bind)
            | (Asked::Search(..), Kind::Done)
            | (Asked::Extended, Kind::Extended) => {
                self.0.remove(&response.id);
            }
            (Asked::Search(count, bytes), Kind::Entry | Kind::Reference) => {
                *count += 1;
                *bytes += content.len();
                let too_much = if *count > MAX_ANSWERS {
                    format!("more than {MAX_ANSWERS} messages for one search")
                } else if *bytes > MAX_SEARCH {
                    format!("more than {MAX_SEARCH} bytes for one search")
                } else {
                    return Ok(Verdict::Pass);
                };
                return Err(Violation::TooMuch(too_much, Some(response.id)));
            }
            _ => return Err(Violation::Wrong("an answer of another kind than the request's")),
        }
        Ok(Verdict::Pass)
    }
}

/// RFC 4511 4.4: a notice of disconnection is obeyed, others are not for us.
fn unsolicited(response: &Response<'_>) -> Result<Verdict, Violation> {
    if response.kind != Kind::Extended {
        return Err(NO_REQUEST);
    }
    if response.is_notice_of_disconnection() {
        return Err(Violation::Notice(describe(&response.result.to_ldap3())));
    }
    Ok(Verdict::Ignore)
}

/// The result that answers the only request, an extended one with this id.
pub(super) fn extended_result(content: &[u8], id: u32) -> Result<LdapResult, Violation> {
    let mut dialogue = Dialogue(HashMap::from([(id, Asked::Extended)]));
    match dialogue.heard(content)? {
        Verdict::Pass => Ok(Response::read(content)?.result.to_ldap3()),
        Verdict::Ignore => Err(NO_REQUEST),
    }
}
