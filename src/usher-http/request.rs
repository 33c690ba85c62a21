//! What a proxy's request says beside its credentials.

use std::net::IpAddr;

use hyper::header::{ACCEPT, HOST, HeaderMap, HeaderName};
use hyper::{Request, Uri};

const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");

/// The head of a request, taken apart.
#[derive(Clone, Copy)]
pub(crate) struct Head<'a> {
    /// `/auth`, `/lookup` and so on.
    pub(crate) endpoint: &'a str,
    pub(crate) headers: &'a HeaderMap,
    /// What the proxy says in its URL.
    pub(crate) query: Option<&'a str>,
    /// The client's own path and query, where the proxy put them below the endpoint.
    below: Option<&'a str>,
}

impl<'a> Head<'a> {
    pub(crate) fn of<B>(request: &'a Request<B>) -> Self {
        let (endpoint, below) = split(request.uri());
        // Below the endpoint's own path the request is one that a proxy put there whole (Envoy
        // does): its query comes from a client and is none of ours.
        let query = request.uri().query().filter(|_| below.is_none());
        Self { endpoint, headers: request.headers(), query, below }
    }

    /// Whether this is asked for a person with a browser.
    pub(crate) fn takes_html(&self) -> bool {
        let accepts = self.headers.get(ACCEPT).and_then(|accepted| accepted.to_str().ok());
        accepts.is_some_and(|accepted| accepted.contains("text/html"))
    }

    /// Whence the user comes, for the throttling of guessers: `X-Real-IP`, else the last address of
    /// `X-Forwarded-For`, which is the one that the nearest proxy saw.
    pub(crate) fn client(&self) -> Option<IpAddr> {
        let last = |name: &HeaderName| self.headers.get_all(name).iter().next_back()?.to_str().ok();
        let address =
            |text: &str| text.rsplit(',').next().and_then(|last| last.trim().parse().ok());
        last(&REAL_IP).and_then(address).or_else(|| last(&FORWARDED_FOR).and_then(address))
    }

    /// The page that the user wanted, empty where the proxy does not say it.
    pub(crate) fn wanted(&self) -> String {
        let header = |name: &HeaderName| only(self.headers, name);
        let (host, path) = match header(&FORWARDED_URI) {
            Some(path) => (header(&FORWARDED_HOST), Some(path)),
            None => (header(&HOST), self.below.map(str::to_owned)),
        };
        let scheme = header(&FORWARDED_PROTO).filter(|scheme| scheme == "http");
        let scheme = scheme.unwrap_or_else(|| "https".to_owned());
        match (host, path) {
            (Some(host), Some(path)) if path.starts_with('/') => format!("{scheme}://{host}{path}"),
            _ => String::new(),
        }
    }
}

/// `/auth/wiki?x` is the endpoint `/auth` and `/wiki?x` below it.
fn split(uri: &Uri) -> (&str, Option<&str>) {
    let path = uri.path();
    let end = path.bytes().skip(1).take_while(|b| *b != b'/').count() + 1;
    let (endpoint, rest) = path.split_at_checked(end).unwrap_or((path, ""));
    let whole = uri.path_and_query().map(hyper::http::uri::PathAndQuery::as_str);
    let below = whole.and_then(|whole| whole.strip_prefix(endpoint));
    (endpoint, below.filter(|_| !rest.is_empty()))
}

/// The value of a header that may be there once.
pub(crate) fn only(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    let value = std::str::from_utf8(value.as_bytes()).ok()?.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str, lines: &[(&str, &str)]) -> Request<()> {
        let request = Request::get(path);
        let add = |request: hyper::http::request::Builder, (name, value): &(&str, &str)| {
            request.header(*name, *value)
        };
        lines.iter().fold(request, add).body(()).unwrap()
    }

    #[test]
    fn the_clients_address_is_the_one_that_the_nearest_proxy_saw() {
        let real = ("x-real-ip", "192.0.2.1");
        let forwarded = ("x-forwarded-for", "203.0.113.9, 2001:db8::1");
        let of = |lines: &[_]| {
            Head::of(&request("/auth", lines)).client().map(|address| address.to_string())
        };
        assert_eq!(of(&[real, forwarded]).as_deref(), Some("192.0.2.1"));
        assert_eq!(of(&[forwarded]).as_deref(), Some("2001:db8::1"));
        assert_eq!(of(&[("x-real-ip", "unix:"), forwarded]).as_deref(), Some("2001:db8::1"));
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn a_trusted_user_is_named_exactly_once() {
        let name = HeaderName::from_static("x-forwarded-user");
        let of = |lines: &[_]| only(request("/", lines).headers(), &name);
        assert_eq!(of(&[("x-forwarded-user", " alice ")]).as_deref(), Some("alice"));
        assert_eq!(of(&[("x-forwarded-user", "")]), None);
        assert_eq!(of(&[("x-forwarded-user", "alice"), ("x-forwarded-user", "alice")]), None);
        assert_eq!(of(&[("x-forwarded-userx", "alice")]), None);
    }

    #[test]
    fn the_query_is_the_proxys_own_only_at_the_endpoint_itself() {
        let of = |path: &str| {
            let request = request(path, &[]);
            let Head { endpoint, query, below, .. } = Head::of(&request);
            (endpoint.to_owned(), query.map(str::to_owned), below.map(str::to_owned))
        };
        let texts = |endpoint: &str, query: Option<&str>, below: Option<&str>| {
            (endpoint.to_owned(), query.map(str::to_owned), below.map(str::to_owned))
        };
        assert_eq!(of("/auth?realm=x"), texts("/auth", Some("realm=x"), None));
        assert_eq!(of("/auth/?realm=x"), texts("/auth", None, Some("/?realm=x")));
        assert_eq!(of("/auth/wiki?realm=x"), texts("/auth", None, Some("/wiki?realm=x")));
        assert_eq!(of("/"), texts("/", None, None));
    }

    #[test]
    fn the_way_back_is_what_the_proxy_says() {
        let of = |path: &str, lines: &[_]| Head::of(&request(path, lines)).wanted();
        let (host, uri) = (("x-forwarded-host", "wiki:8"), ("x-forwarded-uri", "/a?b=c"));
        assert_eq!(of("/auth", &[host, uri]), "https://wiki:8/a?b=c");
        assert_eq!(of("/auth", &[host, uri, ("x-forwarded-proto", "http")]), "http://wiki:8/a?b=c");
        assert_eq!(of("/auth", &[host, uri, ("x-forwarded-proto", "x")]), "https://wiki:8/a?b=c");
        assert_eq!(of("/auth/a?b=c", &[("host", "wiki")]), "https://wiki/a?b=c");
        assert_eq!(of("/auth", &[("host", "wiki")]), "");
        assert_eq!(of("/auth", &[uri, ("host", "wiki")]), "");
        assert_eq!(of("/auth", &[host, ("x-forwarded-uri", "x://y")]), "");
    }
}
