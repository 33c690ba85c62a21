//! What is wrong with a configuration: where, what, and what to do about it.

use std::fmt;
use std::path::{Path, PathBuf};

use super::raw::Span;
use super::suggest;

/// A configuration that cannot be used. Its text has a line for each problem,
/// `FILE:LINE:COLUMN: MESSAGE`, and after it an indented one with a hint where there is one. It
/// never repeats a line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    file: PathBuf,
    problems: Vec<Problem>,
}

/// Something wrong. What it is reads on from the key: `must be between 1 and 65535`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) what: String,
    pub(super) hint: Option<String>,
}

/// Something wrong, and where. The order is that of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Problem {
    /// Line and column, from 1; none: the file as a whole.
    place: Option<(usize, usize)>,
    fault: Fault,
}

/// What was found while a configuration was read. A problem does not stop the reading, so that
/// all are told at once; the value that is taken instead never leaves the room.
pub(super) struct Findings<'a> {
    path: &'a Path,
    text: &'a str,
    problems: Vec<Problem>,
    warnings: Vec<String>,
}

impl Fault {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), hint: None }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// A hint where there is no better one.
    pub(super) fn hint_if_none(self, hint: &str) -> Self {
        Self { hint: self.hint.or_else(|| Some(hint.to_owned())), ..self }
    }
}

impl ConfigError {
    /// A file that cannot even be read.
    pub(super) fn unreadable(path: &Path, cause: impl fmt::Display) -> Self {
        let fault = Fault::new(format!("cannot be read: {cause}"));
        Self { file: path.to_owned(), problems: vec![Problem { place: None, fault }] }
    }

    /// A file that does not have the shape of a configuration.
    pub(super) fn malformed(path: &Path, text: &str, error: toml::de::Error) -> Self {
        let place = error.span().map(|span| line_and_column(text, span.start));
        let fault = suggest::explain(error);
        Self { file: path.to_owned(), problems: vec![Problem { place, fault }] }
    }
}

impl<'a> Findings<'a> {
    pub(super) fn new(path: &'a Path, text: &'a str) -> Self {
        Self { path, text, problems: Vec::new(), warnings: Vec::new() }
    }

    /// Takes down a problem.
    pub(super) fn refuse(&mut self, at: Span, fault: Fault) {
        let place = Some(line_and_column(self.text, at.start));
        self.problems.push(Problem { place, fault });
    }

    /// Takes down a problem, unless there is already a better reason to refuse what stands there.
    pub(super) fn refuse_what_else(&mut self, at: Span, fault: Fault) {
        let place = Some(line_and_column(self.text, at.start));
        if self.problems.iter().all(|problem| problem.place != place) {
            self.problems.push(Problem { place, fault });
        }
    }

    /// Takes down what the operator should know of a configuration that can be used.
    pub(super) fn warn(&mut self, at: Span, what: &str) {
        let (line, column) = line_and_column(self.text, at.start);
        self.warnings.push(format!("{}:{line}:{column}: {what}", self.path.display()));
    }

    /// The value, unless it is a fault of `key`.
    pub(super) fn take<T>(&mut self, key: &str, at: Span, value: Result<T, Fault>) -> Option<T> {
        match value {
            Ok(value) => Some(value),
            Err(fault) => {
                self.refuse(at, Fault { what: format!("{key} {}", fault.what), ..fault });
                None
            }
        }
    }

    /// What a key says as `read` understands it, or the default.
    pub(super) fn read<G, T>(
        &mut self,
        key: &str,
        given: &Option<toml::Spanned<G>>,
        default: T,
        read: impl FnOnce(&G) -> Result<T, Fault>,
    ) -> T {
        let Some(given) = given else { return default };
        self.take(key, given.span(), read(given.get_ref())).unwrap_or(default)
    }

    /// The warnings of a configuration without a problem.
    pub(super) fn conclude(mut self) -> Result<Vec<String>, ConfigError> {
        if self.problems.is_empty() {
            return Ok(self.warnings);
        }
        self.problems.sort_by_key(|problem| problem.place);
        Err(ConfigError { file: self.path.to_owned(), problems: self.problems })
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Problem { place, fault }) in self.problems.iter().enumerate() {
            let newline = if index == 0 { "" } else { "\n" };
            write!(f, "{newline}{}", self.file.display())?;
            if let Some((line, column)) = place {
                write!(f, ":{line}:{column}")?;
            }
            write!(f, ": {}", fault.what)?;
            if let Some(hint) = &fault.hint {
                write!(f, "\n    hint: {hint}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Where a byte of the text is, for people: both count from 1, columns in characters.
pub(super) fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    (line, before.get(line_start..).unwrap_or_default().chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::line_and_column;

    #[test]
    fn lines_and_columns_count_from_one_and_in_characters() {
        let text = "a\nbé=c\n";
        assert_eq!(line_and_column(text, 0), (1, 1));
        assert_eq!(line_and_column(text, 2), (2, 1));
        assert_eq!(line_and_column(text, 5), (2, 3));
        assert_eq!(line_and_column(text, text.len()), (3, 1));
    }
}
