//! `AuthBasicProvider usher`.

use super::{app, authenticated, everywhere};

#[test]
fn the_daemon_checks_passwords_and_tells_who_it_is_in_one_question_under_every_mpm() {
    everywhere(&authenticated("    Require valid-user"), |site| {
        let page = site.httpd.get_as(r"CORP\Alice", "alice-secret", "/app");
        assert_eq!((page.status, page.header("X-Remote-User")), (200, Some("alice")));
        assert_eq!(site.questions(), (1, 0, 0));
        for (user, password) in [("alice", "wrong"), ("nobody", "x"), ("alice", ""), ("", "")] {
            let page = site.httpd.get_as(user, password, "/app");
            assert_eq!(page.status, 401, "{user}, {password}");
        }
        assert!(!site.httpd.log().contains("alice-secret"), "{}", site.httpd.log());
    });
}

#[test]
fn who_is_unknown_here_may_be_known_to_the_next_provider_and_a_wrong_password_ends_it() {
    let lines =
        "    AuthBasicProvider usher file\n    AuthUserFile @USERS@\n    Require valid-user";
    everywhere(&app(lines), |site| {
        let status = |user: &str, password: &str| site.httpd.get_as(user, password, "/app").status;
        assert_eq!(status("stranger", "alice-secret"), 200);
        assert_eq!(status("stranger", "wrong"), 401);
        // httpd's own file has this password for bob; the directory, which knows him, has another.
        assert_eq!(status("bob", "alice-secret"), 401);
        assert_eq!(status("bob", "bob-secret"), 200);
    });
}

#[test]
fn the_daemon_is_asked_after_another_provider_too() {
    let lines =
        "    AuthBasicProvider file usher\n    AuthUserFile @USERS@\n    Require valid-user";
    everywhere(&app(lines), |site| {
        let status = |user: &str, password: &str| site.httpd.get_as(user, password, "/app").status;
        assert_eq!(status("bob", "alice-secret"), 200);
        assert_eq!(site.questions(), (0, 0, 0));
        assert_eq!(status(r"CORP\bob", "bob-secret"), 200);
        assert_eq!(status("nobody", "x"), 401);
    });
}

#[test]
fn where_it_is_not_authoritative_an_unknown_user_is_left_to_others_and_still_not_let_in() {
    let lines =
        "    AuthBasicProvider usher\n    AuthBasicAuthoritative Off\n    Require valid-user";
    everywhere(&app(lines), |site| {
        assert_eq!(site.alice().status, 200);
        assert_eq!(site.httpd.get_as("alice", "wrong", "/app").status, 401);
        // Nobody is left who could tell, which httpd calls a fault of its configuration.
        assert_eq!(site.httpd.get_as("nobody", "x", "/app").status, 500);
    });
}

#[test]
fn a_refusal_is_told_with_its_reason() {
    everywhere(&authenticated("    Require valid-user"), |site| {
        assert_eq!(site.httpd.get_as("dora", "dora-secret", "/app").status, 401);
        assert_eq!(site.told("dora is denied: "), 1, "{}", site.httpd.log());
    });
}

#[test]
fn a_password_is_never_logged_whatever_becomes_of_it_under_every_mpm() {
    let login = authenticated("    Require usher-attribute employeeType=staff");
    let last = "    AuthBasicProvider file usher\n    AuthUserFile @USERS@\n    Require valid-user";
    let last = app(last).replace("/app", "/last");
    everywhere(&format!("LogLevel trace8\n{login}{last}"), |mut site| {
        let passwords = ["alice-secret", "dora-secret", "mistyped-secret", "lost-secret"];
        let [right, disabled, wrong, lost] = passwords;
        let status = |site: &super::Site, user, password| {
            let get = |path| site.httpd.get_as(user, password, path).status;
            (get("/app"), get("/last"))
        };
        assert_eq!(status(&site, "alice", right), (200, 200));
        assert_eq!(status(&site, "dora", disabled), (401, 401));
        assert_eq!(status(&site, r"CORP\alice", wrong), (401, 401));
        assert_eq!(status(&site, "nobody", wrong), (401, 401));
        site.daemon.stop();
        assert_eq!(status(&site, "dora", lost), (503, 503));
        let log = site.httpd.log();
        assert!(log.contains("cannot authenticate dora: ") && log.contains("trace"), "{log}");
        assert!(passwords.iter().all(|password| !log.contains(password)), "{log}");
        // The header as it came is logged by httpd itself where it is told to, and never by this.
        let mut ours = log.lines().filter(|line| line.contains("[usher:"));
        assert!(ours.all(|line| !line.contains("Basic ") && !line.contains("c2VjcmV0")), "{log}");
        let daemon = site.daemon.log();
        assert!(passwords.iter().all(|password| !daemon.contains(password)), "{daemon}");
    });
}

#[test]
fn httpds_own_cache_of_passwords_remembers_none_of_ours() {
    let modules = "LoadModule authn_socache_module @MODULES@/mod_authn_socache.so\n\
                   LoadModule socache_shmcb_module @MODULES@/mod_socache_shmcb.so\n\
                   AuthnCacheSOCache shmcb:@DIR@/cache(512000)\n";
    let lines = "    AuthBasicProvider socache usher\n    AuthnCacheProvideFor usher\n    \
                 Require valid-user";
    everywhere(&format!("{modules}{}", app(lines)), |site| {
        for _ in 0..3 {
            assert_eq!(site.alice().status, 200);
        }
        assert_eq!(site.questions(), (3, 0, 0));
    });
}

#[test]
fn a_look_ahead_does_not_ask_for_the_same_password_again() {
    let lines = "    Require valid-user\n    RewriteEngine On\n    \
                 RewriteCond %{LA-U:REMOTE_USER} (.+)\n    RewriteRule .* - [E=RU:%1]\n    \
                 RequestHeader set X-Forwarded-User %{RU}e";
    everywhere(&authenticated(lines), |site| {
        assert_eq!(site.alice().header("X-Forwarded-User"), Some("alice"));
        assert_eq!(site.questions(), (1, 0, 0));
    });
}

#[test]
fn a_form_logs_in_as_basic_authentication_does_under_every_mpm() {
    let modules: String = ["request", "session", "session_cookie", "auth_form"]
        .map(|name| format!("LoadModule {name}_module @MODULES@/mod_{name}.so\n"))
        .concat();
    let session = "AuthName test\nAuthFormProvider usher\nSession On\n\
                   SessionCookieName session path=/\n";
    let configuration = format!(
        "{modules}UsherSocket @SOCKET@\nProxyPass /app @BACKEND@\n<Location /login>\n{session}\
         SetHandler form-login-handler\nAuthFormLoginSuccessLocation /app\n</Location>\n\
         <Location /app>\n{session}AuthType Form\n\
         Require usher-attribute employeeType=staff\n</Location>\n"
    );
    everywhere(&configuration, |mut site| {
        let jar = site.httpd.path("jar");
        let jar = jar.to_string_lossy();
        let log_in = |site: &super::Site, password: &str| {
            let form = format!("httpd_username=alice&httpd_password={password}");
            site.httpd.get("/login", &["--data", &form, "--cookie-jar", &jar]).status
        };
        let app = |site: &super::Site| site.httpd.get("/app", &["--cookie", &jar]).status;
        assert_eq!(log_in(&site, "wrong"), 401);
        assert!([301, 302].contains(&log_in(&site, "alice-secret")), "{}", site.httpd.log());
        assert_eq!(app(&site), 200);
        site.daemon.stop();
        assert_eq!((app(&site), log_in(&site, "alice-secret")), (503, 503));
    });
}
