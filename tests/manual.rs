//! The manual pages are the last word for users, so they leave out nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::support::daemon;
use crate::support::process;
use crate::support::programs::{installed, run};
use crate::support::repository;

/// A page's text without mdoc's marks: `.Op Fl -config Ar file` holds `--config`.
fn page(name: &str) -> String {
    let path = repository().join("man").join(name);
    let mut mandoc = Command::new(installed("mandoc", "mandoc"));
    let output = process::run(mandoc.args(["-T", "utf8", "-O", "width=1000"]).arg(&path), b"");
    // Bold is written as a letter, a backspace and the letter again.
    let mut text = String::new();
    for sign in output.success().stdout.chars() {
        match sign {
            '\u{8}' => drop(text.pop()),
            _ => text.push(sign),
        }
    }
    text.replace(['\u{2010}', '\u{2212}'], "-")
}

/// Whether the text has the word, not as a part of a longer one.
fn has_word(text: &str, word: &str) -> bool {
    let joins = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '-');
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !joins(before) && !joins(after)
    })
}

/// The options that a program's `--help` lists.
pub(crate) fn options(help: &str) -> BTreeSet<String> {
    let lines = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let words = lines.flat_map(|line| line.split([' ', ',', '=', '.', '[', ']']));
    words.filter(|word| word.starts_with("--") && word.len() > 2).map(str::to_owned).collect()
}

/// The commands that a program's `--help` lists.
pub(crate) fn commands(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    lines
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help")
        .map(str::to_owned)
        .collect()
}

/// Every option of the program and of its commands, and the commands, stand in its page.
fn assert_told(program: &str, page_name: &str) {
    let page = page(page_name);
    let mut told = 0;
    let mut helps = vec![run(program, &["--help"]).success().stdout];
    let commands = commands(&helps[0]);
    helps.extend(commands.iter().map(|name| run(program, &[name, "--help"]).success().stdout));
    for option in helps.iter().flat_map(|help| options(help)).chain(commands) {
        assert!(has_word(&page, &option), "{option} of {program} is not in {page_name}");
        told += 1;
    }
    assert!(told >= 4, "no options were read from the help of {program}");
}

#[test]
fn usherd_is_told_of_whole() {
    assert_told("usherd", "usherd.8");
    let demo = options(&run("usherd", &["demo", "--help"]).success().stdout);
    assert!(demo.contains("--once") && demo.contains("--dir"), "{demo:?}");
}

#[test]
fn usher_http_is_told_of_whole() {
    assert_told("usher-http", "usher-http.8");
    let page = page("usher-http.8");
    for answer in ["/auth", "/lookup", "/healthz", "/readyz", "/metrics", "X-Usher-Omitted"] {
        assert!(page.contains(answer), "{answer} is not in usher-http.8");
    }
}

#[test]
fn usherctl_is_told_of_whole() {
    assert_told("usherctl", "usherctl.1");
}

/// The keys of the tables in the source that reads them: `key: Type,`.
fn keys() -> BTreeSet<String> {
    let source = repository().join("src/usherd/config/raw.rs");
    let source = fs::read_to_string(source).expect("the source of the schema");
    let tables = source.split("table! {").skip(1);
    let lines = tables.flat_map(|table| {
        let lines = table.lines().skip_while(|line| !line.ends_with('{')).skip(1);
        lines.take_while(|line| line.trim() != "}")
    });
    lines
        .filter_map(|line| line.trim().split_once(": "))
        .map(|(key, _)| key.trim_start_matches("r#").to_owned())
        .collect()
}

#[test]
fn every_key_of_the_configuration_is_told_of() {
    let page = page("usher.toml.5");
    let keys = keys();
    assert!(keys.len() > 50 && keys.contains("operation_timeout"), "{keys:?}");
    for key in keys.iter().map(String::as_str).chain(["credential", "transform", "join"]) {
        assert!(has_word(&page, key), "{key} is not in usher.toml.5");
    }
}

#[test]
fn every_key_of_a_user_in_a_file_is_told_of() {
    let source = repository().join("src/usherd/directory/local/users.rs");
    let source = fs::read_to_string(source).expect("the source of the schema");
    let (_, line) = source.split_once("struct Line {").expect("its table");
    let keys: Vec<&str> = line
        .lines()
        .take_while(|line| *line != "}")
        .filter_map(|line| Some(line.trim().split_once(": ")?.0))
        .collect();
    assert!(keys.len() >= 6 && keys.contains(&"first_name"), "{keys:?}");
    let page = fs::read_to_string(repository().join("man/usher.toml.5")).expect("the page");
    let (_, part) = page.split_once(".Ss users.toml\n").expect("its part");
    let (part, _) = part.split_once("\n.Ss ").expect("another part");
    // The last one stands for all other keys.
    for key in keys.iter().filter(|key| **key != "attributes") {
        assert!(part.lines().any(|line| line.starts_with(".It") && has_word(line, key)), "{key}");
    }
    assert!(part.contains(".It Ar attribute"), "{part}");
}

#[test]
fn every_key_that_usher_http_reads_is_told_of() {
    let page = page("usher.toml.5");
    let source = repository().join("src/usher-http/config/raw.rs");
    let source = fs::read_to_string(source).expect("the source of the schema");
    let (_, http) = source.split_once("struct Http {").expect("its table");
    let lines = http.lines().skip(1).take_while(|line| *line != "}");
    let keys: Vec<&str> = lines
        .filter_map(|line| line.trim().strip_prefix("pub(super) ")?.split_once(": "))
        .map(|(key, _)| key)
        .collect();
    assert!(keys.len() >= 5 && keys.contains(&"challenge"), "{keys:?}");
    for key in keys {
        assert!(has_word(&page, key), "{key} is not in usher.toml.5");
    }
}

#[test]
fn every_directive_of_the_module_for_httpd_is_told_of() {
    let page = page("mod_usher.8");
    let source = repository().join("src/mod_usher/hooks.rs");
    let source = fs::read_to_string(source).expect("the source of the directives");
    let names = source.split("c\"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0));
    let names: BTreeSet<&str> =
        names.filter(|name| name.starts_with("Usher") || name.starts_with("usher-")).collect();
    assert!(names.len() >= 8, "{names:?}");
    for name in names {
        assert!(has_word(&page, name), "{name} is not in mod_usher.8");
    }
}

/// The displays of a page's source that hold a whole configuration.
fn configurations(name: &str) -> Vec<String> {
    let source = fs::read_to_string(repository().join("man").join(name)).expect("the page");
    let displays = source.split(".Bd -literal -offset indent\n").skip(1);
    let texts = displays.filter_map(|display| display.split_once(".Ed\n"));
    texts
        .map(|(text, _)| text.replace("\\e", "\\"))
        .filter(|text| text.lines().any(|line| line.starts_with("[realm.")))
        .collect()
}

#[test]
fn the_examples_of_the_configuration_pass_the_check() {
    let examples = configurations("usher.toml.5");
    assert!(examples.len() >= 5, "{examples:?}");
    for example in examples {
        let folder =
            daemon::folder(&example.replace("www-data", "root").replace("\"sasl\"", "\"root\""));
        daemon::write_private(&folder.path().join("ldap.secret"), "reader-secret\n");
        daemon::write_private(&folder.path().join("team.htpasswd"), "");
        let file = folder.path().join("usher.toml");
        run("usherd", &["--config", &file.to_string_lossy(), "--check"]).success();
    }
}

#[test]
fn the_pages_have_no_fault_that_mandoc_can_see() {
    let folder = repository().join("man");
    let pages: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the pages")
        .map(|entry| entry.expect("a page").path())
        .collect();
    assert!(pages.len() >= 3, "{pages:?}");
    let mut mandoc = Command::new(installed("mandoc", "mandoc"));
    let output = process::run(mandoc.args(["-T", "lint", "-W", "style"]).args(pages), b"");
    // Pages of others may not be installed here, and `.groups]` is no end of a sentence.
    let harmless = ["referenced manual not found", "no blank before trailing delimiter"];
    let is_fault = |line: &&str| !harmless.iter().any(|it| line.contains(it));
    let faults: Vec<&str> = output.stdout.lines().filter(is_fault).collect();
    // It may also say that the database of pages is an old one.
    let failed = output.stderr.lines().any(|line| !line.contains("outdated mandoc.db"));
    assert!(faults.is_empty() && !failed, "{faults:#?} {}", output.stderr);
}
