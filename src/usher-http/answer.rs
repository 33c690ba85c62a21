//! From the daemon's verdict to a status and headers.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE,
};
use hyper::{Response, StatusCode};
use usher_protocol::client::ClientError;
use usher_protocol::{Identity, Reason, Refusal, Source, Verdict, Warning};

use crate::config::{Config, Header};

pub(crate) type Answer = Response<Full<Bytes>>;

const REASON: HeaderName = HeaderName::from_static("x-usher-reason");
const STALE: HeaderName = HeaderName::from_static("x-usher-stale");
const OMITTED: HeaderName = HeaderName::from_static("x-usher-omitted");
const WARNING: HeaderName = HeaderName::from_static("x-usher-warning");
const CHANGE: HeaderName = HeaderName::from_static("x-usher-location");

/// The head of an answer stays below this: nginx reads one into a buffer of 4 kB and makes a 500
/// of a longer one.
const MOST_HEAD: usize = 4000;
/// What every answer has: the status line, the date, the length, no-store and the empty line.
const EVERY_HEAD: usize = 130;

/// Why there is no yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct No {
    pub(crate) status: StatusCode,
    pub(crate) reason: &'static str,
    pub(crate) retry_after_s: Option<u32>,
}

impl No {
    pub(crate) const fn new(status: StatusCode, reason: &'static str) -> Self {
        Self { status, reason, retry_after_s: None }
    }

    /// The request itself cannot be understood.
    pub(crate) const BAD_REQUEST: Self = Self::new(StatusCode::BAD_REQUEST, "bad_request");

    fn of(verdict: &Verdict, refusal: &Refusal) -> Self {
        let status = match verdict {
            Verdict::Denied(_) if refusal.reason == Reason::BadCredentials => {
                StatusCode::UNAUTHORIZED
            }
            Verdict::Denied(_) => StatusCode::FORBIDDEN,
            Verdict::NotFound(_) => StatusCode::NOT_FOUND,
            Verdict::Invalid(_) => StatusCode::BAD_REQUEST,
            // Nobody could tell; or usher-http may not ask, which is no fault of the user's.
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self { status, reason: refusal.reason.as_str(), retry_after_s: refusal.retry_after_s }
    }
}

impl From<&ClientError> for No {
    fn from(error: &ClientError) -> Self {
        let reason = match error {
            ClientError::Deadline => Reason::Deadline,
            _ => Reason::NoHost,
        };
        Self::new(StatusCode::SERVICE_UNAVAILABLE, reason.as_str())
    }
}

/// Whether the verdict answers the question: whoever was merely found has not shown that the
/// password is right.
pub(crate) fn fits(verdict: &Verdict, password_asked: bool) -> bool {
    match verdict {
        Verdict::Granted(_) => password_asked,
        Verdict::Found(_) | Verdict::NotFound(_) => !password_asked,
        _ => true,
    }
}

/// The answer to a verdict, for a person with a browser or for a program; where the password can be
/// changed, if that is what is wrong.
pub(crate) fn of_verdict(
    config: &Config,
    verdict: &Verdict,
    html: bool,
    change: Option<HeaderValue>,
) -> Answer {
    let Some(why) = verdict.refusal() else {
        let yes = verdict.identity().and_then(|who| yes(config, who));
        let no = No::new(StatusCode::SERVICE_UNAVAILABLE, "too_much_metadata");
        return yes.unwrap_or_else(|| refusal(config, no, html));
    };
    let mut no = No::of(verdict, why);
    let Some(change) = change else { return refusal(config, no, html) };
    // nginx takes no redirection, and a program would log in at the page that changes passwords.
    if html {
        no.status = StatusCode::FOUND;
    }
    let mut answer = refusal(config, no, html);
    answer.headers_mut().insert(if html { LOCATION } else { CHANGE }, change);
    answer
}

/// All headers, empty where nothing is known: what a proxy copies then overwrites what a client
/// sent. None, if they do not fit.
fn yes<'a>(config: &'a Config, who: &Identity) -> Option<Answer> {
    let (user, told) = (who.profile.user(), who.profile.metadata().collect::<Vec<_>>());
    let header = |header: &'a Header| {
        let told = told.iter().find(|(key, _)| key.eq_ignore_ascii_case(&header.key));
        let value = told.map_or("", |(_, value)| value);
        (&header.name, header.encoding.apply(value), value == user)
    };
    let mut headers: Vec<_> = config.headers.iter().map(header).collect();
    let mut answer = empty(StatusCode::OK);
    if who.source == Source::Stale {
        answer.headers_mut().insert(STALE, who.age_s.into());
    }
    if let Some(warning) = who.warning {
        answer.headers_mut().insert(WARNING, in_words(warning)?);
    }
    let omitted = make_fit(&mut headers)?;
    if !omitted.is_empty() {
        answer.headers_mut().insert(OMITTED, HeaderValue::try_from(omitted.join(", ")).ok()?);
    }
    for (name, value, _) in headers {
        answer.headers_mut().insert(name, HeaderValue::try_from(value).ok()?);
    }
    Some(answer)
}

fn in_words(warning: Warning) -> Option<HeaderValue> {
    let words = match warning {
        Warning::PasswordExpires(seconds) => format!("password_expires={seconds}"),
        Warning::GraceLogins(count) => format!("grace_logins={count}"),
    };
    HeaderValue::try_from(words).ok()
}

/// Empties the longest values until the head fits, and tells whose. A value is never cut, since
/// half a list of groups would be believed; the user's name always stays.
fn make_fit(headers: &mut [(&HeaderName, Vec<u8>, bool)]) -> Option<Vec<String>> {
    let mut omitted: Vec<String> = Vec::new();
    loop {
        let lines = headers.iter().map(|(name, value, _)| name.as_str().len() + value.len() + 4);
        // With X-Usher-Stale, X-Usher-Warning and X-Usher-Omitted.
        let told = omitted.iter().map(|name| name.len() + 2).sum::<usize>() + 120;
        if EVERY_HEAD + told + lines.sum::<usize>() <= MOST_HEAD {
            return Some(omitted);
        }
        let others = headers.iter_mut().filter(|(_, value, is_user)| !is_user && !value.is_empty());
        let (name, value, _) = others.max_by_key(|(_, value, _)| value.len())?;
        value.clear();
        omitted.push(name.to_string());
    }
}

/// The answer to a request that is not granted. Some proxies show it to people, and only where the
/// reader takes HTML does it have a page: nginx would close its connection over one.
pub(crate) fn refusal(config: &Config, no: No, html: bool) -> Answer {
    let mut answer = if html { page(no) } else { empty(no.status) };
    let headers = answer.headers_mut();
    headers.insert(REASON, HeaderValue::from_static(no.reason));
    if no.status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, config.challenge.clone());
    }
    if let Some(seconds) = no.retry_after_s {
        headers.insert(RETRY_AFTER, seconds.into());
    }
    answer
}

fn empty(status: StatusCode) -> Answer {
    text(status, String::new())
}

/// A plain text; an empty one has no type.
pub(crate) fn text(status: StatusCode, text: String) -> Answer {
    let plain = (!text.is_empty()).then(|| HeaderValue::from_static("text/plain; charset=utf-8"));
    let mut answer = Response::new(Full::from(text));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(plain) = plain {
        answer.headers_mut().insert(CONTENT_TYPE, plain);
    }
    answer
}

/// For people. Nothing of the request stands in it.
fn page(no: No) -> Answer {
    let (title, more) = match (no.status, no.reason) {
        (StatusCode::UNAUTHORIZED, _) => {
            ("Please log in", "This page needs a name and a password.")
        }
        (_, "throttled") => ("Too many attempts", "Please wait a few minutes and try again."),
        (_, "account_locked") => ("Your account is locked", "Please ask your administrator."),
        (_, "account_disabled" | "account_expired") => {
            ("Your account is not active", "Please ask your administrator.")
        }
        (_, "password_expired" | "password_must_change") => {
            ("Your password must be changed", "Please change it and come back.")
        }
        (StatusCode::FORBIDDEN, _) => ("You may not see this page", "Please ask its owners."),
        (StatusCode::NOT_FOUND, _) => ("You are not known here", "Please ask your administrator."),
        (StatusCode::BAD_REQUEST, _) => ("This request cannot be understood", ""),
        _ => (
            "Logging in is not possible at the moment",
            "This is not about your password. Please try again in a minute.",
        ),
    };
    let html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><title>{title}</title></head>\
         <body><h1>{title}</h1><p>{more}</p></body></html>\n"
    );
    let mut answer = text(no.status, html);
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    answer.headers_mut().insert(CONTENT_TYPE, html);
    answer
}

#[cfg(test)]
mod tests {
    use usher_protocol::Profile;

    use super::*;

    fn fit(values: &[(&'static str, usize, bool)]) -> (Option<Vec<String>>, Vec<usize>) {
        let names: Vec<_> = values.iter().map(|(name, ..)| HeaderName::from_static(name)).collect();
        let mut headers: Vec<_> = names
            .iter()
            .zip(values)
            .map(|(name, (_, length, is_user))| (name, vec![b'x'; *length], *is_user))
            .collect();
        let omitted = make_fit(&mut headers);
        (omitted, headers.iter().map(|(_, value, _)| value.len()).collect())
    }

    #[test]
    fn the_longest_values_give_way_whole_and_the_user_never() {
        let all = fit(&[("user", 250, true), ("mail", 30, false), ("groups", 3000, false)]);
        assert_eq!(all, (Some(vec![]), vec![250, 30, 3000]));
        let some = fit(&[("user", 250, true), ("mail", 30, false), ("groups", 9000, false)]);
        assert_eq!(some, (Some(vec!["groups".to_owned()]), vec![250, 30, 0]));
        assert_eq!(fit(&[("user", 5000, true), ("mail", 30, false)]).0, None);
    }

    #[test]
    fn only_a_right_password_is_an_answer_to_a_password() {
        let who = || Identity {
            profile: Profile::default(),
            source: Source::Directory,
            age_s: 0,
            warning: None,
        };
        assert!(fits(&Verdict::Granted(who()), true) && !fits(&Verdict::Granted(who()), false));
        assert!(fits(&Verdict::Found(who()), false) && !fits(&Verdict::Found(who()), true));
    }
}
