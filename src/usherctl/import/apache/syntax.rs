//! The language of httpd's configuration files.

/// A directive, or a section with what stands in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    /// In lower case.
    pub(super) name: String,
    pub(super) arguments: Vec<String>,
    /// As they were written.
    pub(super) text: String,
    /// None for a directive.
    pub(super) inside: Option<Vec<Node>>,
}

/// # Errors
/// Where it is no such file.
pub(super) fn parse(text: &str) -> Result<Vec<Node>, String> {
    let mut open: Vec<Node> = Vec::new();
    let mut top = Vec::new();
    for (number, line) in logical_lines(text) {
        let wrong = |what: &str| format!("line {number}: {what}");
        let section = line.strip_prefix('<');
        if let Some(closing) = section.and_then(|line| line.strip_prefix('/')) {
            let name = closing.trim_end_matches('>').trim().to_ascii_lowercase();
            let Some(ended) = open.pop().filter(|section| section.name == name) else {
                return Err(wrong(&format!("</{name}> closes nothing")));
            };
            add(ended, &mut open, &mut top);
            continue;
        }
        let body = match section {
            Some(line) => line.strip_suffix('>').ok_or_else(|| wrong("a section without >"))?,
            None => line.as_str(),
        };
        let (name, rest) = body.split_once(char::is_whitespace).unwrap_or((body, ""));
        let mut node = Node {
            name: name.to_ascii_lowercase(),
            arguments: words(rest).ok_or_else(|| wrong("a quotation mark without its end"))?,
            text: rest.trim().to_owned(),
            inside: None,
        };
        if section.is_some() {
            node.inside = Some(Vec::new());
            open.push(node);
        } else {
            add(node, &mut open, &mut top);
        }
    }
    match open.pop() {
        Some(section) => Err(format!("<{}> is not closed", section.name)),
        None => Ok(top),
    }
}

fn add(node: Node, open: &mut [Node], top: &mut Vec<Node>) {
    match open.last_mut().and_then(|section| section.inside.as_mut()) {
        Some(inside) => inside.push(node),
        None => top.push(node),
    }
}

/// Lines without comments, put together where one ends with a backslash.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let (mut lines, mut held) = (Vec::new(), String::new());
    for (index, line) in text.lines().enumerate() {
        if let Some(start) = line.strip_suffix('\\') {
            held.push_str(start);
            continue;
        }
        held.push_str(line);
        let line = std::mem::take(&mut held).trim().to_owned();
        if !line.is_empty() && !line.starts_with('#') {
            lines.push((index + 1, line));
        }
    }
    lines
}

/// Words, which are between spaces or between quotation marks.
pub(super) fn words(text: &str) -> Option<Vec<String>> {
    let (mut words, mut chars) = (Vec::new(), text.chars().peekable());
    loop {
        while chars.peek().is_some_and(|c| c.is_whitespace()) {
            chars.next();
        }
        let Some(first) = chars.next() else { return Some(words) };
        let mut word = String::new();
        if first == '"' || first == '\'' {
            loop {
                match chars.next()? {
                    '\\' if chars.peek().is_some_and(|c| *c == first || *c == '\\') => {
                        word.extend(chars.next());
                    }
                    c if c == first => break,
                    c => word.push(c),
                }
            }
        } else {
            word.push(first);
            while let Some(c) = chars.next_if(|c| !c.is_whitespace()) {
                word.push(c);
            }
        }
        words.push(word);
    }
}

#[cfg(test)]
mod tests {
    use super::{parse, words};

    #[test]
    fn sections_hold_directives_and_lines_go_on_after_a_backslash() {
        let nodes = parse(
            "# x\nA 1 \\\n  \"2 3\"\n<Location \"/x\">\n B\n <RequireAny>\n C\n </RequireAny>\n</Location>\n",
        );
        let nodes = nodes.expect("a configuration");
        assert_eq!(nodes[0].arguments, ["1", "2 3"]);
        assert_eq!((nodes[1].name.as_str(), nodes[1].arguments[0].as_str()), ("location", "/x"));
        let inside = nodes[1].inside.as_ref().expect("a section");
        assert_eq!(inside[1].inside.as_ref().expect("a section")[0].name, "c");
    }

    #[test]
    fn what_is_no_such_file_is_refused() {
        for text in ["<A>\n", "</A>\n", "<A>\n</B>\n", "<A\n", "X \"\n"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(words(r#"a "b \"c" d"#), Some(vec!["a".into(), "b \"c".into(), "d".into()]));
    }
}
