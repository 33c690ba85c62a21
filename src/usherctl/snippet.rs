//! `snippet`: a proxy's whole configuration, printed. The texts are the files in `snippet/`.

use std::collections::BTreeSet;

use crate::arguments::{Proxy, Snippet};
use crate::report::{Exit, Report};

/// Headers by which applications know a user, whoever sets them. They are always taken away.
const OTHERS: [&str; 2] = ["X-Forwarded-User", "Remote-User"];

/// Prints it.
pub(crate) fn run(asked: &Snippet) -> Report {
    let template = match asked.proxy {
        Proxy::Nginx => include_str!("snippet/nginx.conf"),
    };
    Report::answer(Exit::Yes, fill(template, asked))
}

/// Puts what was asked for into the places of a template. A line with a header, its variable or an
/// alias stands there once for each.
fn fill(template: &str, asked: &Snippet) -> String {
    let mut text = String::new();
    for line in template.lines() {
        let line = line
            .replace("__LISTEN__", &asked.listen)
            .replace("__UPSTREAM__", &asked.upstream)
            .replace("__SHIM__", &shim(asked))
            .replace("__REALM__", asked.realm.as_deref().unwrap_or_default());
        for line in repeated(&line, &asked.header) {
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
    text
}

/// As the proxy spells the address of usher-http.
fn shim(asked: &Snippet) -> String {
    match asked.proxy {
        Proxy::Nginx if asked.shim.starts_with('/') => format!("unix:{}", asked.shim),
        Proxy::Nginx => asked.shim.clone(),
    }
}

fn repeated(line: &str, keys: &[String]) -> Vec<String> {
    let names = keys.iter().map(|key| header(key));
    if line.contains("__ALIAS__") {
        let names: Vec<String> = names.collect();
        let others = OTHERS.iter().map(|name| (*name).to_owned());
        let others = others.filter(|name| !names.contains(name));
        let aliases = others
            .clone()
            .chain(names.iter().cloned().chain(others).flat_map(|name| aliases(&name)));
        return aliases.map(|alias| line.replace("__ALIAS__", &alias)).collect();
    }
    if line.contains("__HEADER__") || line.contains("__VARIABLE__") {
        let filled = |name: String| {
            let variable = name.to_ascii_lowercase().replace('-', "_");
            line.replace("__HEADER__", &name).replace("__VARIABLE__", &variable)
        };
        return names.map(filled).collect();
    }
    vec![line.to_owned()]
}

/// `X_REMOTE_EMAIL` is `X-Remote-Email` in HTTP.
fn header(key: &str) -> String {
    let word = |word: &str| {
        let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
        first.to_ascii_uppercase() + &rest.to_ascii_lowercase()
    };
    key.split(['_', '-']).map(word).collect::<Vec<_>>().join("-")
}

/// The other spellings that applications take for a header: with underscores in any of its places,
/// and with dots.
pub(crate) fn aliases(name: &str) -> BTreeSet<String> {
    let mut spellings = BTreeSet::from([String::new()]);
    for part in name.split_inclusive('-') {
        let both = |start: String| [format!("{start}{part}"), start + &part.replace('-', "_")];
        spellings = spellings.into_iter().flat_map(both).collect();
    }
    spellings.insert(name.replace('-', "."));
    spellings.remove(name);
    spellings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_an_alias_for_each_way_of_writing_its_hyphens() {
        let aliases = aliases("X-Remote-User");
        let expected = ["X-Remote_User", "X.Remote.User", "X_Remote-User", "X_Remote_User"];
        assert_eq!(aliases.into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn names_of_the_environment_are_headers_in_http() {
        assert_eq!(header("X_REMOTE_EMAIL"), "X-Remote-Email");
        assert_eq!(header("who"), "Who");
    }

    #[test]
    fn lines_are_repeated_for_each_header_and_no_place_is_left_open() {
        let asked = Snippet {
            proxy: Proxy::Nginx,
            realm: Some("corp".to_owned()),
            upstream: "http://127.0.0.1:8000".to_owned(),
            listen: "8080".to_owned(),
            shim: "/run/usher/http.sock".to_owned(),
            header: vec!["WHO".to_owned(), "X_MAIL".to_owned()],
        };
        let text = fill(include_str!("snippet/nginx.conf"), &asked);
        for line in [
            "    auth_request_set $usher_who $upstream_http_who;\n",
            "    proxy_set_header X-Mail $usher_x_mail;\n",
            "    proxy_set_header X.Mail \"\";\n",
            "    proxy_set_header X-Forwarded-User \"\";\n",
            "    server unix:/run/usher/http.sock;\n",
            "set $usher_realm \"corp\";\n",
        ] {
            assert!(text.contains(line), "no {line} in {text}");
        }
        assert!(!text.contains("__"), "{text}");
    }
}
