//! The account that searches, and its password.

use std::path::Path;

use toml::Spanned;
use usher_protocol::Password;

use super::problem::{Fault, Findings};
use super::raw::{self, PasswordSource, PasswordTable, Span};
use super::settings::{Account, Origin};
use super::{Surroundings, secret};

pub(super) fn account(
    raw: &raw::Realm,
    around: &Surroundings,
    findings: &mut Findings<'_>,
) -> Account {
    let password = raw.password.as_ref().and_then(|source| password(source, around, findings));
    if let Some(sasl) = &raw.sasl {
        if raw.account.is_some() || raw.password.is_some() {
            let fault = Fault::new("sasl \"external\" contradicts account and password")
                .hint("the certificate or the socket names the account");
            findings.refuse(sasl.span(), fault);
        }
        return Account::External;
    }
    match (&raw.account, &raw.password) {
        (None, None) => {}
        (Some(account), None) => findings.refuse(
            account.span(),
            Fault::new("account has no password").hint("password = { file = \"...\" }"),
        ),
        (None, Some(password)) => findings.refuse(
            password.span(),
            Fault::new("password has no account").hint("an anonymous search has neither"),
        ),
        (Some(account), Some(_)) => {
            let dn = findings.take("account", account.span(), dn(account.get_ref()));
            if let (Some(dn), Some((password, origin))) = (dn, password) {
                return Account::Simple { dn, password, origin };
            }
        }
    }
    Account::Anonymous
}

/// Some servers also bind `reader@example.com` and `CORP\reader`, so a DN's form is not asked for.
fn dn(text: &str) -> Result<String, Fault> {
    if text.is_empty() {
        Err(Fault::new("is empty").hint("leave account and password out for an anonymous search"))
    } else if text.contains(char::is_control) {
        Err(Fault::new("contains a control character"))
    } else {
        Ok(text.to_owned())
    }
}

fn password(
    source: &Spanned<PasswordSource>,
    around: &Surroundings,
    findings: &mut Findings<'_>,
) -> Option<(Password, Origin)> {
    let at = source.span();
    match source.get_ref() {
        PasswordSource::Text(password) => {
            findings.take("password", at.clone(), secret::check(password))?;
            if around.exposed {
                findings.warn(at, "this password can be read by every user of this machine");
            }
            Some((password.clone(), Origin::Inline))
        }
        PasswordSource::Elsewhere(PasswordTable { file: Some(file), credential: None }) => {
            let path = findings.take("password", file.span(), around.path(file.get_ref()))?;
            let password = read(&path, file.span(), findings)?;
            Some((password, Origin::File(path)))
        }
        PasswordSource::Elsewhere(PasswordTable { file: None, credential: Some(name) }) => {
            let path = findings.take("password", name.span(), around.credential(name.get_ref()))?;
            let password = read(&path, name.span(), findings)?;
            Some((password, Origin::Credential(name.get_ref().clone())))
        }
        PasswordSource::Elsewhere(_) => {
            findings.refuse(at, Fault::new("password needs either file or credential"));
            None
        }
    }
}

fn read(path: &Path, at: Span, findings: &mut Findings<'_>) -> Option<Password> {
    let secret = findings.take("password", at.clone(), secret::read(path))?;
    if secret.exposed {
        findings.warn(at, &secret::exposed(path));
    }
    Some(secret.password)
}
