//! What LDAP realms say of hosts, users and groups.

use std::path::PathBuf;
use std::time::Duration;

use super::{CORP, LOCAL, ldap, problems, read, realm};
use crate::config::{
    Account, Directory, Filter, GroupSource, Groups, Host, Ldap, Scope, Security, Users,
};

/// The LDAP realm of this text.
fn other(text: &str) -> Ldap {
    let Directory::Ldap(ldap) = realm(text).directory else { panic!("not LDAP") };
    *ldap
}

#[test]
fn a_rule_of_groups_needs_a_realm_that_knows_groups() {
    let rule = "rules.require = [\"attribute:a=b\", \"group=dev\"]\n";
    assert_eq!(
        problems(&format!("{CORP}{rule}")),
        "usher.toml:6:35: the rule \"group=dev\" lets nobody in: the realm knows no groups\n    \
         hint: say in [realm.corp.groups] where they are"
    );
    realm(&format!("{CORP}{rule}groups.attribute = \"memberOf\"\n"));
    realm(&format!("{LOCAL}{rule}"));
}

#[test]
fn hosts_may_be_found_by_the_dns() {
    let corp = CORP.replace("host = \"localhost\"", "host = \"srv:example.com, ldap9:1389\"");
    let found = other(&format!("{corp}dns = [\"192.0.2.53\", \"[2001:db8::53]:5353\"]\n"));
    let domain = Host::Srv("example.com".to_owned());
    assert_eq!(found.hosts, [domain, Host::Tcp("ldap9".to_owned(), 1389)]);
    let servers = ["192.0.2.53:53", "[2001:db8::53]:5353"].map(|text| text.parse().unwrap());
    assert_eq!(found.dns, servers);
    for (keys, told) in [
        ("dns = \"ns1\"\n", "dns is not the address of a server of the DNS: \"ns1\""),
        ("dns = []\n", "dns is empty"),
    ] {
        assert!(problems(&format!("{CORP}{keys}")).contains(told), "{keys}");
    }
    let corp = CORP.replace("host = \"localhost\"", "host = \"srv:example.com\"");
    let told = problems(&format!("{corp}port = 389\n"));
    assert!(told.contains("port contradicts srv:, whose records tell it"), "{told}");
}

#[test]
fn users_of_active_directory_may_bind_by_other_names() {
    let keys = "directory = \"active_directory\"\nuser_dn = '%u@corp.example.com'\n";
    let found = ldap(keys);
    let Users::Named { template, base_dn, .. } = &found.users else { panic!("{:?}", found.users) };
    assert_eq!((template.as_str(), base_dn.as_str()), ("%u@corp.example.com", "dc=example,dc=com"));
    assert!(found.users_read_themselves());
    for (keys, told) in [
        ("user_dn = 'CORP\\%u'\n", "user_dn \"CORP\\\\%u\" is no distinguished name"),
        (
            "directory = \"active_directory\"\nuser_dn = 'CORP\\%u'\nlogin_attribute = \"uid\"\n",
            "login_attribute contradicts user_dn",
        ),
    ] {
        let problems = problems(&format!("{CORP}{keys}"));
        assert!(problems.contains(told), "{problems}");
    }
}

#[test]
fn an_ldap_realm_has_defaults() {
    let ldap = ldap("");
    assert_eq!(ldap.hosts, [Host::Tcp("localhost".to_owned(), 389)]);
    assert_eq!(ldap.security, Security::Plain);
    assert_eq!(ldap.account, Account::Anonymous);
    assert_eq!(ldap.filter, None);
    let base_dn = "dc=example,dc=com".to_owned();
    assert_eq!(ldap.users, Users::Below { base_dn, scope: Scope::Subtree });
    assert!(!ldap.active_directory);
    assert_eq!(ldap.login_attributes, ["uid"]);
    assert_eq!(ldap.groups, None);
    assert_eq!((ldap.pool.search_lanes, ldap.pool.bind_lanes), (2, 16));
    assert_eq!(ldap.pool.connect_timeout, Duration::from_secs(2));
    assert_eq!(ldap.pool.operation_timeout, Duration::from_secs(3));
}

#[test]
fn what_an_ldap_realm_needs_is_told_at_its_table() {
    assert_eq!(
        problems("\n[realm.corp]\ntype = \"ldap\"\n"),
        "usher.toml:2:1: [realm.corp] needs base_dn\nusher.toml:2:1: [realm.corp] needs host"
    );
    assert_eq!(
        problems("[realm.corp]\n"),
        "usher.toml:1:1: [realm.corp] needs a type: \"ldap\", \"local\", \"pam\", \"crowd\" or \"chain\""
    );
}

#[test]
fn hosts_are_a_list_in_order_of_preference() {
    let hosts = |lines: &str| {
        let text = format!("[realm.corp]\ntype = \"ldap\"\nbase_dn = \"dc=com\"\n{lines}");
        match realm(&text).directory {
            Directory::Ldap(ldap) => ldap.hosts,
            _ => Vec::new(),
        }
    };
    let tcp = |name: &str, port| Host::Tcp(name.to_owned(), port);
    assert_eq!(
        hosts("connection_security = \"plain\"\nhost = \"a, b:1389 ,[::1]:2389\"\nport = 3389\n"),
        [tcp("a", 3389), tcp("b", 1389), tcp("::1", 2389)]
    );
    assert_eq!(
        hosts("host = [\"ldap://a\", \"ldap://b:1389/\", \"ldapi://%2Frun%2Fldapi\"]\n"),
        [tcp("a", 389), tcp("b", 1389), Host::Unix(PathBuf::from("/run/ldapi"))]
    );
}

#[test]
fn wrong_hosts_are_told_each_in_its_place() {
    let base = "[realm.corp]\ntype = \"ldap\"\nbase_dn = \"dc=com\"\n";
    assert_eq!(
        problems(&format!("{base}host = [\"ldap://a\", \"ldap://a\", \"b c\"]\n")),
        "usher.toml:4:21: host has \"ldap://a\" twice\n\
         usher.toml:4:33: host is not the name of a server: \"b c\"\n    \
         hint: name, name:port, [::1]:port, ldap://name:port or ldapi://%2Fpath"
    );
    assert_eq!(problems(&format!("{base}host = []\n")), "usher.toml:4:8: host is empty");
    assert_eq!(
        problems(&format!("{base}host = \"ldap://a,\"\n")),
        "usher.toml:4:8: host is not the name of a server: \"\"\n    \
         hint: name, name:port, [::1]:port, ldap://name:port or ldapi://%2Fpath"
    );
}

#[test]
fn passwords_in_clear_over_the_network_draw_a_warning() {
    let text = CORP.replace("localhost", "localhost, ldap1.example.com");
    assert_eq!(
        read(&text).unwrap().warnings,
        ["usher.toml:3:8: passwords travel unencrypted to ldap1.example.com"]
    );
}

#[test]
fn the_keys_of_an_ldap_realm_become_settings() {
    let ldap = ldap("filter = \"objectClass=person\"
        search_scope = \"onelevel\"
        login_attribute = [\"uid\", \"mail\"]
        pool = { search_lanes = 1, bind_lanes = 1024, connect_timeout = \"300ms\", operation_timeout = \"5m\", hedge_after = \"1s\", idle_probe = \"5s\", max_age = \"1h\" }
        groups = { attribute = \"memberOf\", name_attribute = \"ou\" }\n");
    assert_eq!(ldap.filter.as_ref().map(Filter::as_str), Some("(objectClass=person)"));
    let base_dn = "dc=example,dc=com".to_owned();
    assert_eq!(ldap.users, Users::Below { base_dn, scope: Scope::OneLevel });
    assert_eq!(ldap.login_attributes, ["uid", "mail"]);
    assert_eq!((ldap.pool.search_lanes, ldap.pool.bind_lanes), (1, 1024));
    assert_eq!(ldap.pool.connect_timeout, Duration::from_millis(300));
    assert_eq!(ldap.pool.operation_timeout, Duration::from_secs(300));
    assert_eq!(ldap.pool.hedge_after, Duration::from_secs(1));
    assert_eq!(ldap.pool.idle_probe, Duration::from_secs(5));
    assert_eq!(ldap.pool.max_age, Duration::from_secs(3600));
    let source = GroupSource::Attribute("memberOf".to_owned());
    let groups = Groups { source, name_attribute: "ou".to_owned(), nested: 0 };
    assert_eq!(ldap.groups, Some(groups));
}

#[test]
fn groups_are_found_in_one_way() {
    assert_eq!(
        problems(&format!("{CORP}groups = {{ attribute = \"memberOf\", base_dn = \"dc=com\" }}\n")),
        "usher.toml:6:46: groups are either in the user's own attribute or searched, not both"
    );
    assert_eq!(
        problems(&format!("{CORP}groups = {{ name_attribute = \"cn\" }}\n")),
        "usher.toml:6:10: groups needs attribute or base_dn"
    );
    assert_eq!(
        problems(&format!("{CORP}groups = {{ filter = \"member=%d\" }}\n")),
        "usher.toml:6:10: groups needs base_dn"
    );
}

#[test]
fn groups_that_are_searched_have_a_filter_that_asks_for_somebody() {
    let search = |filter: &str| GroupSource::Search {
        base_dn: "dc=com".to_owned(),
        filter: Filter::parse(filter).unwrap(),
    };
    let given = ldap("groups = { base_dn = \"dc=com\", nested = 8 }\n").groups.unwrap();
    assert_eq!((given.source, given.nested), (search("(member=%d)"), 8));
    let given = ldap("groups = { base_dn = \"dc=com\", filter = \"memberUid=%u\" }\n").groups;
    assert_eq!(given.unwrap().source, search("(memberUid=%u)"));
    let wrong =
        |more: &str| problems(&format!("{CORP}groups = {{ base_dn = \"dc=com\", {more} }}"));
    assert_eq!(
        wrong("filter = \"(cn=x)\""),
        "usher.toml:6:41: filter has neither %d (the DN of whoever is in the group) nor %u (the \
         user)\n    hint: for instance \"(member=%d)\""
    );
    assert_eq!(
        wrong("filter = \"(memberUid=%u)\", nested = 1"),
        "usher.toml:6:41: filter has no %d, so it cannot find the groups that groups are in\n    \
         hint: for instance \"(member=%d)\""
    );
    assert_eq!(wrong("nested = 33"), "usher.toml:6:41: nested must be between 0 and 32");
    assert_eq!(
        wrong("filter = \"(%d=x)\""),
        "usher.toml:6:41: filter does not follow RFC 4515: expected an attribute at character 2\n    \
         hint: such as \"(objectClass=person)\", or \"(&(a=b)(!(c=d)))\""
    );
}

#[test]
fn active_directory_has_defaults_of_its_own() {
    let given = ldap("directory = \"active_directory\"\n");
    assert!(given.active_directory);
    assert_eq!(given.login_attributes, ["sAMAccountName", "userPrincipalName"]);
    assert_eq!(
        given.filter.as_ref().map(Filter::as_str),
        Some("(&(objectCategory=person)(objectClass=user))")
    );
    assert_eq!(given.groups, None);
    let own =
        ldap("directory = \"active_directory\"\nlogin_attribute = \"cn\"\nfilter = \"(a=b)\"\n");
    assert_eq!(own.login_attributes, ["cn"]);
    assert_eq!(own.filter.as_ref().map(Filter::as_str), Some("(a=b)"));
}

#[test]
fn active_directory_is_asked_for_groups_in_groups() {
    let groups = |lines: &str| {
        let corp = CORP.replace("dc=example,dc=com", "ou=x,dc=example,dc=com");
        let text = format!("{corp}directory = \"active_directory\"\ngroups = {{ {lines} }}\n");
        let Directory::Ldap(ldap) = realm(&text).directory else { panic!("not LDAP") };
        let groups = ldap.groups.unwrap();
        match groups.source {
            GroupSource::Attribute(name) => (name, String::new(), groups.nested),
            GroupSource::Search { base_dn, filter } => {
                (base_dn, filter.as_str().to_owned(), groups.nested)
            }
        }
    };
    let expect = |base: &str, filter: &str, nested| (base.to_owned(), filter.to_owned(), nested);
    let in_chain = "(member:1.2.840.113556.1.4.1941:=%d)";
    let domain = "dc=example,dc=com";
    assert_eq!(groups(""), expect(domain, in_chain, 0));
    assert_eq!(groups("nested = 0"), expect(domain, "(member=%d)", 0));
    assert_eq!(
        groups("base_dn = \"ou=g\", filter = \"(&(cn=*)(member=%d))\", nested = 2"),
        expect("ou=g", &format!("(&(cn=*){in_chain})"), 0)
    );
    assert_eq!(
        groups("filter = \"(uniqueMember=%d)\", nested = 2"),
        expect(domain, "(uniqueMember=%d)", 2)
    );
    assert_eq!(groups("attribute = \"memberOf\""), expect("memberOf", "", 0));
}

#[test]
fn a_template_stands_in_for_the_base() {
    let text = CORP.replace("base_dn = \"dc=example,dc=com\"", "user_dn = \"uid=%u,dc=com\"");
    let Directory::Ldap(ldap) = realm(&text).directory else { panic!("not LDAP") };
    assert_eq!(ldap.users, Users::At("uid=%u,dc=com".to_owned()));
    assert!(ldap.users_read_themselves());
    assert_eq!(
        problems(&text.replace("%u", "alice")),
        "usher.toml:5:11: user_dn has no %u for the user's name\n    \
         hint: for instance \"uid=%u,ou=people,dc=example,dc=com\""
    );
}

#[test]
fn filter_rules_are_for_those_who_have_a_directory() {
    assert_eq!(
        problems(&format!("{LOCAL}rules.require = [\"filter=(a=b)\"]\n")),
        "usher.toml:3:18: filter= needs an LDAP directory"
    );
}

#[test]
fn an_account_and_its_password_come_together() {
    assert_eq!(
        problems(&format!("{CORP}password = \"s3cret\"\n")),
        "usher.toml:6:12: password has no account\n    hint: an anonymous search has neither"
    );
    assert_eq!(
        problems(&format!("{CORP}account = \"\"\npassword = \"\"\n")),
        "usher.toml:6:11: account is empty\n    \
         hint: leave account and password out for an anonymous search\n\
         usher.toml:7:12: password is empty"
    );
    assert_eq!(
        problems(&format!(
            "{CORP}account = \"a\"\npassword = {{ file = \"x\", credential = \"y\" }}\n"
        )),
        "usher.toml:7:12: password needs either file or credential"
    );
}
