//! `snippet`: a proxy's whole configuration, printed. The texts are the files in `snippet/`.

mod spelling;

use std::path::Path;

use crate::arguments::{Proxy, Snippet};
use crate::report::{Exit, Report};

pub(crate) use spelling::{OTHER_SIGNS, aliases, header};

/// Headers by which applications know a user, whoever sets them. They are always taken away.
pub(crate) const OTHERS: [&str; 2] = ["X-Forwarded-User", "Remote-User"];
/// What an answer says of itself, so that no client may.
const OF_ANSWERS: [&str; 2] = ["X-Usher-Stale", "X-Usher-Warning"];

/// Prints it.
pub(crate) fn run(socket: &Path, asked: &Snippet) -> Report {
    match places(socket, asked) {
        Ok(places) => {
            Report::answer(Exit::Yes, fill(template(asked.proxy), &places, &asked.header))
        }
        Err(complaint) => Report::usage(complaint.to_owned()),
    }
}

fn template(proxy: Proxy) -> &'static str {
    match proxy {
        Proxy::Nginx => include_str!("snippet/nginx.conf"),
        Proxy::Caddy => include_str!("snippet/Caddyfile"),
        Proxy::Haproxy => include_str!("snippet/haproxy.cfg"),
        Proxy::HaproxyLua => include_str!("snippet/usher.lua"),
        Proxy::Apache => include_str!("snippet/httpd.conf"),
        Proxy::Traefik => include_str!("snippet/traefik.yaml"),
        Proxy::Envoy => include_str!("snippet/envoy.yaml"),
    }
}

/// What stands once in a template, and what is to stand there.
fn places(socket: &Path, asked: &Snippet) -> Result<[(&'static str, String); 11], &'static str> {
    let realm = asked.realm.as_deref().unwrap_or_default();
    let (host, port) = host_and_port(&asked.listen, "0.0.0.0");
    let listen = match asked.proxy {
        Proxy::Haproxy if !asked.listen.contains(':') => format!(":{}", asked.listen),
        _ => asked.listen.clone(),
    };
    let (scheme, authority) = asked.upstream.split_once("://").ok_or("--upstream is no URL")?;
    let authority = authority.trim_end_matches('/');
    let plain = scheme == "http" && !authority.contains('/');
    if !plain && matches!(asked.proxy, Proxy::Haproxy | Proxy::Envoy) {
        return Err("--upstream: for this proxy, http://HOST:PORT only");
    }
    let (upstream_host, upstream_port) = host_and_port(authority, authority);
    let upstream_port = if upstream_host == upstream_port { "80" } else { upstream_port };
    Ok([
        ("__LISTEN__", listen),
        ("__HOST__", host.to_owned()),
        ("__PORT__", port.to_owned()),
        ("__UPSTREAM_HOST__", upstream_host.to_owned()),
        ("__UPSTREAM_PORT__", upstream_port.to_owned()),
        ("__UPSTREAM__", asked.upstream.trim_end_matches('/').to_owned()),
        ("__AUTHORITY__", format!("{upstream_host}:{upstream_port}")),
        ("__SHIM__", shim(asked.proxy, &asked.shim)?),
        ("__REALM__", realm.to_owned()),
        (
            "__USHERREALM__",
            if realm.is_empty() {
                "#UsherRealm corp".to_owned()
            } else {
                format!("UsherRealm {realm}")
            },
        ),
        ("__SOCKET__", socket.display().to_string()),
    ])
}

fn host_and_port<'a>(address: &'a str, no_host: &'a str) -> (&'a str, &'a str) {
    let (host, port) = address.rsplit_once(':').unwrap_or((no_host, address));
    (if host.is_empty() { no_host } else { host }, port)
}

/// As the proxy spells the address of usher-http.
fn shim(proxy: Proxy, address: &str) -> Result<String, &'static str> {
    let is_path = address.starts_with('/');
    Ok(match proxy {
        Proxy::Nginx if is_path => format!("unix:{address}"),
        Proxy::Caddy if is_path => format!("unix/{address}"),
        Proxy::HaproxyLua if is_path => format!("unix@{address}"),
        Proxy::Envoy if is_path => format!("{{ pipe: {{ path: {address} }} }}"),
        Proxy::Envoy => {
            let (host, port) = host_and_port(address, "127.0.0.1");
            format!("{{ socket_address: {{ address: {host}, port_value: {port} }} }}")
        }
        Proxy::Traefik if is_path => {
            return Err("Traefik asks over TCP only: give usher-http a port ([http] listen = \
                        \"127.0.0.1:9180\"), and say --shim 127.0.0.1:9180");
        }
        _ => address.to_owned(),
    })
}

/// Puts everything into its places. A line with a header, in whichever form, or another spelling
/// stands there once for each.
fn fill(template: &str, places: &[(&str, String)], keys: &[String]) -> String {
    let mut text = String::new();
    for line in template.lines() {
        let line =
            places.iter().fold(line.to_owned(), |line, (place, value)| line.replace(place, value));
        for line in repeated(&line, keys) {
            text.push_str(&line);
            text.push('\n');
        }
    }
    text
}

fn repeated(line: &str, keys: &[String]) -> Vec<String> {
    const OF_A_HEADER: [&str; 4] = ["__HEADER__", "__VARIABLE__", "__LOWER__", "__KEY__"];
    let names: Vec<String> = keys.iter().map(|key| header(key)).collect();
    let others = OTHERS.iter().map(|name| (*name).to_owned());
    let others: Vec<String> = others.filter(|name| !names.contains(name)).collect();
    let all = || {
        let told = names.iter().chain(&others).map(String::as_str);
        told.chain(OF_ANSWERS)
    };
    let each = |place: &str, words: Vec<String>| {
        words.iter().map(|word| line.replace(place, word)).collect::<Vec<_>>()
    };
    if line.contains("__OTHER__") {
        return each("__OTHER__", others);
    }
    if line.contains("__ALIAS__") {
        return each("__ALIAS__", all().flat_map(aliases).collect());
    }
    if line.contains("__UNDERSCORED__") {
        let dotless = |name: &String| !name.contains('.');
        return each("__UNDERSCORED__", all().flat_map(aliases).filter(dotless).collect());
    }
    if line.contains("__PATTERN__") {
        return each("__PATTERN__", all().map(|name| name.replace('-', "[^a-z0-9]")).collect());
    }
    if line.contains("__ODD__") {
        return each("__ODD__", spelling::odd_starts(all()));
    }
    if OF_A_HEADER.iter().any(|place| line.contains(place)) {
        let filled = |(key, name): (&String, &String)| {
            let lower = name.to_ascii_lowercase();
            line.replace("__HEADER__", name)
                .replace("__VARIABLE__", &lower.replace('-', "_"))
                .replace("__LOWER__", &lower)
                .replace("__KEY__", key)
        };
        return keys.iter().zip(&names).map(filled).collect();
    }
    vec![line.to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(proxy: Proxy) -> Snippet {
        Snippet {
            proxy,
            realm: Some("corp".to_owned()),
            upstream: "http://127.0.0.1:8000/".to_owned(),
            listen: "8080".to_owned(),
            shim: "127.0.0.1:9180".to_owned(),
            header: vec!["WHO".to_owned(), "X_MAIL".to_owned()],
        }
    }

    #[test]
    fn lines_are_repeated_for_each_header_and_no_place_is_left_open() {
        for (proxy, lines) in [
            (Proxy::Nginx, ["proxy_set_header X-Mail $usher_x_mail;", "X_Mail \"\";", "\"corp\";"]),
            (Proxy::Caddy, ["\t\t\t\tX-Mail", "request_header -X_*", "http://:8080 {"]),
            (Proxy::Haproxy, ["^X[^a-z0-9]Mail$", "bind :8080", "application 127.0.0.1:8000"]),
            (Proxy::HaproxyLua, ["\"X-Mail\",", "\"Who\",", "\"127.0.0.1:9180\""]),
            (Proxy::Apache, ["%{reqenv:X_MAIL}", "unset X_Mail", "\"http://127.0.0.1:8000/\""]),
            (Proxy::Traefik, ["- X-Mail", "X_Mail: \"\"", "9180/auth?realm=corp\""]),
            (Proxy::Envoy, ["exact: x-mail", "(?i)X[^a-z0-9]Mail", "port_value: 8000"]),
        ] {
            let report = run(Path::new("/run/usher/usher.sock"), &asked(proxy));
            assert_eq!((report.exit, &report.complaint), (Exit::Yes, &None));
            for line in lines {
                assert!(report.answer.contains(line), "no {line} in {}", report.answer);
            }
            assert!(!report.answer.contains("__"), "{}", report.answer);
        }
    }

    #[test]
    fn what_a_proxy_cannot_do_is_told() {
        let unix = Snippet { shim: "/run/usher/http.sock".to_owned(), ..asked(Proxy::Traefik) };
        assert!(
            run(Path::new("/x"), &unix).complaint.expect("a complaint").contains("over TCP only")
        );
        let tls = Snippet { upstream: "https://app".to_owned(), ..asked(Proxy::Haproxy) };
        assert_eq!(run(Path::new("/x"), &tls).exit, Exit::Usage);
    }
}
