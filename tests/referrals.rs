//! References to other servers: followed to hosts of the realm where it says so, and nowhere else.

use crate::support::daemon::Daemon;
use crate::support::slapd::{More, Slapd, realm};

const FOLLOW: &str = "referrals = \"follow\"\n";

/// What only the second server has: people elsewhere, and a reference back to where all began.
const FAR: &str = "dn: ou=far,dc=example,dc=com
objectClass: organizationalUnit
ou: far

dn: uid=zoe,ou=far,dc=example,dc=com
objectClass: inetOrgPerson
uid: zoe
cn: Zoe
sn: Zed
mail: zoe@example.com
userPassword: zoe-secret

dn: ou=back,ou=far,dc=example,dc=com
objectClass: referral
objectClass: extensibleObject
ou: back
ref: ldap://127.0.0.1/ou=people,dc=example,dc=com

";

/// A server that refers to another for a part of its people, and to one that nobody knows.
fn referring(to: &Slapd) -> Slapd {
    let reference = |name: &str, url: &str| {
        format!(
            "dn: ou={name},ou=people,dc=example,dc=com\nobjectClass: referral\n\
             objectClass: extensibleObject\nou: {name}\nref: {url}\n\n"
        )
    };
    let ldif = reference("elsewhere", &format!("{}/ou=far,dc=example,dc=com", to.url()))
        + &reference("nowhere", "ldap://127.0.0.9:1/ou=people,dc=example,dc=com");
    Slapd::start_with(More { ldif: &ldif, ..More::default() })
}

fn two() -> (Slapd, Slapd) {
    let second = Slapd::start_with(More { ldif: FAR, ..More::default() });
    (referring(&second), second)
}

fn both(first: &Slapd, second: &Slapd) -> String {
    realm(&format!("{}, {}", first.host(), second.host()))
}

#[test]
fn who_is_elsewhere_is_found_there_and_the_password_is_tried_there() {
    let (first, second) = two();
    let daemon = Daemon::start(&format!("{}{FOLLOW}", both(&first, &second)));
    let granted = daemon.authenticate("zoe", "zoe-secret");
    granted.is_granted();
    assert_eq!(granted.metadata("X_REMOTE_EMAIL"), Some("zoe@example.com"));
    let dn = "uid=zoe,ou=far,dc=example,dc=com";
    assert_eq!((first.binds_of(dn), second.binds_of(dn)), (0, 1));
    daemon.authenticate("zoe", "wrong").is(1, "denied", "bad_credentials");
    // The reference back finds her a second time, and is not followed for ever.
    daemon.authenticate("alice", "alice-secret").is_granted();
    assert_eq!(second.binds_of("uid=alice,ou=people,dc=example,dc=com"), 0);
    daemon.lookup("nobody").is(1, "not_found", "no_such_user");
    let rule = |rule: &str| daemon.ctl_json(&["lookup", "--require", rule, "zoe"], b"");
    rule("filter=(sn=Zed)").is_found();
    rule("filter=(sn=Archer)").is(1, "denied", "rule");
}

#[test]
fn groups_of_who_is_elsewhere_are_found_by_the_name_that_they_have_there() {
    let second = Slapd::start_with(More { ldif: FAR, ..More::default() });
    let ldif = format!(
        "dn: ou=elsewhere,ou=people,dc=example,dc=com\nobjectClass: referral\n\
         objectClass: extensibleObject\nou: elsewhere\nref: {}/ou=far,dc=example,dc=com\n\n\
         dn: cn=travellers,ou=groups,dc=example,dc=com\nobjectClass: groupOfNames\n\
         cn: travellers\nmember: uid=zoe,ou=far,dc=example,dc=com\n\n",
        second.url()
    );
    let first = Slapd::start_with(More { ldif: &ldif, ..More::default() });
    let groups = "[realm.corp.groups]\nbase_dn = \"ou=groups,dc=example,dc=com\"\n";
    let daemon = Daemon::start(&format!("{}{FOLLOW}{groups}", both(&first, &second)));
    assert_eq!(daemon.lookup("zoe").json["groups"], serde_json::json!(["travellers"]));
}

#[test]
fn a_base_that_is_elsewhere_is_searched_there() {
    let (first, second) = two();
    let both = both(&first, &second).replace("\"ou=people,", "\"ou=elsewhere,ou=people,");
    let daemon = Daemon::start(&format!("{both}{FOLLOW}"));
    daemon.authenticate("zoe", "zoe-secret").is_granted();
    let reply = Daemon::start(&both).lookup("zoe");
    reply.is(3, "unavailable", "no_host");
    assert!(reply.message().contains("result 10 (referral"), "{reply:#?}");
    assert!(reply.message().contains(&first.url()), "{reply:#?}");
}

#[test]
fn nobody_is_asked_who_is_no_host_of_the_realm() {
    let (first, second) = two();
    let daemon = Daemon::start(&format!("{}{FOLLOW}", first.realm()));
    daemon.authenticate("alice", "alice-secret").is_granted();
    daemon.lookup("zoe").is(1, "not_found", "no_such_user");
    assert_eq!(second.operations().binds, 0, "{}", second.log());
    // Where the whole base is there, nobody can say who is in it.
    let base = first.realm().replace("\"ou=people,", "\"ou=elsewhere,ou=people,");
    let reply = Daemon::start(&format!("{base}{FOLLOW}")).lookup("zoe");
    reply.is(3, "unavailable", "no_host");
    assert!(reply.message().contains("result 10 (referral"), "{reply:#?}");
}

#[test]
fn a_host_that_is_referred_to_and_down_is_never_a_no() {
    let (first, mut second) = two();
    let cache = "[realm.corp.cache]\nttl = \"0s\"\nnegative_ttl = \"0s\"\nstale = \"0s\"\n";
    let daemon = Daemon::start(&format!("{}{FOLLOW}{cache}", both(&first, &second)));
    daemon.lookup("zoe").is_found();
    second.kill();
    daemon.lookup("zoe").is(3, "unavailable", "no_host");
}

#[test]
fn servers_that_refer_to_each_other_for_ever_are_asked_once_more_and_no_further() {
    let ldif = "dn: ou=far,dc=example,dc=com\nobjectClass: referral\n\
                objectClass: extensibleObject\nou: far\n\
                ref: ldap://127.0.0.1/ou=elsewhere,ou=people,dc=example,dc=com\n\n";
    let second = Slapd::start_with(More { ldif, ..More::default() });
    let first = referring(&second);
    let both = both(&first, &second).replace("\"ou=people,", "\"ou=elsewhere,ou=people,");
    // No second opinion, however busy the machine is.
    let daemon = Daemon::start(&format!("{both}{FOLLOW}pool = {{ hedge_after = \"60s\" }}\n"));
    let reply = daemon.lookup("zoe");
    reply.is(3, "unavailable", "no_host");
    assert!(reply.message().contains("result 10 (referral"), "{reply:#?}");
    assert_eq!((first.searches_for("zoe"), second.searches_for("zoe")), (2, 1));
}
