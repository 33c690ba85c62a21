//! The language as a whole.

use super::{CORP, LOCAL, problems, realm};

#[test]
fn what_means_off_is_taken() {
    realm(&format!("{CORP}referrals = \"ignore\"\n"));
    realm(&format!("{LOCAL}format = \"usher\"\n"));
}

#[test]
fn the_whole_language_is_known() {
    let problems = problems(include_str!("everything.toml"));
    assert_eq!(problems + "\n", include_str!("everything.txt"));
}
