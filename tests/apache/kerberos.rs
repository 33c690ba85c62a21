//! Kerberos authenticates, and the application is told who it is.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use tempfile::TempDir;

use super::{Site, curl_arguments, example, told, with_unset};
use crate::nginx::forgeries;
use crate::support::httpd::{Httpd, MPMS, Page};
use crate::support::kerberos::Kerberos;
use crate::support::programs::installed;

fn configuration(kerberos: &Kerberos, folder: &TempDir) -> String {
    let location = example("From the mod_python handler");
    let location =
        location.replace("/etc/apache2/http.keytab", &kerberos.keytab().to_string_lossy());
    let location = with_unset(folder, &location);
    format!(
        "LoadModule auth_gssapi_module @MODULES@/mod_auth_gssapi.so\nUsherSocket @SOCKET@\n\
         ProxyPass /someprefix @BACKEND@\n{location}"
    )
}

/// httpd with its replay cache in a folder that its processes may write to.
fn start(mpm: &str, kerberos: &Kerberos, caches: &TempDir) -> Site {
    fs::set_permissions(caches.path(), Permissions::from_mode(0o1777)).unwrap();
    let adapt = |mut command: Command| {
        command.env("TMPDIR", caches.path());
        kerberos.used_by(command)
    };
    Site::start_with(mpm, &configuration(kerberos, caches), adapt)
}

fn get(httpd: &Httpd, curl: Command) -> Page {
    httpd.fetch(curl, "/someprefix")
}

#[test]
fn a_ticket_brings_the_users_metadata_to_the_application_under_every_mpm() {
    let kerberos = Kerberos::start(&["alice"]);
    for mpm in MPMS {
        let caches = TempDir::new().unwrap();
        let site = start(mpm, &kerberos, &caches);
        let page = get(&site.httpd, kerberos.curl_as("alice"));
        assert_eq!(page.status, 200, "{mpm}: {page:#?} {}", site.httpd.log());
        for (header, value) in [
            ("X-Remote-User", "alice"),
            ("X-Remote-Email", "alice@example.com"),
            ("X-Remote-Firstname", "Alice"),
            ("X-Remote-Lastname", "Archer"),
        ] {
            assert_eq!(page.header(header), Some(value), "{mpm}: {page:#?}");
        }
        assert_eq!(site.questions(), (0, 1, 0), "{mpm}");
    }
}

#[test]
fn names_that_a_client_sends_beside_its_ticket_never_reach_the_application() {
    let kerberos = Kerberos::start(&["alice"]);
    let caches = TempDir::new().unwrap();
    let site = start("event", &kerberos, &caches);
    let honest = get(&site.httpd, kerberos.curl_as("alice"));
    assert_eq!(honest.header("X-Remote-Groups"), Some("dev"), "{honest:#?}");
    for forged in curl_arguments(&forgeries()).chunks(32) {
        let mut curl = kerberos.curl_as("alice");
        curl.args(forged);
        let page = get(&site.httpd, curl);
        assert_eq!((page.status, told(&page)), (200, told(&honest)), "{forged:?}: {page:#?}");
    }
}

#[test]
fn who_has_no_ticket_is_not_let_in_and_a_principal_of_another_name_is_not_its_namesake() {
    let kerberos = Kerberos::start(&["alice/admin", "stranger"]);
    let caches = TempDir::new().unwrap();
    let site = start("event", &kerberos, &caches);
    let curl = Command::new(installed("curl", "curl"));
    assert_eq!(get(&site.httpd, curl).status, 401);
    assert_eq!(site.questions(), (0, 0, 0));
    for user in ["alice/admin", "stranger"] {
        let page = get(&site.httpd, kerberos.curl_as(user));
        assert_eq!((page.status, page.header("X-Remote-User")), (200, Some("")), "{page:#?}");
    }
}
