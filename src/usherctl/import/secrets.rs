//! Where the passwords of accounts go.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::described::{Described, Line, Part};

/// Where to put passwords.
pub(super) enum Place {
    /// Into a file for each realm, in this folder.
    Folder(PathBuf),
    /// Nowhere: somebody may look over the shoulder, and terminals remember.
    Hidden,
    /// Into the configuration.
    Inline,
}

/// Puts them there, and tells what there is to know about it.
pub(super) fn put(described: &mut Described, place: &Place) -> Result<Option<String>, String> {
    let mut told = None;
    for realm in &mut described.realms {
        let Some(lines) = realm.parts.get_mut(&Part::Own) else { continue };
        let Some(index) = lines.iter().position(|line| matches!(line, Line::Password(_))) else {
            continue;
        };
        let Line::Password(password) = lines.remove(index) else { continue };
        let name = format!("{}.secret", realm.name);
        let (remark, value) = match place {
            Place::Folder(folder) => {
                let path = write(folder, &name, &password)?;
                told = Some("passwords are in files of their own".to_owned());
                (None, in_file(&path))
            }
            Place::Hidden => {
                let path = Path::new("/etc/usher").join(&name);
                told = Some(
                    "passwords are not shown on a terminal: put them into the files that are \
                     named, or use --secrets FOLDER"
                        .to_owned(),
                );
                (Some("The password is to be put there; only usherd may read it."), in_file(&path))
            }
            Place::Inline => {
                told = Some(
                    "the output has a password: let nobody but usherd read it, or use \
                     --secrets FOLDER"
                        .to_owned(),
                );
                let text = Value::String(password.to_string());
                (Some("Let nobody but usherd read this file, or use { file = \"...\" }."), text)
            }
        };
        lines.insert(index, Line::Key("password".to_owned(), value));
        if let Some(remark) = remark {
            lines.insert(index, Line::Remark(remark.to_owned()));
        }
    }
    Ok(told)
}

fn in_file(path: &Path) -> Value {
    let path = Value::String(path.to_string_lossy().into_owned());
    Value::Table(Table::from_iter([("file".to_owned(), path)]))
}

/// Writes a new file for its owner alone. One that is there may be another realm's.
fn write(folder: &Path, name: &str, password: &str) -> Result<PathBuf, String> {
    let path = std::path::absolute(folder.join(name))
        .map_err(|error| format!("{}: {error}", folder.display()))?;
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| writeln!(file, "{password}"))
        .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    Ok(path)
}
