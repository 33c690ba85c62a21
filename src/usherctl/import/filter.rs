//! Filters (RFC 4515) as texts: taken apart at their parentheses, and put together again.

/// A value as it stands in a filter.
pub(super) fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '*' | '(' | ')' | '\\' | '\0' => escaped.push_str(&format!("\\{:02x}", u32::from(c))),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Filters in filters, at most; what is deeper is left as it is.
const DEEPEST: usize = 32;

/// One filter with its parentheses. Several one after the other, which some programs put into an
/// `&` of their own, become one.
pub(super) fn whole(text: &str) -> String {
    let text = text.trim();
    if !text.starts_with('(') {
        return strict(&format!("({text})"), DEEPEST);
    }
    match parts(text).as_slice() {
        [one] => strict(one, DEEPEST),
        _ => strict(&format!("(&{text})"), DEEPEST),
    }
}

/// libldap takes parentheses in a value as they are, if they come in pairs; RFC 4515 does not.
fn strict(filter: &str, deeper: usize) -> String {
    let inner = filter.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    match (inner, operands(filter)) {
        (Some(inner), None) => format!("({})", inner.replace('(', "\\28").replace(')', "\\29")),
        // Nothing but filters is in it.
        (Some(inner), Some((sign, parts)))
            if deeper > 0 && inner.get(1..) == Some(&parts.concat()) =>
        {
            let parts = parts.iter().map(|part| strict(part, deeper - 1));
            format!("({sign}{})", parts.collect::<String>())
        }
        _ => filter.to_owned(),
    }
}

/// All of these must match.
pub(super) fn all(filters: &[String]) -> String {
    joined('&', filters)
}

/// One of these must match.
pub(super) fn any(filters: &[String]) -> String {
    joined('|', filters)
}

fn joined(sign: char, filters: &[String]) -> String {
    match filters {
        [one] => one.clone(),
        _ => format!("({sign}{})", filters.concat()),
    }
}

/// The filters that stand one after the other, each with its parentheses. An escaped parenthesis
/// is written in hexadecimal, so every one that is seen counts.
pub(super) fn parts(text: &str) -> Vec<String> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' => {
                if depth == 0 {
                    start = at;
                }
                depth += 1;
            }
            ')' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    parts.extend(text.get(start..=at).map(str::to_owned));
                }
            }
            _ => {}
        }
    }
    parts
}

/// The operator of a filter and what it joins.
pub(super) fn operands(filter: &str) -> Option<(char, Vec<String>)> {
    let inner = filter.strip_prefix('(')?.strip_suffix(')')?;
    let sign = inner.chars().next().filter(|c| "&|!".contains(*c))?;
    Some((sign, parts(inner)))
}

/// The attribute and the value of a test for equality.
pub(super) fn equality(filter: &str) -> Option<(&str, &str)> {
    let inner = filter.strip_prefix('(')?.strip_suffix(')')?;
    let (attribute, value) = inner.split_once('=')?;
    let plain = attribute.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.;".contains(&b));
    (plain && !attribute.is_empty()).then_some((attribute, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_get_the_parentheses_that_they_lack() {
        assert_eq!(whole("uid=a"), "(uid=a)");
        assert_eq!(whole(" (uid=a) "), "(uid=a)");
        assert_eq!(whole("(a=1)(b=2)"), "(&(a=1)(b=2))");
    }

    #[test]
    fn parentheses_in_values_are_escaped_and_nothing_else_changes() {
        let escaped = "(memberOf=cn=dev \\28all\\29,dc=com)";
        assert_eq!(whole("memberOf=cn=dev (all),dc=com"), escaped);
        let nested = whole("(&(a=1)(|(memberOf=cn=dev (all),dc=com)(!(b=2))))");
        assert_eq!(nested, format!("(&(a=1)(|{escaped}(!(b=2))))"));
        // What is no filter stays none.
        for text in ["(&a=1)", "(&)", "(|(a=1)b=2)", "(& (a=1) (b=2))"] {
            assert_eq!(whole(text), text);
        }
        let deep = format!("{}(a=(1)){}", "(!".repeat(100_000), ")".repeat(100_000));
        assert_eq!(whole(&deep), deep);
    }

    #[test]
    fn values_are_escaped_and_no_more() {
        assert_eq!(escape("a*(b)\\ü"), "a\\2a\\28b\\29\\5cü");
    }

    #[test]
    fn operands_are_whole_filters() {
        let (sign, parts) = operands("(&(a=1)(|(b=2)(c=3)))").expect("operands");
        assert_eq!((sign, parts), ('&', vec!["(a=1)".to_owned(), "(|(b=2)(c=3))".to_owned()]));
        assert_eq!(operands("(a=1)"), None);
        assert_eq!(equality("(uid=%u)"), Some(("uid", "%u")));
        assert_eq!(equality("(uid>=%u)"), None);
    }
}
