use std::borrow::Cow;

/// Longer texts are cut: what a client sends must not fill the disk.
const MOST: usize = 512;

/// A text from outside, on one line, with the characters spelled out that could steer a terminal,
/// turn round what is read, or that nobody sees.
pub fn harmless(text: &str) -> Cow<'_, str> {
    if text.len() <= MOST && !text.chars().any(steers) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::new();
    for c in text.chars() {
        if shown.len() >= MOST {
            shown.push('…');
            break;
        }
        if steers(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    Cow::Owned(shown)
}

fn steers(c: char) -> bool {
    let separator = matches!(c, '\u{2028}' | '\u{2029}');
    let direction = matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    let unseen = matches!(
        c,
        '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}'
    );
    c.is_control() || separator || direction || unseen
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn what_could_steer_is_spelled_out_and_what_is_too_long_is_cut() {
        assert_eq!(harmless("CORP\\zoë 王"), "CORP\\zoë 王");
        assert_eq!(harmless("a\n\u{1b}[2J\u{9b}\u{202e}"), r"a\n\u{1b}[2J\u{9b}\u{202e}");
        assert_eq!(harmless("al\u{200b}ice\u{200f}\u{61c}"), r"al\u{200b}ice\u{200f}\u{61c}");
        let long = harmless(&"x".repeat(100_000)).into_owned();
        assert!(long.len() < 520 && long.ends_with("x…"), "{long}");
    }
}
