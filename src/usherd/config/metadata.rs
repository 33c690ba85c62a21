//! `[realm.NAME.metadata]`: what applications are told of a user, in the order of the file.

use std::collections::BTreeMap;

use toml::Spanned;

use super::name;
use super::problem::{Fault, Findings};
use super::raw::{self, MetadataSource};
use super::settings::{Metadata, MetadataValue};

/// The value that stands for the canonical user name.
const USERNAME: &str = "%username";
/// Most names that a realm tells.
const MAX_NAMES: usize = 64;

/// What the realm's table says, or the five names that everybody knows.
pub(super) fn metadata(raw: &raw::Realm, findings: &mut Findings<'_>) -> Vec<Metadata> {
    let usual = usual(raw, findings);
    let Some(table) = &raw.metadata else {
        return usual;
    };
    let mut given: Vec<_> = table.get_ref().iter().collect();
    given.sort_by_key(|(name, _)| name.span().start);
    if given.len() > MAX_NAMES {
        findings.refuse(table.span(), Fault::new(format!("metadata has over {MAX_NAMES} names")));
    }
    let mut headers = BTreeMap::new();
    let mut told = Vec::new();
    for (name, source) in given {
        let text = name.get_ref();
        findings.take(text, name.span(), name::environment(text));
        if let Some(other) = headers.insert(text.to_ascii_uppercase(), text) {
            let what = format!("{text} and {other} would be one HTTP header");
            findings.refuse(name.span(), Fault::new(what));
        }
        if let Some(value) = findings.take(text, source.span(), value(source.get_ref())) {
            told.push(Metadata { name: text.clone(), value });
        }
    }
    told
}

fn usual(raw: &raw::Realm, findings: &mut Findings<'_>) -> Vec<Metadata> {
    let mut attribute = |key: &str, given: &Option<Spanned<String>>, default: &str| {
        findings.read(key, given, default.to_owned(), |name| name::attribute(name))
    };
    let mail = attribute("email_attribute", &raw.email_attribute, "mail");
    let given = attribute("first_name_attribute", &raw.first_name_attribute, "givenName");
    let surname = attribute("last_name_attribute", &raw.last_name_attribute, "sn");
    let plain = |name| MetadataValue::Attribute { name, lowercase: false };
    [
        ("X_REMOTE_USER", MetadataValue::Username),
        ("X_REMOTE_EMAIL", MetadataValue::Attribute { name: mail, lowercase: true }),
        ("X_REMOTE_FIRSTNAME", plain(given)),
        ("X_REMOTE_LASTNAME", plain(surname)),
        ("X_REMOTE_GROUPS", MetadataValue::Groups { join: ",".to_owned() }),
    ]
    .map(|(name, value)| Metadata { name: name.to_owned(), value })
    .into()
}

fn value(source: &MetadataSource) -> Result<MetadataValue, Fault> {
    let table = match source {
        MetadataSource::Text(text) if text == USERNAME => return Ok(MetadataValue::Username),
        MetadataSource::Text(text) if text.starts_with('%') => {
            let fault = Fault::new(format!("has an unknown value: {text:?}"));
            return Err(fault.hint(format!("did you mean `{USERNAME}`?")));
        }
        MetadataSource::Text(text) => {
            let name = name::attribute(text)?;
            return Ok(MetadataValue::Attribute { name, lowercase: false });
        }
        MetadataSource::Table(table) => table,
    };
    match (&table.attribute, table.groups.as_ref().map(Spanned::get_ref)) {
        (Some(_), Some(_)) => Err(Fault::new("is either of an attribute or of groups")),
        (Some(_), None) if table.join.is_some() => Err(Fault::new("has join, which is for groups")),
        (Some(attribute), None) => Ok(MetadataValue::Attribute {
            name: name::attribute(attribute.get_ref())?,
            lowercase: table.transform.is_some(),
        }),
        (None, Some(true)) if table.transform.is_some() => {
            Err(Fault::new("has transform, which is for attributes"))
        }
        (None, Some(true)) => Ok(MetadataValue::Groups { join: join(table.join.as_ref())? }),
        (None, Some(false)) => Err(Fault::new("has groups = false: leave the name out instead")),
        (None, None) => Err(Fault::new("needs attribute = \"...\" or groups = true")),
    }
}

/// What stands between groups: in a header, so nothing that could end one.
fn join(given: Option<&Spanned<String>>) -> Result<String, Fault> {
    let join = given.map_or(",", |join| join.get_ref());
    if join.is_empty() || join.len() > 16 || join.contains(char::is_control) {
        return Err(Fault::new("has a join that is not 1 to 16 printable characters"));
    }
    Ok(join.to_owned())
}
