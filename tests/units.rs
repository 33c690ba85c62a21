//! What `make install` installs, and the units in it: complete, understood by systemd, and locked in.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::process;
use crate::support::programs::{installed, program};
use crate::support::repository;

/// Where packages put things, with what was built for the tests.
fn install() -> TempDir {
    let root = TempDir::with_prefix("usher-root-").expect("temporary folder");
    let built = program("usherd").parent().expect("the folder of the programs");
    let mut make = Command::new(installed("make", "make"));
    make.current_dir(repository()).args(["-s", "install", "prefix=/usr", "systemd=252"]);
    make.arg(format!("RELEASE={}", built.display()));
    make.arg(format!("DESTDIR={}", root.path().display()));
    process::run(&mut make, b"").success();
    root
}

/// The files below a folder, as they are found from it.
fn files(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let path = path.strip_prefix(folder).expect("below it");
                found.insert(path.to_string_lossy().into_owned());
            }
        }
    }
    found
}

const FILES: [&str; 25] = [
    "etc/apparmor.d/usher",
    "etc/usher/usher.toml",
    "usr/bin/usherctl",
    "usr/lib/apache2/modules/mod_usher.so",
    "usr/lib/systemd/system/usher-http.service",
    "usr/lib/systemd/system/usher-http.socket",
    "usr/lib/systemd/system/usherd-admin.socket",
    "usr/lib/systemd/system/usherd-saslauthd.socket",
    "usr/lib/systemd/system/usherd.service",
    "usr/lib/systemd/system/usherd.socket",
    "usr/lib/sysusers.d/usher.conf",
    "usr/lib/tmpfiles.d/usher.conf",
    "usr/libexec/usher/usher-http",
    "usr/libexec/usher/usher-pam",
    "usr/sbin/usherd",
    "usr/share/bash-completion/completions/usherctl",
    "usr/share/fish/vendor_completions.d/usherctl.fish",
    "usr/share/man/man1/usherctl.1",
    "usr/share/man/man5/usher.toml.5",
    "usr/share/man/man7/usher-protocol.7",
    "usr/share/man/man8/mod_usher.8",
    "usr/share/man/man8/usher-http.8",
    "usr/share/man/man8/usher-pam.8",
    "usr/share/man/man8/usherd.8",
    "usr/share/zsh/site-functions/_usherctl",
];

#[test]
fn make_install_installs_every_file() {
    let root = install();
    let expected: BTreeSet<String> = FILES.iter().map(|file| (*file).to_owned()).collect();
    assert_eq!(files(root.path()), expected);
}

/// systemd-analyze exits with 0 where it does not know a key; it says so.
#[test]
fn systemd_has_no_complaint_about_the_units() {
    let root = install();
    // Units of the system that ours name.
    for target in ["sysinit", "sockets", "basic", "network", "nss-lookup", "nss-user-lookup"] {
        let unit = format!("usr/lib/systemd/system/{target}.target");
        fs::write(root.path().join(unit), "[Unit]\nDefaultDependencies=no\n").expect("a unit");
    }
    let mut analyze = Command::new(installed("systemd-analyze", "systemd"));
    analyze.args(["verify", "--man=no", "--root"]).arg(root.path()).args([
        "usherd.service",
        "usherd.socket",
        "usherd-admin.socket",
        "usherd-saslauthd.socket",
        "usher-http.service",
        "usher-http.socket",
    ]);
    let output = process::run(&mut analyze, b"").success();
    let complaints = format!("{}{}", output.stdout, output.stderr);
    let ours: Vec<&str> = complaints.lines().filter(|line| line.contains("usher")).collect();
    assert!(ours.is_empty(), "{complaints}");
}

/// The exposure in tenths, as systemd-analyze(1) sums it up.
fn exposure(unit: &Path) -> u32 {
    let mut analyze = Command::new(installed("systemd-analyze", "systemd"));
    analyze.args(["security", "--no-pager", "--offline=true"]).arg(unit);
    let output = process::run(&mut analyze, b"").success();
    let (_, rest) = output.stdout.split_once("exposure level for ").expect("a sum");
    let level = rest.split_whitespace().nth(1).expect("a number").replace('.', "");
    level.parse().unwrap_or_else(|_| panic!("{}", output.stdout))
}

fn unit(name: &str) -> PathBuf {
    repository().join("systemd").join(name)
}

#[test]
fn the_units_expose_little() {
    let daemon = exposure(&unit("usherd.service"));
    assert!(daemon <= 12, "usherd.service: {daemon} tenths");
    let shim = exposure(&unit("usher-http.service"));
    assert!(shim <= 4, "usher-http.service: {shim} tenths");
}

#[test]
fn the_names_of_the_sockets_are_those_that_the_programs_know() {
    for (name, passed) in [
        ("usherd.socket", "usher.socket"),
        ("usherd-admin.socket", "usher-admin.socket"),
        ("usherd-saslauthd.socket", "usher-saslauthd.socket"),
        ("usher-http.socket", "usher-http.socket"),
    ] {
        let text = fs::read_to_string(unit(name)).expect("a unit");
        let line = format!("FileDescriptorName={passed}");
        assert!(text.lines().any(|own| own == line), "{name}: {text}");
    }
    let daemon = fs::read_to_string(unit("usherd.service")).expect("a unit");
    // With it, everybody at the other end of a socket would be nobody.
    assert!(!daemon.lines().any(|line| line.starts_with("PrivateUsers=")), "{daemon}");
    // With it, a restart would remove the sockets of the socket units.
    assert!(!daemon.lines().any(|line| line.starts_with("RuntimeDirectory")), "{daemon}");
}

#[test]
fn the_profiles_for_apparmor_are_understood() {
    let mut parser = Command::new(installed("apparmor_parser", "apparmor"));
    parser.args(["--skip-kernel-load", "--skip-cache", "--abort-on-error"]);
    let profile = repository().join("packaging/apparmor");
    // It may say that this kernel has no AppArmor.
    let output = process::run(parser.arg(profile), b"").success();
    assert!(!output.stderr.contains("usher"), "{}", output.stderr);
}
