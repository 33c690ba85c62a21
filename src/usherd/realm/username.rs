//! `CORP\alice`, `alice@CORP.EXAMPLE` and `Alice` are one user, where the realm says so.

use std::borrow::Cow;

use stringprep::tables::x520_mapped_to_nothing;
use stringprep::x520prep;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use usher_protocol::MAX_USER;

use crate::config::{Case, StripDomain, Usernames};

/// A name as somebody typed it, taken apart once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Typed<'a> {
    whole: &'a str,
    /// The user and the domain, if there is one.
    parts: Option<(&'a str, &'a str)>,
}

impl<'a> Typed<'a> {
    /// The last `@` divides, else the first `\`. A Kerberos name may have an escaped `@` before
    /// the last; what is left of it stays in the user part.
    pub(super) fn new(whole: &'a str) -> Self {
        let divides = |byte| matches!(byte, b'@' | b'\\');
        let parts = || {
            let domain_first = || whole.split_once('\\').map(|(domain, user)| (user, domain));
            whole.rsplit_once('@').or_else(domain_first)
        };
        // Most names have no domain, and this is seen quickly.
        Self { whole, parts: whole.bytes().any(divides).then(parts).flatten() }
    }

    /// The name as it was typed.
    pub(super) fn whole(&self) -> &'a str {
        self.whole
    }

    /// The domain, in lower case as realms list them.
    pub(super) fn domain(&self) -> Option<String> {
        self.parts.map(|(_, domain)| domain.to_lowercase())
    }

    /// The name that the realm's directory is asked for. An unlisted domain stays: it means
    /// another person. None for names that no directory has and that need not be sent to any.
    pub(super) fn canonical(&self, rules: &Usernames) -> Option<Cow<'a, str>> {
        let name = self.stripped(rules);
        if name.is_empty() || name.len() > MAX_USER || name.contains('\0') {
            return None;
        }
        Some(in_case(name, rules.case))
    }

    /// The name without a domain that is to be cut off.
    pub(super) fn stripped(&self, rules: &Usernames) -> &'a str {
        match (rules.strip, self.parts) {
            (StripDomain::Any, Some((user, _))) => user,
            (StripDomain::Listed, Some((user, domain)))
                if rules.domains.contains(&domain.to_lowercase()) =>
            {
                user
            }
            _ => self.whole,
        }
    }
}

/// The name in the case that the realm tells.
pub(super) fn in_case(name: &str, case: Case) -> Cow<'_, str> {
    let is_lower = |byte: &u8| byte.is_ascii() && !byte.is_ascii_uppercase();
    if case == Case::Keep || name.as_bytes().iter().all(is_lower) {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(name.to_lowercase())
    }
}

/// What is alike of all names that a directory takes for one (RFC 4518): without case, in one
/// normal form, each run of spaces one, none at either end.
pub(super) fn folded(name: &str) -> String {
    if name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return name.to_ascii_lowercase();
    }
    // It minds what a name begins with before it takes away what means nothing.
    let name: String = name.chars().filter(|sign| !x520_mapped_to_nothing(*sign)).collect();
    // It brings names to a normal form where it is not asked to fold their case.
    let normal = x520prep(&name, false).and_then(|it| x520prep(&it, true).map(Cow::into_owned));
    let normal = normal.unwrap_or_else(|_| name.to_lowercase());
    // Active Directory takes no notice of accents; elsewhere a few more names count together.
    let bare: String = normal.nfd().filter(|sign| !is_combining_mark(*sign)).collect();
    bare.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::{Typed, folded};
    use crate::config::{Case, StripDomain, Usernames};

    fn canonical(name: &str, strip: StripDomain) -> Option<String> {
        let domains = vec!["corp".to_owned(), "corp.example.com".to_owned()];
        let rules = Usernames { domains, strip, case: Case::Lower };
        Typed::new(name).canonical(&rules).map(Cow::into_owned)
    }

    #[test]
    fn listed_domains_are_cut_off_once_whatever_their_case() {
        for name in ["alice", "Alice", r"CORP\alice", r"corp\ALICE", "alice@Corp.Example.COM"] {
            assert_eq!(canonical(name, StripDomain::Listed).as_deref(), Some("alice"), "{name}");
        }
    }

    #[test]
    fn an_unlisted_domain_means_another_person() {
        for name in [
            "alice@other.org",
            r"other\alice",
            "alice/admin@other.org",
            r"alice@corp\x",
            r"corp\alice@other.org",
        ] {
            assert_eq!(canonical(name, StripDomain::Listed).as_deref(), Some(name), "{name}");
        }
    }

    #[test]
    fn an_escaped_domain_inside_stays() {
        let name = r"alice\@evil.example@corp";
        let expected = Some(r"alice\@evil.example");
        assert_eq!(canonical(name, StripDomain::Listed).as_deref(), expected);
        assert_eq!(canonical(name, StripDomain::Any).as_deref(), expected);
    }

    #[test]
    fn never_keeps_and_any_cuts() {
        assert_eq!(canonical("a@corp", StripDomain::Never).as_deref(), Some("a@corp"));
        assert_eq!(canonical("a@x.org", StripDomain::Any).as_deref(), Some("a"));
    }

    #[test]
    fn names_that_nobody_has_are_not_sent_anywhere() {
        let long = "x".repeat(257);
        for name in ["", "@corp", r"corp\", "a\0b", &long] {
            assert_eq!(canonical(name, StripDomain::Listed), None, "{name:?}");
        }
    }

    #[test]
    fn names_that_a_directory_takes_for_one_are_folded_to_one() {
        for name in [
            "alice",
            "Alice",
            " alice",
            "alice  ",
            "\u{ff41}lice",
            "al\u{ad}ice",
            "\u{fe00}alice",
            "al\u{ed}ce",
            "ALICE\u{a0}",
        ] {
            assert_eq!(folded(name), "alice", "{name:?}");
        }
        assert_eq!(folded("a  b"), folded("a b"));
        assert_ne!(folded("a b"), folded("ab"));
        // No directory takes it; it is somebody all the same.
        assert_eq!(folded("A\u{e000}"), "a\u{e000}");
    }
}
