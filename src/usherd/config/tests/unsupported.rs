//! What this version refuses.

use super::{CORP, LOCAL, problems, read, realm};

/// A line of an LDAP realm, where it is refused, by which name, and what turns it off.
const REFUSED: [(&str, &str, &str, &str); 7] = [
    ("cache.stale = \"1h\"", "6:15", "cache.stale", "\"0s\""),
    ("cache.offline_authentication = \"1h\"", "6:32", "cache.offline_authentication", "\"0s\""),
    ("cache.refresh_ahead = 0.8", "6:23", "cache.refresh_ahead", "0"),
    ("shield.failures = 5", "6:19", "shield.failures", "0"),
    ("shield.window = \"10m\"", "6:17", "shield.window", ""),
    ("shield.block = \"5m\"", "6:16", "shield.block", ""),
    ("shield.per_client = 50", "6:21", "shield.per_client", "0"),
];

#[test]
fn each_key_that_cannot_be_honoured_is_refused() {
    for (line, place, key, off) in REFUSED {
        let hint =
            if off.is_empty() { String::new() } else { format!("\n    hint: {off} turns it off") };
        assert_eq!(
            problems(&format!("{CORP}{line}\n")),
            format!("usher.toml:{place}: \"{key}\" is not supported in this version{hint}")
        );
    }
}

#[test]
fn referrals_are_not_followed() {
    assert_eq!(
        problems(&format!("{CORP}referrals = \"follow\"\n")),
        "usher.toml:6:13: referrals \"follow\" is not supported in this version"
    );
}

#[test]
fn certificates_contradict_plain_connections() {
    for (key, value) in [("ca_certificates", "/etc/ca"), ("certificate_checks", "hard")] {
        let place = key.len() + 4;
        assert_eq!(
            problems(&format!("{CORP}{key} = \"{value}\"\n")),
            format!(
                "usher.toml:6:{place}: {key} contradicts connection_security \"plain\": \
                 there are none\n    hint: leave {key} out"
            )
        );
    }
    for key in ["ca_certificates", "certificate_checks"] {
        let text = CORP.replace("plain", "ldaps") + &format!("{key} = \"allow\"\n");
        let told = format!("\"{key}\" is not supported in this version");
        assert!(problems(&text).ends_with(&told), "{key}");
    }
}

#[test]
fn what_means_off_is_taken() {
    realm(&format!(
        "{CORP}referrals = \"ignore\"
        cache = {{ stale = \"0s\", offline_authentication = \"0s\", refresh_ahead = 0 }}
        shield = {{ failures = 0, per_client = 0 }}\n"
    ));
    realm(&format!("{LOCAL}format = \"usher\"\n"));
}

#[test]
fn each_type_of_realm_that_cannot_be_honoured_is_refused() {
    for (kind, keys) in [
        ("pam", "service = \"login\""),
        ("crowd", "host = \"https://crowd\""),
        ("chain", "realms = [\"a\", \"b\"]\non_unavailable = \"next\""),
    ] {
        assert_eq!(
            problems(&format!("[realm.corp]\ntype = \"{kind}\"\n{keys}\n")),
            format!("usher.toml:2:8: type \"{kind}\" is not supported in this version")
        );
    }
}

#[test]
fn files_of_other_formats_are_refused() {
    assert_eq!(
        problems(&format!("{LOCAL}format = \"htpasswd\"\n")),
        "usher.toml:3:10: format \"htpasswd\" is not supported in this version"
    );
}

#[test]
fn the_http_section_is_refused() {
    assert_eq!(
        problems(&format!(
            "{LOCAL}[http]\nlisten = \"127.0.0.1:9180\"\nchallenge = \"Restricted\"\n\
             trusted_user_header = \"X-Forwarded-User\"\nheader_encoding = \"percent\"\n"
        )),
        "usher.toml:3:1: \"http\" is not supported in this version"
    );
}

/// A realm with these lines between its type and its base.
fn secured(lines: &str) -> String {
    format!("[realm.corp]\ntype = \"ldap\"\n{lines}\nbase_dn = \"dc=com\"\n")
}

const HINT: &str =
    "\n    hint: set connection_security = \"plain\" (passwords travel unencrypted!)";

#[test]
fn encrypted_connections_are_refused_and_are_the_default() {
    for (lines, place, word) in [
        ("host = \"localhost\"", "3:8", "ldaps"),
        ("host = \"ldaps://localhost\"", "3:8", "ldaps"),
        ("connection_security = \"ldaps\"\nhost = \"localhost\"", "3:23", "ldaps"),
        ("connection_security = \"ldaps\"\nhost = \"ldaps://localhost\"", "3:23", "ldaps"),
        ("connection_security = \"start_tls\"\nhost = \"ldap://localhost\"", "3:23", "start_tls"),
    ] {
        assert_eq!(
            problems(&secured(lines)),
            format!(
                "usher.toml:{place}: connection_security \"{word}\" is not supported in this version{HINT}"
            )
        );
    }
}

#[test]
fn contradictions_are_told_before_what_is_merely_unsupported() {
    for (word, scheme) in [
        ("start_tls", "ldaps"),
        ("plain", "ldaps"),
        ("ldaps", "ldap"),
        ("start_tls", "ldapi"),
        ("ldaps", "ldapi"),
    ] {
        let host = if scheme == "ldapi" { "%2Frun%2Fldapi" } else { "localhost" };
        let lines = format!("connection_security = \"{word}\"\nhost = \"{scheme}://{host}\"");
        assert_eq!(
            problems(&secured(&lines)),
            format!("usher.toml:3:23: connection_security \"{word}\" contradicts {scheme}://")
        );
    }
    assert_eq!(
        problems(&secured("host = \"ldap://localhost, ldap2\"")),
        "usher.toml:3:8: host mixes servers with and without encryption\n    \
         hint: set connection_security, and leave the schemes out"
    );
    assert_eq!(
        problems(&secured("host = \"ldapi://%2Frun%2Fldapi\"\nport = 389")),
        "usher.toml:4:8: port contradicts ldapi://: a socket has no port"
    );
}

#[test]
fn urls_without_encryption_mean_plain() {
    for host in ["ldap://localhost", "ldapi://%2Frun%2Fldapi", "ldap://[::1]:1389/"] {
        let loaded = read(&secured(&format!("host = \"{host}\""))).unwrap();
        assert_eq!(loaded.warnings, Vec::<String>::new());
    }
}

#[test]
fn the_whole_language_is_known() {
    let problems = problems(include_str!("everything.toml"));
    assert_eq!(problems + "\n", include_str!("everything.txt"));
}
