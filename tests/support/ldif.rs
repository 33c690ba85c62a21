//! The people of `dc=example,dc=com`.
//!
//! Each user's password is the name and `-secret`: `alice-secret`.

use std::fmt::Write;

/// Where the users stand.
pub(crate) const PEOPLE: &str = "ou=people,dc=example,dc=com";
/// The only account that may search.
pub(crate) const READER: &str = "cn=reader,dc=example,dc=com";
pub(crate) const READER_PASSWORD: &str = "reader-secret";

const TOP: &str = r"dn: dc=example,dc=com
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: cn=reader,dc=example,dc=com
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: reader
userPassword: reader-secret

dn: ou=people,dc=example,dc=com
objectClass: organizationalUnit
ou: people

dn: ou=berlin,ou=people,dc=example,dc=com
objectClass: organizationalUnit
ou: berlin

dn: ou=oslo,ou=people,dc=example,dc=com
objectClass: organizationalUnit
ou: oslo

dn: ou=groups,dc=example,dc=com
objectClass: organizationalUnit
ou: groups

dn: cn=dev,ou=groups,dc=example,dc=com
objectClass: groupOfNames
cn: dev
member: uid=alice,ou=people,dc=example,dc=com

dn: cn=ops,ou=groups,dc=example,dc=com
objectClass: groupOfNames
cn: ops
member: uid=bob,ou=people,dc=example,dc=com

";

/// The attributes of one user, in LDIF, after `objectClass`, `uid` and `userPassword`.
const NAMED: &[(&str, &str, &str)] = &[
    (
        "uid=alice,ou=people,dc=example,dc=com",
        "alice",
        "cn: Alice Archer\ngivenName: Alice\nsn: Archer\nmail: Alice@Example.COM\n\
         employeeType: staff\nmemberOf: cn=dev,ou=groups,dc=example,dc=com\n",
    ),
    (
        "uid=bob,ou=people,dc=example,dc=com",
        "bob",
        "cn: Bob Baker\ngivenName: Bob\nsn: Baker\nmail: bob@example.com\nmail: bobby@example.com\n\
         employeeType: contractor\nmemberOf: cn=ops,ou=groups,dc=example,dc=com\n",
    ),
    (
        "uid=carol,ou=berlin,ou=people,dc=example,dc=com",
        "carol",
        "cn: Carol Cook\ngivenName: Carol\nsn: Cook\n",
    ),
    (
        "uid=jörg,ou=oslo,ou=people,dc=example,dc=com",
        "jörg",
        "cn: Jörg Müller\ngivenName: Jörg\nsn: Müller\nmail: joerg@example.com\n",
    ),
    (
        r#"cn=Smith\, \"Jo\" #1,ou=people,dc=example,dc=com"#,
        "jo",
        "cn: Smith, \"Jo\" #1\ngivenName: Jo\nsn: Smith\nmail: jo@example.com\n",
    ),
    ("uid=twin,ou=berlin,ou=people,dc=example,dc=com", "twin", "cn: Twin One\nsn: One\n"),
    ("uid=twin,ou=oslo,ou=people,dc=example,dc=com", "twin", "cn: Twin Two\nsn: Two\n"),
    // A name that a careless filter would read as a pattern.
    ("uid=star*,ou=people,dc=example,dc=com", "star*", "cn: Star\nsn: Star\n"),
];

/// The users whose names follow a pattern: `user000` to `user299`.
pub(crate) const MANY: usize = 300;

/// The whole directory.
pub(crate) fn directory() -> String {
    let mut ldif = TOP.to_owned();
    for (dn, uid, attributes) in NAMED {
        user(&mut ldif, dn, uid, attributes);
    }
    for number in 0..MANY {
        let uid = format!("user{number:03}");
        let dn = format!("uid={uid},{PEOPLE}");
        let names = format!("cn: User {number}\nsn: {number}\nmail: {uid}@example.com\n");
        user(&mut ldif, &dn, &uid, &names);
    }
    ldif
}

fn user(ldif: &mut String, dn: &str, uid: &str, attributes: &str) {
    write!(
        ldif,
        "dn: {dn}\nobjectClass: inetOrgPerson\nuid: {uid}\nuserPassword: {uid}-secret\n{attributes}\n"
    )
    .expect("a String");
}
