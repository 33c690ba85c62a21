//! A stand-in for the application behind a proxy: it shows what would have reached it.

use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, StatusCode};

use crate::answer::{self, Answer};

/// The first line of the page, by which `usherctl check-proxy` knows it.
const MARK: &str = "usher-http echo";

/// The request's headers, a line each, as they came and in their order, and the length of its
/// body. Passwords are left out: pages are kept by browsers.
pub(crate) async fn page(request: Request<Incoming>) -> Answer {
    let mut text = format!("{MARK}\n{} {}\n", request.method(), request.uri());
    for (name, value) in request.headers() {
        let secret = matches!(name.as_str(), "authorization" | "proxy-authorization" | "cookie");
        let value = if secret { "...".into() } else { String::from_utf8_lossy(value.as_bytes()) };
        text.push_str(&format!("{name}: {value}\n"));
    }
    let mut body = request.into_body();
    let mut length = 0;
    while let Some(Ok(frame)) = body.frame().await {
        length += frame.data_ref().map_or(0, Bytes::len);
    }
    text.push_str(&format!("\n{length} bytes\n"));
    answer::text(StatusCode::OK, text)
}
