//! Search filters, checked against RFC 4515 to the letter: what a server or a library would read
//! in its own way is refused here.

use super::name;

/// Deepest nesting.
const MAX_DEPTH: usize = 32;
/// What makes an extensible match look at the entry's DN too.
const DN_FLAG: &str = ":dn";
/// Longest text, in bytes.
const MAX_LENGTH: usize = 8192;

/// A search filter that follows RFC 4515.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(String);

impl Filter {
    /// Reads a filter, with or without its outer parentheses.
    ///
    /// # Errors
    /// What is wrong with it, in words that follow "the filter is not RFC 4515:".
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_LENGTH {
            return Err(format!("it is longer than {MAX_LENGTH} bytes"));
        }
        let mut reader = Reader { text, rest: text, dn_flags: Vec::new() };
        let bare = !text.starts_with('(');
        if bare {
            reader.component(0)?;
        } else {
            reader.filter(0)?;
        }
        if !reader.rest.is_empty() {
            return Err(reader.wrong("nothing may follow the filter: unexpected text"));
        }
        let mut text = text.to_owned();
        for at in reader.dn_flags {
            // RFC 4515 allows any case, the LDAP library only this.
            if let Some(flag) = text.get_mut(at..at + DN_FLAG.len()) {
                flag.make_ascii_lowercase();
            }
        }
        Ok(Self(if bare { format!("({text})") } else { text }))
    }

    /// The filter's text, with its outer parentheses.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What was read of a filter, and what is still to come.
struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
    /// Where the text says `:dn`.
    dn_flags: Vec<usize>,
}

impl Reader<'_> {
    /// `"(" filtercomp ")"`
    fn filter(&mut self, depth: usize) -> Result<(), String> {
        self.expect('(')?;
        self.component(depth)?;
        self.expect(')')
    }

    /// What stands between parentheses.
    fn component(&mut self, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(format!("it is nested more than {MAX_DEPTH} deep"));
        }
        if self.rest.starts_with('!') {
            self.skip(1);
            return self.filter(depth + 1);
        }
        if !self.rest.starts_with(['&', '|']) {
            return self.item();
        }
        self.skip(1);
        self.filter(depth + 1)?;
        while self.rest.starts_with('(') {
            self.filter(depth + 1)?;
        }
        Ok(())
    }

    /// An attribute, what is asked of it, and a value.
    fn item(&mut self) -> Result<(), String> {
        let Some(end) = self.rest.find(['=', '~', '>', '<', ':', '(', ')']) else {
            return Err(self.wrong("expected attribute=value"));
        };
        let (attribute, operator) = self.rest.split_at(end);
        // Only an extensible match may go without an attribute.
        let may_be_empty = operator.starts_with(':');
        if !(name::is_attribute(attribute) || (may_be_empty && attribute.is_empty())) {
            return Err(self.wrong("expected an attribute"));
        }
        self.skip(end);
        if self.rest.starts_with('=') {
            self.skip(1);
            return self.value(true);
        }
        if self.rest.starts_with(':') {
            self.matching_rule(!attribute.is_empty())?;
        } else if self.rest.starts_with(['~', '>', '<']) {
            self.skip(1);
        }
        self.expect('=')?;
        self.value(false)
    }

    /// `[":dn"] [":" rule] ":"`; without an attribute, the rule is required.
    fn matching_rule(&mut self, has_attribute: bool) -> Result<(), String> {
        let Some((between, _)) = self.rest.split_once(":=") else {
            return Err(self.wrong("expected :="));
        };
        let rule = strip_dn_flag(between);
        if rule.len() < between.len() {
            self.dn_flags.push(self.text.len() - self.rest.len());
        }
        let is_rule = rule.strip_prefix(':').is_some_and(name::is_attribute_type);
        if !(is_rule || (has_attribute && rule.is_empty())) {
            return Err(self.wrong("expected a matching rule"));
        }
        self.skip(between.len() + 1);
        Ok(())
    }

    /// A value up to its parenthesis. Asterisks are for equality, where they stand for anything.
    fn value(&mut self, asterisks: bool) -> Result<(), String> {
        let mut after_asterisk = false;
        while let Some(next) = self.rest.chars().next() {
            match next {
                ')' => break,
                '\\' if !self.at_escape() => {
                    return Err(self.wrong("expected \\ and two hexadecimal digits"));
                }
                '*' if !asterisks => return Err(self.wrong("write \\2a for an asterisk")),
                '*' if after_asterisk => return Err(self.wrong("a second asterisk")),
                '(' => return Err(self.wrong("write \\28 for a parenthesis in a value")),
                '\0' => return Err(self.wrong("write \\00 for a NUL")),
                _ => {}
            }
            after_asterisk = next == '*';
            self.skip(next.len_utf8());
        }
        Ok(())
    }

    fn at_escape(&self) -> bool {
        let hex = |digits: &str| digits.bytes().all(|b| b.is_ascii_hexdigit());
        self.rest.get(1..3).is_some_and(hex)
    }

    fn expect(&mut self, expected: char) -> Result<(), String> {
        match self.rest.strip_prefix(expected) {
            Some(rest) => {
                self.rest = rest;
                Ok(())
            }
            None => Err(self.wrong(&format!("expected {expected}"))),
        }
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    /// What is wrong, and where.
    fn wrong(&self, what: &str) -> String {
        let read = self.text.strip_suffix(self.rest).unwrap_or(self.text);
        if self.rest.is_empty() {
            format!("{what} at the end")
        } else {
            format!("{what} at character {}", read.chars().count() + 1)
        }
    }
}

/// What follows `:dn`, which is written in any case; the text itself where there is none.
fn strip_dn_flag(text: &str) -> &str {
    match text.split_at_checked(DN_FLAG.len()) {
        Some((flag, rest))
            if flag.eq_ignore_ascii_case(DN_FLAG) && (rest.is_empty() || rest.starts_with(':')) =>
        {
            rest
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests;
