//! What httpd says of a configuration before it serves anything.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{app, everywhere, looked_up};
use crate::support::httpd::{configtest, line_of};

#[test]
fn what_is_wrong_is_told_with_file_and_line() {
    for (line, what) in [
        ("UsherSocket usher.sock", "UsherSocket: \"usher.sock\" is not an absolute path"),
        ("UsherTimeout soon", "UsherTimeout: \"soon\" is not a time"),
        ("UsherTimeout", "UsherTimeout takes one argument, how long a request waits"),
        ("UsherReuse 2m", "UsherReuse: \"2m\" is not a time"),
        ("UsherMetadata maybe", "UsherMetadata: \"maybe\" is not one of: On, Off"),
        ("UsherMetadataOnError 503", "UsherMetadataOnError: \"503\" is not one of: pass, deny"),
        ("UsherRealm %{nonsense:x}", "Function 'nonsense' does not exist"),
        ("Require usher-group", "Require usher-group: at least one word is needed"),
        ("Require usher-attribute staff", "is none of group=NAME"),
        ("Require usher-rule dev", "is none of group=NAME"),
    ] {
        let configuration = format!("<Location /x>\n    {line}\n</Location>");
        let output = configtest(&configuration);
        assert_ne!(output.code, 0, "{line}");
        let place = format!("Syntax error on line {} of ", line_of(&configuration, line));
        let file = output.stderr.split_once(&place).and_then(|(_, rest)| rest.split(':').next());
        let file = Path::new(file.expect("the place"));
        assert!(file.is_absolute() && file.ends_with("httpd.conf"), "{line}: {}", output.stderr);
        assert!(output.stderr.contains(what), "{line}: {}", output.stderr);
    }
}

#[test]
fn every_directive_is_accepted_where_it_belongs() {
    let everywhere = "UsherSocket /run/usher/usher.sock\nUsherRealm corp\nUsherTimeout 500ms\n\
                      UsherReuse 1s\nUsherMetadata On\nUsherMetadataOnError deny\n";
    let configuration = format!(
        "{everywhere}<VirtualHost *:1>\n{everywhere}</VirtualHost>\n<Location /x>\n{everywhere}\
         Require usher-group dev \"Domain Admins\"\nRequire usher-attribute employeeType=staff\n\
         Require usher-rule group=dev|ops\nAuthBasicProvider usher\n</Location>"
    );
    configtest(&configuration).success();
}

#[test]
fn a_htaccess_chooses_the_metadata_and_not_whom_the_server_asks_under_every_mpm() {
    let configuration = "UsherSocket @SOCKET@\nUsherMetadataOnError deny\n\
                         <Directory \"@DIR@/htdocs\">\nAllowOverride AuthConfig\nAuthType Basic\n\
                         AuthName test\nAuthUserFile @USERS@\nRequire valid-user\n</Directory>";
    everywhere(configuration, |site| {
        let write = |text: &str| fs::write(site.httpd.path("htdocs/.htaccess"), text).unwrap();
        fs::write(site.httpd.path("htdocs/page"), "hello").unwrap();
        let status = || site.httpd.get_as("stranger", "alice-secret", "/page").status;
        write("");
        assert_eq!(status(), 200);
        write("UsherMetadata On\n");
        assert_eq!(status(), 403);
        write("UsherMetadata On\nUsherMetadataOnError pass\n");
        assert_eq!(status(), 200);
        // A requirement may stand there, and its rule goes where httpd puts it.
        write("Require usher-attribute employeeType=staff\n");
        assert_eq!(site.httpd.get_as("alice", "alice-secret", "/page").status, 200);
        assert_eq!(status(), 401);
        write("UsherSocket /tmp/mine.sock\n");
        assert_eq!(status(), 500);
        let log = site.httpd.log();
        assert!(log.contains("UsherSocket not allowed here"), "{log}");
    });
}

#[test]
fn an_inner_place_adds_to_what_is_said_outside_under_every_mpm() {
    // Server, virtual host, directory, and a directory in it; what one says nothing of comes from
    // the next outside.
    let app =
        looked_up("").replace("UsherSocket @SOCKET@\n", "").replace("    UsherMetadata On\n", "");
    let configuration = format!(
        "UsherSocket /nonexistent/server.sock\nUsherTimeout 60s\nUsherRealm nowhere\n\
         UsherMetadata On\nUsherMetadataOnError deny\n<VirtualHost *:@PORT@>\n\
         UsherSocket @SOCKET@\nUsherTimeout 300ms\nUsherRealm home\n{app}\
         <Location /app/off>\nUsherMetadata Off\n</Location>\n\
         <Location /app/off/on>\nUsherMetadata On\n</Location>\n\
         <Location /app/elsewhere>\nUsherRealm elsewhere\n</Location>\n\
         <Location /app/gone>\nUsherSocket /nonexistent/inner.sock\n</Location>\n\
         <Location /app/gone/pass>\nUsherMetadataOnError pass\n</Location>\n\
         <Location /app/slow>\nUsherTimeout 2s\n</Location>\n</VirtualHost>"
    );
    everywhere(&configuration, |site| {
        let get = |path| {
            let page = site.httpd.get_as("alice", "alice-secret", path);
            (page.status, page.header("X-Remote-User").map(str::to_owned))
        };
        let (known, nobody) = ((200, Some("alice".to_owned())), (200, Some(String::new())));
        assert_eq!(get("/app"), known);
        assert_eq!(get("/app/off"), nobody);
        assert_eq!(get("/app/off/on"), known);
        assert_eq!(get("/app/elsewhere"), (503, None));
        assert_eq!(get("/app/gone"), (503, None));
        assert_eq!(get("/app/gone/pass"), nobody);
        let log = site.httpd.log();
        assert!(log.contains("elsewhere") && log.contains("/nonexistent/inner.sock"), "{log}");
        assert!(!log.contains("/nonexistent/server.sock") && !log.contains("nowhere"), "{log}");
        site.daemon.pause();
        let (start, slow) = (Instant::now(), Duration::from_secs(2));
        assert_eq!(get("/app/slow"), (503, None));
        assert!(start.elapsed() >= slow, "{:?}", start.elapsed());
        let start = Instant::now();
        assert_eq!(get("/app"), (503, None));
        assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    });
}

#[test]
fn the_realm_may_be_an_expression_under_every_mpm() {
    let configuration = looked_up("    UsherRealm %{HTTP:X-Realm}\n    UsherMetadataOnError deny");
    everywhere(&configuration, |site| {
        let get = |realm: &str| {
            let header = format!("X-Realm: {realm}");
            site.httpd.get("/app", &["--user", "alice:alice-secret", "--header", &header]).status
        };
        assert_eq!((get("home"), get("nowhere")), (200, 503));
        // What comes to nothing leaves the choice to the daemon.
        assert_eq!(site.alice().status, 200);
    });
}

#[test]
fn providers_and_requirements_may_have_aliases_under_every_mpm() {
    let aliases = "<AuthnProviderAlias usher home>\nUsherRealm home\n</AuthnProviderAlias>\n\
                   <AuthzProviderAlias usher-attribute staff \"employeeType=staff\">\n\
                   </AuthzProviderAlias>\nUsherRealm nowhere\n";
    let lines =
        "    AuthzSendForbiddenOnFailure On\n    AuthBasicProvider home\n    UsherRealm home";
    let staff = app(&format!("{lines}\n    Require staff"));
    let ops = app(&format!("{lines}\n    Require usher-group ops")).replace("/app", "/ops");
    // The alias alone brings the realm.
    let any = app("    AuthBasicProvider home\n    Require valid-user").replace("/app", "/any");
    everywhere(&format!("{aliases}{staff}{ops}{any}"), |site| {
        let bob = |path| site.httpd.get_as("bob", "bob-secret", path).status;
        assert_eq!((site.alice().status, bob("/app")), (200, 403), "{}", site.httpd.log());
        let (before, ..) = site.questions();
        // What an alias requires is asked where it is used, and nowhere else.
        assert_eq!((bob("/ops"), bob("/any")), (200, 200), "{}", site.httpd.log());
        assert_eq!(site.questions().0 - before, 2);
    });
}
