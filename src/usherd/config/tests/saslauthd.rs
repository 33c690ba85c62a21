//! `[saslauthd]`.

use super::{CORP, problems, read};
use crate::config::{Saslauthd, parse, print};

#[test]
fn an_empty_table_turns_it_on_and_none_leaves_it_off() {
    let on = read(&format!("{CORP}[saslauthd]\n")).expect("sound").settings;
    assert_eq!(on.saslauthd, Some(Saslauthd::default()));
    assert_eq!(read(CORP).expect("sound").settings.saslauthd, None);
}

#[test]
fn realms_and_services_mean_realms_that_there_are() {
    let text = format!("{CORP}[saslauthd]\nrealms = {{ \"A.B\" = \"crop\" }}\n");
    let told = problems(&text);
    assert!(told.contains("7:20: there is no realm \"crop\""), "{told}");
    assert!(told.contains("did you mean `corp`?"), "{told}");
    let told = problems(&format!("{CORP}[saslauthd]\nservices = {{ smtp = \"x\" }}\n"));
    assert!(told.contains("there is no realm \"x\""), "{told}");
}

#[test]
fn its_socket_is_a_third() {
    let text = format!("{CORP}[listen]\nsocket = \"/x\"\n[saslauthd]\nsocket = \"/x\"\n");
    assert!(problems(&text).contains("socket is also a socket of [listen]"));
}

#[test]
fn what_is_printed_says_the_same() {
    let text = format!(
        "{CORP}[saslauthd]\nsocket = \"/run/mux\"\nsocket_mode = \"0666\"\n\
         socket_group = \"root\"\nmax_connections = 9\ncombine_realm = false\n\
         realms = {{ \"\" = \"corp\", \"Mail.Example\" = \"corp\" }}\nservices.smtp = \"corp\"\n"
    );
    let settings = read(&text).expect("sound").settings;
    let printed = print(&settings);
    let again = parse(&printed, std::path::Path::new("/usher.toml")).expect("sound").settings;
    assert_eq!(again, settings, "{printed}");
}
