//! What `directory = "active_directory"` means for other keys.

use super::name;

/// What users log in by.
pub(super) const LOGINS: [&str; 2] = ["sAMAccountName", "userPrincipalName"];
/// Users, and neither computers nor contacts.
pub(super) const FILTER: &str = "(&(objectCategory=person)(objectClass=user))";

/// Groups in groups are the server's affair (MS-ADTS 3.1.1.3.4.4.3,
/// LDAP_MATCHING_RULE_TRANSITIVE_EVAL).
const IN_CHAIN: &str = "(member:1.2.840.113556.1.4.1941:=%d)";
/// What it stands for.
const DIRECT: &str = "(member=%d)";

/// The filter that finds groups in groups as well, if this one can be made to.
pub(super) fn in_chain(filter: &str) -> Option<String> {
    filter.contains(DIRECT).then(|| filter.replace(DIRECT, IN_CHAIN))
}

/// Whether this is a name other than a DN by which a user binds (MS-ADTS 5.1.1.1.1):
/// `%u@corp.example.com` or `CORP\%u`.
pub(super) fn is_name_of_a_bind(template: &str) -> bool {
    let domain = template.strip_prefix("%u@").or_else(|| template.strip_suffix("\\%u"));
    domain.is_some_and(|domain| !domain.contains('%') && name::domain(domain).is_ok())
}

/// The domain that a DN is in, as the DN of its root: `DC=corp,DC=example,DC=com`.
pub(super) fn domain(dn: &str) -> Option<String> {
    let is_dc = |part: &&str| {
        part.split_once('=').is_some_and(|(name, _)| name.trim().eq_ignore_ascii_case("dc"))
    };
    let mut parts: Vec<&str> = name::parts(dn).into_iter().rev().take_while(is_dc).collect();
    parts.reverse();
    (!parts.is_empty()).then(|| parts.join(",").trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::{domain, in_chain, is_name_of_a_bind};

    #[test]
    fn users_bind_by_a_principal_or_a_name_in_a_domain() {
        for template in ["%u@corp.example.com", "CORP\\%u"] {
            assert!(is_name_of_a_bind(template), "{template}");
        }
        for template in ["%u", "%u@", "\\%u", "%u@a@b", "x%u@corp", "CORP\\x%u", "%u@%u", "cn=%u"] {
            assert!(!is_name_of_a_bind(template), "{template}");
        }
    }

    #[test]
    fn a_domain_is_the_end_of_a_name() {
        let root = Some("DC=corp,dc=com".to_owned());
        assert_eq!(domain("OU=a\\,DC=x,OU=b, DC=corp,dc=com"), root);
        assert_eq!(domain("DC=corp,dc=com"), root);
        assert_eq!(domain("dc=corp,o=example"), None);
    }

    #[test]
    fn direct_membership_becomes_that_in_the_chain() {
        assert_eq!(
            in_chain("(&(objectClass=group)(member=%d))").as_deref(),
            Some("(&(objectClass=group)(member:1.2.840.113556.1.4.1941:=%d))")
        );
        assert_eq!(in_chain("(memberUid=%u)"), None);
    }
}
