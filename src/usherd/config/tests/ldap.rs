//! What LDAP realms say of hosts, users and groups.

use super::{CORP, LOCAL, ldap, problems, realm};
use crate::config::{Directory, Host, Ldap, Users};

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
