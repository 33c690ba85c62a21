//! The shape of the code, as ARCHITECTURE.md draws it: read from the sources themselves.

mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use source::Source;
use toml::Table;

use crate::support::repository;

/// The one crate of ours that the others may know.
const LANGUAGE: &str = "usher-protocol";

/// The rooms of usherd in the order in which a request meets them.
const ROOMS: [&str; 9] = [
    "listener",
    "saslauthd",
    "session",
    "control",
    "realm",
    "cache",
    "directory",
    "config",
    "telemetry",
];

/// Where else `unsafe` would have to stand: the module for Apache is called by C.
const UNSAFE: [&str; 2] = ["src/mod_usher/hooks.rs", "src/mod_usher/sys.rs"];

/// Which crates may depend on these.
const CONFINED: [(&str, &[&str]); 8] = [
    ("bincode", &["usher-protocol"]),
    ("hickory-resolver", &["usherd"]),
    ("pam-client2", &["usher-pam"]),
    ("ldap3", &["usherd"]),
    ("rustls", &["usherd", "usherctl"]),
    ("rustls-native-certs", &["usherd", "usherctl"]),
    ("tokio-rustls", &["usherd"]),
    ("tokio", &["usherd", "usher-http", "usher-tests"]),
];

const MOST_LINES: usize = 500;

#[test]
fn the_sources_follow_the_law() {
    let sources = sources();
    assert!(sources.len() > 15, "only {} files were read", sources.len());
    let broken = laws_broken(&sources);
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_manifests_follow_the_law() {
    let manifests = manifests();
    assert!(manifests.len() >= 5, "only {} manifests were read", manifests.len());
    let broken: Vec<String> =
        manifests.iter().flat_map(|manifest| dependencies_too_many(manifest, &manifests)).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// What is wrong with these sources, a line each.
fn laws_broken(sources: &[Source]) -> Vec<String> {
    let mut broken = Vec::new();
    for source in sources {
        broken.extend(words_out_of_place(source));
    }
    let crates: BTreeSet<&str> = sources.iter().map(|source| source.krate.as_str()).collect();
    for krate in crates {
        let files: Vec<&Source> = sources.iter().filter(|source| source.krate == krate).collect();
        broken.extend(other_crates_named(&files));
        let Some(root) = root(&files) else { continue };
        let uses = uses(root, &files);
        match krate {
            "usherd" => broken.extend(uses_upwards(root, &uses)),
            _ => broken.extend(circles(krate, &uses)),
        }
    }
    broken
}

fn words_out_of_place(source: &Source) -> Vec<String> {
    let name = source.name();
    let mut broken = Vec::new();
    if source.says("unsafe") && !UNSAFE.contains(&name.as_str()) {
        broken.push(format!("{name}: unsafe"));
    }
    let is_root = matches!(source.path.as_str(), "lib.rs" | "main.rs");
    if is_root && source.krate != "mod_usher" && !source.forbids_unsafe_code() {
        broken.push(format!("{name}: a crate's root says #![forbid(unsafe_code)]"));
    }
    if source.says("bincode") && name != "src/usher-protocol/frame.rs" {
        broken.push(format!("{name}: only usher-protocol/frame.rs knows bincode"));
    }
    if source.says("ldap3") && !source.module().starts_with(&["directory", "ldap"]) {
        broken.push(format!("{name}: only usherd's directory/ldap knows ldap3"));
    }
    if !source.is_test() && source.length() > MOST_LINES {
        broken.push(format!("{name}: {} lines of code; {MOST_LINES} are enough", source.length()));
    }
    broken
}

/// Programs never know one another, not even by a path in the code.
fn other_crates_named(files: &[&Source]) -> Vec<String> {
    const PROGRAMS: [&str; 4] = ["usherd", "usherctl", "usher_http", "mod_usher"];
    let foreign = |source: &Source| {
        let own = source.krate.replace('-', "_");
        let name = source.name();
        PROGRAMS
            .into_iter()
            .filter(move |program| *program != own)
            .filter(|program| source.says_path(program))
            .map(move |program| format!("{name}: knows the crate {program}"))
            .collect::<Vec<_>>()
    };
    files.iter().flat_map(|source| foreign(source)).collect()
}

fn root<'a>(files: &[&'a Source]) -> Option<&'a Source> {
    let named = |path: &str| files.iter().find(|source| source.path == path).copied();
    named("lib.rs").or_else(|| named("main.rs"))
}

/// Which modules at the top of a crate use which others, with the files that do.
type Uses<'a> = BTreeMap<&'a str, BTreeMap<&'a str, String>>;

fn uses<'a>(root: &'a Source, files: &[&'a Source]) -> Uses<'a> {
    let modules = root.declared();
    let reexported = root.reexported();
    let mut uses = Uses::new();
    for source in files {
        let Some(&user) = source.module().first() else {
            continue;
        };
        for name in source.reaches_for() {
            let used = reexported.get(name).copied().unwrap_or(name);
            if used != user && modules.contains(&used) {
                uses.entry(user).or_default().insert(used, source.name());
            }
        }
    }
    uses
}

/// In usherd a module uses only modules that are listed below it.
fn uses_upwards(root: &Source, uses: &Uses<'_>) -> Vec<String> {
    let modules = root.declared();
    let place = |module: &str| modules.iter().position(|listed| *listed == module);
    let mut broken = Vec::new();
    let rooms: Vec<&str> = ROOMS.into_iter().filter(|room| modules.contains(room)).collect();
    let listed: Vec<&str> = modules.iter().copied().filter(|room| ROOMS.contains(room)).collect();
    if rooms != listed {
        broken.push(format!("{}: the order is {rooms:?}", root.name()));
    }
    for (user, useds) in uses {
        for (used, file) in useds {
            let together = [*user, *used];
            if place(user) >= place(used) {
                broken.push(format!("{file}: {user} uses {used}, which is listed above it"));
            } else if together == ["cache", "directory"] {
                broken.push(format!("{file}: cache and directory do not know each other"));
            }
        }
    }
    broken
}

/// No module uses itself by way of others.
fn circles(krate: &str, uses: &Uses<'_>) -> Vec<String> {
    let mut broken = Vec::new();
    for start in uses.keys() {
        let mut reached = BTreeSet::new();
        let mut next = vec![*start];
        while let Some(module) = next.pop() {
            for used in uses.get(module).into_iter().flat_map(BTreeMap::keys) {
                if reached.insert(*used) {
                    next.push(used);
                }
            }
        }
        if reached.contains(start) {
            broken.push(format!("src/{krate}: {start} uses itself by way of others"));
        }
    }
    broken
}

fn sources() -> Vec<Source> {
    let folder = repository().join("src");
    let mut paths = Vec::new();
    walk(&folder, &mut paths);
    paths.sort();
    paths
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| {
            let name = path.strip_prefix(&folder).expect("below it").to_string_lossy();
            Source::new(&name, &fs::read_to_string(path).expect("a source"))
        })
        .collect()
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            walk(&path, paths);
        } else {
            paths.push(path);
        }
    }
}

fn manifests() -> Vec<Table> {
    let read = |path: PathBuf| -> Table {
        fs::read_to_string(path).expect("a manifest").parse().expect("TOML")
    };
    let workspace = read(repository().join("Cargo.toml"));
    let members = workspace["workspace"]["members"].as_array().expect("members");
    members
        .iter()
        .map(|member| read(repository().join(member.as_str().expect("a path")).join("Cargo.toml")))
        .collect()
}

fn package(manifest: &Table) -> &str {
    manifest["package"]["name"].as_str().expect("a name")
}

/// The packages that a manifest names, for whatever purpose.
fn dependencies(manifest: &Table) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    let targets = manifest.get("target").and_then(|target| target.as_table());
    let targets = targets.into_iter().flat_map(Table::values).filter_map(|value| value.as_table());
    for table in targets.chain([manifest]) {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(listed) = table.get(kind).and_then(|listed| listed.as_table()) else {
                continue;
            };
            names.extend(listed.iter().map(|(name, details)| {
                details.get("package").and_then(|package| package.as_str()).unwrap_or(name)
            }));
        }
    }
    names
}

fn dependencies_too_many(manifest: &Table, all: &[Table]) -> Vec<String> {
    let user = package(manifest);
    let mut broken = Vec::new();
    for used in dependencies(manifest) {
        let ours = all.iter().any(|other| package(other) == used);
        // The tests ask through every client there is.
        let allowed = used == LANGUAGE || (user == "usher-tests" && used == "usher-http");
        if ours && !allowed {
            broken.push(format!("{user} depends on {used}"));
        }
        let confined = CONFINED.iter().find(|(name, _)| *name == used);
        if confined.is_some_and(|(_, users)| !users.contains(&user)) {
            broken.push(format!("{user} depends on {used}, which is not for it"));
        }
    }
    broken
}

#[cfg(test)]
mod tests;
