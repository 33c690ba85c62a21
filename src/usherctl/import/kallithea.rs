//! `import kallithea`: the plugins of Kallithea's authentication, from its `settings` table.

mod dump;
mod plugins;
mod sqlite;

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::described::Described;
use super::{ini, read_text};

/// Names of settings with their values.
type Settings = BTreeMap<String, String>;

pub(super) fn describe(file: &Path) -> Result<Described, String> {
    let settings = settings(file)?;
    if !settings.keys().any(|name| name.starts_with("auth_")) {
        return Err("has no settings of authentication (auth_...)".to_owned());
    }
    plugins::describe(&settings)
}

/// From the database itself, a dump of it, or an .ini that says where it is or has the settings.
fn settings(file: &Path) -> Result<Settings, String> {
    if is_sqlite(file)? {
        return sqlite::settings(file);
    }
    let text = read_text(file)?;
    let settings = dump::settings(&text)?;
    if !settings.is_empty() {
        return Ok(settings);
    }
    let sections = ini::sections(&text).map_err(|why| {
        format!("is no SQLite database, no dump with a table settings, and no .ini: {why}")
    })?;
    let all: Settings = sections.into_iter().flat_map(|section| section.keys).collect();
    match all.get("sqlalchemy.url").or_else(|| all.get("sqlalchemy.db1.url")) {
        Some(url) if !all.keys().any(|name| name.starts_with("auth_ldap_")) => {
            let database = database(url, file)?;
            sqlite::settings(&database).map_err(|why| format!("{}: {why}", database.display()))
        }
        _ => Ok(all),
    }
}

fn is_sqlite(file: &Path) -> Result<bool, String> {
    if file == Path::new("-") {
        return Ok(false);
    }
    let file = File::open(file).map_err(|error| format!("cannot be read: {error}"))?;
    let mut magic = [0; 16];
    Ok(file.read_exact_at(&mut magic, 0).is_ok() && magic == *sqlite::MAGIC)
}

/// The file of the database that an .ini names.
fn database(url: &str, ini: &Path) -> Result<PathBuf, String> {
    let Some(path) = url.strip_prefix("sqlite:///") else {
        // It may hold a password.
        let kind = url.split(':').next().unwrap_or_default();
        return Err(format!(
            "the settings are in a database of the kind {kind:?}: read a dump of its table \
             settings, as pg_dump -t settings or mysqldump write it, from a file or from -"
        ));
    };
    let path = path.split('?').next().unwrap_or_default();
    let absolute = std::path::absolute(ini).map_err(|error| error.to_string())?;
    let folder = absolute.parent().unwrap_or(Path::new("/"));
    Ok(folder.join(path.replace("%(here)s", &folder.to_string_lossy())))
}
