//! A law that nothing can break holds nothing: each is broken here once.

use super::source::Source;
use super::{dependencies_too_many, laws_broken};

const LIB: &str = "#![forbid(unsafe_code)]\npub mod demo;\nmod listener;\nmod session;\n\
                   mod realm;\nmod cache;\nmod directory;\npub mod config;\nmod telemetry;\n";

/// What is wrong with a usherd that has this one file besides its root.
fn broken_by(path: &str, text: &str) -> Vec<String> {
    laws_broken(&[Source::new("usherd/lib.rs", LIB), Source::new(path, text)])
}

#[track_caller]
fn assert_caught(path: &str, text: &str, what: &str) {
    let broken = broken_by(path, text);
    assert!(broken.len() == 1 && broken[0].contains(what), "{text}: {broken:?}");
}

#[track_caller]
fn assert_lawful(path: &str, text: &str) {
    let broken = broken_by(path, text);
    assert!(broken.is_empty(), "{text}: {broken:?}");
}

#[test]
fn a_use_of_a_module_listed_above_is_caught() {
    let what = "session uses listener";
    assert_caught("usherd/session.rs", "use crate::listener::Listener;", what);
    assert_caught("usherd/session.rs", "use crate::{config::Settings, listener};", what);
    assert_caught(
        "usherd/session.rs",
        "use crate::{\n  realm::{Realm, rules},\n  listener,\n};",
        what,
    );
    assert_caught("usherd/session.rs", "fn f() { crate::listener::f(); }", what);
    assert_caught("usherd/session.rs", "use super::listener::Listener;", what);
    assert_caught("usherd/session/frames.rs", "use super::super::listener::Listener;", what);
    assert_caught("usherd/session/mod.rs", "mod tests { use crate::listener; }", what);
}

#[test]
fn a_use_of_a_module_listed_below_is_lawful() {
    assert_lawful(
        "usherd/listener.rs",
        "use crate::session::Session;\nuse crate::{config, realm};",
    );
    assert_lawful("usherd/session.rs", "pub(crate) fn f() {}\nuse std::fmt;");
    assert_lawful("usherd/realm/mod.rs", "mod cache_key; use crate::cache::Cache;");
    // Inside a room the order is the room's own.
    assert_lawful("usherd/realm/rules.rs", "use super::listener::Name;");
}

#[test]
fn what_comments_and_strings_say_is_no_use() {
    assert_lawful(
        "usherd/session.rs",
        "// crate::listener\n/* unsafe /* nested */ crate::listener */\n/// unsafe\n\
         const A: &str = \"crate::listener \\\" unsafe\";\nconst B: &str = r#\"ldap3 \" bincode\"#;\n\
         fn f<'a>(x: &'a str) -> char { '\"' }\nconst C: char = '\\'';\n",
    );
    assert_caught("usherd/session.rs", "const A: char = '\"'; use crate::listener;", "listener");
}

#[test]
fn acquaintance_between_cache_and_directory_is_caught() {
    let what = "cache and directory do not know each other";
    assert_caught("usherd/cache/mod.rs", "use crate::directory::Entry;", what);
    assert_caught("usherd/directory/mod.rs", "use crate::cache::Cache;", "listed above");
}

#[test]
fn another_order_of_the_rooms_is_caught() {
    let lib = LIB.replace("mod realm;\nmod cache;", "mod cache;\nmod realm;");
    let broken = laws_broken(&[Source::new("usherd/lib.rs", &lib)]);
    assert!(broken.len() == 1 && broken[0].contains("the order is"), "{broken:?}");
}

#[test]
fn words_out_of_place_are_caught() {
    assert_caught("usherd/realm/mod.rs", "fn f() { unsafe { g() } }", "unsafe");
    assert_caught("usherd/realm/mod.rs", "use bincode::config;", "bincode");
    assert_caught("usherd/directory/mod.rs", "use ldap3::Ldap;", "ldap3");
    assert_lawful("usherd/directory/ldap/pool.rs", "use ldap3::Ldap;");
    assert_lawful("mod_usher/sys.rs", "unsafe fn f() {}");
    assert_caught("usherctl/main.rs", "fn main() {}", "forbid(unsafe_code)");
    assert_caught("usherctl/flags.rs", "use usherd::config::Settings;", "knows the crate usherd");
}

#[test]
fn a_file_of_too_many_lines_is_caught_without_its_tests_and_comments() {
    let line = "fn f() {}\n";
    assert_caught("usherd/realm/mod.rs", &line.repeat(501), "501 lines");
    let rest = format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", "// why\n\n", line.repeat(100));
    assert_lawful("usherd/realm/mod.rs", &format!("{}{rest}", line.repeat(500)));
    assert_lawful("usherd/realm/tests.rs", &line.repeat(501));
}

#[test]
fn a_circle_between_modules_is_caught_even_through_the_root() {
    let root = "#![forbid(unsafe_code)]\nmod a;\nmod b;\nmod c;\npub use c::{Thing, Other};";
    let files = [
        Source::new("usherctl/main.rs", root),
        Source::new("usherctl/a.rs", "use crate::b;"),
        Source::new("usherctl/b/mod.rs", "use crate::{Thing};"),
        Source::new("usherctl/c.rs", "fn f() { super::a::f() }"),
    ];
    let broken = laws_broken(&files);
    assert_eq!(broken.len(), 3, "{broken:?}");
    assert!(broken[0].contains("a uses itself by way of others"), "{broken:?}");
    assert!(laws_broken(&files[..3]).is_empty());
}

#[test]
fn dependencies_that_are_not_for_a_crate_are_caught() {
    let manifest = |name: &str, more: &str| {
        format!("[package]\nname = \"{name}\"\n{more}").parse().expect("TOML")
    };
    let all = [
        manifest("usherd", ""),
        manifest("usherctl", "[dependencies]\nusherd.workspace = true"),
        manifest("usher-http", "[target.x.dev-dependencies]\nb = { package = \"bincode\" }"),
        manifest("mod_usher", "[dependencies]\ntokio = \"1\"\nusher-protocol = \"1\""),
        manifest("usher-protocol", "[dependencies]\nserde = \"1\"\nbincode = \"2\""),
    ];
    let broken: Vec<_> = all.iter().map(|one| dependencies_too_many(one, &all)).collect();
    assert_eq!(broken[1], ["usherctl depends on usherd"]);
    assert_eq!(broken[2], ["usher-http depends on bincode, which is not for it"]);
    assert_eq!(broken[3], ["mod_usher depends on tokio, which is not for it"]);
    assert_eq!((broken[0].len(), broken[4].len()), (0, 0));
}
