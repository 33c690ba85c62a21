//! Hosts that the DNS names: found, kept, changed, and never at the cost of a request.

use std::fs;

use crate::support::certificate::{Authority, certificate};
use crate::support::daemon::{Daemon, folder};
use crate::support::dns::{DOMAIN, Dns};
use crate::support::ldif::PEOPLE;
use crate::support::load::Load;
use crate::support::programs::run;
use crate::support::slapd::{self, Slapd};
use crate::support::until_true;

const NO_CACHE: &str = "[realm.corp.cache]\nttl = \"0s\"\nnegative_ttl = \"0s\"\nstale = \"0s\"\n";

/// `[realm.corp]` with the hosts that this server of the DNS names, open for more keys.
fn realm(dns: &Dns) -> String {
    format!("{}dns = \"{}\"\n", slapd::realm(&format!("srv:{DOMAIN}")), dns.address())
}

/// The URLs of the hosts, as the daemon prefers them.
fn hosts(daemon: &Daemon) -> Vec<String> {
    let status = daemon.status();
    let hosts = status["realms"][0]["hosts"].as_array().expect("hosts").iter();
    hosts.map(|host| host["url"].as_str().expect("a URL").to_owned()).collect()
}

fn url(name: &str, slapd: &Slapd) -> String {
    format!("ldap://{name}.{DOMAIN}:{}", slapd.port())
}

#[test]
fn the_hosts_of_a_domain_are_found_and_asked_by_priority() {
    let (first, second) = (Slapd::start(), Slapd::start());
    let dns = Dns::start(&[
        ("ldap", "two.corp.test", second.port(), 20, 100),
        ("ldap", "one.corp.test", first.port(), 10, 0),
    ]);
    let daemon = Daemon::start(&realm(&dns));
    // A request that comes before the DNS has answered waits for it.
    daemon.authenticate("alice", "alice-secret").is_granted();
    assert_eq!((first.searches_for("uid=alice"), second.searches_for("uid=alice")), (1, 0));
    assert_eq!(hosts(&daemon), [url("one", &first), url("two", &second)]);
    assert!(daemon.status()["realms"][0]["problem"].is_null());
}

#[test]
fn hosts_that_come_and_go_cost_no_request() {
    let (old, new) = (Slapd::start(), Slapd::start());
    let mut dns = Dns::start(&[("ldap", "old.corp.test", old.port(), 10, 0)]);
    let daemon = Daemon::start(&format!("{}{NO_CACHE}", realm(&dns)));
    let load = Load::start(&daemon.socket());
    load.answers(100);
    let both =
        [("ldap", "old.corp.test", old.port(), 10, 0), ("ldap", "new.corp.test", new.port(), 5, 0)];
    dns.tell(&both);
    until_true("the new host", || hosts(&daemon) == [url("new", &new), url("old", &old)]);
    load.answers(200);
    assert_ne!(new.operations().searches, 0);
    dns.tell(&both[1..]);
    until_true("the old host to go", || hosts(&daemon) == [url("new", &new)]);
    load.answers(200);
    until_true("its connections to go", || daemon.connections_to(old.port()).is_empty());
    load.answers(100);
    let failed = load.end();
    assert!(failed.is_empty(), "{failed:#?}");
    let log = daemon.log();
    for news in ["the DNS names this host", "the DNS no longer names this host"] {
        assert!(log.contains(news), "{log}");
    }
}

#[test]
fn hosts_are_kept_while_the_dns_is_silent() {
    let slapd = Slapd::start();
    let mut dns = Dns::stopped();
    let daemon = Daemon::start(&realm(&dns));
    let reply = daemon.lookup("user001");
    reply.is(3, "unavailable", "no_host");
    assert!(reply.message().contains(&format!("srv:{DOMAIN}: the DNS")), "{reply:#?}");
    let told = daemon.status()["realms"][0]["problem"].as_str().map(str::to_owned);
    assert!(told.is_some_and(|told| told.contains(DOMAIN)));
    dns.tell(&[("ldap", "one.corp.test", slapd.port(), 0, 0)]);
    until_true("the host to be found", || daemon.lookup("user002").code == 0);
    dns.stop();
    until_true("the DNS to be missed", || {
        daemon.status()["realms"][0]["problem"].as_str().is_some()
    });
    daemon.authenticate("user003", "user003-secret").is_granted();
    // So it is where the domain has no such records any more.
    dns.tell(&[]);
    daemon.authenticate("user004", "user004-secret").is_granted();
    assert_eq!(hosts(&daemon), [url("one", &slapd)]);
}

#[test]
fn a_certificate_names_the_host_or_for_strangers_the_domain() {
    let authority = Authority::new("ours");
    for (names, host, told) in [
        (["ldap1.corp.test"], "ldap1.corp.test", None),
        ([DOMAIN], "ldap1.elsewhere.test", None),
        (["ldap1.elsewhere.test"], "ldap1.elsewhere.test", Some("not for corp.test")),
        ([DOMAIN], "ldap1.corp.test", Some("not for ldap1.corp.test")),
    ] {
        let slapd = Slapd::start_with_tls(&authority.signs(&certificate("slapd", &names)));
        // What is said of LDAP without TLS is of no account where there is more.
        let dns = Dns::start(&[
            ("ldaps", host, slapd.tls_port(), 0, 0),
            ("ldap", "ldap2.corp.test", slapd.port(), 0, 0),
        ]);
        let configuration = format!(
            "[realm.corp]\ntype = \"ldap\"\nhost = \"srv:{DOMAIN}\"\nbase_dn = \"{PEOPLE}\"\n\
             ca_certificates = \"@DIR@/ca.pem\"\ndns = [\"{}\"]\n\
             account = \"cn=reader,dc=example,dc=com\"\npassword = \"reader-secret\"\n",
            dns.address()
        );
        let folder = folder(&configuration);
        fs::write(folder.path().join("ca.pem"), authority.pem()).expect("a file");
        let daemon = Daemon::start_in(folder, |command| command);
        let reply = daemon.authenticate("alice", "alice-secret");
        match told {
            None => reply.is_granted(),
            Some(told) => assert!(reply.message().contains(told), "{reply:#?}"),
        }
        assert_eq!(hosts(&daemon), [format!("ldaps://{host}:{}", slapd.tls_port())]);
    }
}

#[test]
fn a_check_walks_to_each_host_that_is_named() {
    let (first, second) = (Slapd::start(), Slapd::stopped());
    let mut dns = Dns::start(&[
        ("ldap", "one.corp.test", first.port(), 1, 0),
        ("ldap", "two.corp.test", second.port(), 2, 0),
    ]);
    let folder = folder(&realm(&dns));
    let file = folder.path().join("usher.toml");
    let check = || run("usherctl", &["check", &file.to_string_lossy()]);
    let output = check();
    let lines: Vec<&str> = output.stdout.lines().collect();
    assert_eq!((output.code, lines.len()), (1, 2), "{output:#?}");
    for (line, parts) in lines.iter().zip([
        ["ok ", &url("one", &first), "named by srv:corp.test"],
        ["FAILED", &url("two", &second), "connection refused"],
    ]) {
        assert!(parts.iter().all(|part| line.contains(part)), "{parts:?}: {line}");
    }
    dns.tell(&[]);
    let output = check();
    assert_eq!(output.code, 1, "{output:#?}");
    assert!(output.stdout.contains("FAILED") && output.stdout.contains("srv:corp.test"));
    let printed = run("usherd", &["--print-config", "--config", &file.to_string_lossy()]);
    assert!(printed.stdout.contains("host = [\"srv:corp.test\"]"), "{printed:#?}");
    assert!(printed.stdout.contains(&format!("dns = [\"{}\"]", dns.address())), "{printed:#?}");
}
