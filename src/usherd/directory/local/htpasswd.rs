//! Files of htpasswd(1): a line for each user, `NAME:HASH`, as Apache httpd and nginx read them.

use std::collections::BTreeSet;

use super::hash::Hash;
use super::users::User;

/// Most lines that are complained of at once.
const MOST: usize = 5;

/// The users of a file.
pub(super) fn parse(text: &str) -> Result<Vec<User>, String> {
    let (mut users, mut wrong, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match user(line) {
            // As in httpd and nginx, the first line of a name counts.
            Ok((name, hash)) if seen.insert(name) => users.push(User::new(name, hash)),
            Ok(_) => {}
            Err(what) => wrong.push(format!("line {number}: {what}")),
        }
    }
    if wrong.is_empty() {
        return Ok(users);
    }
    let more = wrong.len().saturating_sub(MOST);
    wrong.truncate(MOST);
    if more > 0 {
        wrong.push(format!("and {more} more lines"));
    }
    Err(wrong.join("; "))
}

/// A line's name and hash; what stands behind another colon is for people.
fn user(line: &str) -> Result<(&str, Hash), String> {
    let mut parts = line.split(':');
    let name = parts.next().filter(|name| !name.is_empty()).ok_or("it has no name")?;
    let hash = parts.next().ok_or("it has no colon between a name and a password string")?;
    let hash = Hash::parse(hash).map_err(|error| {
        format!("the password of {name} {error}; `htpasswd -B` makes one that is taken")
    })?;
    Ok((name, hash))
}

#[cfg(test)]
mod tests {
    use super::parse;

    const APR1: &str = "$apr1$saltsalt$LrttParrLPdxvgutaSXWJ0";

    #[test]
    fn lines_are_names_and_hashes_and_the_first_of_a_name_counts() {
        let other = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";
        let text = format!("# people\n\n alice:{APR1}\r\nbob:{other}:Bob, sales\nalice:{other}\n");
        let users = parse(&text).expect("reads");
        assert_eq!(users.iter().map(|user| user.hash.cost()).collect::<Vec<_>>(), [500, 1]);
    }

    #[test]
    fn each_line_that_is_wrong_is_told_of_and_no_password() {
        let text = format!("alice:{APR1}\nbob:s3cret\ncarol\n:{APR1}\n");
        let Err(error) = parse(&text) else { panic!("accepted") };
        for part in ["line 2: the password of bob", "line 3: it has no colon", "line 4: it has no"]
        {
            assert!(error.contains(part), "{error}");
        }
        assert!(!error.contains("s3cret") && !error.contains("line 1"), "{error}");
        let Err(error) = parse(&"x:s3cret\n".repeat(9)) else { panic!("accepted") };
        assert!(error.ends_with("; and 4 more lines"), "{error}");
    }
}
