//! How a header can be spelled: the names that applications take for one another.

/// The signs beside hyphen, underscore and dot that the name of a header may have (RFC 9110, 5.6.2).
/// Some servers make an underscore of each.
pub(crate) const OTHER_SIGNS: [char; 12] =
    ['!', '#', '$', '%', '&', '\'', '*', '+', '^', '`', '|', '~'];

/// `X_REMOTE_EMAIL` is `X-Remote-Email` in HTTP.
pub(crate) fn header(key: &str) -> String {
    let word = |word: &str| {
        let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
        first.to_ascii_uppercase() + &rest.to_ascii_lowercase()
    };
    key.split(['_', '-']).map(word).collect::<Vec<_>>().join("-")
}

/// The other spellings that applications take for a header: with underscores and dots in the
/// places of its hyphens.
pub(crate) fn aliases(name: &str) -> Vec<String> {
    let mut spellings = vec![String::new()];
    for part in name.split_inclusive('-') {
        let each =
            |start: &String| ["-", "_", "."].map(|sign| start.clone() + &part.replace('-', sign));
        spellings = spellings.iter().flat_map(each).collect();
        spellings.dedup();
    }
    spellings.retain(|spelling| spelling != name);
    spellings
}

/// How each other spelling of these headers begins, to the first sign that is no hyphen: `X_`,
/// `X-Remote+`.
pub(super) fn odd_starts<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut starts: Vec<String> = Vec::new();
    for name in names {
        for (end, _) in name.match_indices('-') {
            let start = name.get(..end).unwrap_or_default();
            let signs = ['_', '.'].into_iter().chain(OTHER_SIGNS);
            starts.extend(signs.map(|sign| format!("{start}{sign}")));
        }
    }
    starts.sort_unstable();
    starts.dedup();
    starts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_an_alias_for_each_way_of_writing_its_hyphens() {
        let aliases = aliases("X-Remote-User");
        assert_eq!(aliases.len(), 8, "{aliases:?}");
        for alias in ["X_Remote_User", "X-Remote_User", "X.Remote.User", "X_Remote.User"] {
            assert!(aliases.iter().any(|it| it == alias), "{alias}");
        }
    }

    #[test]
    fn names_of_the_environment_are_headers_in_http() {
        assert_eq!(header("X_REMOTE_EMAIL"), "X-Remote-Email");
        assert_eq!(header("who"), "Who");
    }

    #[test]
    fn every_other_spelling_has_one_of_the_odd_starts_and_the_right_one_none() {
        let starts = odd_starts(["X-Remote-User", "X-Remote-Email", "Who"].into_iter());
        assert_eq!(starts.len(), 2 * 14, "{starts:?}");
        let begins = |name: &str| starts.iter().any(|start| name.starts_with(start));
        assert!(aliases("X-Remote-User").iter().all(|alias| begins(alias)));
        for odd in ["X+Remote-User", "X-Remote!User", "X`Remote|Email"] {
            assert!(begins(odd), "{odd}");
        }
        assert!(!begins("X-Remote-User") && !begins("Who") && !begins("X-Other"));
    }
}
