//! The table `settings` in a dump: as `sqlite3 .dump`, `pg_dump` and `mysqldump` write it.

use super::Settings;

/// Where a row has the name and the value of a setting.
pub(super) struct Columns {
    name: usize,
    value: usize,
}

impl Default for Columns {
    /// id, name, value, type: the order in which Kallithea makes them.
    fn default() -> Self {
        Self { name: 1, value: 2 }
    }
}

impl Columns {
    /// The order that CREATE TABLE says.
    pub(super) fn of_table(sql: &str) -> Self {
        let (_, inner) = sql.split_once('(').unwrap_or_default();
        let definitions = split(inner);
        Self::of(definitions.iter().map(|one| one.split_whitespace().next().unwrap_or_default()))
    }

    fn of<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let names: Vec<_> = names.map(unquoted).collect();
        let place = |name: &str| names.iter().position(|other| other.eq_ignore_ascii_case(name));
        let default = Self::default();
        Self {
            name: place("app_settings_name").unwrap_or(default.name),
            value: place("app_settings_value").unwrap_or(default.value),
        }
    }

    /// The setting of a row, if it has one.
    pub(super) fn setting(&self, row: &[Option<String>]) -> Option<(String, String)> {
        let name = row.get(self.name)?.clone()?;
        Some((name, row.get(self.value)?.clone().unwrap_or_default()))
    }
}

/// All settings; none where the text is no dump.
pub(super) fn settings(text: &str) -> Result<Settings, String> {
    let mut settings = Settings::new();
    let mut columns = Columns::default();
    let mut start = 0;
    let mut lines = text.split_inclusive('\n');
    while let Some(line) = lines.next() {
        let statement = text.get(start..).unwrap_or_default();
        start += line.len();
        if let Some(rest) = after(statement, "create table") {
            columns = Columns::of_table(rest);
        } else if let Some(rest) = after(statement, "insert into") {
            settings.extend(inserted(rest, &columns, line.contains('`'))?);
        } else if let Some(rest) = after(statement, "copy") {
            let own = listed(rest).map_or_else(Columns::default, |(names, _)| names);
            for row in lines.by_ref() {
                start += row.len();
                let row = row.trim_end_matches(['\n', '\r']);
                if row == "\\." {
                    break;
                }
                let cells: Vec<_> = row.split('\t').map(copied).collect();
                settings.extend(own.setting(&cells));
            }
        }
    }
    Ok(settings)
}

/// What follows these words and the name of the table, if the statement is about it.
fn after<'a>(statement: &'a str, words: &str) -> Option<&'a str> {
    let mut rest = statement.trim_start();
    for word in words.split(' ').chain(["if", "not", "exists"]) {
        let is_next = rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        match rest.get(word.len()..).filter(|rest| is_next && rest.starts_with(char::is_whitespace))
        {
            Some(more) => rest = more.trim_start(),
            None if words.contains(word) => return None,
            None => {}
        }
    }
    let end = rest.find(|c: char| c.is_whitespace() || c == '(')?;
    let (table, rest) = rest.split_at(end);
    let table = table.rsplit('.').next().map(unquoted)?;
    table.eq_ignore_ascii_case("settings").then_some(rest)
}

/// A list of columns in parentheses, and what follows it.
fn listed(text: &str) -> Option<(Columns, &str)> {
    let (names, rest) = text.trim_start().strip_prefix('(')?.split_once(')')?;
    Some((Columns::of(names.split(',').map(str::trim)), rest))
}

fn inserted(text: &str, table: &Columns, backslashes: bool) -> Result<Settings, String> {
    let own = listed(text);
    let (columns, text) = match &own {
        Some((columns, rest)) => (columns, *rest),
        None => (table, text),
    };
    let text = text.trim_start();
    let Some(rows) = text.get(..6).filter(|word| word.eq_ignore_ascii_case("values")) else {
        return Err("an INSERT INTO settings has no VALUES".to_owned());
    };
    let mut rest = text.get(rows.len()..).unwrap_or_default().trim_start();
    let mut settings = Settings::new();
    while let Some(row) = rest.strip_prefix('(') {
        let (cells, more) = row_of(row, backslashes)?;
        settings.extend(columns.setting(&cells));
        rest = more.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
    Ok(settings)
}

/// The values up to the closing parenthesis.
fn row_of(text: &str, backslashes: bool) -> Result<(Vec<Option<String>>, &str), String> {
    let (mut cells, mut cell, mut is_text, mut depth) = (Vec::new(), String::new(), false, 0);
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\'' => {
                // E'...' of PostgreSQL has backslashes that mean something.
                let escapes = backslashes || cell.trim().eq_ignore_ascii_case("e");
                cell.clear();
                is_text = true;
                quoted(&mut chars, escapes, &mut cell).ok_or("a string in the dump has no end")?;
            }
            '(' => depth += 1,
            ')' if depth > 0 => depth -= 1,
            ',' | ')' if depth == 0 => {
                let null = !is_text && cell.trim().eq_ignore_ascii_case("null");
                let value =
                    if is_text { std::mem::take(&mut cell) } else { cell.trim().to_owned() };
                cells.push((!null).then_some(value));
                cell.clear();
                is_text = false;
                if c == ')' {
                    return Ok((cells, text.get(at + 1..).unwrap_or_default()));
                }
            }
            c if !is_text => cell.push(c),
            _ => {}
        }
    }
    Err("a row of the dump has no end".to_owned())
}

/// A string up to its closing quotation mark.
fn quoted(
    chars: &mut std::iter::Peekable<std::str::CharIndices<'_>>,
    escapes: bool,
    into: &mut String,
) -> Option<()> {
    loop {
        match chars.next()?.1 {
            '\'' if chars.peek().is_some_and(|(_, c)| *c == '\'') => {
                chars.next();
                into.push('\'');
            }
            '\'' => return Some(()),
            '\\' if escapes => into.push(escaped(chars.next()?.1)),
            c => into.push(c),
        }
    }
}

/// A field of COPY.
fn copied(text: &str) -> Option<String> {
    if text == "\\N" {
        return None;
    }
    let (mut value, mut chars) = (String::new(), text.chars());
    while let Some(c) = chars.next() {
        value.push(if c == '\\' { escaped(chars.next()?) } else { c });
    }
    Some(value)
}

fn escaped(c: char) -> char {
    match c {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        c => c,
    }
}

/// The parts between commas that stand in no parentheses, up to the closing one.
fn split(text: &str) -> Vec<String> {
    let (mut parts, mut part, mut depth) = (Vec::new(), String::new(), 0);
    for c in text.chars() {
        match c {
            ',' if depth == 0 => parts.push(std::mem::take(&mut part)),
            ')' if depth == 0 => break,
            '(' => depth += 1,
            ')' => depth -= 1,
            c => part.push(c),
        }
    }
    parts.push(part);
    parts
}

fn unquoted(name: &str) -> &str {
    name.trim_matches(['"', '`', '[', ']'])
}

#[cfg(test)]
mod tests {
    use super::settings;

    #[test]
    fn each_program_writes_dumps_of_its_own() {
        for dump in [
            "INSERT INTO settings VALUES(1,'auth_x','it''s \\ a','unicode');\n",
            "INSERT INTO \"settings\" (app_settings_value, app_settings_name) VALUES ('it''s \\ a','auth_x');\n",
            "INSERT INTO `settings` VALUES (1,'auth_x','it\\'s \\\\ a','unicode'),(2,'b',NULL,'x');\n",
            "COPY public.settings (app_settings_id, app_settings_name, app_settings_value) FROM stdin;\n1\tauth_x\tit's \\\\ a\n2\tb\t\\N\n\\.\n",
            "INSERT INTO public.settings VALUES (1, 'auth_x', E'it\\'s \\\\ a', 'unicode');\n",
            "CREATE TABLE IF NOT EXISTS settings (\n a INTEGER(3,4), app_settings_value VARCHAR(9), app_settings_name TEXT, UNIQUE (a));\n\
             INSERT INTO settings VALUES(1,'it''s \\ a','auth_x');\n",
        ] {
            let read = settings(dump).expect("a dump");
            assert_eq!(read.get("auth_x").map(String::as_str), Some("it's \\ a"), "{dump}");
        }
    }

    #[test]
    fn other_tables_are_passed_over_and_half_a_row_is_refused() {
        assert!(settings("INSERT INTO users VALUES(1,'a','b');\n").expect("a dump").is_empty());
        assert!(settings("INSERT INTO settings VALUES(1,'a','b").is_err());
        assert!(settings("[app:main]\na = b\n").expect("a text").is_empty());
    }
}
