//! What this version refuses.

use super::{CORP, LOCAL, problems, realm};

/// A line of an LDAP realm, where it is refused, by which name, and what turns it off.
const REFUSED: [(&str, &str, &str, &str); 7] = [
    ("directory = \"active_directory\"", "6:13", "directory", ""),
    ("user_dn = \"uid=%u,dc=com\"", "6:11", "user_dn", ""),
    ("reveal_account_state = true", "6:24", "reveal_account_state", "false"),
    ("groups.base_dn = \"dc=com\"", "6:18", "groups.base_dn", ""),
    ("groups.filter = \"(member=%d)\"", "6:17", "groups.filter", ""),
    ("groups = { attribute = \"memberOf\", nested = 8 }", "6:45", "groups.nested", "0"),
    ("rules.require = [\"filter=(a=b)\"]", "6:18", "filter=", ""),
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
fn what_means_off_is_taken() {
    realm(&format!(
        "{CORP}referrals = \"ignore\"
        reveal_account_state = false
        groups = {{ attribute = \"memberOf\", nested = 0 }}\n"
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

#[test]
fn the_whole_language_is_known() {
    let problems = problems(include_str!("everything.toml"));
    assert_eq!(problems + "\n", include_str!("everything.txt"));
}
