//! The language of nginx's configuration files.

/// A directive, and what stands in its block if it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) arguments: Vec<String>,
    pub(super) inside: Option<Vec<Node>>,
}

enum Token {
    Word(String),
    Sign(char),
}

/// # Errors
/// Where it is no such file.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, String> {
    let mut blocks: Vec<(Node, Vec<Node>)> = Vec::new();
    let (mut nodes, mut words) = (Vec::new(), Vec::new());
    for (line, token) in tokens(text)? {
        let wrong = |what: &str| format!("line {line}: {what}");
        match token {
            Token::Word(word) => words.push(word),
            Token::Sign(';') => {
                nodes
                    .push(node(std::mem::take(&mut words)).ok_or_else(|| wrong("; ends nothing"))?);
            }
            Token::Sign('{') => {
                let head =
                    node(std::mem::take(&mut words)).ok_or_else(|| wrong("{ begins nothing"))?;
                blocks.push((head, std::mem::take(&mut nodes)));
            }
            Token::Sign(_) => {
                let Some((head, before)) = blocks.pop().filter(|_| words.is_empty()) else {
                    return Err(wrong("} ends nothing"));
                };
                let inside = std::mem::replace(&mut nodes, before);
                nodes.push(Node { inside: Some(inside), ..head });
            }
        }
    }
    if blocks.is_empty() && words.is_empty() {
        Ok(nodes)
    } else {
        Err("the last directive or block has no end".to_owned())
    }
}

fn node(words: Vec<String>) -> Option<Node> {
    let mut words = words.into_iter();
    let name = words.next()?;
    Some(Node { name, arguments: words.collect(), inside: None })
}

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, String> {
    let (mut tokens, mut line) = (Vec::new(), 1);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' => line += 1,
            c if c.is_whitespace() => {}
            '#' => while chars.next_if(|c| *c != '\n').is_some() {},
            ';' | '{' | '}' => tokens.push((line, Token::Sign(c))),
            c => {
                let word = word(c, &mut chars)
                    .ok_or_else(|| format!("line {line}: a quotation mark without its end"))?;
                line += word.matches('\n').count();
                tokens.push((line, Token::Word(word)));
            }
        }
    }
    Ok(tokens)
}

/// A word in quotation marks, or up to a space or a sign. `${` begins a variable and no block.
fn word(first: char, chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<String> {
    let mut word = String::new();
    if first == '"' || first == '\'' {
        loop {
            match chars.next()? {
                '\\' => match chars.next()? {
                    c @ ('"' | '\'' | '\\') => word.push(c),
                    c => word.extend(['\\', c]),
                },
                c if c == first => return Some(word),
                c => word.push(c),
            }
        }
    }
    word.push(first);
    while let Some(c) = chars.peek().copied() {
        let variable = word.ends_with('$') && c == '{' || word.contains("${") && c == '}';
        if !variable && (c.is_whitespace() || ";{}".contains(c)) {
            break;
        }
        word.extend(chars.next());
        if c == '\\' {
            word.extend(chars.next());
        }
    }
    Some(word)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn blocks_hold_directives() {
        let nodes = parse("http { # x }\n a \"b \\\"c\" 'd';\n e \"T\\\\U\" {\n f ${g}h; }\n}\n")
            .expect("blocks");
        let http = nodes[0].inside.as_ref().expect("a block");
        assert_eq!(http[0].arguments, ["b \"c", "d"]);
        assert_eq!(http[1].arguments, ["T\\U"]);
        assert_eq!(http[1].inside.as_ref().expect("a block")[0].arguments, ["${g}h"]);
    }

    #[test]
    fn what_is_no_such_file_is_refused() {
        for text in ["a", "a {", "}", "a \"b;", ";", "a b }"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
