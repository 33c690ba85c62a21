//! The state of passwords and accounts, as a directory with password policies tells it.

use serde_json::json;

use crate::support::daemon::Daemon;
use crate::support::slapd::{More, Slapd};

/// 2,147,483,647 s are 68 years: what expires then is warned of now.
const POLICIES: &str = "dn: cn=usual,dc=example,dc=com
objectClass: device
objectClass: pwdPolicy
cn: usual
pwdAttribute: userPassword
pwdLockout: TRUE
pwdMaxFailure: 3
pwdMustChange: TRUE

dn: cn=long,dc=example,dc=com
objectClass: device
objectClass: pwdPolicy
cn: long
pwdAttribute: userPassword
pwdMaxAge: 2147483647
pwdExpireWarning: 2147483647

dn: cn=short,dc=example,dc=com
objectClass: device
objectClass: pwdPolicy
cn: short
pwdAttribute: userPassword
pwdMaxAge: 1

dn: cn=grace,dc=example,dc=com
objectClass: device
objectClass: pwdPolicy
cn: grace
pwdAttribute: userPassword
pwdMaxAge: 1
pwdGraceAuthNLimit: 2

";

/// Name, policy, and what else the entry has.
const USERS: [(&str, &str, &str); 5] = [
    ("expiring", "long", "pwdChangedTime: 20240101000000Z"),
    ("expired", "short", "pwdChangedTime: 20240101000000Z"),
    ("grace", "grace", "pwdChangedTime: 20240101000000Z"),
    ("reset", "usual", "pwdReset: TRUE"),
    ("locked", "usual", "pwdAccountLockedTime: 000001010000Z"),
];

pub(crate) fn start(more: &str) -> (Slapd, Daemon) {
    let mut ldif = POLICIES.to_owned();
    for (name, policy, state) in USERS {
        ldif += &format!(
            "dn: uid={name},ou=people,dc=example,dc=com\nobjectClass: inetOrgPerson\nuid: {name}\n\
             cn: {name}\nsn: {name}\nuserPassword: {name}-secret\n\
             pwdPolicySubentry: cn={policy},dc=example,dc=com\n{state}\n\n"
        );
    }
    // What the overlay notes down, it writes as the rootdn.
    let configuration = "rootdn \"cn=root,dc=example,dc=com\"\noverlay ppolicy\n\
                         ppolicy_default \"cn=usual,dc=example,dc=com\"\nppolicy_use_lockout\n";
    let slapd = Slapd::start_with(More { configuration, ldif: &ldif, ..More::default() });
    let cache = "[realm.corp.cache]\nttl = \"0s\"\nnegative_ttl = \"0s\"\n";
    let daemon = Daemon::start(&format!("{}{more}{cache}", slapd.realm()));
    (slapd, daemon)
}

#[test]
fn a_password_that_soon_expires_is_right_and_draws_a_warning() {
    let (_slapd, daemon) = start("");
    let granted = daemon.authenticate("expiring", "expiring-secret");
    granted.is_granted();
    let seconds = granted.json["warning"]["password_expires_s"].as_u64();
    assert!(seconds.is_some_and(|seconds| seconds > 1_000_000), "{granted:?}");
    assert_eq!(daemon.authenticate("alice", "alice-secret").json.get("warning"), None);
    let wrong = daemon.authenticate("expiring", "wrong");
    wrong.is(1, "denied", "bad_credentials");
    assert_eq!(wrong.json.get("warning"), None);
}

#[test]
fn a_remembered_password_draws_no_warning() {
    let (_slapd, daemon) = start("");
    let configuration = std::fs::read_to_string(daemon.path("usher.toml")).expect("it is there");
    daemon.configure(&configuration.replace("\"0s\"", "\"1m\""));
    assert_eq!(daemon.ctl(&["reload"], b"").code, 0);
    let ask = || daemon.authenticate("expiring", "expiring-secret").json.get("warning").cloned();
    assert!(ask().is_some());
    assert!(ask().is_none());
}

#[test]
fn an_expired_password_is_told_to_those_who_know_it() {
    let (_slapd, daemon) = start("");
    let expired = daemon.authenticate("expired", "expired-secret");
    expired.is(1, "denied", "password_expired");
    daemon.authenticate("expired", "wrong").is(1, "denied", "bad_credentials");
}

#[test]
fn an_expired_password_is_taken_as_long_as_there_is_grace() {
    let (_slapd, daemon) = start("");
    for left in [1, 0] {
        let granted = daemon.authenticate("grace", "grace-secret");
        granted.is_granted();
        assert_eq!(granted.json["warning"], json!({ "grace_logins": left }));
    }
    daemon.authenticate("grace", "grace-secret").is(1, "denied", "password_expired");
}

#[test]
fn a_password_that_must_be_changed_lets_nobody_in() {
    let (_slapd, daemon) = start("");
    daemon.authenticate("reset", "reset-secret").is(1, "denied", "password_must_change");
    daemon.authenticate("reset", "wrong").is(1, "denied", "bad_credentials");
}

#[test]
fn a_locked_account_looks_like_a_wrong_password_unless_the_realm_reveals_it() {
    let (_slapd, daemon) = start("");
    let unknown = daemon.authenticate("nobody", "secret");
    for password in ["locked-secret", "wrong"] {
        let refused = daemon.authenticate("locked", password);
        refused.is(1, "denied", "bad_credentials");
        assert_eq!(refused.message(), unknown.message());
    }
    let (_slapd, daemon) = start("reveal_account_state = true\n");
    for password in ["locked-secret", "wrong"] {
        daemon.authenticate("locked", password).is(1, "denied", "account_locked");
    }
    daemon.authenticate("nobody", "secret").is(1, "denied", "bad_credentials");
}

#[test]
fn failures_lock_an_account_and_the_right_password_is_refused_then() {
    let (_slapd, daemon) = start("reveal_account_state = true\n");
    for password in ["one", "two", "three"] {
        daemon.authenticate("alice", password).is(1, "denied", "bad_credentials");
    }
    daemon.authenticate("alice", "alice-secret").is(1, "denied", "account_locked");
    daemon.authenticate("bob", "bob-secret").is_granted();
}
