//! What directories and daemons say is shown to a terminal only when it cannot act there.

use serde::Serialize;

/// The text on one line, with the characters that could steer a terminal spelled out.
pub(crate) fn line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// The same, with the line breaks left in.
pub(crate) fn lines(text: &str) -> String {
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// The value on one line of JSON, with a line break.
///
/// JSON itself asks to escape the lower control characters only. In what serialises here all map
/// keys are strings and nothing is written but memory, so there is nothing that could fail.
pub(crate) fn json(value: &impl Serialize) -> String {
    let mut shown = String::new();
    for c in serde_json::to_string(value).unwrap_or_default().chars() {
        if steers(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                shown.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            shown.push(c);
        }
    }
    shown.push('\n');
    shown
}

/// Whether a terminal could take the character for a command, or it turns round what is read, or
/// nobody sees it.
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
    use super::*;

    #[test]
    fn terminal_commands_are_spelled_out() {
        assert_eq!(line("al\u{200b}ice\u{200f}\u{61c}"), r"al\u{200b}ice\u{200f}\u{61c}");
        assert_eq!(line("a\u{1b}[2Jb\u{9b}c\r\n\u{202e}"), r"a\u{1b}[2Jb\u{9b}c\r\n\u{202e}");
    }

    #[test]
    fn names_of_the_world_stay_as_they_are() {
        assert_eq!(line(r"CORP\zoë 王"), r"CORP\zoë 王");
    }

    #[test]
    fn lines_are_kept_where_there_may_be_several() {
        assert_eq!(lines("one\ntwo\u{7}\n"), "one\ntwo\\u{7}");
    }

    #[test]
    fn json_stays_json_and_stays_harmless() {
        let text = "a\u{1b}\u{7f}\u{9b}\u{202e}\u{e0041}\n\"é";
        let shown = json(&text);
        assert_eq!(shown, "\"a\\u001b\\u007f\\u009b\\u202e\\udb40\\udc41\\n\\\"é\"\n");
        assert_eq!(serde_json::from_str::<String>(&shown).expect("JSON"), text);
    }
}
