//! What `mod_usher` declares of httpd by hand is what httpd's own headers say.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::support::process::run;
use crate::support::programs::{installed, module};
use crate::support::repository;

const HEADERS: [&str; 10] = [
    "stddef.h",
    "httpd.h",
    "http_config.h",
    "http_core.h",
    "http_log.h",
    "http_protocol.h",
    "http_request.h",
    "ap_expr.h",
    "apr_strings.h",
    "mod_auth.h",
];

/// The declarations as assertions in C.
fn assertions(source: &str) -> Vec<String> {
    let layouts = source.lines().filter_map(|line| {
        let claim = line.trim().strip_prefix("assert!(")?.strip_suffix(");")?;
        Some(match claim.strip_prefix("size_of::<") {
            Some(rest) => format!("sizeof({}", rest.replacen(">()", ")", 1)),
            None => claim.replacen("offset_of!", "offsetof", 1),
        })
    });
    let numbers = source.lines().filter_map(|line| {
        let (name, value) = line.strip_prefix("pub(crate) const ")?.split_once(": ")?;
        let (_, value) = value.trim_end_matches(';').split_once(" = ")?;
        Some(format!("{name} == {}", value.replace('_', "")))
    });
    let claims = layouts.chain(numbers);
    claims.map(|claim| format!("_Static_assert({claim}, \"{claim}\");\n")).collect()
}

/// The functions, each of which the headers must declare.
fn functions(source: &str) -> Vec<String> {
    let names = source.lines().filter_map(|line| {
        line.trim().strip_prefix("pub(crate) fn ")?.split_once('(').map(|(name, _)| name)
    });
    names.map(|name| format!("const void *uses_{name} = (const void *)&{name};\n")).collect()
}

#[test]
fn layouts_numbers_and_functions_are_those_of_the_headers() {
    let include = Path::new("/usr/include/apache2");
    assert!(
        include.join("httpd.h").is_file(),
        "httpd's headers are missing; install them with: apt-get install apache2-dev"
    );
    let source = fs::read_to_string(repository().join("src/mod_usher/sys.rs")).expect("sys.rs");
    let (assertions, functions) = (assertions(&source), functions(&source));
    assert!(assertions.len() > 50 && functions.len() > 8, "{assertions:?} {functions:?}");

    let folder = TempDir::new().expect("temporary folder");
    let program = folder.path().join("claims.c");
    let includes: String = HEADERS.iter().map(|name| format!("#include <{name}>\n")).collect();
    let text = format!("{includes}{}{}", assertions.concat(), functions.concat());
    fs::write(&program, text).expect("a program");
    let flags = run(
        Command::new(installed("apr-1-config", "libapr1-dev")).args(["--includes", "--cppflags"]),
        b"",
    )
    .success();
    let mut cc = Command::new(installed("cc", "gcc"));
    cc.arg("-fsyntax-only").arg("-I").arg(include).args(flags.stdout.split_whitespace());
    run(cc.arg(&program), b"").success();
}

/// httpd loads modules so that their names are seen by each other; a second one in Rust must not
/// get parts of the first.
#[test]
fn the_module_shows_its_own_name_alone() {
    let mut nm = Command::new(installed("nm", "binutils"));
    let output = run(nm.args(["--dynamic", "--defined-only"]).arg(module()), b"").success();
    let names: Vec<&str> = output.stdout.split_whitespace().skip(2).step_by(3).collect();
    assert_eq!(names, ["usher_module"]);
}
