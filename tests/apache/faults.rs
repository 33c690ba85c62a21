//! What goes wrong in the module itself, and what other modules see of it.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::thread;

use tempfile::TempDir;

use super::{authenticated, everywhere, everywhere_with, looked_up};
use crate::support::httpd::open;
use crate::support::process::run;
use crate::support::programs::installed;

/// A clock that shows no time to mod_usher alone, while a file says so: Rust panics then.
const CLOCK: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = syscall(SYS_clock_gettime, clock, now);
    Dl_info caller;
    if (dladdr(__builtin_return_address(0), &caller) && strstr(caller.dli_fname, "mod_usher")
        && access(getenv("BROKEN_CLOCK"), F_OK) == 0)
        now->tv_nsec = 2000000000;
    return result;
}
"#;

fn clock(folder: &Path) {
    fs::write(folder.join("clock.c"), CLOCK).unwrap();
    let mut cc = Command::new(installed("cc", "gcc"));
    cc.args(["-shared", "-fPIC", "-o"]).arg(folder.join("clock.so")).arg(folder.join("clock.c"));
    run(&mut cc, b"").success();
}

#[test]
fn a_panic_ends_its_request_and_no_process_under_every_mpm() {
    let login = authenticated("    Require valid-user");
    let group = looked_up("").replace("/app", "/group").replace("valid-user", "usher-group dev");
    let metadata = looked_up("").replace("/app", "/metadata");
    let folder = TempDir::new().unwrap();
    open(folder.path());
    clock(folder.path());
    // Each way has a clock of its own.
    let broken = || folder.path().join(thread::current().name().unwrap());
    let adapt = |mut command: Command| {
        command.env("LD_PRELOAD", folder.path().join("clock.so")).env("BROKEN_CLOCK", broken());
        command
    };
    everywhere_with(&format!("{login}{group}{metadata}"), adapt, |site| {
        fs::write(site.httpd.path("htdocs/page"), "hello").unwrap();
        let statuses = || {
            let paths = ["/app", "/group", "/metadata", "/page"];
            paths.map(|path| site.httpd.get_as("alice", "alice-secret", path).status)
        };
        assert_eq!(statuses(), [200; 4]);
        File::create(broken()).unwrap();
        for _ in 0..3 {
            assert_eq!(statuses(), [500, 500, 500, 200], "{}", site.httpd.log());
        }
        fs::remove_file(broken()).unwrap();
        assert_eq!(statuses(), [200; 4], "{}", site.httpd.log());
        let log = site.httpd.log();
        assert!(site.told("panicked at") == 9 && !log.contains("exit signal"), "{log}");
    });
}

/// Counts how often another module is asked in the phases that this one watches.
const OTHER: &str = "
require 'apache2'
function user(r) r:err('asked for the user') return apache2.DECLINED end
function right(r) r:err('asked for the right') return apache2.DECLINED end
";

#[test]
fn other_modules_are_asked_once_in_each_phase_under_every_mpm() {
    let lines = "    AuthBasicAuthoritative Off\n    LuaHookCheckUserID @DIR@/htdocs/other.lua user\n    \
                 LuaHookAuthChecker @DIR@/htdocs/other.lua right early\n    Require valid-user";
    let module = "LoadModule lua_module @MODULES@/mod_lua.so\n";
    everywhere(&format!("{module}{}", authenticated(lines)), |site| {
        fs::write(site.httpd.path("htdocs/other.lua"), OTHER).unwrap();
        let told = || (site.told("asked for the user"), site.told("asked for the right"));
        assert_eq!(site.alice().status, 200, "{}", site.httpd.log());
        let (user, right) = told();
        assert!(user <= 1 && right == 1, "{}", site.httpd.log());
        // Whom nobody knows, everybody is asked for.
        assert_eq!(site.httpd.get_as("nobody", "x", "/app").status, 500);
        assert_eq!(told(), (user + 1, 1), "{}", site.httpd.log());
    });
}
