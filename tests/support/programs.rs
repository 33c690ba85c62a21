//! Where the programs are: ours, built once, and those of the system.

use std::collections::HashMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use super::process::{self, Output};
use super::repository;

/// The path of one of our programs, of the same profile as the tests.
pub(crate) fn program(name: &str) -> &'static Path {
    built(name)
}

/// The path of the module for Apache httpd.
pub(crate) fn module() -> &'static Path {
    built("mod_usher")
}

fn built(name: &str) -> &'static Path {
    static BUILT: OnceLock<HashMap<String, PathBuf>> = OnceLock::new();
    BUILT.get_or_init(build).get(name).unwrap_or_else(|| panic!("the workspace builds no {name}"))
}

/// Runs one of our programs to its end.
pub(crate) fn run(name: &str, arguments: &[&str]) -> Output {
    process::run(Command::new(program(name)).args(arguments), b"")
}

/// Cargo builds other packages' programs for no test; so the tests do, and ask where they are.
fn build() -> HashMap<String, PathBuf> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(repository());
    cargo.args(["build", "--quiet", "--workspace", "--bins", "--lib"]);
    cargo.arg("--message-format=json-render-diagnostics");
    // What cargo tells the tests of their own package would make some libraries build again.
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(name.as_ref());
        }
    }
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    // A first build takes longer than anything else here, so this one wait has no limit.
    let output = cargo.stderr(Stdio::inherit()).output().expect("cargo");
    assert!(output.status.success(), "the programs do not build");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|message| {
            let name = message["target"]["name"].as_str()?.to_owned();
            Some((name, PathBuf::from(output_of(&message)?)))
        })
        .collect()
}

/// The program, or the module to be loaded, that cargo says it has built.
fn output_of(message: &Value) -> Option<&str> {
    let files = message.get("filenames")?.as_array()?;
    let module = files.iter().filter_map(Value::as_str).find(|file| file.ends_with(".so"));
    let is_module = message["target"]["kind"].as_array()?.iter().any(|kind| kind == "cdylib");
    if is_module { module } else { message.get("executable")?.as_str() }
}

/// The path of a program of the system. A missing one is a failure, never a test less.
pub(crate) fn installed(name: &str, package: &str) -> PathBuf {
    let path = env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(["/usr/sbin", "/sbin"])
        .map(|folder| Path::new(folder).join(name))
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| {
            panic!(
                "{name} is missing; install it with: apt-get install {package} (or run: make test)"
            )
        })
}

/// The path of what `tests/pypi/install` has put into one of its folders.
pub(crate) fn from_pypi(folder: &str, name: &str) -> PathBuf {
    let list = repository().join(format!("tests/pypi/{folder}.txt"));
    let list = fs::read_to_string(list).expect("a list");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pypi").join(folder);
    let wanted = format!("{list}# in {}\n", folder.display());
    let is_there = fs::read_to_string(folder.join("installed")).is_ok_and(|it| it == wanted);
    assert!(is_there, "{name} is missing; install it with: tests/pypi/install (or run: make test)");
    folder.join("bin").join(name)
}
