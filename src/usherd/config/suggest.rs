//! What the TOML library objects to, in our words. Its own would quote the file, and with it
//! passwords.

use super::problem::Fault;

/// More alternatives than this would hide the message.
const MOST_LISTED: usize = 12;

/// What is wrong, with a hint where one can be given.
pub(super) fn explain(mut error: toml::de::Error) -> Fault {
    // Without its input the error's text is its message and then "in `path.of.the.key`".
    error.set_input(None);
    let text = error.to_string();
    let path = text.rsplit_once("\nin `").and_then(|(_, rest)| rest.trim_end().strip_suffix('`'));
    let message = error.message();
    if message.starts_with("unknown field") {
        let (word, known) = words_of(message);
        let table = path.map_or_else(|| "at the top".to_owned(), |path| format!("in [{path}]"));
        let fault = Fault::new(format!("unknown key `{word}` {table}"));
        return with_hint(fault, &word, &known);
    }
    let key = path.map(in_table).unwrap_or_default();
    if message.starts_with("unknown variant") {
        let (word, known) = words_of(message);
        let fault = Fault::new(format!("unknown value `{word}`{key}"));
        return with_hint(fault, &word, &known);
    }
    match message.rsplit_once(", expected ") {
        Some((found, expected)) if found.starts_with("invalid ") => {
            Fault::new(format!("wrong type{key}: expected {expected}"))
        }
        _ => Fault::new(message.replace('\n', " ")),
    }
}

/// The word that is known and most like the one given.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let word = word.to_lowercase();
    let likeness = |known: &str| strsim::jaro_winkler(&word, known);
    known
        .iter()
        .copied()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
        .filter(|known| likeness(known) > 0.8)
}

/// Did you mean..., or what is known.
pub(super) fn with_hint(fault: Fault, word: &str, known: &[&str]) -> Fault {
    match nearest(word, known) {
        Some(meant) => fault.hint(format!("did you mean `{meant}`?")),
        None if known.len() > MOST_LISTED => fault.hint("usher.toml(5) lists the keys"),
        None => fault.hint(format!("known here: {}", known.join(", "))),
    }
}

/// The unknown word and the known ones, out of "unknown field `a`, expected one of `b`, `c`".
fn words_of(message: &str) -> (String, Vec<&str>) {
    let (unknown, known) = message.split_once("`, expected ").unwrap_or((message, ""));
    let unknown = unknown.split_once('`').map_or(unknown, |(_, word)| word);
    (unknown.escape_debug().to_string(), known.split('`').skip(1).step_by(2).collect())
}

/// ` for KEY in [TABLE]`
fn in_table(path: &str) -> String {
    match path.rsplit_once('.') {
        Some((table, key)) => format!(" for `{key}` in [{table}]"),
        None => format!(" for `{path}`"),
    }
}
