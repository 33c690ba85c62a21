//! What an existing configuration describes, in the words of usher.toml(5).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use toml::Value;
use zeroize::Zeroizing;

/// A rule that holds for nobody.
const NOBODY: &str = "filter=(!(objectClass=*))";

/// As usher.toml(5) has it.
const MOST_OF_A_RULE: usize = 1024;

/// A whole configuration.
#[derive(Default)]
pub(super) struct Described {
    /// What was read, for people.
    pub(super) source: String,
    /// What has no equal, or is to be known, of all of it.
    pub(super) remarks: Vec<String>,
    /// The realm of requests that name none; where there is only one, that.
    pub(super) default_realm: Option<String>,
    /// Tables that are no realms.
    pub(super) tables: Vec<(&'static str, Vec<Line>)>,
    pub(super) realms: Vec<Realm>,
}

/// A realm.
pub(super) struct Realm {
    pub(super) name: String,
    pub(super) parts: BTreeMap<Part, Vec<Line>>,
    pub(super) rules: Vec<String>,
}

/// The tables of a realm, in the order in which they are written: its own keys come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Own,
    Pool,
    Groups,
    Rules,
    Metadata,
    Cache,
}

impl Part {
    /// The table's name.
    pub(super) fn table(self) -> Option<&'static str> {
        match self {
            Self::Own => None,
            Self::Pool => Some("pool"),
            Self::Groups => Some("groups"),
            Self::Rules => Some("rules"),
            Self::Metadata => Some("metadata"),
            Self::Cache => Some("cache"),
        }
    }
}

/// A line of a table.
#[derive(PartialEq)]
pub(super) enum Line {
    Key(String, Value),
    /// A comment.
    Remark(String),
    /// The account's password. Where it is put is decided later.
    Password(Zeroizing<String>),
}

impl Line {
    fn is_host(&self) -> bool {
        matches!(self, Self::Key(name, _) if name == "host")
    }
}

impl Described {
    /// One realm and nothing else.
    pub(super) fn of(realm: Realm) -> Self {
        Self { realms: vec![realm], ..Self::default() }
    }
}

impl Realm {
    /// A realm of this type.
    pub(super) fn new(name: &str, kind: &str) -> Self {
        let mut realm = Self { name: plain(name), parts: BTreeMap::new(), rules: Vec::new() };
        realm.set("type", kind);
        realm
    }

    pub(super) fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.set_in(Part::Own, key, value);
    }

    /// A table has a key once: what is said last counts.
    pub(super) fn set_in(&mut self, part: Part, key: &str, value: impl Into<Value>) {
        let lines = self.lines(part);
        lines.retain(|line| !matches!(line, Line::Key(name, _) if name == key));
        lines.push(Line::Key(key.to_owned(), value.into()));
    }

    pub(super) fn remark(&mut self, text: impl Into<String>) {
        self.remark_in(Part::Own, text);
    }

    pub(super) fn remark_in(&mut self, part: Part, text: impl Into<String>) {
        self.lines(part).push(Line::Remark(text.into()));
    }

    /// One value as a string, several as an array.
    pub(super) fn set_list(&mut self, key: &str, values: &[String]) {
        match values {
            [one] => self.set(key, one.as_str()),
            several => self.set(key, several.to_vec()),
        }
    }

    /// Who searches.
    pub(super) fn account(&mut self, name: &str, password: Zeroizing<String>) {
        self.set("account", name);
        self.lines(Part::Own).push(Line::Password(password));
    }

    /// A rule that must hold besides the others.
    pub(super) fn require(&mut self, rule: String) {
        if rule.len() <= MOST_OF_A_RULE {
            self.rules.push(rule);
        } else {
            self.let_nobody_in(&format!("This is longer than a rule may be: {rule}."));
        }
    }

    /// For a restriction without an equal: without it, the realm would let more people in.
    pub(super) fn let_nobody_in(&mut self, why: &str) {
        self.remark_in(
            Part::Rules,
            format!("{why} Until you have written that, nobody is let in."),
        );
        self.require(NOBODY.to_owned());
    }

    /// A file of certificates or a key. A path that cannot be used here would keep the whole
    /// configuration from being read.
    pub(super) fn set_file(&mut self, key: &str, path: &str) {
        if usable(Path::new(path)) {
            self.set(key, path);
        } else {
            self.remark("Not found where this was written. Put it there, then uncomment:");
            self.remark(format!("{key} = {}", Value::String(path.to_owned())));
        }
    }

    /// A certificate and its key, which need each other.
    pub(super) fn set_pair(&mut self, certificate: &str, key: &str) {
        if usable(Path::new(certificate)) && usable(Path::new(key)) {
            self.set("client_certificate", certificate);
            self.set("client_key", key);
        } else {
            self.remark("Not found where this was written. Put them there, then uncomment:");
            self.remark(format!("client_certificate = {}", Value::String(certificate.to_owned())));
            self.remark(format!("client_key = {}", Value::String(key.to_owned())));
        }
    }

    /// What becomes of references to other servers; none: nothing was said, and they were followed.
    pub(super) fn set_referrals(&mut self, followed: Option<bool>) {
        match followed {
            Some(true) => {
                self.remark("Referrals are followed to the hosts of this realm alone.");
                self.set("referrals", "follow");
            }
            Some(false) => {}
            None => self.remark(
                "Referrals were followed, if there were any: referrals = \"follow\" does that, to \
                 the hosts of this realm alone.",
            ),
        }
    }

    /// Whether a key of this part is set.
    pub(super) fn has(&self, part: Part, key: &str) -> bool {
        let lines = self.parts.get(&part).into_iter().flatten();
        lines.into_iter().any(|line| matches!(line, Line::Key(name, _) if name == key))
    }

    /// Whether another realm differs by its hosts alone.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.rules == other.rules
            && self.parts.len() == other.parts.len()
            && self.parts.iter().zip(&other.parts).all(|((part, lines), (other, others))| {
                part == other
                    && lines.len() == others.len()
                    && lines.iter().zip(others).all(|(a, b)| a.is_host() && b.is_host() || a == b)
            })
    }

    /// Takes another's hosts as well, less preferred.
    pub(super) fn add_hosts(&mut self, other: &Self) {
        let more = other.parts.get(&Part::Own).into_iter().flatten().find(|line| line.is_host());
        let own = self.lines(Part::Own).iter_mut().find(|line| line.is_host());
        if let (Some(Line::Key(_, own)), Some(Line::Key(_, more))) = (own, more) {
            let list = |value: &Value| match value {
                Value::Array(values) => values.clone(),
                one => vec![one.clone()],
            };
            *own = Value::Array([list(own), list(more)].concat());
        }
    }

    fn lines(&mut self, part: Part) -> &mut Vec<Line> {
        self.parts.entry(part).or_default()
    }
}

/// Whether there is something to be read: a file in PEM, or a folder with one of the names that
/// `openssl rehash` gives.
fn usable(path: &Path) -> bool {
    if !path.is_absolute() {
        return false;
    }
    let hashed = |name: &str| {
        name.split_once('.').is_some_and(|(hash, number)| {
            hash.len() == 8
                && hash.bytes().all(|b| b.is_ascii_hexdigit())
                && number.bytes().all(|b| b.is_ascii_digit())
        })
    };
    match fs::read_dir(path) {
        Ok(files) => files.flatten().any(|file| file.file_name().to_str().is_some_and(hashed)),
        Err(_) => fs::read_to_string(path).is_ok_and(|text| text.contains("-----BEGIN ")),
    }
}

/// A name like this one that none of these realms has.
pub(super) fn free_name(realms: &[Realm], wanted: &str) -> String {
    let wanted = plain(wanted);
    let taken = |name: &String| realms.iter().any(|realm| realm.name == *name);
    let more = (2..).map(|number| format!("{wanted}-{number}"));
    std::iter::once(wanted.clone()).chain(more).find(|name| !taken(name)).unwrap_or(wanted)
}

/// A name that a realm may have.
pub(super) fn plain(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let name: String = name.chars().map(|c| if fits(c) { c } else { '-' }).take(64).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "imported".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn names_of_realms_are_made_of_whatever_stood_there() {
        assert_eq!(plain("/srv/git repos/"), "srv-git-repos");
        assert_eq!(plain("example.com"), "example.com");
        assert_eq!(plain("/"), "imported");
        assert_eq!(plain(&"x".repeat(100)).len(), 64);
    }
}
