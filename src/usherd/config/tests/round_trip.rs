//! What is printed can be read again, and says the same.

use std::path::Path;

use super::{CORP, LOCAL, read};
use crate::config::{load, parse, print};

/// The example of the manual, without what this version refuses.
const EXAMPLE: &str = r#"default_realm = "corp"

[listen]
socket = "/run/usher/usher.sock"        # or passed in by systemd
socket_mode = "0660"
socket_group = "root"
admin_socket = "/run/usher/admin.sock"  # 0600, owner of the daemon and root
max_connections = 4096
max_in_flight = 256                     # per connection
request_timeout = "5s"

[access]
authenticate = ["@root", "root"]
lookup       = ["@root", "33"]

[realm.corp]
type = "ldap"
host = "ldap1.example.com, ldap2.example.com:1389"
port = 3389
connection_security = "plain"
account = "cn=reader,dc=example,dc=com"
password = { file = "ldap.secret" }
base_dn = "ou=people,dc=example,dc=com"
filter = "(objectClass=person)"
search_scope = "subtree"
login_attribute = "uid"
email_attribute = "mail"
first_name_attribute = "givenName"
last_name_attribute = "sn"
domains = ["CORP", "corp.example.com"]
strip_domain = "listed"
case = "lower"
referrals = "ignore"
pool = { search_lanes = 2, bind_lanes = 16, connect_timeout = "2s", operation_timeout = "3s", max_age = "10m", idle_probe = "30s", hedge_after = "300ms" }

[realm.corp.groups]
attribute = "memberOf"
name_attribute = "cn"

[realm.corp.rules]
require = ["group=dev|ops", "attribute:employeeType=staff"]

[realm.corp.metadata]
X_REMOTE_USER      = "%username"
X_REMOTE_EMAIL     = { attribute = "mail", transform = "lowercase" }   # several values: the first
X_REMOTE_FIRSTNAME = "givenName"
X_REMOTE_LASTNAME  = "sn"
X_REMOTE_GROUPS    = { groups = true, join = "," }

[realm.corp.cache]
ttl = "5m"
negative_ttl = "30s"
offline_authentication = "0s"
max_bytes = "64MiB"

[realm.break-glass]
type = "local"
file = "/etc/usher/users.toml"
"#;

#[test]
fn the_example_prints_as_it_works() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("usher.toml");
    std::fs::write(&path, EXAMPLE).unwrap();
    std::fs::write(folder.path().join("ldap.secret"), "s3cret\n").unwrap();
    let settings = load(&path).unwrap().settings;
    let printed = print(&settings);
    assert_eq!(
        printed.replace(&*folder.path().to_string_lossy(), "/etc/usher"),
        include_str!("printed.toml")
    );
    assert_eq!(parse(&printed, Path::new("/elsewhere")).unwrap().settings, settings);
}

#[test]
fn whatever_is_printed_reads_as_the_same() {
    for text in [
        LOCAL.to_owned(),
        format!("{LOCAL}file = \"users.htpasswd\"\nformat = \"htpasswd\"\n"),
        CORP.to_owned(),
        "[realm.corp]\ntype = \"pam\"\nservice = \"web\"\npool = { bind_lanes = 3 }\n".to_owned(),
        "[realm.corp]\ntype = \"crowd\"\nhost = \"http://localhost:8095/crowd, http://[::1]\"\n\
         account = \"usher\"\npassword = \"********\"\n"
            .to_owned(),
        format!(
            "default_realm = \"w.x\"\n{CORP}[realm.web]\ntype = \"local\"\nmetadata_from = \"corp\"\n\
             [realm.\"w.x\"]\ntype = \"chain\"\nrealms = [\"web\", \"corp\"]\ndomains = \"W\"\n\
             on_unavailable = \"next\"\n"
        ),
        format!("{CORP}account = \"a\"\npassword = \"********\"\nfilter = \"cn=\\\\5c'\\\"é\"\n"),
        "[realm.\"a.b\"]\ntype = \"local\"\nstrip_domain = \"any\"\ncase = \"keep\"\n".to_owned(),
        format!("{LOCAL}metadata = {{}}\n[access]\nlookup = []\nmetrics = [\"root\"]\n"),
        format!("{LOCAL}[audit]\nfile = \"a\"\ncached = 0.25\nunknown_users = \"shown\"\n"),
        format!(
            "{LOCAL}reveal_account_state = true\nrules.require = ['group=\"a\"|b\\c', \"attribute:x='\\\"\"]\ncache.ttl = \"1500ms\"\n"
        ),
        format!(
            "{CORP}groups = {{ base_dn = \"ou=a\", filter = \"(|(member=%d)(x=%u))\", nested = 3 }}\n\
             rules.require = [\"filter=(|(a=b)(c=d))\"]\n"
        ),
        format!("{CORP}directory = \"active_directory\"\ngroups = {{}}\n"),
        format!("{CORP}user_dn = \"uid=%u,dc=com\"\n"),
        CORP.replace("\"localhost\"", "[\"ldapi://%2Frun%2Fa%20b%25\", \"[::1]:1389\"]"),
    ] {
        let settings = read(&text).unwrap().settings;
        let printed = print(&settings);
        match read(&printed) {
            Ok(again) => assert_eq!(again.settings, settings, "{printed}"),
            Err(error) => panic!("{error}\n{printed}"),
        }
    }
}
