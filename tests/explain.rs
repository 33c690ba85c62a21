//! usherctl explain: an administrator who "cannot log in" finds out why, without looking at the
//! wire. Each broken set-up has a text that says what is amiss.

use serde_json::Value;

use crate::support::certificate::{Authority, of_this_machine};
use crate::support::crowd::Crowd;
use crate::support::ctl::Reply;
use crate::support::daemon::{Daemon, LOCAL};
use crate::support::slapd::{More, Slapd, realm};
use crate::support::{text_of, until};

const GROUPS: &str = "[realm.corp.groups]\nattribute = \"memberOf\"\n";

/// What is told of alice by a daemon with this configuration.
fn explained(configuration: &str) -> Reply {
    Daemon::start(configuration).ctl_json(&["explain", "alice"], b"")
}

fn texts(reply: &Reply, stage: &str) -> Vec<String> {
    let steps = reply.json["steps"].as_array().expect("steps").iter();
    let texts = steps.filter(|step| step["stage"] == stage);
    texts.map(|step| step["text"].as_str().expect("a text").to_owned()).collect()
}

fn hints(reply: &Reply) -> String {
    let hints = reply.json["hints"].as_array().expect("hints").iter();
    hints.map(|hint| hint.as_str().expect("a text")).collect::<Vec<_>>().join("\n")
}

/// What was told in the message of the answer, or as a hint.
fn assert_told(reply: &Reply, told: &str) {
    let all = format!("{}\n{}", reply.message(), hints(reply));
    assert!(all.contains(told), "{told:?} is not in {all:?}; {reply:#?}");
}

#[test]
fn each_step_of_the_road_is_told() {
    let slapd = Slapd::start();
    let rules = "[realm.corp.rules]\nrequire = [\"group=dev\"]\n";
    let daemon = Daemon::start(&(slapd.realm() + GROUPS + rules));
    let reply = daemon.ctl_json(&["explain", r"CORP\Alice"], b"");
    reply.is_found();
    assert_eq!(texts(&reply, "realm"), ["corp"]);
    assert_eq!(texts(&reply, "username"), ["the directory is asked for \"alice\""]);
    assert_eq!(texts(&reply, "cache"), ["does not know the user"]);
    let search = texts(&reply, "search").remove(0);
    let asked = "base \"ou=people,dc=example,dc=com\", scope subtree, \
                 filter (&(objectClass=inetOrgPerson)(uid=alice)): 1 found, after ";
    assert!(search.starts_with(&slapd.url()) && search.contains(asked), "{search}");
    assert_eq!(texts(&reply, "entry"), ["uid=alice,ou=people,dc=example,dc=com"]);
    assert!(texts(&reply, "attribute").contains(&"mail: Alice@Example.COM".to_owned()));
    assert_eq!(texts(&reply, "groups"), ["dev"]);
    assert_eq!(texts(&reply, "rule"), ["group=dev: holds"]);
    let metadata = texts(&reply, "metadata");
    assert!(metadata.contains(&"X_REMOTE_EMAIL = alice@example.com".to_owned()), "{metadata:?}");
    assert_eq!(hints(&reply), "");
}

#[test]
fn what_is_remembered_is_told_and_not_used() {
    let slapd = Slapd::start();
    let daemon = Daemon::start(&slapd.realm());
    daemon.authenticate("alice", "alice-secret").is_granted();
    let before = slapd.operations();
    let reply = daemon.ctl_json(&["explain", "--password", "alice"], b"alice-secret\n");
    reply.is_granted();
    let cache = texts(&reply, "cache");
    assert!(cache[0].starts_with("knows who this is"), "{cache:?}");
    assert!(cache[1].starts_with("the password was right"), "{cache:?}");
    let bind = texts(&reply, "bind").remove(0);
    assert!(bind.contains("as uid=alice,ou=people,dc=example,dc=com: result 0"), "{bind}");
    let after = slapd.operations();
    assert_eq!((after.binds - before.binds, after.searches - before.searches), (1, 1));
    assert_eq!(texts(&reply, "shield").len(), 0, "a password that is known passes it");
}

#[test]
fn a_wrong_password_is_told_with_the_words_of_the_directory() {
    let slapd = Slapd::start();
    let daemon = Daemon::start(&slapd.realm());
    let reply = daemon.ctl_json(&["explain", "--password", "alice"], b"alice-wrong\n");
    reply.is(1, "denied", "bad_credentials");
    assert_eq!(texts(&reply, "shield"), ["the password may be tried"]);
    let bind = texts(&reply, "bind").remove(0);
    assert!(bind.contains("result 49 (invalidCredentials"), "{bind}");
    assert_told(&reply, "the user is there; the directory refuses the password");
    assert!(!reply.json.to_string().contains("alice-wrong"), "{reply:#?}");
    let again = daemon.ctl_json(&["explain", "--password", "alice"], b"alice-wrong\n");
    assert_eq!(texts(&again, "shield"), ["the directory has refused this very password lately"]);
}

#[test]
fn a_base_that_is_not_there_is_told_with_what_is() {
    let slapd = Slapd::start();
    let reply = explained(&slapd.realm().replace("ou=people,", "ou=poeple,"));
    reply.is(3, "unavailable", "no_host");
    let told = "base_dn \"ou=poeple,dc=example,dc=com\" does not exist there, or the account may \
                not see it; what the server has: dc=example,dc=com";
    assert_told(&reply, told);
}

#[test]
fn a_filter_that_leaves_the_user_out_is_told() {
    let slapd = Slapd::start();
    let reply = explained(&slapd.realm().replace("inetOrgPerson", "user"));
    reply.is(1, "not_found", "no_such_user");
    let told = "uid=alice,ou=people,dc=example,dc=com is left out by the filter (objectClass=user)";
    assert_told(&reply, told);
}

#[test]
fn another_login_attribute_that_would_do_is_told() {
    let slapd = Slapd::start();
    let reply = explained(&(slapd.realm() + "login_attribute = \"sn\"\n"));
    let told = "uid=alice,ou=people,dc=example,dc=com has this name in uid; login_attribute is \
                \"sn\"";
    assert_told(&reply, told);
}

#[test]
fn a_scope_that_is_too_narrow_is_told() {
    let slapd = Slapd::start();
    let realm = slapd.realm().replace("ou=people,dc", "dc");
    let reply = explained(&(realm + "search_scope = \"onelevel\"\n"));
    let told = "uid=alice,ou=people,dc=example,dc=com is not within search_scope; \"subtree\" \
                finds it";
    assert_told(&reply, told);
}

#[test]
fn a_user_beside_the_base_is_told() {
    let slapd = Slapd::start();
    let reply = explained(&slapd.realm().replace("ou=people,", "ou=groups,"));
    let told = "uid=alice,ou=people,dc=example,dc=com is not below base_dn \
                \"ou=groups,dc=example,dc=com\"";
    assert_told(&reply, told);
}

#[test]
fn an_attribute_that_is_not_there_is_told_with_those_that_are() {
    let slapd = Slapd::start();
    let reply = explained(&(slapd.realm() + "last_name_attribute = \"surName2\"\n"));
    reply.is_found();
    let told = "the entry has no surName2 that the account may read; it has cn, employeeType, ";
    assert_told(&reply, told);
    assert!(texts(&reply, "metadata").contains(&"X_REMOTE_LASTNAME has no value".to_owned()));
}

#[test]
fn an_attribute_that_the_account_may_not_read_is_told() {
    let access = "access to attrs=mail by * none\n";
    let slapd = Slapd::start_with(More { access, ..More::default() });
    let reply = explained(&slapd.realm());
    assert_told(&reply, "the entry has no mail that the account may read; it has cn, ");
}

#[test]
fn a_base_on_another_server_is_told() {
    let head = "referral ldap://ldap.example.net/\n";
    let slapd = Slapd::start_with(More { head, ..More::default() });
    let reply = explained(&slapd.realm().replace("dc=com\"\nfilter", "dc=net\"\nfilter"));
    reply.is(3, "unavailable", "no_host");
    assert_told(&reply, "result 10 (referral: the base DN is on another server");
}

#[test]
fn a_certificate_of_a_stranger_is_told() {
    let slapd = Slapd::start_with_tls(&Authority::new("theirs").signs(&of_this_machine()));
    let reply = explained(&realm(&slapd.tls_host()).replace("plain", "ldaps"));
    reply.is(3, "unavailable", "no_host");
    let told = "its certificate is signed by nobody whom we trust; add the authority's to \
                ca_certificates (of \"CN=slapd\", issued by \"CN=theirs\")";
    assert_told(&reply, told);
}

#[test]
fn an_account_that_is_refused_is_told() {
    let slapd = Slapd::start();
    let reply = explained(&slapd.realm().replace("reader-secret", "reader-wrong"));
    reply.is(3, "unavailable", "no_host");
    let told = "refuses the account cn=reader,dc=example,dc=com: result 49 (invalidCredentials)";
    assert_told(&reply, told);
    assert!(!reply.json.to_string().contains("reader-wrong"), "{reply:#?}");
}

#[test]
fn a_host_that_is_not_there_is_told() {
    let slapd = Slapd::stopped();
    let reply = explained(&slapd.realm());
    reply.is(3, "unavailable", "no_host");
    assert_told(&reply, &format!("ldap://{}", slapd.host()));
    assert_told(&reply, "connection refused");
    assert_eq!(hints(&reply), "");
}

#[test]
fn a_domain_that_no_realm_lists_is_told() {
    let slapd = Slapd::start();
    let daemon = Daemon::start(&slapd.realm());
    let reply = daemon.ctl_json(&["explain", r"OTHER\alice"], b"");
    let told = "the realm corp does not list \"other\" in domains, so it is taken for a part of \
                the name";
    assert_told(&reply, told);
}

#[test]
fn a_rule_that_does_not_hold_is_told_with_what_the_user_has() {
    let slapd = Slapd::start();
    let daemon = Daemon::start(&(slapd.realm() + GROUPS));
    let explain = |rule: &str| daemon.ctl_json(&["explain", "--require", rule, "alice"], b"");
    let reply = explain("group=ops");
    reply.is(1, "denied", "rule");
    assert_told(&reply, "the user's groups: dev");
    assert_eq!(texts(&reply, "rule"), ["group=ops: broken"]);
    assert_told(&explain("attribute:employeeType=guest"), "the values of employeeType: staff");
    let told = "the user's entry does not match (uid=bob)";
    assert_told(&explain("filter=(uid=bob)"), told);
    let groupless = Daemon::start(&slapd.realm());
    let reply = groupless.ctl_json(&["explain", "--require=group=dev", "alice"], b"");
    assert_told(&reply, "the realm says nowhere what groups are: [realm.corp.groups]");
}

#[test]
fn a_user_whom_the_filter_would_find_and_nobody_is_is_told() {
    let slapd = Slapd::start();
    let daemon = Daemon::start(&slapd.realm());
    let reply = daemon.ctl_json(&["explain", "nobody"], b"");
    reply.is(1, "not_found", "no_such_user");
    let told =
        "there are users below \"ou=people,dc=example,dc=com\", and none of them is (uid=nobody)";
    assert_told(&reply, told);
}

#[test]
fn a_login_attribute_that_no_entry_has_is_told() {
    let slapd = Slapd::start();
    let daemon = Daemon::start(&(slapd.realm() + "login_attribute = \"employeeNumber\"\n"));
    let reply = daemon.ctl_json(&["explain", "nobody"], b"");
    reply.is(1, "not_found", "no_such_user");
    let told = "nothing below \"ou=people,dc=example,dc=com\" matches (|(employeeNumber=*)); is \
                login_attribute right, and may the account read it?";
    assert_told(&reply, told);
}

#[test]
fn a_blocked_user_is_told_with_what_lifts_that() {
    let slapd = Slapd::start();
    let daemon = Daemon::start(&(slapd.realm() + "shield.per_client = 6\n"));
    daemon.lookup("alice").is_found();
    let shield = |more: &[&str]| {
        let reply = daemon.ctl_json(&[&["explain"], more, &["alice"]].concat(), b"");
        reply.is_found();
        texts(&reply, "shield").remove(0)
    };
    assert_eq!(shield(&[]), "0 of 5 passwords failed lately");
    let wrong = |user: &str, number: u32| {
        let arguments = ["authenticate", "--client=192.0.2.7", user];
        daemon.ctl_json(&arguments, format!("wrong-{number}\n").as_bytes())
    };
    (0..5).for_each(|number| wrong("alice", number).is(1, "denied", "bad_credentials"));
    wrong("bob", 5).is(1, "denied", "bad_credentials");
    let told = shield(&[]);
    assert!(told.starts_with("5 of 5 passwords failed lately; none is tried for "), "{told}");
    assert!(!told.contains("192.0.2.7"), "{told}");
    let told = shield(&["--client=192.0.2.7"]);
    assert!(told.contains("; none from 192.0.2.7 is for "), "{told}");
    let reply = daemon.ctl_json(&["explain", "--password", "alice"], b"alice-secret\n");
    reply.is(1, "denied", "throttled");
    assert_told(&reply, "`usherctl unblock --realm corp alice` lifts a user's block");
    daemon.ctl(&["unblock", "--realm", "corp", "alice"], b"").success();
    assert_eq!(shield(&[]), "0 of 5 passwords failed lately");
    daemon.ctl_json(&["explain", "--password", "alice"], b"alice-secret\n").is_granted();
}

#[test]
fn an_account_that_the_directory_does_not_let_in_is_told_as_that() {
    let (_slapd, daemon) = crate::policy::start("");
    for password in ["locked-secret\n", "wrong\n"] {
        let reply = daemon.ctl_json(&["explain", "--password", "locked"], password.as_bytes());
        reply.is(1, "denied", "bad_credentials");
        let said = "the directory says account_locked, be the password right or wrong";
        assert_eq!(texts(&reply, "account"), [said]);
        assert_told(&reply, "the account is the cause, not the password");
        assert_told(&reply, said);
    }
    let reply = daemon.ctl_json(&["explain", "--password", "expired"], b"expired-secret\n");
    reply.is(1, "denied", "password_expired");
    let said = "the password is right, and the directory says password_expired";
    assert_eq!(texts(&reply, "account"), [said]);
}

#[test]
fn users_of_crowd_are_explained_with_what_it_was_asked() {
    let crowd = Crowd::start();
    let daemon = Daemon::start(&crowd.realm());
    let reply = daemon.ctl_json(&["explain", "--password", "alice"], b"alice-secret\n");
    reply.is_granted();
    let api = format!("{}: ", crowd.url());
    let told = |stage: &str, what: &str| {
        let texts = texts(&reply, stage);
        let found = texts.iter().any(|text| text.starts_with(&api) && text.contains(what));
        assert!(found, "{what} is not in {texts:?}");
    };
    told("search", "GET /rest/usermanagement/1/user?username=alice&expand=attributes: status 200");
    told("search", "GET /rest/usermanagement/1/user/group/nested?username=alice");
    told("bind", "POST /rest/usermanagement/1/authentication?username=alice: status 200, after ");
    assert_eq!(texts(&reply, "entry"), ["alice"]);
    assert_eq!(
        texts(&reply, "groups"),
        [reply.metadata("X_REMOTE_GROUPS").expect("groups").replace(',', ", ")]
    );
    assert!(!reply.json.to_string().contains("alice-secret"), "{reply:#?}");
}

#[test]
fn what_is_explained_counts_and_is_recorded() {
    let slapd = Slapd::start();
    let audit = "[audit]\nfile = \"@DIR@/audit.json\"\n";
    let daemon = Daemon::start(&(slapd.realm() + audit));
    daemon.ctl_json(&["explain", "--password", "alice"], b"alice-wrong\n").is(
        1,
        "denied",
        "bad_credentials",
    );
    let event = until("the event", || {
        serde_json::from_str::<Value>(text_of(&daemon.path("audit.json")).lines().next()?).ok()
    });
    let told = ["method", "outcome", "user", "reason"].map(|name| event[name].clone());
    assert_eq!(told, ["explain", "denied", "alice", "bad_credentials"], "{event:#}");
    assert_eq!(daemon.status()["realms"][0]["answers"]["denied"], 1);
}

#[test]
fn a_user_of_a_file_is_explained_too_and_only_to_administrators() {
    let daemon = Daemon::start(LOCAL);
    let reply = daemon.ctl_json(&["explain", "--password", "alice"], b"alice-secret\n");
    reply.is_granted();
    let file = daemon.path("users.toml").display().to_string();
    let search = texts(&reply, "search").remove(0);
    assert!(search.starts_with(&format!("{file} for \"alice\": 1 found, after ")), "{search}");
    assert!(texts(&reply, "attribute").contains(&"employeeType: staff".to_owned()), "{reply:#?}");
    let bind = texts(&reply, "bind").remove(0);
    assert!(bind.starts_with(&format!("{file} as alice: the password is right, after ")), "{bind}");
    let unknown = daemon.ctl_json(&["explain", "nobody"], b"");
    assert!(texts(&unknown, "search")[0].contains("nobody has this name"), "{unknown:#?}");
    let socket = daemon.socket();
    let asked = ["--admin-socket", &socket.to_string_lossy(), "explain", "alice"];
    let output = crate::support::programs::run("usherctl", &asked);
    assert_eq!(output.code, 4, "{output:#?}");
}
