//! One table out of a SQLite database, read as <https://www.sqlite.org/fileformat2.html> has it.
//!
//! The format is promised to stay, and this reads the smallest part of it: the leaves of one tree,
//! in UTF-8. That needs no library in C, and nothing that a file says is trusted.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::Settings;
use super::dump::Columns;

pub(super) const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// More than a table of settings has.
const MOST_PAGES: usize = 100_000;
/// Of one row, and of all.
const MOST_BYTES: usize = 1 << 20;
const MOST_BYTES_IN_ALL: usize = 64 << 20;

const INTERIOR: u8 = 0x05;
const LEAF: u8 = 0x0d;

/// What a column of a row holds, as far as it is of interest.
type Cell = Option<String>;

pub(super) fn settings(path: &Path) -> Result<Settings, String> {
    let database = Database::open(path)?;
    let tables = database.rows(1)?;
    // type, name, tbl_name, rootpage, sql
    let table = tables.iter().find_map(|row| match row.as_slice() {
        [Some(kind), Some(name), _, Some(root), Some(sql)]
            if kind == "table" && name.eq_ignore_ascii_case("settings") =>
        {
            Some((root.parse().ok()?, sql))
        }
        _ => None,
    });
    let (root, sql) = table.ok_or("the database has no table settings")?;
    let columns = Columns::of_table(sql);
    Ok(database.rows(root)?.iter().filter_map(|row| columns.setting(row)).collect())
}

struct Database {
    file: File,
    page_size: usize,
    usable: usize,
}

impl Database {
    fn open(path: &Path) -> Result<Self, String> {
        let file = File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
        let mut header = [0; 100];
        file.read_exact_at(&mut header, 0).map_err(|error| format!("cannot be read: {error}"))?;
        if !header.starts_with(MAGIC) {
            return Err("is no SQLite database".to_owned());
        }
        let [.., reserved, _, _, _] = header.first_chunk::<24>().copied().unwrap_or([0; 24]);
        let page_size = match number(&header, 16, 2) {
            1 => 65_536,
            size => size,
        };
        let usable = page_size.saturating_sub(usize::from(reserved));
        if !page_size.is_power_of_two() || page_size < 512 || usable < 480 {
            return Err(damaged());
        }
        if number(&header, 56, 4) > 1 {
            return Err(
                "is not in UTF-8: read a dump of it, as sqlite3 FILE .dump writes".to_owned()
            );
        }
        let log = path.with_file_name(format!(
            "{}-wal",
            path.file_name().unwrap_or_default().to_string_lossy()
        ));
        if log.metadata().is_ok_and(|log| log.len() > 0) {
            return Err(format!(
                "has changes that are only in {}: stop Kallithea, or read a dump, as sqlite3 FILE \
                 .dump writes",
                log.display()
            ));
        }
        Ok(Self { file, page_size, usable })
    }

    fn page(&self, page: usize) -> Result<Vec<u8>, String> {
        let offset = page.checked_sub(1).and_then(|before| before.checked_mul(self.page_size));
        let offset = offset.and_then(|offset| u64::try_from(offset).ok()).ok_or_else(damaged)?;
        let mut bytes = vec![0; self.page_size];
        self.file.read_exact_at(&mut bytes, offset).map_err(|_| damaged())?;
        Ok(bytes)
    }

    /// The rows of the table whose tree begins at this page.
    fn rows(&self, root: usize) -> Result<Vec<Vec<Cell>>, String> {
        let (mut rows, mut pages, mut read, mut bytes_in_all) = (Vec::new(), vec![root], 0, 0);
        while let Some(page) = pages.pop() {
            read += 1;
            if read > MOST_PAGES {
                return Err(damaged());
            }
            let bytes = self.page(page)?;
            let start = if page == 1 { 100 } else { 0 };
            let kind = *bytes.get(start).ok_or_else(damaged)?;
            let cells = number(&bytes, start + 3, 2);
            let head = match kind {
                INTERIOR => 12,
                LEAF => 8,
                _ => return Err(damaged()),
            };
            if kind == INTERIOR {
                pages.push(number(&bytes, start + 8, 4));
            }
            for cell in 0..cells {
                let at = number(&bytes, start + head + 2 * cell, 2);
                if kind == INTERIOR {
                    pages.push(number(&bytes, at, 4));
                } else {
                    let payload = self.payload(&bytes, at)?;
                    bytes_in_all += payload.len();
                    if bytes_in_all > MOST_BYTES_IN_ALL {
                        return Err("the table has more than any of settings".to_owned());
                    }
                    rows.push(record(&payload).ok_or_else(damaged)?);
                }
            }
        }
        Ok(rows)
    }

    /// What a cell of a leaf holds, with what overflowed into pages of its own.
    fn payload(&self, page: &[u8], at: usize) -> Result<Vec<u8>, String> {
        let (length, at) = varint(page, at).ok_or_else(damaged)?;
        let (_rowid, at) = varint(page, at).ok_or_else(damaged)?;
        let length = usize::try_from(length).ok().filter(|length| *length <= MOST_BYTES);
        let length = length.ok_or_else(damaged)?;
        let (most, least) = (self.usable - 35, (self.usable - 12) * 32 / 255 - 23);
        let here = if length <= most {
            length
        } else {
            let fitting = least + (length - least) % (self.usable - 4);
            if fitting <= most { fitting } else { least }
        };
        let mut payload = page.get(at..at + here).ok_or_else(damaged)?.to_vec();
        let mut next = number(page, at + here, 4);
        while payload.len() < length {
            let page = self.page(next)?;
            let more = (length - payload.len()).min(self.usable - 4);
            payload.extend_from_slice(page.get(4..4 + more).ok_or_else(damaged)?);
            next = number(&page, 0, 4);
        }
        Ok(payload)
    }
}

/// The columns of a record.
fn record(bytes: &[u8]) -> Option<Vec<Cell>> {
    let (head, mut at) = varint(bytes, 0)?;
    let head = usize::try_from(head).ok()?;
    let (mut cells, mut body) = (Vec::new(), head);
    while at < head {
        let (kind, next) = varint(bytes, at)?;
        at = next;
        let length = match kind {
            0 | 8 | 9 => 0,
            1..=4 => usize::try_from(kind).ok()?,
            5 => 6,
            6 | 7 => 8,
            _ => usize::try_from(kind.checked_sub(12)? / 2).ok()?,
        };
        let value = bytes.get(body..body.checked_add(length)?)?;
        body += length;
        cells.push(match kind {
            1..=6 => Some(number(value, 0, length).to_string()),
            8 => Some("0".to_owned()),
            9 => Some("1".to_owned()),
            kind if kind >= 13 && kind % 2 == 1 => {
                Some(String::from_utf8_lossy(value).into_owned())
            }
            _ => None,
        });
    }
    Some(cells)
}

/// A number, the highest byte first; 0 where there is none. Negative ones are of no interest.
fn number(bytes: &[u8], at: usize, length: usize) -> usize {
    let bytes = bytes.get(at..at + length).unwrap_or_default();
    bytes.iter().fold(0, |number, byte| (number << 8) | usize::from(*byte))
}

/// A number of one to nine bytes, and what follows it.
fn varint(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut number: u64 = 0;
    for place in 0..9 {
        let byte = *bytes.get(at + place)?;
        if place == 8 {
            return Some(((number << 8) | u64::from(byte), at + 9));
        }
        number = (number << 7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((number, at + place + 1));
        }
    }
    None
}

fn damaged() -> String {
    "the database is damaged".to_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{MAGIC, settings, varint};

    #[test]
    fn numbers_have_one_to_nine_bytes() {
        assert_eq!(varint(&[0x7f], 0), Some((127, 1)));
        assert_eq!(varint(&[0x81, 0x00], 0), Some((128, 2)));
        assert_eq!(varint(&[0xff; 9], 0), Some((u64::MAX, 9)));
        assert_eq!(varint(&[0x80], 0), None);
    }

    /// Whatever follows the header, there is an error and no panic.
    #[test]
    fn a_damaged_database_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("kallithea.db");
        for fill in [0_u8, 1, 5, 0x0d, 0x7f, 0xff] {
            for kind in [0_u8, super::INTERIOR, super::LEAF] {
                let mut bytes = MAGIC.to_vec();
                bytes.resize(2048, fill);
                bytes[16..18].copy_from_slice(&[4, 0]);
                bytes[20] = 0;
                bytes[56..60].copy_from_slice(&[0, 0, 0, 1]);
                bytes[100] = kind;
                fs::write(&file, bytes).expect("a file");
                assert!(settings(&file).is_err(), "{fill} {kind}");
            }
        }
    }
}
