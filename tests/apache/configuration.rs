//! What httpd says of a configuration before it serves anything.

use std::fs;

use super::{Site, looked_up};
use crate::support::httpd::{configtest, line_of};

#[test]
fn what_is_wrong_is_told_with_file_and_line() {
    for (line, what) in [
        ("UsherSocket usher.sock", "UsherSocket: \"usher.sock\" is not an absolute path"),
        ("UsherTimeout soon", "UsherTimeout: \"soon\" is not a time"),
        ("UsherTimeout", "UsherTimeout takes one argument, how long a request waits"),
        ("UsherMetadata maybe", "UsherMetadata: \"maybe\" is not one of: On, Off"),
        ("UsherMetadataOnError 503", "UsherMetadataOnError: \"503\" is not one of: pass, deny"),
        ("UsherRealm %{nonsense:x}", "Function 'nonsense' does not exist"),
        ("Require usher-group", "Require usher-group: at least one word is needed"),
        ("Require usher-attribute staff", "is none of group=NAME"),
        ("Require usher-rule dev", "is none of group=NAME"),
    ] {
        let configuration = format!("<Location /x>\n    {line}\n</Location>");
        let output = configtest(&configuration);
        let place = format!("Syntax error on line {} of ", line_of(&configuration, line));
        assert_ne!(output.code, 0, "{line}");
        assert!(output.stderr.contains(&place), "{line}: {}", output.stderr);
        assert!(output.stderr.contains(what), "{line}: {}", output.stderr);
    }
}

#[test]
fn every_directive_is_accepted_where_it_belongs() {
    let everywhere = "UsherSocket /run/usher/usher.sock\nUsherRealm corp\nUsherTimeout 500ms\n\
                      UsherMetadata On\nUsherMetadataOnError deny\n";
    let configuration = format!(
        "{everywhere}<VirtualHost *:1>\n{everywhere}</VirtualHost>\n<Location /x>\n{everywhere}\
         Require usher-group dev \"Domain Admins\"\nRequire usher-attribute employeeType=staff\n\
         Require usher-rule group=dev|ops\nAuthBasicProvider usher\n</Location>"
    );
    configtest(&configuration).success();
}

#[test]
fn a_htaccess_chooses_the_metadata_and_not_whom_the_server_asks() {
    let configuration = "UsherSocket @SOCKET@\nUsherMetadataOnError deny\n\
                         <Directory \"@DIR@/htdocs\">\nAllowOverride AuthConfig\nAuthType Basic\n\
                         AuthName test\nAuthUserFile @USERS@\nRequire valid-user\n</Directory>";
    let site = Site::start("event", configuration);
    let write = |text: &str| fs::write(site.httpd.path("htdocs/.htaccess"), text).unwrap();
    fs::write(site.httpd.path("htdocs/page"), "hello").unwrap();
    let status = || site.httpd.get_as("stranger", "alice-secret", "/page").status;
    write("");
    assert_eq!(status(), 200);
    write("UsherMetadata On\n");
    assert_eq!(status(), 403);
    write("UsherMetadata On\nUsherMetadataOnError pass\n");
    assert_eq!(status(), 200);
    write("UsherSocket /tmp/mine.sock\n");
    assert_eq!(status(), 500);
    assert!(site.httpd.log().contains("UsherSocket not allowed here"), "{}", site.httpd.log());
}

#[test]
fn an_inner_place_adds_to_what_is_said_outside() {
    let configuration = format!(
        "UsherTimeout 2s\nUsherRealm nowhere\n<VirtualHost *:@PORT@>\nUsherRealm home\n{}\
         <Location /app/elsewhere>\nUsherRealm elsewhere\nUsherMetadataOnError deny\n</Location>\n\
         </VirtualHost>",
        looked_up("")
    );
    let site = Site::start("event", &configuration);
    assert_eq!(site.alice().header("X-Remote-User"), Some("alice"));
    assert_eq!(site.httpd.get_as("alice", "alice-secret", "/app/elsewhere").status, 503);
    assert!(site.httpd.log().contains("elsewhere"), "{}", site.httpd.log());
}

#[test]
fn the_realm_may_be_an_expression() {
    let configuration = looked_up("    UsherRealm %{HTTP:X-Realm}\n    UsherMetadataOnError deny");
    let site = Site::start("event", &configuration);
    let get = |realm: &str| {
        let header = format!("X-Realm: {realm}");
        site.httpd.get("/app", &["--user", "alice:alice-secret", "--header", &header]).status
    };
    assert_eq!((get("home"), get("nowhere")), (200, 503));
    // What comes to nothing leaves the choice to the daemon.
    assert_eq!(site.alice().status, 200);
}
