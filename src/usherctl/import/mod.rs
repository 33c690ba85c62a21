//! `import`: the realm that an existing configuration describes, as TOML.
//!
//! A reader for each kind of configuration (`kallithea`, `apache`, `nginx`, `sssd`, `saslauthd`)
//! makes one description of it ([`Described`]), and `write` makes TOML of that. What has no equal
//! becomes a remark, which is a comment there. Where leaving something out would let more people
//! in, the realm lets nobody in until somebody has decided.

mod apache;
mod described;
mod dn;
mod filter;
mod ini;
mod kallithea;
mod nginx;
mod rules;
mod saslauthd;
mod secrets;
mod sssd;
mod url;
mod write;

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

use zeroize::Zeroizing;

use crate::arguments::{Import, Kind};
use crate::report::{Exit, Report};
use described::Described;
use secrets::Place;

/// More than any configuration has. A dump of a whole database may have more; one table is asked
/// for.
const MOST_BYTES: u64 = 64 << 20;

/// Prints it.
pub(crate) fn run(asked: &Import) -> Report {
    match import(asked) {
        Ok((answer, complaint)) => Report { answer, complaint, exit: Exit::Yes },
        Err(complaint) => Report::usage(complaint),
    }
}

fn import(asked: &Import) -> Result<(String, Option<String>), String> {
    let mut described = describe(asked.kind, &asked.file)
        .map_err(|why| format!("{}: {why}", asked.file.display()))?;
    described.source = format!("{} {}", asked.kind.word(), asked.file.display());
    let place = match &asked.secrets {
        Some(folder) => Place::Folder(folder.clone()),
        None if io::stdout().is_terminal() => Place::Hidden,
        None => Place::Inline,
    };
    let told = secrets::put(&mut described, &place)?;
    Ok((write::toml(&described), told))
}

fn describe(kind: Kind, file: &Path) -> Result<Described, String> {
    if kind == Kind::Kallithea {
        return kallithea::describe(file);
    }
    let text = read_text(file)?;
    match kind {
        Kind::Kallithea => kallithea::describe(file),
        Kind::Apache => apache::describe(&text),
        Kind::NginxAuthLdap => nginx::describe(&text),
        Kind::Sssd => sssd::describe(&text),
        Kind::Saslauthd => saslauthd::describe(&text),
    }
}

/// A file's text; `-` is standard input. It may hold a password.
fn read_text(file: &Path) -> Result<Zeroizing<String>, String> {
    let reader: Box<dyn Read> = if file == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(file).map_err(|error| format!("cannot be read: {error}"))?)
    };
    text_of(reader)
}

fn text_of(reader: impl Read) -> Result<Zeroizing<String>, String> {
    let mut bytes = Zeroizing::new(Vec::new());
    reader
        .take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(format!("has more than {} MiB", MOST_BYTES >> 20));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| "is not a text in UTF-8".to_owned())?;
    Ok(Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const CONFIGURATIONS: [(Kind, &str); 4] = [
        (Kind::Apache, include_str!("../../../tests/import/apache.conf")),
        (Kind::NginxAuthLdap, include_str!("../../../tests/import/nginx.conf")),
        (Kind::Sssd, include_str!("../../../tests/import/sssd.conf")),
        (Kind::Saslauthd, include_str!("../../../tests/import/saslauthd.conf")),
    ];

    /// A description or an error, and TOML of every description.
    #[test]
    fn wherever_a_configuration_is_cut_off_or_turned_there_is_an_answer() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        for (kind, whole) in CONFIGURATIONS {
            for end in (0..whole.len()).step_by(31) {
                let turned = [&whole[end..], &whole[..end]].concat();
                for text in [&whole[..end], &turned] {
                    fs::write(&file, text).expect("a file");
                    if let Ok(mut described) = describe(kind, &file) {
                        secrets::put(&mut described, &Place::Inline).expect("nothing is written");
                        let text = write::toml(&described);
                        assert!(text.parse::<toml::Table>().is_ok(), "{text}");
                    }
                }
            }
        }
    }
}
