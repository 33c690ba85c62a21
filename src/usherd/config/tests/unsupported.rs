//! What this version refuses.

use super::{CORP, LOCAL, problems, realm};

#[test]
fn what_means_off_is_taken() {
    realm(&format!("{CORP}referrals = \"ignore\"\n"));
    realm(&format!("{LOCAL}format = \"usher\"\n"));
}

#[test]
fn each_type_of_realm_that_cannot_be_honoured_is_refused() {
    for (kind, keys) in [("pam", "service = \"login\""), ("crowd", "host = \"https://crowd\"")] {
        assert_eq!(
            problems(&format!("[realm.corp]\ntype = \"{kind}\"\n{keys}\n")),
            format!("usher.toml:2:8: type \"{kind}\" is not supported in this version")
        );
    }
}

#[test]
fn the_whole_language_is_known() {
    let problems = problems(include_str!("everything.toml"));
    assert_eq!(problems + "\n", include_str!("everything.txt"));
}
