/// The events that have an id in the journal, so that a program can wait for one: the name that it
/// has in this program, and the id. usherd(8) lists them.
const MESSAGES: [(&str, &str); 12] = [
    ("started", "30bc26d05a4848eeb17277fe3bb05031"),
    ("ending", "7a9fc565187945b78b57cfa19507034a"),
    ("reloaded", "039caa77c0c74df2834b09a480208e45"),
    ("reload_failed", "88a924956dfe4921b01060485dfffc37"),
    ("host_up", "2cc2a40a41f145d1be800a2e1dec1156"),
    ("host_down", "653362ec118a476aadc62f4ffbfb0661"),
    ("blocked", "102ec80d289a4526943919bb1cd06394"),
    ("decision", "123e52e9685b4a40a7b1fc7a176f367b"),
    ("connections_full", "323b94ac38c54eeb9f6b3169039235d5"),
    ("audit_lost", "6869046335f2403eb2c6906bb85935f5"),
    ("audit_written", "49fb76f89899461892e86c4ad653de2c"),
    ("bad_certificate", "8885fc7078a34729bc2081521c3c86f6"),
];

/// The id of an event of this name.
pub(super) fn message_id(name: &str) -> Option<&'static str> {
    MESSAGES.iter().find(|(known, _)| *known == name).map(|(_, id)| *id)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::MESSAGES;

    /// All of the program's text.
    fn sources(folder: &Path) -> String {
        let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let texts = paths.map(|path| match path.is_dir() {
            true => sources(&path),
            false if path.ends_with("messages.rs") => String::new(),
            false => fs::read_to_string(path).unwrap(),
        });
        texts.collect()
    }

    #[test]
    fn each_id_is_in_the_manual_and_each_name_in_the_program() {
        let manual = include_str!("../../../man/usherd.8");
        let is_id = |it: &&str| it.len() == 32 && it.bytes().all(|byte| byte.is_ascii_hexdigit());
        let documented: BTreeSet<&str> =
            manual.lines().filter_map(|line| line.strip_prefix(".It Li ")).filter(is_id).collect();
        assert_eq!(documented, MESSAGES.iter().map(|(_, id)| *id).collect());
        let program = sources(Path::new(env!("CARGO_MANIFEST_DIR")));
        for (name, _) in MESSAGES {
            assert!(program.contains(&format!("name: \"{name}\"")), "{name}");
        }
        for (place, _) in program.match_indices("name: \"") {
            let name = program[place + 7..].split('"').next().unwrap();
            let is_event = program[..place].trim_end().ends_with("!(");
            assert!(!is_event || super::message_id(name).is_some(), "{name} has no id");
        }
    }
}
