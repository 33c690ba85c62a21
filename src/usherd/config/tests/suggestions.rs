//! Unknown keys, unknown values and wrong types.

use proptest::prelude::{any, proptest};

use super::{CORP, LOCAL, problems, read};

#[test]
fn an_unknown_key_is_told_with_its_table_and_the_likely_one() {
    assert_eq!(
        problems("[realm.corp]\ntype = \"ldap\"\n  hots = \"localhost\"\n"),
        "usher.toml:3:3: unknown key `hots` in [realm.corp]\n    hint: did you mean `host`?"
    );
    assert_eq!(
        problems(&format!("{LOCAL}[realm.corp.cache]\nttll = \"5m\"\n")),
        "usher.toml:4:1: unknown key `ttll` in [realm.corp.cache]\n    hint: did you mean `ttl`?"
    );
    assert_eq!(
        problems("default_reaml = \"corp\"\n"),
        "usher.toml:1:1: unknown key `default_reaml` at the top\n    hint: did you mean `default_realm`?"
    );
    assert_eq!(
        problems(&format!("{CORP}pool = {{ bind_lane = 5 }}\n")),
        "usher.toml:6:10: unknown key `bind_lane` in [realm.corp.pool]\n    hint: did you mean `bind_lanes`?"
    );
}

#[test]
fn an_unknown_key_like_no_other_is_told_with_the_known_ones() {
    assert_eq!(
        problems("[access]\nxyz = []\n"),
        "usher.toml:2:1: unknown key `xyz` in [access]\n    hint: known here: authenticate, lookup, metrics"
    );
    assert_eq!(
        problems("[realm.corp]\nqqqq = 1\n"),
        "usher.toml:2:1: unknown key `qqqq` in [realm.corp]\n    hint: usher.toml(5) lists the keys"
    );
}

#[test]
fn an_unknown_type_of_realm_is_told_with_the_likely_one() {
    assert_eq!(
        problems("[realm.corp]\ntype = \"lapd\"\n"),
        "usher.toml:2:8: unknown value `lapd` for `type` in [realm.corp]\n    hint: did you mean `ldap`?"
    );
}

#[test]
fn an_unknown_word_is_told_with_the_known_ones() {
    assert_eq!(
        problems(&format!("{LOCAL}case = \"upside-down\"\n")),
        "usher.toml:3:8: unknown value `upside-down` for `case` in [realm.corp]\n    hint: known here: lower, keep"
    );
    assert_eq!(
        problems(&format!("{CORP}search_scope = \"SUBTREE\"\n")),
        "usher.toml:6:16: unknown value `SUBTREE` for `search_scope` in [realm.corp]\n    hint: did you mean `subtree`?"
    );
}

#[test]
fn a_wrong_type_is_told_without_the_value() {
    assert_eq!(
        problems("[realm.corp]\nport = \"s3cret, expected nothing\"\n"),
        "usher.toml:2:8: wrong type for `port` in [realm.corp]: expected a whole number"
    );
    assert_eq!(
        problems("[realm.corp]\npassword = [\"s3cret\"]\n"),
        "usher.toml:2:12: wrong type for `password` in [realm.corp]: \
         expected { file = \"...\" }, { credential = \"...\" } or a string"
    );
    assert_eq!(
        problems("[realm.corp]\ntype = 5\n"),
        "usher.toml:2:8: wrong type for `type` in [realm.corp]: expected a string"
    );
    assert_eq!(
        problems("listen = 5\n"),
        "usher.toml:1:10: wrong type for `listen`: expected a table"
    );
    assert_eq!(
        problems("[realm.corp]\ncache = { ttl = true }\n"),
        "usher.toml:2:17: wrong type for `ttl` in [realm.corp.cache]: \
         expected a string: a number with a unit"
    );
}

#[test]
fn a_syntax_error_is_told_without_the_line() {
    let text = problems("[realm.corp]\npassword = s3cret\n");
    assert!(text.starts_with("usher.toml:2:12: "), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
    let text = problems("[realm.corp]\ncase = \"lower\"\ncase = \"keep\"\n");
    assert_eq!(text, "usher.toml:3:1: duplicate key");
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        let _ = read(&text);
    }

    #[test]
    fn no_value_makes_it_panic(
        key in "(host|port|password|base_dn|filter|domains|pool|cache|metadata|rules|account|file)",
        value in "(\".*\"|'[^']*'|-?[0-9]{1,30}|\\[.*\\]|\\{.*\\}|true|inf)",
    ) {
        let _ = read(&format!("{CORP}\n[realm.other]\ntype = \"ldap\"\n{key} = {value}\n")).map_err(|error| error.to_string());
    }
}
