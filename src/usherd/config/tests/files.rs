//! Configurations that stand in files, and the secrets beside them.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use usher_protocol::Password;

use super::CORP;
use crate::config::{
    Account, ConfigError, Directory, Loaded, Origin, Surroundings, load, parse_in,
};

/// A folder with a configuration and a secret beside it.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new(password: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("{CORP}account = \"cn=reader\"\npassword = {password}\n");
        let files = Self { folder };
        files.write("usher.toml", &text, 0o600);
        files
    }

    fn write(&self, name: &str, content: &str, mode: u32) {
        fs::write(self.path(name), content).unwrap();
        fs::set_permissions(self.path(name), Permissions::from_mode(mode)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn load(&self) -> Result<Loaded, ConfigError> {
        load(&self.path("usher.toml"))
    }
}

#[track_caller]
fn account(loaded: &Loaded) -> (Password, Origin) {
    let Directory::Ldap(ldap) = &loaded.settings.realms["corp"].directory else { panic!("local") };
    let Account::Simple { password, origin, .. } = &ldap.account else { panic!("anonymous") };
    (password.clone(), origin.clone())
}

#[test]
fn a_secret_stands_beside_the_configuration() {
    let files = Files::new("{ file = \"ldap.secret\" }");
    files.write("ldap.secret", "s3cret\n", 0o600);
    let loaded = files.load().unwrap();
    let origin = Origin::File(files.path("ldap.secret"));
    assert_eq!(origin.to_string(), format!("file {}", files.path("ldap.secret").display()));
    assert_eq!(account(&loaded), (Password::from("s3cret"), origin));
    assert_eq!(loaded.warnings, Vec::<String>::new());
}

#[test]
fn a_secret_that_everybody_can_read_draws_a_warning() {
    let files = Files::new("{ file = \"ldap.secret\" }");
    files.write("ldap.secret", "s3cret\n", 0o644);
    let warning = format!(
        "{}:7:21: {secret} can be read by every user of this machine: chmod o= {secret}",
        files.path("usher.toml").display(),
        secret = files.path("ldap.secret").display()
    );
    assert_eq!(files.load().unwrap().warnings, [warning]);
}

#[test]
fn a_secret_that_is_not_there_is_told_with_its_path() {
    let files = Files::new("{ file = \"ldap.secret\" }");
    let message = format!(
        "{}:7:21: password cannot be read from {}: No such file or directory (os error 2)",
        files.path("usher.toml").display(),
        files.path("ldap.secret").display()
    );
    assert_eq!(files.load().unwrap_err().to_string(), message);
}

#[test]
fn a_password_in_a_configuration_that_everybody_can_read_draws_a_warning() {
    let files = Files::new("\"s3cret\"");
    assert_eq!(files.load().unwrap().warnings, Vec::<String>::new());
    fs::set_permissions(files.path("usher.toml"), Permissions::from_mode(0o644)).unwrap();
    let warning = format!(
        "{}:7:12: this password can be read by every user of this machine",
        files.path("usher.toml").display()
    );
    assert_eq!(files.load().unwrap().warnings, [warning]);
}

#[test]
fn a_credential_stands_where_systemd_puts_it() {
    let files = Files::new("");
    let credential = |folder: Option<PathBuf>, name: &str| {
        let around = Surroundings { folder: "/".into(), credentials: folder, exposed: false };
        let text = format!("{CORP}account = \"a\"\npassword = {{ credential = \"{name}\" }}\n");
        parse_in(&around, &text, Path::new("usher.toml"))
    };
    files.write("ldap-password", "s3cret", 0o400);
    let folder = Some(files.folder.path().to_owned());
    let origin = Origin::Credential("ldap-password".to_owned());
    assert_eq!(
        account(&credential(folder.clone(), "ldap-password").unwrap()),
        (Password::from("s3cret"), origin)
    );
    assert_eq!(
        credential(folder, "../usher.toml").unwrap_err().to_string(),
        "usher.toml:7:27: password is not the name of a credential: \"../usher.toml\""
    );
    assert_eq!(
        credential(None, "ldap-password").unwrap_err().to_string(),
        "usher.toml:7:27: password cannot be read: this program was started without credentials\n    \
         hint: LoadCredential=ldap-password:FILE in the unit sets CREDENTIALS_DIRECTORY"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_told() {
    assert_eq!(
        load(Path::new("/nonexistent/usher.toml")).unwrap_err().to_string(),
        "/nonexistent/usher.toml: cannot be read: No such file or directory (os error 2)"
    );
    let files = Files::new("");
    fs::write(files.path("usher.toml"), b"# \xff").unwrap();
    let message = files.load().unwrap_err().to_string();
    assert!(message.ends_with("cannot be read: stream did not contain valid UTF-8"), "{message}");
}
