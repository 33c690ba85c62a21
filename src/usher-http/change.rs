//! Where a user goes whose password must be changed: a configured URL, with the user's name and the
//! way back filled in.

use std::str::FromStr;

use hyper::header::HeaderValue;

use crate::encoding::percent;

/// With all of it, the head of an answer still fits into nginx's buffer.
const LONGEST: usize = 2048;

/// `https://password.example.com/?user={user}&back={back}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChangeUrl(String);

impl ChangeUrl {
    /// The URL for this user. A way back that would make it too long is left out.
    pub(crate) fn of(&self, user: &str, back: &str) -> Option<HeaderValue> {
        [back, ""].iter().find_map(|back| {
            // A value holds no brace once it is percent-encoded, so none is filled in twice.
            let url = self.0.replace("{user}", &percent(user)).replace("{back}", &percent(back));
            (url.len() <= LONGEST).then(|| HeaderValue::try_from(url).ok()).flatten()
        })
    }
}

impl FromStr for ChangeUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let begins = ["https://", "http://", "/"].iter().any(|start| text.starts_with(start));
        // Browsers take both for another host.
        let elsewhere = text.starts_with("//") || text.contains('\\');
        if !begins || elsewhere || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("password_change_url: not a URL of http or https, nor a path");
        }
        let filled = text.replace("{user}", "").replace("{back}", "");
        if filled.contains(['{', '}', '"', '<', '>']) {
            return Err("password_change_url: {user} and {back} are all that can be filled in");
        }
        (text.len() <= LONGEST / 2)
            .then(|| Self(text.to_owned()))
            .ok_or("password_change_url: longer than 1024 bytes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_filled_in_stays_where_it_belongs() {
        let url: ChangeUrl = "https://pw.example.com/?u={user}&b={back}#x".parse().unwrap();
        let filled = |user, back| url.of(user, back).unwrap().to_str().unwrap().to_owned();
        assert_eq!(filled("zoë", ""), "https://pw.example.com/?u=zo%C3%AB&b=#x");
        assert_eq!(
            filled("a&b=c#{back}", "https://w/?q=1&r=%20\r\n"),
            "https://pw.example.com/?u=a%26b%3Dc%23%7Bback%7D\
             &b=https%3A%2F%2Fw%2F%3Fq%3D1%26r%3D%2520%0D%0A#x"
        );
        assert_eq!(filled("alice", &"/".repeat(2000)), "https://pw.example.com/?u=alice&b=#x");
        assert_eq!(url.of(&"é".repeat(2000), ""), None);
    }

    #[test]
    fn what_is_no_url_is_refused() {
        assert!("/password?user={user}".parse::<ChangeUrl>().is_ok());
        for text in [
            "",
            "pw.example.com",
            "ftp://pw/",
            "//pw.example.com/",
            "/\\pw.example.com/",
            "javascript:alert(1)",
            "https://pw/ x",
            "https://pw/\r\nX: y",
            "https://pw/?u={name}",
            "https://pw/é",
        ] {
            assert!(text.parse::<ChangeUrl>().is_err(), "{text}");
        }
        assert!(format!("/{}", "x".repeat(1024)).parse::<ChangeUrl>().is_err());
    }
}
