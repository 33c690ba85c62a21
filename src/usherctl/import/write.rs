//! A description as TOML.

use toml::Value;

use super::described::{Described, Line, Part, Realm};
use crate::escape;

/// The whole text.
pub(super) fn toml(described: &Described) -> String {
    let mut out = String::new();
    let source = &described.source;
    comment(&mut out, &format!("Written by: usherctl import {source}"));
    comment(&mut out, "Read the comments, then try it: usherctl check FILE");
    described.remarks.iter().for_each(|remark| comment(&mut out, remark));
    if let Some(name) = &described.default_realm {
        out.push('\n');
        key(&mut out, "default_realm", &Value::String(name.clone()));
    }
    for (name, lines) in &described.tables {
        out.push_str(&format!("\n[{name}]\n"));
        lines.iter().for_each(|line| write(&mut out, line));
    }
    described.realms.iter().for_each(|one| realm(&mut out, one));
    out
}

fn realm(out: &mut String, realm: &Realm) {
    // A name may have dots, which would make more tables of it.
    let name = match realm.name.contains('.') {
        true => Value::String(realm.name.clone()).to_string(),
        false => realm.name.clone(),
    };
    let mut parts: Vec<Part> = realm.parts.keys().copied().collect();
    if !realm.rules.is_empty() && !parts.contains(&Part::Rules) {
        parts.push(Part::Rules);
        parts.sort_unstable();
    }
    for part in parts {
        let table = part.table().map_or(String::new(), |table| format!(".{table}"));
        out.push_str(&format!("\n[realm.{name}{table}]\n"));
        let lines = realm.parts.get(&part).into_iter().flatten();
        lines.into_iter().for_each(|line| write(out, line));
        if part == Part::Rules && !realm.rules.is_empty() {
            key(out, "require", &Value::from(realm.rules.clone()));
        }
    }
}

fn write(out: &mut String, line: &Line) {
    match line {
        Line::Key(name, value) => key(out, name, value),
        Line::Remark(text) => comment(out, text),
        // `secrets` has put every one somewhere.
        Line::Password(_) => comment(out, "password ="),
    }
}

fn key(out: &mut String, name: &str, value: &Value) {
    out.push_str(&format!("{name} = {value}\n"));
}

/// What stood in somebody's file must not end the comment.
fn comment(out: &mut String, text: &str) {
    out.push_str(&format!("# {}\n", escape::line(text)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_toml_whatever_was_read() {
        let mut realm = Realm::new("a.b", "ldap");
        realm.set("base_dn", "ou=\"x\"\\\n,dc=com");
        realm.remark("one\nbase_dn = \"evil\"");
        realm.set_list("host", &["a".to_owned(), "b".to_owned()]);
        realm.require("group=dev".to_owned());
        realm.set_in(Part::Cache, "ttl", "1m");
        let text = toml(&Described::of(realm));
        let table: toml::Table = text.parse().expect("TOML");
        let realm = &table["realm"]["a.b"];
        assert_eq!(realm["base_dn"].as_str(), Some("ou=\"x\"\\\n,dc=com"));
        assert_eq!(realm["host"][1].as_str(), Some("b"));
        assert_eq!(realm["rules"]["require"][0].as_str(), Some("group=dev"));
        assert_eq!(realm["cache"]["ttl"].as_str(), Some("1m"));
    }
}
