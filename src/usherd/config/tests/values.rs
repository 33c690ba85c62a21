//! What right values become, and what is said of wrong ones.

use std::path::PathBuf;
use std::time::Duration;

use super::{CORP, LOCAL, problems, read, realm};
use crate::config::{Case, Directory, MetadataValue, StripDomain, Test};

#[test]
fn little_needs_to_be_said() {
    let settings = read(LOCAL).unwrap().settings;
    assert_eq!(settings.default_realm.as_deref(), Some("corp"));
    assert_eq!(settings.listen.socket, PathBuf::from("/run/usher/usher.sock"));
    assert_eq!(settings.listen.admin_socket, PathBuf::from("/run/usher/admin.sock"));
    assert_eq!(settings.listen.socket_mode, 0o660);
    assert_eq!(settings.listen.socket_group, None);
    assert_eq!(settings.listen.max_connections, 4096);
    assert_eq!(settings.listen.max_in_flight, 256);
    assert_eq!(settings.listen.request_timeout, Duration::from_secs(5));
    assert_eq!(settings.access, Default::default());
    let realm = &settings.realms["corp"];
    let Directory::Local(local) = &realm.directory else { panic!("not local") };
    assert_eq!(local.file, PathBuf::from("/etc/usher/users.toml"));
    assert_eq!(realm.usernames.strip, StripDomain::Listed);
    assert_eq!(realm.usernames.case, Case::Lower);
    assert_eq!(realm.cache.ttl, Duration::from_secs(300));
    assert_eq!(realm.cache.negative_ttl, Duration::from_secs(30));
    assert_eq!(realm.cache.stale, Duration::from_secs(3600));
    assert_eq!(realm.cache.offline_authentication, Duration::ZERO);
    assert_eq!(realm.cache.max_bytes, 64 << 20);
    assert_eq!(realm.cache.refresh_ahead.to_string(), "0.8");
    assert_eq!((realm.shield.failures, realm.shield.per_client), (5, 50));
    assert_eq!(realm.shield.window, Duration::from_secs(600));
    assert_eq!(realm.shield.block, Duration::from_secs(300));
}

#[test]
fn all_problems_are_told_at_once_in_the_order_of_the_file() {
    let text = r#"default_realm = "crop"
[listen]
socket_mode = "0999"
max_connections = 0
request_timeout = 5
[realm.corp]
type = "ldap"
port = 70000
filter = "(uid="
login_attribute = ["uid", "e mail"]
account = "cn=reader"
rules.require = ["gruop=dev"]
[realm.corp.cache]
ttl = "1y"
max_bytes = "1KiB"
"#;
    assert_eq!(
        problems(text),
        r#"usher.toml:1:17: default_realm names no realm: "crop"
    hint: did you mean `corp`?
usher.toml:3:15: socket_mode is not a set of permissions: "0999"
    hint: write "0660"
usher.toml:4:19: max_connections must be between 1 and 1000000
usher.toml:5:19: request_timeout needs a unit
    hint: write "5s", for instance
usher.toml:6:1: [realm.corp] needs base_dn
usher.toml:6:1: [realm.corp] needs host
usher.toml:8:8: port must be between 1 and 65535
usher.toml:9:10: filter does not follow RFC 4515: expected ) at the end
    hint: such as "(objectClass=person)", or "(&(a=b)(!(c=d)))"
usher.toml:10:27: login_attribute is not the name of an attribute: "e mail"
    hint: such as "mail": letters, digits and hyphens, or an object identifier
usher.toml:11:11: account has no password
    hint: password = { file = "..." }
usher.toml:12:18: unknown kind of rule: "gruop"; did you mean `group`?
usher.toml:14:7: ttl is not a duration: "1y"
    hint: write "300ms", "5s", "10m", "1h" or "2d"
usher.toml:15:13: max_bytes must be between 4KiB and 1TiB"#
    );
}

#[test]
fn the_keys_of_every_realm_become_settings() {
    let realm = realm(&format!(
        "{LOCAL}file = \"sub/users.toml\"
        domains = [\"CORP\", \"Corp.Example\"]
        strip_domain = \"any\"
        case = \"keep\"
        rules.require = [\"group=dev|ops\", \"attribute:employeeType=staff\"]
        cache = {{ ttl = \"0s\", negative_ttl = \"1m\", max_bytes = \"1GiB\", stale = \"2d\", \
                   refresh_ahead = 1, offline_authentication = \"8h\" }}
        shield = {{ failures = 0, window = \"1h\", block = \"0s\", per_client = 7 }}\n"
    ));
    let Directory::Local(local) = &realm.directory else { panic!("not local") };
    assert_eq!(local.file, std::env::current_dir().unwrap().join("sub/users.toml"));
    assert_eq!(realm.usernames.domains, ["corp", "corp.example"]);
    assert_eq!((realm.usernames.strip, realm.usernames.case), (StripDomain::Any, Case::Keep));
    assert_eq!(realm.rules[0].test, Test::Group(vec!["dev".to_owned(), "ops".to_owned()]));
    assert_eq!(realm.cache.ttl, Duration::ZERO);
    assert_eq!(realm.cache.negative_ttl, Duration::from_secs(60));
    assert_eq!(realm.cache.max_bytes, 1 << 30);
    assert_eq!(realm.cache.stale, Duration::from_secs(2 * 86_400));
    assert_eq!(realm.cache.offline_authentication, Duration::from_secs(8 * 3600));
    assert_eq!(realm.cache.refresh_ahead.to_string(), "1");
    assert_eq!((realm.shield.failures, realm.shield.per_client), (0, 7));
    assert_eq!(realm.shield.window, Duration::from_secs(3600));
    assert_eq!(realm.shield.block, Duration::ZERO);
}

#[test]
fn the_part_after_which_an_identity_is_read_again_is_a_part() {
    for part in ["1.5", "-0.1", "nan"] {
        let text = format!("{LOCAL}cache.refresh_ahead = {part}\n");
        assert!(problems(&text).contains("refresh_ahead must be between 0 and 1"), "{part}");
    }
}

#[test]
fn keys_of_other_types_are_refused() {
    assert_eq!(
        problems(&format!("{LOCAL}base_dn = \"dc=com\"\ncertificate_checks = \"try\"\n")),
        "usher.toml:3:11: base_dn is not a key of a local realm\n\
         usher.toml:4:22: certificate_checks is not a key of a local realm"
    );
    assert_eq!(
        problems(&format!("{CORP}file = \"users.toml\"\n")),
        "usher.toml:6:8: file is not a key of an ldap realm"
    );
}

#[test]
fn metadata_has_five_usual_names() {
    let told = realm(&format!("{LOCAL}email_attribute = \"email\"\n")).metadata;
    let names: Vec<_> = told.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "X_REMOTE_USER",
            "X_REMOTE_EMAIL",
            "X_REMOTE_FIRSTNAME",
            "X_REMOTE_LASTNAME",
            "X_REMOTE_GROUPS"
        ]
    );
    let attribute =
        |name: &str, lowercase| MetadataValue::Attribute { name: name.to_owned(), lowercase };
    assert_eq!(told[0].value, MetadataValue::Username);
    assert_eq!(told[1].value, attribute("email", true));
    assert_eq!(told[2].value, attribute("givenName", false));
    assert_eq!(told[3].value, attribute("sn", false));
    assert_eq!(told[4].value, MetadataValue::Groups { join: ",".to_owned() });
}

#[test]
fn metadata_keeps_the_order_of_the_file() {
    let told = realm(&format!("{LOCAL}[realm.corp.metadata]\nZ = \"a\"\nM = \"%username\"\nA = {{ groups = true, join = \";\" }}\n")).metadata;
    let names: Vec<_> = told.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["Z", "M", "A"]);
    assert_eq!(told[2].value, MetadataValue::Groups { join: ";".to_owned() });
}

#[test]
fn wrong_metadata_is_told() {
    let table = "[realm.corp.metadata]\n";
    for (line, what) in [
        (
            "X-A = \"a\"",
            "4:1: X-A is not a name for the environment\n    hint: letters, digits and underscores, such as X_REMOTE_USER",
        ),
        ("X_A = \"a\"\nx_a = \"b\"", "5:1: x_a and X_A would be one HTTP header"),
        (
            "X = \"%user\"",
            "4:5: X has an unknown value: \"%user\"\n    hint: did you mean `%username`?",
        ),
        (
            "X = \"a b\"",
            "4:5: X is not the name of an attribute: \"a b\"\n    hint: such as \"mail\": \
             letters, digits and hyphens, or an object identifier",
        ),
        ("X = {}", "4:5: X needs attribute = \"...\" or groups = true"),
        (
            "X = { attribute = \"a\", groups = true }",
            "4:5: X is either of an attribute or of groups",
        ),
        ("X = { attribute = \"a\", join = \",\" }", "4:5: X has join, which is for groups"),
        (
            "X = { groups = true, transform = \"lowercase\" }",
            "4:5: X has transform, which is for attributes",
        ),
        ("X = { groups = false }", "4:5: X has groups = false: leave the name out instead"),
        (
            "X = { groups = true, join = \"\\n\" }",
            "4:5: X has a join that is not 1 to 16 printable characters",
        ),
        (
            "X = { atribute = \"a\" }",
            "4:7: unknown key `atribute` in [realm.corp.metadata.X]\n    hint: did you mean `attribute`?",
        ),
        (
            "X = 5",
            "4:5: wrong type for `X` in [realm.corp.metadata]: expected \"%username\", the name of an attribute or a table",
        ),
    ] {
        assert_eq!(problems(&format!("{LOCAL}{table}{line}\n")), format!("usher.toml:{what}"));
    }
}

#[test]
fn two_realms_need_a_default_and_do_not_share_a_domain() {
    assert_eq!(
        problems(&format!(
            "{LOCAL}domains = \"CORP\"\n[realm.b]\ntype = \"local\"\ndomains = [\"corp\"]\n"
        )),
        "usher.toml:1:1: default_realm is missing, and there is more than one realm\n    \
         hint: one of: b, corp\n\
         usher.toml:3:11: the domain \"corp\" is already listed in [realm.b]"
    );
    assert_eq!(
        problems(""),
        "usher.toml:1:1: there is no realm\n    hint: a realm begins with [realm.NAME]"
    );
}

#[test]
fn names_of_realms_are_checked() {
    assert_eq!(
        problems("[realm.\"a b\"]\ntype = \"local\"\n"),
        "usher.toml:1:8: \"a b\" is not the name of a realm\n    \
         hint: 1 to 64 letters, digits, dots, underscores and hyphens"
    );
}

#[test]
fn peers_become_ids() {
    let settings = read(&format!(
        "{LOCAL}[access]\nauthenticate = [\"@root\", \"root\", 33, \"@54321\"]\nlookup = []\n"
    ))
    .unwrap()
    .settings;
    let peers = settings.access.authenticate.unwrap();
    assert_eq!(peers.names, ["@root", "root", "33", "@54321"]);
    assert!([0, 33].iter().all(|uid| peers.uids.contains(uid)));
    assert!([0, 54321].iter().all(|gid| peers.gids.contains(gid)));
    assert_eq!(settings.access.lookup, Some(Default::default()));
}

#[test]
fn peers_that_nobody_is_are_told_each_in_its_place() {
    assert_eq!(
        problems(&format!("{LOCAL}[access]\nlookup = [\"root\", \"no-one\", \"@no-group\"]\n")),
        "usher.toml:4:19: lookup names a user that does not exist: \"no-one\"\n    \
         hint: write \"@NAME\" for a group\n\
         usher.toml:4:29: lookup names a group that does not exist: \"no-group\"\n    \
         hint: `getent group` lists those that do, `groupadd --system` makes one"
    );
    assert_eq!(
        problems(&format!("{LOCAL}[listen]\nsocket_group = \"no-group\"\n")),
        "usher.toml:4:16: socket_group names a group that does not exist: \"no-group\"\n    \
         hint: `getent group` lists those that do, `groupadd --system` makes one"
    );
}

#[test]
fn sockets_have_places_of_their_own() {
    assert_eq!(
        problems(&format!("{LOCAL}[listen]\nsocket = \"/run/a\"\nadmin_socket = \"/run/a\"\n")),
        "usher.toml:5:16: socket and admin_socket are the same"
    );
    let long = "x".repeat(108);
    assert_eq!(
        problems(&format!("{LOCAL}[listen]\nsocket = \"/{long}\"\nadmin_socket = \"\"\n")),
        "usher.toml:4:10: socket is longer than a socket's path can be: 107 bytes\n\
         usher.toml:5:16: admin_socket is empty"
    );
}

#[test]
fn what_is_refused_or_shown_never_holds_a_password() {
    let realm = |line: &str| format!("{CORP}account = \"cn=reader\"\npassword = {line}\n");
    for line in [
        "\"s3cret\\u0000\"",
        "[\"s3cret\"]",
        "{ file = \"/s\", s = \"s3cret\" }",
        "s3cret",
        "\"s3cret",
        "'s3cret\n",
    ] {
        assert!(!problems(&realm(line)).contains("s3cret"), "{line}");
    }
    let loaded = read(&realm("\"s3cret\"")).unwrap();
    assert!(!format!("{loaded:?}").contains("s3cret"));
    assert!(!crate::config::print(&loaded.settings).contains("s3cret"));
}

#[test]
fn a_realm_without_a_table_header_has_a_place_too() {
    assert_eq!(
        problems(
            "default_realm = \"corp\"\nrealm.corp.type = \"ldap\"\nrealm.corp.host = \"ldap://localhost\"\n"
        ),
        "usher.toml:2:7: [realm.corp] needs base_dn"
    );
    assert_eq!(
        problems("[realm.corp.groups]\nattribute = \"memberOf\"\n"),
        "usher.toml:1:8: [realm.corp] needs a type: \"ldap\", \"local\", \"pam\", \"crowd\" or \"chain\""
    );
}

#[test]
fn the_table_of_usher_http_is_known_with_its_types() {
    let http = "[http]\nlisten = \"127.0.0.1:9180\"\nchallenge = \"Restricted\"\n\
                trusted_user_header = \"X-Forwarded-User\"\npeers = [\"10.0.0.0/8\"]\n";
    for encoding in ["\"percent\"", "{ X_REMOTE_LASTNAME = \"base64\" }"] {
        read(&format!("{LOCAL}{http}header_encoding = {encoding}\n")).unwrap();
    }
    for (line, told) in [
        ("listen = 9180", "4:10: wrong type for `listen` in [http]: expected a string"),
        ("header_encoding = \"latin1\"", "4:19: "),
        ("socket = \"/run/http.sock\"", "4:1: unknown key `socket`"),
    ] {
        let told_of = problems(&format!("{LOCAL}[http]\n{line}\n"));
        assert!(told_of.starts_with(&format!("usher.toml:{told}")), "{told_of}");
    }
}
