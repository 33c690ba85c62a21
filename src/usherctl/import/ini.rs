//! Files of sections with keys: sssd.conf and the .ini of Kallithea.

use std::collections::BTreeMap;

/// A section's name and its keys, in lower case, with their values.
pub(super) struct Section<'a> {
    pub(super) name: &'a str,
    pub(super) keys: BTreeMap<String, String>,
}

/// Takes a file apart. A value goes on in the lines that begin with a space.
///
/// # Errors
/// Where it is no such file.
pub(super) fn sections(text: &str) -> Result<Vec<Section<'_>>, String> {
    // Keys may come before the first name.
    let mut sections = vec![Section { name: "", keys: BTreeMap::new() }];
    let mut last: Option<String> = None;
    for (index, line) in text.lines().enumerate() {
        let wrong = |what: &str| Err(format!("line {}: {what}", index + 1));
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = trimmed.strip_prefix('[') {
            let Some(name) = name.strip_suffix(']') else { return wrong("[ without ]") };
            sections.push(Section { name: name.trim(), keys: BTreeMap::new() });
            last = None;
            continue;
        }
        let Some(section) = sections.last_mut() else { continue };
        let continued = line.starts_with([' ', '\t']);
        if let Some(value) =
            last.as_ref().filter(|_| continued).and_then(|key| section.keys.get_mut(key))
        {
            value.push(' ');
            value.push_str(trimmed);
            continue;
        }
        let Some((key, value)) = trimmed.split_once('=') else {
            return wrong("neither a section nor KEY = VALUE");
        };
        let key = key.trim().to_ascii_lowercase();
        section.keys.insert(key.clone(), value.trim().to_owned());
        last = Some(key);
    }
    Ok(sections)
}

#[cfg(test)]
mod tests {
    use super::sections;

    #[test]
    fn keys_belong_to_their_section_and_go_on_where_lines_are_indented() {
        let read = sections("# a\n[one]\nA = 1\n  2\n;b\n[two]\nb=x = y\n").expect("sections");
        assert_eq!(read[1].keys["a"], "1 2");
        assert_eq!((read[2].name, read[2].keys["b"].as_str()), ("two", "x = y"));
    }

    #[test]
    fn what_is_no_such_file_is_refused() {
        for text in ["a\n", "[a\n", "[a]\nb\n"] {
            assert!(sections(text).is_err(), "{text}");
        }
    }
}
