//! What stands after `Require usher-group`, `usher-attribute` and `usher-rule`.

/// What must hold of a user: any one of these.
#[derive(Debug, PartialEq, Eq)]
pub struct Requirement(pub Vec<Test>);

/// One thing that may hold of a user.
#[derive(Debug, PartialEq, Eq)]
pub enum Test {
    /// The user is in one of these groups; every answer says of which the user is a member.
    Groups(Vec<String>),
    /// A rule that only the daemon can judge, as it is asked.
    Rule(String),
}

impl Requirement {
    /// Reads the rest of a `Require` line; `provider` is the word before it.
    ///
    /// # Errors
    /// What is wrong with it; httpd puts the file and the line before it.
    pub fn parse(provider: &str, line: &str) -> Result<Self, String> {
        tests(provider, line).map(Self).map_err(|what| format!("Require {provider}: {what}"))
    }

    /// The rule, if nothing else will do.
    #[must_use]
    pub fn only_rule(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Test::Rule(rule)] => Some(rule),
            _ => None,
        }
    }
}

fn tests(provider: &str, line: &str) -> Result<Vec<Test>, String> {
    let words = words(line)?;
    if words.is_empty() {
        return Err("at least one word is needed".to_owned());
    }
    match provider {
        "usher-group" => Ok(vec![Test::Groups(words)]),
        "usher-attribute" => words.iter().map(|word| rule(&format!("attribute:{word}"))).collect(),
        _ => words.iter().map(|word| rule(word)).collect(),
    }
}

/// The kinds that usher.toml(5) knows: `group=NAME|NAME`, `attribute:NAME=VALUE|VALUE`, and
/// `filter=FILTER`, which the daemon reads.
fn rule(text: &str) -> Result<Test, String> {
    let subject_and_values = text.split_once('=');
    let (subject, values) = subject_and_values.ok_or_else(|| unknown(text))?;
    let is_attribute = subject.strip_prefix("attribute:").is_some_and(|it| !it.trim().is_empty());
    if subject == "filter" && !values.is_empty() {
        return Ok(Test::Rule(text.to_owned()));
    }
    if subject != "group" && !is_attribute {
        return Err(unknown(text));
    }
    let values: Vec<String> = values.split('|').map(str::to_owned).collect();
    if values.iter().any(|value| value.is_empty() || value.trim() != value) {
        return Err(format!("{text:?} has an empty value, or one with a space at an end"));
    }
    Ok(if is_attribute { Test::Rule(text.to_owned()) } else { Test::Groups(values) })
}

fn unknown(text: &str) -> String {
    format!("{text:?} is none of group=NAME, attribute:NAME=VALUE and filter=FILTER")
}

/// Words between spaces; quotes hold one together, and a backslash in them keeps a quote.
fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        let (word, after) = match first {
            '"' | '\'' => quoted(rest, first)?,
            _ => match rest.split_once(char::is_whitespace) {
                Some((word, after)) => (word.to_owned(), after),
                None => (rest.to_owned(), ""),
            },
        };
        words.push(word);
        rest = after.trim_start();
    }
    Ok(words)
}

fn quoted(text: &str, quote: char) -> Result<(String, &str), String> {
    let mut word = String::new();
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => match characters.next_if(|(_, next)| [quote, '\\'].contains(next)) {
                Some((_, escaped)) => word.push(escaped),
                None => word.push('\\'),
            },
            _ if character == quote => {
                return Ok((word, text.get(at + 1..).unwrap_or_default()));
            }
            _ => word.push(character),
        }
    }
    Err(format!("a {quote} is not closed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(names: &[&str]) -> Test {
        Test::Groups(names.iter().map(|name| (*name).to_owned()).collect())
    }

    fn parsed(provider: &str, line: &str) -> Vec<Test> {
        Requirement::parse(provider, line).unwrap().0
    }

    #[test]
    fn group_names_are_words_and_quotes_hold_one_together() {
        assert_eq!(parsed("usher-group", " dev\tops "), [groups(&["dev", "ops"])]);
        assert_eq!(
            parsed("usher-group", r#""Domain Admins" 'it''s' "a \"b\" \c""#),
            [groups(&["Domain Admins", "it", "s", r#"a "b" \c"#])]
        );
        assert_eq!(parsed("usher-group", "a|b"), [groups(&["a|b"])]);
    }

    #[test]
    fn attributes_and_rules_become_rules_of_the_daemon() {
        let staff = || Test::Rule("attribute:employeeType=staff|temp".to_owned());
        assert_eq!(parsed("usher-attribute", "employeeType=staff|temp"), [staff()]);
        assert_eq!(
            parsed("usher-rule", r#"attribute:employeeType=staff|temp "group=Domain Admins|ops""#),
            [staff(), groups(&["Domain Admins", "ops"])]
        );
        let filter = Test::Rule("filter=(|(a=b)(c=d))".to_owned());
        assert_eq!(parsed("usher-rule", "filter=(|(a=b)(c=d))"), [filter]);
    }

    #[test]
    fn only_what_nothing_else_stands_for_can_be_asked_with_a_password() {
        let only = |provider, line| {
            Requirement::parse(provider, line).unwrap().only_rule().map(str::to_owned)
        };
        assert_eq!(only("usher-attribute", "a=b|c").as_deref(), Some("attribute:a=b|c"));
        assert_eq!(only("usher-attribute", "a=b a=c"), None);
        assert_eq!(only("usher-rule", "group=dev"), None);
        assert_eq!(only("usher-group", "dev"), None);
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (provider, line, what) in [
            ("usher-group", " ", "at least one word is needed"),
            ("usher-group", "\"dev", "a \" is not closed"),
            ("usher-attribute", "staff", "is none of group=NAME"),
            ("usher-attribute", "=staff", "is none of group=NAME"),
            ("usher-attribute", "a=", "has an empty value"),
            ("usher-rule", "dev", "is none of group=NAME"),
            ("usher-rule", "grupp=dev", "is none of group=NAME"),
            ("usher-rule", "filter=", "is none of group=NAME"),
            ("usher-rule", "group=a||b", "has an empty value"),
            ("usher-rule", "'group=a | b'", "has an empty value, or one with a space at an end"),
        ] {
            let told = Requirement::parse(provider, line).unwrap_err();
            assert!(told.contains(what) && told.contains(provider), "{line}: {told}");
        }
    }
}
