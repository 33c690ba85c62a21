//! mod_ssl authenticates by a certificate, and the daemon tells who that is.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use super::{HEADERS, app, everywhere};
use crate::support::certificate::{Authority, of_client, of_this_machine};
use crate::support::programs::installed;

#[test]
fn a_certificate_names_the_user_who_is_judged_and_told_of_under_every_mpm() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let authority = Authority::new("the company");
    fs::write(path("authority"), authority.pem()).unwrap();
    for (name, params) in
        [("server", of_this_machine()), ("alice", of_client("alice")), ("bob", of_client("bob"))]
    {
        let certificate = authority.signs(&params);
        fs::write(path(name), certificate.pem + &certificate.key).unwrap();
    }
    let place = "    SSLUserName SSL_CLIENT_S_DN_CN\n    UsherMetadata On\n    UsherTimeout 60s\n    \
                 Require usher-group dev\n";
    let configuration = format!(
        "LoadModule ssl_module @MODULES@/mod_ssl.so\nSSLEngine On\nSSLCertificateFile {}\n\
         SSLCACertificateFile {}\nSSLVerifyClient require\n{}",
        path("server"),
        path("authority"),
        app(&format!("{place}{HEADERS}")).replace("    AuthType Basic\n", "")
    );
    everywhere(&configuration, |mut site| {
        let get = |site: &super::Site, name: &str| {
            let mut curl = Command::new(installed("curl", "curl"));
            curl.args(["--cacert", &path("authority"), "--cert", &path(name)]);
            site.httpd.fetch_over("https", curl, "/app")
        };
        let page = get(&site, "alice");
        let seen = (page.status, page.header("X-Remote-Email"));
        assert_eq!(seen, (200, Some("alice@example.com")), "{page:#?} {}", site.httpd.log());
        assert_eq!(site.questions(), (0, 1, 0));
        assert_eq!(get(&site, "bob").status, 403);
        site.daemon.stop();
        assert_eq!(get(&site, "alice").status, 503, "{}", site.httpd.log());
    });
}
