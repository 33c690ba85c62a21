//! Just enough of Rust's grammar to see which module names which.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;

/// A file of Rust.
#[derive(Debug)]
pub(super) struct Source {
    /// The crate's folder, such as `usherd`.
    pub(super) krate: String,
    /// The path in that folder, such as `directory/ldap/mod.rs`.
    pub(super) path: String,
    code: String,
}

impl Source {
    /// `path` begins with the crate's folder.
    pub(super) fn new(path: &str, text: &str) -> Self {
        let (krate, path) = path.split_once('/').expect("a file in a crate's folder");
        Self { krate: krate.to_owned(), path: path.to_owned(), code: without_texts(text) }
    }

    pub(super) fn name(&self) -> String {
        format!("src/{}/{}", self.krate, self.path)
    }

    /// The module's names from the crate's root down; none for the root itself.
    pub(super) fn module(&self) -> Vec<&str> {
        let path = self.path.trim_end_matches(".rs");
        let mut names: Vec<&str> = path.split('/').collect();
        if matches!(names.last(), Some(&("mod" | "lib" | "main"))) {
            names.pop();
        }
        names
    }

    /// Whether the file holds nothing but tests.
    pub(super) fn is_test(&self) -> bool {
        self.path.ends_with("tests.rs")
    }

    pub(super) fn says(&self, word: &str) -> bool {
        tokens(&self.code).contains(&word)
    }

    /// Whether a path begins with this word.
    pub(super) fn says_path(&self, word: &str) -> bool {
        tokens(&self.code).windows(2).any(|pair| pair == [word, "::"])
    }

    pub(super) fn forbids_unsafe_code(&self) -> bool {
        self.code.replace(char::is_whitespace, "").contains("#![forbid(unsafe_code)]")
    }

    /// The modules that `mod` lines declare, in their order.
    pub(super) fn declared(&self) -> Vec<&str> {
        let tokens = tokens(&self.code);
        let declarations = tokens.windows(3).filter(|w| w[0] == "mod" && w[2] == ";");
        declarations.map(|w| w[1]).filter(|name| *name != "tests").collect()
    }

    /// In a root: where `use module::Name` lines have each name from.
    pub(super) fn reexported(&self) -> BTreeMap<&str, &str> {
        let tokens = tokens(&self.code);
        let modules = self.declared();
        let mut from = BTreeMap::new();
        for (at, window) in tokens.windows(2).enumerate() {
            if window[1] == "::" && modules.contains(&window[0]) {
                for name in names_at(&tokens, at + 2) {
                    from.insert(name, window[0]);
                }
            }
        }
        from
    }

    /// The names right below the crate's root that this file reaches for, by `crate::` or `super::`.
    pub(super) fn reaches_for(&self) -> BTreeSet<&str> {
        let tokens = tokens(&self.code);
        let depth = self.module().len();
        let mut names = BTreeSet::new();
        for at in 0..tokens.len() {
            if tokens[at] == "crate" && tokens.get(at + 1) == Some(&"::") {
                names.extend(names_at(&tokens, at + 2));
            }
            let steps = steps_up(&tokens, at);
            // Modules inside a file begin deeper, so more steps than that lead there too.
            if steps >= depth.max(1) && at.checked_sub(2).is_none_or(|i| tokens[i] != "super") {
                names.extend(names_at(&tokens, at + 2 * steps));
            }
        }
        names
    }

    /// Lines of code, without comments, blank lines and tests.
    pub(super) fn length(&self) -> usize {
        let code = match self.code.find("#[cfg(test)]\nmod ") {
            Some(tests) => &self.code[..tests],
            None => &self.code,
        };
        code.lines().filter(|line| !line.trim().is_empty()).count()
    }
}

/// The number of `super::` from here on.
fn steps_up(tokens: &[&str], at: usize) -> usize {
    let rest = tokens.get(at..).unwrap_or_default();
    rest.chunks(2).take_while(|pair| *pair == ["super", "::"]).count()
}

/// The first names of the path or of the group of paths that begins here.
fn names_at<'a>(tokens: &[&'a str], at: usize) -> Vec<&'a str> {
    let Some(&first) = tokens.get(at) else {
        return Vec::new();
    };
    if first != "{" {
        return vec![first];
    }
    let mut names = Vec::new();
    let mut depth = 0;
    for pair in tokens[at..].windows(2) {
        match pair[0] {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if depth == 1 && matches!(pair[0], "{" | ",") && pair[1] != "}" {
            names.push(pair[1]);
        }
    }
    names
}

/// Words, `::`, and every other sign by itself.
fn tokens(code: &str) -> Vec<&str> {
    let mut rest = code.trim_start();
    iter::from_fn(|| {
        let first = rest.chars().next()?;
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let length = if is_word(first) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        let (token, after) = rest.split_at(length);
        rest = after.trim_start();
        Some(token)
    })
    .collect()
}

/// The code with comments and the contents of strings taken out; line ends stay.
fn without_texts(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = skipped(rest, code.chars().next_back());
        if length == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            code.push(' ');
            code.extend(rest[..length].chars().filter(|c| *c == '\n'));
            rest = &rest[length..];
        }
    }
    code
}

/// The length of the comment, string or character that begins here; 0 if none does.
fn skipped(rest: &str, before: Option<char>) -> usize {
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if rest.starts_with("//") {
        rest.find('\n').unwrap_or(rest.len())
    } else if rest.starts_with("/*") {
        block_comment(rest)
    } else if rest.starts_with('"') {
        quoted(rest)
    } else if rest.starts_with('r') && !in_word {
        raw_string(rest)
    } else if rest.starts_with('\'') {
        character(rest)
    } else {
        0
    }
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0;
    for (at, _) in rest.char_indices() {
        if rest[at..].starts_with("/*") {
            depth += 1;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            if depth == 0 {
                return at + 2;
            }
        }
    }
    rest.len()
}

fn quoted(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// `r"…"`, `r#"…"#` and so on; 0 for a word that begins with r, or `r#word`.
fn raw_string(rest: &str) -> usize {
    let hashes = rest[1..].chars().take_while(|c| *c == '#').count();
    if !rest[1 + hashes..].starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let start = 2 + hashes;
    rest[start..].find(&end).map_or(rest.len(), |at| start + at + end.len())
}

/// `'x'` and `'\n'`; 0 for a lifetime.
fn character(rest: &str) -> usize {
    let mut characters = rest.char_indices().skip(1);
    match characters.next() {
        Some((_, '\\')) => rest[3..].find('\'').map_or(0, |at| 3 + at + 1),
        Some(_) => match characters.next() {
            Some((at, '\'')) => at + 1,
            _ => 0,
        },
        None => 0,
    }
}
