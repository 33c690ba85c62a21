//! Which entry a user is: where it is looked for, by whom, and what is read of it.

use crate::support::daemon::{Daemon, folder, write_private};
use crate::support::slapd::{More, Slapd};

const ALICE: &str = "uid=alice,ou=people,dc=example,dc=com";

/// Users whose names and attributes are not as simple as one might hope.
const ODD: &str = r#"dn: uid=a\2cb\2bc=\22d\22\5c\3ce\3e\3b,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: a,b+c="d"\<e>;
cn: Odd
sn: Odd
userPassword: odd-secret

dn: uid=\23hash,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: #hash
cn: Hash
sn: Hash
userPassword: hash-secret

dn: uid=nul\00x,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid:: bnVsAHg=
uid: nul
cn: Nul
sn: Nul
userPassword: nul-secret

dn: uid=\20spaced\20,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid:: IHNwYWNlZCA=
cn: Spaced
sn: Spaced
userPassword: spaced-secret

dn: cn=Zero\00,ou=groups,dc=example,dc=com
objectClass: groupOfNames
cn:: WmVybwA=
member: uid=nul\00x,ou=people,dc=example,dc=com

dn: uid=polly,ou=people,dc=example,dc=com
objectClass: inetOrgPerson
uid: polly
cn: Polly
cn;lang-de: Polli
sn: Glot
mail: polly@example.com
jpegPhoto:: /9j/AP8=
description: first
userPassword: polly-secret

dn: ou=elsewhere,ou=people,dc=example,dc=com
objectClass: referral
objectClass: extensibleObject
ou: elsewhere
ref: ldap://127.0.0.1:1/ou=people,dc=example,dc=org

"#;

fn realm(slapd: &Slapd, change: impl Fn(String) -> String) -> String {
    change(slapd.realm())
}

fn template(realm: &str) -> String {
    realm.replace("base_dn = \"ou=people,", "user_dn = \"uid=%u,ou=people,")
}

fn without_account(realm: &str) -> String {
    let lines = realm
        .lines()
        .filter(|line| !line.starts_with("account = ") && !line.starts_with("password = "));
    lines.map(|line| format!("{line}\n")).collect()
}

fn odd(access: &str) -> Slapd {
    Slapd::start_with(More { access, ldif: ODD, ..More::default() })
}

/// Everybody may read their own entry, and nobody else's.
const SELF: &str = "access to dn.subtree=\"ou=people,dc=example,dc=com\" attrs=entry,@extensibleObject\n  \
                    by dn.exact=\"cn=reader,dc=example,dc=com\" read by self read by * auth\n";

#[test]
fn the_three_scopes_are_those_of_the_standard() {
    let slapd = Slapd::start();
    for (base, scope, alice, carol) in [
        ("ou=people,dc=example,dc=com", "base", false, false),
        (ALICE, "base", true, false),
        (ALICE, "onelevel", false, false),
        (ALICE, "subtree", true, false),
        ("ou=people,dc=example,dc=com", "onelevel", true, false),
        ("ou=people,dc=example,dc=com", "subtree", true, true),
        ("ou=berlin,ou=people,dc=example,dc=com", "onelevel", false, true),
    ] {
        let daemon = Daemon::start(&realm(&slapd, |text| {
            let text = text.replace("\"ou=people,dc=example,dc=com\"", &format!("\"{base}\""));
            format!("{text}search_scope = \"{scope}\"\n")
        }));
        for (user, found) in [("alice", alice), ("carol", carol)] {
            assert_eq!(daemon.lookup(user).code == 0, found, "{user} in {scope} of {base}");
        }
    }
}

#[test]
fn a_filter_needs_no_parentheses_and_selects_the_users() {
    let slapd = Slapd::start();
    for filter in [
        "(employeeType=staff)",
        "employeeType=staff",
        "&(objectClass=person)(!(employeeType=contractor))(mail=*)(!(uid=u*))",
        "(|(cn:caseIgnoreMatch:=alice archer)(uid>=zzz))",
    ] {
        let daemon = Daemon::start(&realm(&slapd, |text| {
            text.replace("(objectClass=inetOrgPerson)", filter)
        }));
        daemon.lookup("alice").is_found();
        daemon.lookup("bob").is(1, "not_found", "no_such_user");
    }
}

#[test]
fn without_an_account_the_search_is_anonymous() {
    let access = "access to dn.subtree=\"ou=people,dc=example,dc=com\" attrs=entry,uid,mail,objectClass\n  \
                  by * read\n";
    let slapd = Slapd::start_with(More { access, ..More::default() });
    let daemon = Daemon::start(&realm(&slapd, |text| without_account(&text)));
    let found = daemon.lookup("alice");
    assert_eq!(found.metadata("X_REMOTE_EMAIL"), Some("alice@example.com"));
    assert_eq!(found.metadata("X_REMOTE_FIRSTNAME"), None);
    daemon.authenticate("alice", "alice-secret").is_granted();
    assert!(!slapd.log().contains("BIND dn=\"cn=reader"), "{}", slapd.log());
}

#[test]
fn a_base_that_does_not_exist_is_no_unknown_user() {
    let slapd = Slapd::start();
    let daemon = Daemon::start(&realm(&slapd, |text| text.replace("ou=people", "ou=poeple")));
    for reply in [daemon.lookup("alice"), daemon.authenticate("alice", "alice-secret")] {
        reply.is(3, "unavailable", "no_host");
        assert!(reply.message().contains("base DN \"ou=poeple,"), "{reply:?}");
        assert!(reply.message().contains("result 32"), "{reply:?}");
    }
}

#[test]
fn references_to_other_servers_are_passed_over() {
    let slapd = odd("");
    let daemon = Daemon::start(&slapd.realm());
    daemon.lookup("alice").is_found();
    daemon.authenticate("carol", "carol-secret").is_granted();
    daemon.lookup("nobody").is(1, "not_found", "no_such_user");
}

#[test]
fn attributes_have_no_case_and_may_have_options() {
    let slapd = odd("");
    let metadata = "[realm.corp.metadata]\nA = \"GIVENNAME\"\nB = \"cn;lang-de\"\nC = \"CN;LANG-DE\"\n\
                    D = \"sn\"\nE = \"jpegPhoto\"\nF = \"description\"\n";
    let daemon = Daemon::start(&format!("{}{metadata}", slapd.realm()));
    assert_eq!(
        daemon.lookup("alice").json["metadata"],
        serde_json::json!({"A": "Alice", "D": "Archer"})
    );
    let lookup = |rule: &str| daemon.ctl_json(&["lookup", "--require", rule, "polly"], b"");
    lookup("attribute:CN;lang-DE=polli").is_found();
    lookup("attribute:cn;lang-de=Polly").is(1, "denied", "rule");
    let login = "login_attribute = [\"uid\", \"cn;lang-de\"]\n";
    let german = Daemon::start(&format!("{}{login}", slapd.realm()));
    assert_eq!(german.authenticate("Polli", "polly-secret").json["user"], "polly");
    // A value that is not UTF-8 is passed over.
    assert_eq!(
        daemon.lookup("polly").json["metadata"],
        serde_json::json!({"B": "Polli", "C": "Polli", "D": "Glot", "F": "first"})
    );
}

#[test]
fn names_with_special_signs_are_found_and_bound_as() {
    let slapd = odd("");
    let daemon = Daemon::start(&slapd.realm());
    for (user, password) in [
        (r#"a,b+c="d"\<e>;"#, "odd-secret"),
        ("#hash", "hash-secret"),
        (" spaced ", "spaced-secret"),
    ] {
        // As it stands, it would begin with somebody's domain.
        let user = format!("CORP\\{user}");
        daemon.authenticate(&user, password).is_granted();
        daemon.authenticate(&user, "wrong").is(1, "denied", "bad_credentials");
    }
}

#[test]
fn hosts_are_given_in_many_forms() {
    let slapd = Slapd::start();
    let (port, host) = (slapd.port(), slapd.host());
    for (host, more) in [
        (format!("\"ldap://{host}/\""), String::new()),
        ("\"127.0.0.1\"".to_owned(), format!("port = {port}\n")),
        (format!("[\"127.0.0.1:1\", \"{host}\"]"), String::new()),
        (format!("\"127.0.0.1:1, {host}\""), String::new()),
        (format!("\"localhost:{port}\""), String::new()),
        (format!("\"{}\"", slapd.ldapi_url()), String::new()),
    ] {
        let daemon = Daemon::start(&realm(&slapd, |text| {
            text.replace(&format!("\"{}\"", slapd.host()), &host) + &more
        }));
        daemon.authenticate("alice", "alice-secret").is_granted();
    }
}

#[test]
fn a_template_names_the_entry_and_the_account_reads_it() {
    let slapd = odd("");
    let daemon = Daemon::start(&realm(&slapd, |text| template(&text)));
    daemon.lookup("alice").is_found();
    let granted = daemon.authenticate("CORP\\Alice", "alice-secret");
    granted.is_granted();
    assert_eq!(granted.metadata("X_REMOTE_USER"), Some("alice"));
    assert_eq!(granted.metadata("X_REMOTE_EMAIL"), Some("alice@example.com"));
    daemon.authenticate("alice", "wrong").is(1, "denied", "bad_credentials");
    // Carol stands elsewhere, and the filter is for users.
    daemon.lookup("carol").is(1, "not_found", "no_such_user");
    daemon.authenticate("carol", "carol-secret").is(1, "denied", "bad_credentials");
    assert!(slapd.log().contains(&format!("SRCH base=\"{ALICE}\" scope=0")), "{}", slapd.log());
}

#[test]
fn a_template_without_an_account_reads_the_entry_as_the_user() {
    let slapd = odd(SELF);
    let daemon = Daemon::start(&realm(&slapd, |text| template(&without_account(&text))));
    let granted = daemon.authenticate("alice", "alice-secret");
    granted.is_granted();
    assert_eq!(granted.metadata("X_REMOTE_EMAIL"), Some("alice@example.com"));
    assert_eq!(granted.json["source"], "directory");
    // One bind and one search, and then none.
    assert_eq!((slapd.binds_of(ALICE), slapd.searches_for(ALICE)), (1, 1), "{}", slapd.log());
    let again = daemon.authenticate("alice", "alice-secret");
    again.is_granted();
    assert_eq!(again.json["source"], "cache");
    assert_eq!((slapd.binds_of(ALICE), slapd.searches_for(ALICE)), (1, 1), "{}", slapd.log());
    daemon.authenticate("alice", "wrong").is(1, "denied", "bad_credentials");
    daemon.authenticate("nobody", "alice-secret").is(1, "denied", "bad_credentials");
    // Anonymous may not see anybody, but what a user's own bind has shown is known for a while.
    daemon.lookup("alice").is_found();
    let lookup = daemon.lookup("bob");
    lookup.is(3, "unavailable", "no_host");
    assert!(lookup.message().contains("insufficientAccessRights"), "{lookup:?}");
    daemon.authenticate("bob", "bob-secret").is_granted();
    // One user's connection is the next one's, with another bind.
    let bob = daemon.authenticate("bob", "bob-secret");
    assert_eq!(bob.metadata("X_REMOTE_USER"), Some("bob"));
}

#[test]
fn a_filter_and_rules_hold_where_users_read_themselves() {
    let slapd = odd(SELF);
    let daemon = Daemon::start(&realm(&slapd, |text| {
        template(&without_account(&text)).replace("(objectClass=inetOrgPerson)", "(mail=*)")
            + "[realm.corp.groups]\nattribute = \"memberOf\"\n"
    }));
    daemon.authenticate("star*", "star*-secret").is(1, "denied", "bad_credentials");
    let ask = |rule: &str, user: &str| {
        let password = format!("{user}-secret\n");
        daemon.ctl_json(&["authenticate", "--require", rule, user], password.as_bytes())
    };
    ask("group=dev", "alice").is_granted();
    ask("filter=(employeeType=staff)", "alice").is_granted();
    ask("group=dev", "bob").is(1, "denied", "rule");
    ask("filter=(employeeType=staff)", "bob").is(1, "denied", "rule");
}

#[test]
fn a_name_in_a_template_stays_one_value() {
    for account in [true, false] {
        let slapd = odd(SELF);
        let daemon = Daemon::start(&realm(&slapd, |text| {
            let text = template(&text);
            let text = if account { text } else { without_account(&text) };
            text.replace("uid=%u,ou=people", "uid=%u") + "strip_domain = \"never\"\n"
        }));
        for user in [
            "alice,ou=people",
            "alice,ou=people,dc=example,dc=com",
            r"alice\2cou=people",
            "alice+cn=x",
            "",
            "#616c696365",
            r"\61lice",
        ] {
            daemon.authenticate(user, "alice-secret").is(1, "denied", "bad_credentials");
            daemon.lookup(user).is(1, "not_found", "no_such_user");
        }
        assert_eq!(slapd.binds_of(ALICE), 0, "{}", slapd.log());
        let daemon = Daemon::start(&realm(&slapd, |text| {
            let text = template(&text);
            if account { text } else { without_account(&text) }
        }));
        for (user, password) in [(r#"a,b+c="d"\<e>;"#, "odd-secret"), ("#hash", "hash-secret")] {
            daemon.authenticate(&format!("CORP\\{user}"), password).is_granted();
        }
        for user in [" alice", "alice ", "al*ce"] {
            daemon.authenticate(user, "wrong").is(1, "denied", "bad_credentials");
        }
    }
}

#[test]
fn a_nul_in_a_distinguished_name_is_a_sign_like_others() {
    let slapd = odd("");
    let groups = "[realm.corp.groups]\nbase_dn = \"ou=groups,dc=example,dc=com\"\n";
    let daemon = Daemon::start(&format!("{}{groups}", slapd.realm()));
    daemon.authenticate("nul", "wrong").is(1, "denied", "bad_credentials");
    let granted = daemon.authenticate("nul", "nul-secret");
    granted.is_granted();
    // It has found its group, by whose name no control character leaves.
    let groups = granted.json["groups"].as_array().expect("groups");
    assert_eq!(groups.len(), 1, "{granted:#?}");
    assert!(!granted.json.to_string().contains("\\u0000"), "{granted:#?}");
}

#[test]
fn the_password_of_the_account_is_read_anew_with_a_reload() {
    let slapd = Slapd::start();
    let realm = slapd.realm().replace("\"reader-secret\"", "{ file = \"@DIR@/reader.secret\" }");
    let folder = folder(&realm);
    write_private(&folder.path().join("reader.secret"), "of-yesterday\n");
    let daemon = Daemon::start_in(folder, |command| command);
    daemon.lookup("alice").is(3, "unavailable", "no_host");
    write_private(&daemon.path("reader.secret"), "reader-secret\n");
    daemon.ctl(&["reload"], b"").success();
    daemon.lookup("alice").is_found();
}
