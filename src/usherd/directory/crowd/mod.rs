//! Atlassian Crowd, by the REST API of its applications
//! (`/rest/usermanagement/1`).

mod answer;
mod connection;
mod host;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use tokio::time::{Instant, timeout};
use usher_protocol::{HostStatus, Reason};

use super::{
    Attempt, Directory, Entry, Found, Saying, Unavailable, Verification, Walk, Wanted, told,
};
use crate::config;
use answer::{Groups, Refusal, User};
use connection::{Cause, Request, Response};
use host::Host;

/// All but what never means anything is escaped (RFC 3986 2.3).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// As many groups as Crowd tells in one answer by default.
const PAGE: usize = 1000;
/// Nobody is in more groups than this many answers have.
const MOST_PAGES: usize = 20;

/// The servers of a realm, which share their users.
pub(super) struct Crowd {
    realm: String,
    hosts: Vec<Host>,
}

/// Tries each server: whether it takes the application's password and tells of users.
pub(super) async fn walk(realm: &str, settings: &config::Crowd) -> Vec<Walk> {
    let mut walks = Vec::new();
    for place in &settings.hosts {
        let (mut steps, name) = (Vec::new(), place.url());
        let outcome = match Host::new(realm, place, settings) {
            Err(error) => Err(error),
            Ok(host) => {
                let began = Instant::now();
                let limit = settings.connect_timeout + settings.operation_timeout;
                let probe = Request::get("/search?entity-type=user&start-index=0&max-results=1");
                match timeout(limit, host.ask(&probe, began + limit)).await {
                    Ok(Ok(response)) if response.status == 200 => {
                        let took = began.elapsed().as_millis();
                        steps.push(format!("asked as {} in {took} ms", settings.application));
                        Ok(())
                    }
                    Ok(Ok(response)) => Err(unexpected(&response).message),
                    Ok(Err(failure)) => Err(failure.text),
                    Err(_) => Err(format!("no answer in {} ms", limit.as_millis())),
                }
            }
        };
        walks.push(Walk { name, steps, warnings: Vec::new(), outcome });
    }
    walks
}

impl Crowd {
    pub(super) fn open(realm: &str, settings: &config::Crowd) -> Result<Self, String> {
        let hosts = settings.hosts.iter().map(|place| Host::new(realm, place, settings));
        Ok(Self { realm: realm.to_owned(), hosts: hosts.collect::<Result<_, _>>()? })
    }

    /// Asks the first host that answers: those that failed lately come last. What may have been
    /// counted as a failed password is not asked again.
    async fn ask(&self, request: &Request<'_>, deadline: Instant) -> Result<Response, Unavailable> {
        let now = Instant::now();
        let (well, ill): (Vec<_>, Vec<_>) = self.hosts.iter().partition(|it| it.is_well(now));
        let mut said = Vec::new();
        let mut reason = Reason::NoHost;
        for host in well.into_iter().chain(ill) {
            match host.ask(request, deadline).await {
                Ok(response) => return Ok(response),
                Err(failure) => {
                    if failure.cause == Cause::Busy {
                        reason = Reason::Overloaded;
                    } else if Instant::now() >= deadline {
                        reason = Reason::Deadline;
                    }
                    said.push(format!("{}: {}", host.url(), failure.text));
                    if !matches!(failure.cause, Cause::Unsent | Cause::Busy) && request.counts() {
                        break;
                    }
                }
            }
        }
        let text = format!("no host of realm {} could be asked: {}", self.realm, said.join("; "));
        Err(Unavailable::new(reason, text))
    }

    async fn entry(&self, user: &str, deadline: Instant) -> Result<Found, Unavailable> {
        let path = format!("/user?username={}&expand=attributes", escaped(user));
        let response = self.ask(&Request::get(path), deadline).await?;
        match response.status {
            200 => {
                let malformed = |what| malformed(&response, what);
                let told: User = answer::read(&response.body).map_err(malformed)?;
                told.is(user).map_err(malformed)?;
                Ok(Found::One(told.into_entry()))
            }
            404 if answer::reason(&response.body) == Refusal::NoUser => Ok(Found::Nobody),
            _ => Err(unexpected(&response)),
        }
    }

    /// The groups that the user is in, directly or by other groups.
    async fn groups(&self, user: &str, deadline: Instant) -> Result<Vec<String>, Unavailable> {
        let mut names = Vec::new();
        for page in 0..MOST_PAGES {
            let path = format!(
                "/user/group/nested?username={}&start-index={}&max-results={PAGE}",
                escaped(user),
                page * PAGE
            );
            let response = self.ask(&Request::get(path), deadline).await?;
            match response.status {
                200 => {
                    let groups: Groups =
                        answer::read(&response.body).map_err(|what| malformed(&response, what))?;
                    let count = groups.groups.len();
                    names.extend(groups.groups.into_iter().map(|group| group.name));
                    if count < PAGE {
                        return Ok(names);
                    }
                }
                // Whoever is gone in between has none.
                404 if answer::reason(&response.body) == Refusal::NoUser => return Ok(names),
                _ => return Err(unexpected(&response)),
            }
        }
        let most = MOST_PAGES * PAGE;
        let text =
            format!("Crowd says that a user of realm {} is in more than {most} groups", self.realm);
        Err(Unavailable::new(Reason::NoHost, text).not_silent())
    }

    async fn judge(
        &self,
        user: &str,
        attempt: Attempt<'_>,
        deadline: Instant,
    ) -> Result<Verification, Unavailable> {
        // JSON has no others.
        let Some(password) = attempt.password.as_str() else { return Ok(Verification::Wrong) };
        let path = format!("/authentication?username={}", escaped(user));
        let request = Request::post(path, answer::password(password), attempt);
        let response = self.ask(&request, deadline).await?;
        match (response.status, answer::reason(&response.body)) {
            (200, _) => {
                let malformed = |what| malformed(&response, what);
                let told: User = answer::read(&response.body).map_err(malformed)?;
                told.is(user).map_err(malformed)?;
                Ok(Verification::Right(None))
            }
            (400 | 404, Refusal::Wrong | Refusal::NoUser) => Ok(Verification::Wrong),
            // Crowd says so before it looks at the password.
            (400, Refusal::Inactive) => Ok(Verification::Refused(Reason::AccountDisabled)),
            (400, Refusal::Expired) => Ok(Verification::Barred(Reason::PasswordExpired)),
            _ => Err(unexpected(&response)),
        }
    }
}

impl Directory for Crowd {
    fn find<'a>(&'a self, user: &'a str, _: &'a Wanted, deadline: Instant) -> Saying<'a, Found> {
        Box::pin(async move {
            let (found, groups) =
                tokio::join!(self.entry(user, deadline), self.groups(user, deadline));
            let found = match (found?, groups) {
                (Found::One(entry), groups) => Found::One(Entry { groups: groups?, ..entry }),
                (other, _) => other,
            };
            told::entry(&found);
            Ok(found)
        })
    }

    fn verify<'a>(
        &'a self,
        id: &'a str,
        attempt: Attempt<'a>,
        deadline: Instant,
    ) -> Saying<'a, Verification> {
        Box::pin(self.judge(id, attempt, deadline))
    }

    fn hosts(&self) -> Vec<HostStatus> {
        self.hosts.iter().map(Host::status).collect()
    }
}

/// Without the answer's text, which could have a secret of somebody's.
fn malformed(response: &Response, mut what: String) -> Unavailable {
    what.insert_str(0, &format!("the answer of {} cannot be used: ", response.of));
    what.push_str("; is it Crowd itself that answers there, in a version that is supported?");
    Unavailable::new(Reason::NoHost, what).not_silent()
}

fn unexpected(response: &Response) -> Unavailable {
    let (status, bytes) = (response.status, response.body.len());
    malformed(response, format!("status {status} and {bytes} bytes without a reason that is known"))
}

/// A name cannot add to the question.
fn escaped(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, UNRESERVED)
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn a_name_cannot_add_to_the_question() {
        assert_eq!(escaped("al.ice-1_~").to_string(), "al.ice-1_~");
        let added = escaped("a&username=b#c %/é").to_string();
        assert_eq!(added, "a%26username%3Db%23c%20%25%2F%C3%A9");
    }
}
