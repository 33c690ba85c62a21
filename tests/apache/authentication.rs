//! `AuthBasicProvider usher`.

use super::{Site, app, authenticated};
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

#[test]
fn who_is_unknown_here_may_be_known_to_the_next_provider_and_a_wrong_password_ends_it() {
    let lines =
        "    AuthBasicProvider usher file\n    AuthUserFile @USERS@\n    Require valid-user";
    let site = Site::start("event", &app(lines));
    let status = |user: &str, password: &str| site.httpd.get_as(user, password, "/app").status;
    assert_eq!(status("stranger", "alice-secret"), 200);
    assert_eq!(status("stranger", "wrong"), 401);
    // httpd's own file has this password for bob; the directory, which knows him, has another.
    assert_eq!(status("bob", "alice-secret"), 401);
    assert_eq!(status("bob", "bob-secret"), 200);
}

#[test]
fn the_daemon_is_asked_after_another_provider_too() {
    let lines =
        "    AuthBasicProvider file usher\n    AuthUserFile @USERS@\n    Require valid-user";
    let site = Site::start("event", &app(lines));
    let status = |user: &str, password: &str| site.httpd.get_as(user, password, "/app").status;
    assert_eq!(status("bob", "alice-secret"), 200);
    assert_eq!(site.questions(), (0, 0, 0));
    assert_eq!(status(r"CORP\bob", "bob-secret"), 200);
    assert_eq!(status("nobody", "x"), 401);
}

#[test]
fn where_it_is_not_authoritative_an_unknown_user_is_left_to_others_and_still_not_let_in() {
    let lines =
        "    AuthBasicProvider usher\n    AuthBasicAuthoritative Off\n    Require valid-user";
    let site = Site::start("event", &app(lines));
    assert_eq!(site.alice().status, 200);
    assert_eq!(site.httpd.get_as("alice", "wrong", "/app").status, 401);
    // Nobody is left who could tell, which httpd calls a fault of its configuration.
    assert_eq!(site.httpd.get_as("nobody", "x", "/app").status, 500);
}

#[test]
fn a_refusal_is_told_with_its_reason_and_without_the_password() {
    let site = Site::start(
        "event",
        &format!("LogLevel usher:trace8\n{}", authenticated("    Require valid-user")),
    );
    assert_eq!(site.httpd.get_as("dora", "dora-secret", "/app").status, 401);
    let log = site.httpd.log();
    assert!(log.contains("dora is denied: "), "{log}");
    assert!(!log.contains("dora-secret"), "{log}");
}

#[test]
fn httpds_own_cache_of_passwords_remembers_none_of_ours() {
    let modules = "LoadModule authn_socache_module @MODULES@/mod_authn_socache.so\n\
                   LoadModule socache_shmcb_module @MODULES@/mod_socache_shmcb.so\n\
                   AuthnCacheSOCache shmcb:@DIR@/cache(512000)\n";
    let lines = "    AuthBasicProvider socache usher\n    AuthnCacheProvideFor usher\n    \
                 Require valid-user";
    let site = Site::start("event", &format!("{modules}{}", app(lines)));
    for _ in 0..3 {
        assert_eq!(site.alice().status, 200);
    }
    assert_eq!(site.questions(), (3, 0, 0));
}

#[test]
fn a_look_ahead_does_not_ask_for_the_same_password_again() {
    let lines = "    Require valid-user\n    RewriteEngine On\n    \
                 RewriteCond %{LA-U:REMOTE_USER} (.+)\n    RewriteRule .* - [E=RU:%1]\n    \
                 RequestHeader set X-Forwarded-User %{RU}e";
    let site = Site::start("event", &authenticated(lines));
    assert_eq!(site.alice().header("X-Forwarded-User"), Some("alice"));
    assert_eq!(site.questions(), (1, 0, 0));
}
