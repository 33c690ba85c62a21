use super::{Users, parse};
use crate::config::Case;
use crate::directory::Found;

const HASH: &str = "$2b$04$abcdefghijklmnopqrstuuLxkMLbEkFzn5XkqFpHTNjdkXm6XZ9o.";

fn users(text: &str, case: Case) -> Result<Users, String> {
    let users = parse(&text.replace("HASH", &format!("password = \"{HASH}\"")))?;
    Ok(Users::new(users, case))
}

#[test]
fn an_entry_has_the_files_words_and_ldaps() {
    let text = "[user.alice]\nHASH\nemail = \"a@x\"\ngroups = [\"dev\"]\nemployeeType = \"staff\"\n\
                phone = [\"1\", \"2\"]";
    let users = users(text, Case::Lower).expect("reads");
    let Found::One(entry) = users.find("alice") else { panic!("not found") };
    assert_eq!(entry.username, "alice");
    assert_eq!(entry.attributes.first("mail"), Some("a@x"));
    assert_eq!(entry.attributes.first("email"), Some("a@x"));
    assert_eq!(entry.attributes.first("employeetype"), Some("staff"));
    assert_eq!(entry.attributes.values("phone"), ["1", "2"]);
    assert_eq!(entry.attributes.first("sn"), None);
    assert_eq!(entry.groups, ["dev"]);
}

#[test]
fn names_that_differ_by_case_alone_are_several_unless_case_is_kept() {
    let text = "[user.alice]\nHASH\n[user.Alice]\nHASH\n";
    assert!(matches!(users(text, Case::Lower).expect("reads").find("alice"), Found::Several));
    assert!(matches!(users(text, Case::Keep).expect("reads").find("Alice"), Found::One(_)));
    assert!(matches!(users(text, Case::Keep).expect("reads").find("ALICE"), Found::Nobody));
}

#[test]
fn the_decoy_is_the_slowest_hash() {
    let text =
        format!("[user.alice]\nHASH\n[user.bob]\npassword = '{}'\n", HASH.replace("04", "05"));
    let decoy = users(&text, Case::Lower).expect("reads").decoy().expect("one");
    assert_eq!(decoy.cost(), 2 * super::Hash::parse(HASH).expect("known").cost());
}

#[test]
fn errors_name_the_place_and_never_quote_the_file() {
    let Err(error) = parse("[user.a]\npassword = \"s3cret\n") else { panic!("accepted") };
    assert!(error.starts_with("line 2:"), "{error}");
    assert!(!error.contains("s3cret"), "{error}");
    let Err(error) = parse("[user.a]\npassword = \"s3cret\"\n") else { panic!("accepted") };
    assert!(error.contains("[user.a] is not a password string"), "{error}");
    assert!(!error.contains("s3cret"), "{error}");
}
