//! What a request has asked, so that it asks once: its sub-requests and redirects share this.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use usher_protocol::{Call, Identity, Password, Query, Reason, Refusal, Reply, Verdict};

use crate::connections::{Connections, now};

/// Somebody, as a request names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whom {
    /// The daemon to ask.
    pub socket: PathBuf,
    /// The realm to ask for; none is the daemon's choice.
    pub realm: Option<String>,
    /// The name as the user or another module gave it.
    pub user: String,
}

/// What the daemon says of somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Who it is.
    Known(Identity),
    /// There is no such user.
    Unknown,
    /// The user may not in, whoever asks.
    Refused(Refusal),
}

/// Why there is no answer. This is never a no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CannotTell(pub String);

/// How a password did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// It is the user's, whose name in the directory's spelling this is.
    Granted(String),
    /// It is not, or the user may not in.
    Denied(Refusal),
    /// Nobody has this name, so another provider may know it.
    NoSuchUser,
}

/// What a request has asked so far.
#[derive(Debug, Default)]
pub struct Asked {
    waited: Duration,
    facts: Vec<Facts>,
    watches: Vec<Watch>,
}

/// While a request is judged.
#[derive(Debug)]
struct Watch {
    /// Where it is in memory; its sub-requests are others.
    request: usize,
    cannot_tell: bool,
}

#[derive(Debug)]
struct Facts {
    whom: Whom,
    about: Option<Result<Answer, CannotTell>>,
    rules: Vec<(String, bool)>,
    /// The last password and how it did. httpd keeps the header that it came in for as long.
    tried: Option<(Password, Result<Login, CannotTell>)>,
}

/// A request that has something to ask about somebody.
#[derive(Debug)]
pub struct Question<'a> {
    /// Whom it is about.
    pub whom: Whom,
    /// Whence the request comes.
    pub client: Option<IpAddr>,
    /// How long a request waits, all its questions together.
    pub timeout: Duration,
    /// What it has asked before.
    pub asked: &'a mut Asked,
    /// The way to the daemon.
    pub connections: &'a Connections,
}

impl Question<'_> {
    /// Who is this?
    pub fn about(&mut self) -> Result<&Answer, &CannotTell> {
        let known = self.facts().about.take();
        let about = match known {
            Some(about) => about,
            None => self.ask(Call::Lookup(self.query(Vec::new()))).and_then(answer),
        };
        self.facts().about.insert(about).as_ref()
    }

    /// Does this rule of the daemon's hold?
    ///
    /// # Errors
    /// If nobody could be asked.
    pub fn holds(&mut self, rule: &str) -> Result<bool, CannotTell> {
        let facts = self.facts();
        if let Some((_, holds)) = facts.rules.iter().find(|(known, _)| known == rule) {
            return Ok(*holds);
        }
        let mut query = self.query(vec![rule.to_owned()]);
        match &self.facts().about {
            Some(Ok(Answer::Known(identity))) => {
                query.realm = Some(identity.realm.clone());
                query.user.clone_from(&identity.user);
            }
            Some(Ok(Answer::Unknown | Answer::Refused(_))) => return Ok(false),
            Some(Err(cannot_tell)) => return Err(cannot_tell.clone()),
            None => {}
        }
        let told = self.ask(Call::Lookup(query)).and_then(answer);
        let facts = self.facts();
        let holds = matches!(told, Ok(Answer::Known(_)));
        match told {
            // Of a user without the rule, this answer tells nothing else.
            Ok(Answer::Refused(refusal)) if refusal.reason == Reason::Rule => {}
            told => facts.about = Some(told),
        }
        if let Some(Err(cannot_tell)) = &facts.about {
            return Err(cannot_tell.clone());
        }
        facts.rules.push((rule.to_owned(), holds));
        Ok(holds)
    }

    /// Is this the user's password?
    ///
    /// # Errors
    /// If nobody could be asked.
    pub fn password(&mut self, password: Password) -> Result<Login, CannotTell> {
        if let Some((tried, login)) = &self.facts().tried
            && *tried == password
        {
            return login.clone();
        }
        let login = self.log_in(password.clone());
        self.facts().tried = Some((password, login.clone()));
        login
    }

    fn log_in(&mut self, password: Password) -> Result<Login, CannotTell> {
        let call = Call::Authenticate(self.query(Vec::new()), password);
        match answer(self.ask(call)?)? {
            Answer::Known(identity) => {
                let user = identity.user.clone();
                // The request goes on under this name.
                let whom = Whom { user: user.clone(), ..self.whom.clone() };
                self.asked.facts(&whom).about = Some(Ok(Answer::Known(identity)));
                Ok(Login::Granted(user))
            }
            // The daemon does not say which it is, the name or the password; httpd wants to know
            // whether to try the next provider.
            Answer::Refused(refusal) if refusal.reason == Reason::BadCredentials => {
                match self.about() {
                    Ok(Answer::Unknown) => Ok(Login::NoSuchUser),
                    _ => Ok(Login::Denied(refusal)),
                }
            }
            Answer::Refused(refusal) => Ok(Login::Denied(refusal)),
            Answer::Unknown => Ok(Login::NoSuchUser),
        }
    }

    fn facts(&mut self) -> &mut Facts {
        self.asked.facts(&self.whom)
    }

    fn query(&self, require: Vec<String>) -> Query {
        let Whom { realm, user, .. } = &self.whom;
        Query { realm: realm.clone(), user: user.clone(), client: self.client, require }
    }

    /// Time-outs of one request never add up.
    fn ask(&mut self, call: Call) -> Result<Verdict, CannotTell> {
        let left = self.timeout.saturating_sub(self.asked.waited);
        let start = now();
        let reply = self.connections.ask(&self.whom.socket, call, left);
        self.asked.waited += now().saturating_duration_since(start);
        match reply {
            Ok(Reply::Verdict(verdict)) => Ok(verdict),
            Ok(_) => Err(CannotTell("usherd's answer is not to the question".to_owned())),
            Err(error) => Err(CannotTell(error.to_string())),
        }
    }
}

impl Asked {
    /// Begins to watch the request at this place, unless it is watched.
    pub fn watch(&mut self, request: usize) -> bool {
        let is_new = self.watches.iter().all(|watch| watch.request != request);
        if is_new {
            self.watches.push(Watch { request, cannot_tell: false });
        }
        is_new
    }

    /// Nobody can tell whether the request that is judged now may in.
    pub fn cannot_tell(&mut self) {
        if let Some(watch) = self.watches.last_mut() {
            watch.cannot_tell = true;
        }
    }

    /// Ends the watch that began last: could nobody tell?
    pub fn watched(&mut self) -> bool {
        self.watches.pop().is_some_and(|watch| watch.cannot_tell)
    }

    fn facts(&mut self, whom: &Whom) -> &mut Facts {
        let known = self.facts.iter().position(|facts| facts.whom == *whom);
        let at = known.unwrap_or(self.facts.len());
        if known.is_none() {
            let whom = whom.clone();
            self.facts.push(Facts { whom, about: None, rules: Vec::new(), tried: None });
        }
        // Found, or just put there.
        #[expect(clippy::indexing_slicing, reason = "it is there")]
        &mut self.facts[at]
    }
}

fn answer(verdict: Verdict) -> Result<Answer, CannotTell> {
    match verdict {
        Verdict::Granted(identity) | Verdict::Found(identity) => Ok(Answer::Known(identity)),
        Verdict::NotFound(_) => Ok(Answer::Unknown),
        Verdict::Denied(refusal) => Ok(Answer::Refused(refusal)),
        Verdict::Unavailable(refusal) | Verdict::Forbidden(refusal) | Verdict::Invalid(refusal) => {
            Err(CannotTell(format!("usherd: {} ({})", refusal.message, refusal.reason.as_str())))
        }
    }
}

#[cfg(test)]
mod tests;
