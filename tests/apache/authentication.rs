//! `AuthBasicProvider usher`.

use super::{Site, authenticated};
use crate::support::httpd::MPMS;

#[test]
fn the_daemon_checks_passwords_and_tells_who_it_is_in_one_question() {
    for mpm in MPMS {
        let site = Site::start(mpm, &authenticated("    Require valid-user"));
        let page = site.httpd.get_as(r"CORP\Alice", "alice-secret", "/app");
        assert_eq!((page.status, page.header("X-Remote-User")), (200, Some("alice")), "{mpm}");
        assert_eq!(site.questions(), (1, 0, 0), "{mpm}");
        for (user, password) in [("alice", "wrong"), ("nobody", "x"), ("alice", ""), ("", "")] {
            let page = site.httpd.get_as(user, password, "/app");
            assert_eq!(page.status, 401, "{mpm}, {user}, {password}");
        }
        assert!(!site.httpd.log().contains("alice-secret"), "{}", site.httpd.log());
    }
}
