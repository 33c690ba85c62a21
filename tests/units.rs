//! What `make install` installs, and the units in it: complete, understood by systemd, and locked in.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::process;
use crate::support::programs::{installed, program};
use crate::support::repository;

/// Where packages for Debian 12 put things, with what was built for the tests.
fn install() -> TempDir {
    install_with(&["systemd=252"])
}

/// As the packages of others do that say more.
fn install_with(more: &[&str]) -> TempDir {
    let root = TempDir::with_prefix("usher-root-").expect("temporary folder");
    let built = program("usherd").parent().expect("the folder of the programs");
    let mut make = Command::new(installed("make", "make"));
    make.current_dir(repository()).args(["-s", "install", "prefix=/usr"]).args(more);
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

const FILES: [&str; 34] = [
    "etc/apparmor.d/usher",
    "etc/logrotate.d/usher",
    "etc/pam.d/usher",
    "etc/usher/usher.toml",
    "usr/bin/usherctl",
    "usr/lib/apache2/modules/mod_usher.so",
    "usr/lib/systemd/system/usher-http.service",
    "usr/lib/systemd/system/usher-http.socket",
    "usr/lib/systemd/system/usher-pam.socket",
    "usr/lib/systemd/system/usher-pam@.service",
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
    "usr/share/doc/usherd/CHANGELOG.md",
    "usr/share/doc/usherd/README.md",
    "usr/share/doc/usherd/SECURITY.md",
    "usr/share/fish/vendor_completions.d/usherctl.fish",
    "usr/share/man/man1/usherctl.1",
    "usr/share/man/man5/usher.toml.5",
    "usr/share/man/man7/usher-protocol.7",
    "usr/share/man/man8/mod_usher.8",
    "usr/share/man/man8/usher-http.8",
    "usr/share/man/man8/usher-pam.8",
    "usr/share/man/man8/usherd.8",
    "usr/share/usher/grafana/usherd.json",
    "usr/share/usher/prometheus/usher.rules.yml",
    "usr/share/zsh/site-functions/_usherctl",
];

#[test]
fn make_install_installs_every_file() {
    let root = install();
    let expected: BTreeSet<String> = FILES.iter().map(|file| (*file).to_owned()).collect();
    assert_eq!(files(root.path()), expected);
}

/// For Fedora and Arch, on whatever machine they are built.
#[test]
fn packages_for_others_say_which_systemd_and_which_group_they_have() {
    let root = install_with(&["systemd=254", "saslauthd_group=usher"]);
    let units = "usr/lib/systemd/system";
    let more = ["usherd", "usher-http"].map(|it| format!("{units}/{it}.service.d/back-off.conf"));
    let expected: BTreeSet<String> =
        FILES.iter().map(|file| (*file).to_owned()).chain(more).collect();
    assert_eq!(files(root.path()), expected);
    let socket = root.path().join(units).join("usherd-saslauthd.socket");
    let socket = fs::read_to_string(socket).expect("a unit");
    assert!(socket.contains("\nSocketGroup=usher\n"), "{socket}");
    for recipe in ["rpm/usherd.spec", "arch/PKGBUILD"] {
        let recipe = repository().join("packaging").join(recipe);
        let recipe = fs::read_to_string(recipe).expect("how a package is built");
        assert!(recipe.contains("saslauthd_group=usher systemd="), "{recipe}");
    }
}

#[test]
fn each_file_is_in_one_of_debians_packages() {
    let lists = ["usherd", "libapache2-mod-usher"].map(|package| {
        let list = repository().join(format!("packaging/debian/{package}.install"));
        let list = fs::read_to_string(list).expect("what a package has");
        list.replace("${env:UNITS}", "usr/lib/systemd/system")
            .replace("apparmor.d/usherd", "apparmor.d/usher")
    });
    let entries = lists.iter().flat_map(|list| list.lines());
    let (mut packed, mut used) = (Vec::<&str>::new(), BTreeSet::new());
    for entry in entries {
        let below = format!("{entry}/");
        let own = FILES.iter().filter(|file| **file == entry || file.starts_with(&below));
        let before = packed.len();
        packed.extend(own.copied());
        assert!(packed.len() > before && used.insert(entry), "{entry} is nothing, or named twice");
    }
    packed.sort_unstable();
    let mut all = FILES.to_vec();
    all.sort_unstable();
    assert_eq!(packed, all);
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
        "usher-pam.socket",
        "usher-pam@1.service",
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
    // It is root, and needs to be.
    let pam = exposure(&unit("usher-pam@.service"));
    assert!(pam <= 10, "usher-pam@.service: {pam} tenths");
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

/// A word of a unit, a profile and the like that stands for what the other side knows it by.
fn says(path: &str, line: &str) {
    let text = fs::read_to_string(repository().join(path)).expect("a file");
    assert!(text.lines().any(|own| own.trim() == line), "{path} does not say {line}: {text}");
}

#[test]
fn what_the_manual_tells_to_do_can_be_done_within_the_sandbox() {
    // The audit file, its folder before the first start, and who may move it away.
    says("man/usher.toml.5", "file = \"/var/log/usher/audit.json\"");
    says("systemd/usherd.service", "LogsDirectory=usher");
    says("systemd/tmpfiles.conf", "d /var/log/usher 0750 usher usher");
    says("packaging/apparmor", "owner /var/log/usher/{,**} rw,");
    says("packaging/logrotate/usher", "su usher usher");
    // What asks PAM: a socket that is there before the daemon looks for it.
    says("man/usher-pam.8", "helper = \"/run/usher/pam.sock\"");
    says("systemd/usher-pam.socket", "ListenStream=/run/usher/pam.sock");
    let daemon = fs::read_to_string(unit("usherd.service")).expect("a unit");
    let after = daemon.lines().find(|line| line.starts_with("After=")).expect("an order");
    assert!(after.split([' ', '=']).any(|unit| unit == "usher-pam.socket"), "{after}");
    // A flood must not make it fail, nor who was given up on take the places of others.
    says("systemd/usher-pam.socket", "TriggerLimitIntervalSec=0");
    says("systemd/usher-pam.socket", "MaxConnections=64");
    // The socket of saslauthd is systemd's alone.
    says("packaging/apparmor", "/run/saslauthd/mux rw,");
}

#[test]
fn packages_that_are_removed_stop_every_unit() {
    let folder = fs::read_dir(repository().join("systemd")).expect("the units");
    let names =
        folder.map(|entry| entry.expect("a unit").file_name().into_string().expect("UTF-8"));
    let units: Vec<String> =
        names.filter(|name| !name.contains('@') && !name.ends_with(".conf")).collect();
    assert!(units.len() >= 7, "{units:?}");
    for script in ["debian/usherd.prerm", "rpm/usherd.spec", "arch/usherd.install"] {
        let path = repository().join("packaging").join(script);
        let text = fs::read_to_string(path).expect("a script");
        let (_, after) = text.split_once("# Services after their sockets").unwrap_or(("", &text));
        for unit in &units {
            assert!(after.split_whitespace().any(|word| word == unit), "{script} forgets {unit}");
        }
    }
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
