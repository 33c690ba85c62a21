//! What a request has asked, so that it asks once: its sub-requests and redirects share this.

mod told;

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use usher_protocol::client::ClientError;
use usher_protocol::{Call, Identity, MAX_RULES, Password, Query, Reason, Refusal, Reply, Verdict};

use crate::connections::{Connections, now};

pub use told::{Reuse, Told};

/// Somebody, as a request names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whom {
    /// The daemon to ask.
    pub socket: Arc<Path>,
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
pub struct CannotTell {
    /// What is alike with requests that fail for the same reason, see [`crate::complaint`].
    pub trouble: String,
    /// For the error log.
    pub why: String,
}

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
    origin: Origin,
    about: Option<Result<Answer, CannotTell>>,
    rules: Vec<(String, bool)>,
    /// The last password and how it did. httpd keeps the header that it came in for as long.
    tried: Option<(Password, Result<Login, CannotTell>)>,
}

/// Whence a request knows who somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// It asked about them.
    Asked,
    /// They logged in, so the realm that answered is theirs, whatever realm the name means.
    LoggedIn,
    /// Another request of its connection asked about them then.
    Recalled(Instant),
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
    /// What the place requires besides, which is asked along with the first question.
    pub rules: &'a [String],
    /// The way to the daemon.
    pub connections: &'a Connections,
    /// What may be taken from others of its connection.
    pub reuse: Option<Reuse<'a>>,
}

impl Question<'_> {
    /// Who is this?
    pub fn about(&mut self) -> Result<&Answer, &CannotTell> {
        self.recall();
        let known = self.facts().about.take();
        let about = known.unwrap_or_else(|| self.ask_about());
        self.facts().about.insert(about).as_ref()
    }

    /// Does this rule of the daemon's hold?
    ///
    /// # Errors
    /// If nobody could be asked.
    pub fn holds(&mut self, rule: &str) -> Result<bool, CannotTell> {
        if self.rules.iter().any(|known| known == rule) {
            self.about().map_err(Clone::clone)?;
        }
        self.recall();
        let facts = self.facts();
        if let Some((_, holds)) = facts.rules.iter().find(|(known, _)| known == rule) {
            return Ok(*holds);
        }
        let mut query = self.query(vec![rule.to_owned()]);
        match &self.facts().about {
            Some(Ok(Answer::Known(identity))) => {
                query.realm = Some(identity.profile.realm().to_owned());
                identity.profile.user().clone_into(&mut query.user);
            }
            Some(Ok(Answer::Unknown | Answer::Refused(_))) => return Ok(false),
            Some(Err(cannot_tell)) => return Err(cannot_tell.clone()),
            None => {}
        }
        let told = self.put(Call::Lookup(query));
        // Another request that goes by this name and did not log in may mean somebody else.
        let of_the_name = self.facts().origin != Origin::LoggedIn;
        if of_the_name {
            self.remember(&told);
        }
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
        if of_the_name {
            self.remember_rule(rule, holds);
        }
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
        let login = self.log_in(&password);
        self.facts().tried = Some((password, login.clone()));
        login
    }

    fn ask_about(&mut self) -> Result<Answer, CannotTell> {
        let (answer, rules) = self.with_rules(Call::Lookup)?;
        let answer = Ok(answer);
        self.remember(&answer);
        for (rule, holds) in &rules {
            self.remember_rule(rule, *holds);
        }
        self.facts().rules.extend(rules);
        answer
    }

    /// What this request has not asked, one before it on its connection may have.
    fn recall(&mut self) {
        // A sub-request or a redirect leads to a place where less may be taken, or nothing.
        if let Origin::Recalled(since) = self.facts().origin
            && !self.reuse.as_ref().is_some_and(|reuse| reuse.serves(since))
        {
            let facts = self.facts();
            (facts.origin, facts.about) = (Origin::Asked, None);
            facts.rules.clear();
        }
        if self.facts().about.is_some() {
            return;
        }
        let about = (&self.whom, self.client);
        let known = self.reuse.as_mut().and_then(|reuse| reuse.recall(about));
        if let Some((since, identity, rules)) = known {
            let facts = self.facts();
            facts.origin = Origin::Recalled(since);
            facts.about = Some(Ok(Answer::Known(identity)));
            facts.rules.extend(rules);
        }
    }

    /// A no is asked again, and ends what was known before; what nobody could tell does neither.
    fn remember(&mut self, told: &Result<Answer, CannotTell>) {
        let (Some(reuse), about) = (&mut self.reuse, (&self.whom, self.client)) else {
            return;
        };
        match told {
            Ok(Answer::Known(identity)) => reuse.learn(about, identity),
            // Without the rule that was asked along, they are who they are.
            Ok(Answer::Refused(refusal)) if refusal.reason == Reason::Rule => {}
            Ok(Answer::Unknown | Answer::Refused(_)) => reuse.forget(about),
            Err(_) => {}
        }
    }

    /// Who may not log in is not let in by what was known before.
    fn forget(&mut self) {
        if let Some(reuse) = &mut self.reuse {
            reuse.forget((&self.whom, self.client));
        }
    }

    fn remember_rule(&mut self, rule: &str, holds: bool) {
        if let Some(reuse) = &mut self.reuse {
            reuse.learn_rule((&self.whom, self.client), rule, holds);
        }
    }

    fn log_in(&mut self, password: &Password) -> Result<Login, CannotTell> {
        let authenticate = |query| Call::Authenticate(query, password.clone());
        let (answer, rules) = self.with_rules(authenticate)?;
        match answer {
            Answer::Known(identity) => {
                let user = identity.profile.user().to_owned();
                // The request goes on under this name.
                let whom = Whom { user: user.clone(), ..self.whom.clone() };
                let facts = self.asked.facts(&whom);
                facts.origin = Origin::LoggedIn;
                facts.about = Some(Ok(Answer::Known(identity)));
                // What was known by the name alone may be of another realm's user.
                facts.rules = rules;
                Ok(Login::Granted(user))
            }
            // The daemon does not say which it is, the name or the password; httpd wants to know
            // whether to try the next provider.
            Answer::Refused(refusal) if refusal.reason == Reason::BadCredentials => {
                let about = self.put(Call::Lookup(self.query(Vec::new())));
                self.remember(&about);
                match self.facts().about.insert(about) {
                    Ok(Answer::Unknown) => Ok(Login::NoSuchUser),
                    _ => Ok(Login::Denied(refusal)),
                }
            }
            Answer::Refused(refusal) => {
                // Too many wrong passwords say nothing of the user.
                if refusal.reason != Reason::Throttled {
                    self.forget();
                }
                Ok(Login::Denied(refusal))
            }
            Answer::Unknown => {
                self.forget();
                Ok(Login::NoSuchUser)
            }
        }
    }

    /// The first question, and what its answer says of the place's rules.
    ///
    /// They are asked along, so that one answer is enough for whoever fulfils them all. Of anybody
    /// else it tells neither whether the realm would let them in without, nor which of several
    /// does not hold, which only matters in `RequireAny` and `RequireNone`.
    fn with_rules(
        &mut self,
        call: impl Fn(Query) -> Call,
    ) -> Result<(Answer, Vec<(String, bool)>), CannotTell> {
        let rules = if self.rules.len() > MAX_RULES { &[] } else { self.rules };
        if rules.is_empty() {
            return Ok((self.put(call(self.query(Vec::new())))?, Vec::new()));
        }
        let verdict = self.ask(call(self.query(rules.to_vec())))?;
        let told = match verdict.refusal().map(|refusal| refusal.reason) {
            None => {
                let all = rules.iter().map(|rule| (rule.clone(), true));
                return Ok((self.answer(verdict)?, all.collect()));
            }
            Some(Reason::Rule) if rules.len() == 1 => {
                rules.iter().map(|rule| (rule.clone(), false)).collect()
            }
            // A rule that the realm does not understand concerns nobody until it is judged.
            Some(Reason::Rule | Reason::BadRequest) => Vec::new(),
            Some(_) => return Ok((self.answer(verdict)?, Vec::new())),
        };
        Ok((self.put(call(self.query(Vec::new())))?, told))
    }

    fn facts(&mut self) -> &mut Facts {
        self.asked.facts(&self.whom)
    }

    fn query(&self, require: Vec<String>) -> Query {
        let Whom { realm, user, .. } = &self.whom;
        Query { realm: realm.clone(), user: user.clone(), client: self.client, require }
    }

    fn put(&mut self, call: Call) -> Result<Answer, CannotTell> {
        let verdict = self.ask(call)?;
        self.answer(verdict)
    }

    /// Time-outs of one request never add up.
    fn ask(&mut self, call: Call) -> Result<Verdict, CannotTell> {
        let left = self.timeout.saturating_sub(self.asked.waited);
        let start = now();
        let reply = self.connections.ask(&self.whom.socket, call, left);
        self.asked.waited += now().saturating_duration_since(start);
        match reply {
            Ok(Reply::Verdict(verdict)) => Ok(verdict),
            Ok(_) => {
                let why = "usherd's answer is not to the question".to_owned();
                Err(self.cannot_tell("answer", why))
            }
            Err(error) => Err(self.cannot_tell(kind(&error), error.to_string())),
        }
    }

    fn answer(&self, verdict: Verdict) -> Result<Answer, CannotTell> {
        match verdict {
            Verdict::Granted(identity) | Verdict::Found(identity) => Ok(Answer::Known(identity)),
            Verdict::NotFound(_) => Ok(Answer::Unknown),
            Verdict::Denied(refusal) => Ok(Answer::Refused(refusal)),
            Verdict::Unavailable(refusal)
            | Verdict::Forbidden(refusal)
            | Verdict::Invalid(refusal) => {
                let reason = refusal.reason.as_str();
                let why = format!("usherd: {} ({reason})", refusal.message);
                Err(self.cannot_tell(reason, why))
            }
        }
    }

    /// The same reason with another daemon or realm is another trouble.
    fn cannot_tell(&self, reason: &str, why: String) -> CannotTell {
        let Whom { socket, realm, .. } = &self.whom;
        let realm = realm.as_deref().unwrap_or_default();
        CannotTell { trouble: format!("{} {realm} {reason}", socket.display()), why }
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
            let (origin, rules) = (Origin::Asked, Vec::new());
            self.facts.push(Facts { whom, origin, about: None, rules, tried: None });
        }
        // Found, or just put there.
        #[expect(clippy::indexing_slicing, reason = "it is there")]
        &mut self.facts[at]
    }
}

fn kind(error: &ClientError) -> &'static str {
    match error {
        ClientError::Connect(..) => "connect",
        ClientError::Deadline => "deadline",
        ClientError::Closed | ClientError::Io(_) => "broken",
        ClientError::Frame(_) => "frame",
    }
}

#[cfg(test)]
mod tests;
