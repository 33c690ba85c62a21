//! The command line. The texts here are what `--help` shows.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

/// Questions and steers usherd, the authentication daemon
#[derive(Debug, Parser)]
#[command(name = "usherctl", version, propagate_version = true, disable_help_subcommand = true)]
#[command(after_help = "\
Exit status: 0 yes, 1 no, 2 usage or configuration, 3 unavailable, 4 not allowed to ask.
The manual is usherctl(1).")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// The daemon's socket, for authenticate and lookup
    #[arg(long, global = true, env = "USHER_SOCKET", value_name = "PATH")]
    #[arg(default_value = "/run/usher/usher.sock", value_hint = ValueHint::FilePath)]
    pub(crate) socket: PathBuf,
    /// The daemon's admin socket, for all that only administrators may ask
    #[arg(long, global = true, env = "USHER_ADMIN_SOCKET", value_name = "PATH")]
    #[arg(default_value = "/run/usher/admin.sock", value_hint = ValueHint::FilePath)]
    pub(crate) admin_socket: PathBuf,
    /// How to print what the daemon answers
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: Format,
    /// How long to wait for the daemon's answer, such as 500ms, 5s or 1m
    #[arg(long, global = true, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub(crate) timeout: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For programs: one object on one line
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Ask whether a user's password is right and the rules hold
    ///
    /// The password is asked for on the terminal without echo or, where standard input is not a
    /// terminal, read as one line of standard input.
    Authenticate(Authenticate),
    /// Ask who a user is and whether the rules hold, without a password
    Lookup(Lookup),
    /// Tell every step of a request with what it found, and what may be amiss
    ///
    /// What the daemon remembers is told and not used: the directory is asked.
    Explain(Explain),
    /// Show the daemon's realms, hosts, caches and counters
    Status,
    /// Have the daemon forget what directories said, of one user or of all
    Flush {
        /// The realm; without it and a user, all realms
        #[arg(long, value_name = "REALM")]
        realm: Option<String>,
        /// The name as the user would give it; without it, all users
        #[arg(value_name = "USER")]
        user: Option<String>,
    },
    /// Have the daemon try a user's passwords again that was blocked after too many failures
    Unblock {
        /// The realm; without it, the one that the user's domain names, else the default
        #[arg(long, value_name = "REALM")]
        realm: Option<String>,
        /// The name as the user would give it
        #[arg(value_name = "USER")]
        user: String,
    },
    /// Have the daemon read its configuration again, and tell the outcome
    Reload,
    /// Show the same live in the terminal, with rates; q ends it
    Top,
    /// Print the daemon's metrics, in the text format of Prometheus
    Metrics,
    /// Validate a configuration, then try each host of each realm, a line each
    ///
    /// Nothing of this needs a running daemon.
    Check {
        /// The configuration
        #[arg(value_name = "FILE", default_value = "/etc/usher/usher.toml")]
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Run another configuration beside the present one and tell how their answers differ
    ///
    /// The daemon has it asked what real requests ask. Nobody waits for it, and nothing comes of
    /// its answers.
    Compare {
        /// The configuration, which the daemon must be able to read
        #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
        file: PathBuf,
        /// For how long, such as 30s or 10m
        #[arg(long = "for", value_name = "DURATION", default_value = "1m", value_parser = duration)]
        duration: Duration,
    },
    /// Print the hash of a password, for users.toml
    ///
    /// The password is asked for twice on the terminal without echo or, where standard input is
    /// not a terminal, read as one line of standard input.
    HashPassword {
        /// How to hash it
        #[arg(long, value_name = "SCHEME", default_value = "argon2id")]
        scheme: Scheme,
    },
    /// Print a complete configuration for a proxy before usher-http
    ///
    /// It asks usher-http about every request, tells the application who the user is, and lets no
    /// header of a client pass for such an answer.
    Snippet(Snippet),
    /// Try whether forged headers pass a proxy
    ///
    /// In the application's place, `usher-http --echo` shows what reaches it. Every spelling of
    /// each header is sent through the proxy, and those that arrive are told.
    CheckProxy(CheckProxy),
    /// Put load on the daemon's socket and tell how fast it answers
    ///
    /// Passwords come as for authenticate, or from a file of users.
    Bench(Bench),
    /// Print the realm that an existing configuration describes
    ///
    /// It is a whole configuration, with a comment for each thing that has no equal.
    Import(Import),
    /// Print the completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Authenticate {
    #[command(flatten)]
    pub(crate) about: Lookup,
    /// The address that the user comes from, for the throttling of guessers
    #[arg(long, value_name = "IP")]
    pub(crate) client: Option<IpAddr>,
}

#[derive(Debug, Args)]
pub(crate) struct Lookup {
    /// The realm to ask; without it, the one that the user's domain names, else the default
    #[arg(long, value_name = "REALM")]
    pub(crate) realm: Option<String>,
    /// A rule that must hold besides the realm's own, such as group=dev; may be repeated
    #[arg(long, value_name = "RULE")]
    pub(crate) require: Vec<String>,
    /// The name as the user would give it
    #[arg(value_name = "USER")]
    pub(crate) user: String,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    pub(crate) about: Lookup,
    /// Authenticate; the password is asked for, or read as one line of standard input
    #[arg(long)]
    pub(crate) password: bool,
    /// The address that the user comes from, as for authenticate
    #[arg(long, value_name = "IP")]
    pub(crate) client: Option<IpAddr>,
}

#[derive(Debug, Args)]
pub(crate) struct Snippet {
    /// The proxy
    pub(crate) proxy: Proxy,
    /// The realm to ask; without it, the one that the user's domain names, else the default
    #[arg(long, value_name = "REALM", value_parser = plain)]
    pub(crate) realm: Option<String>,
    /// Where the application is
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000", value_parser = plain)]
    pub(crate) upstream: String,
    /// Where the proxy listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = plain)]
    pub(crate) listen: String,
    /// Where usher-http listens
    #[arg(long, value_name = "ADDRESS", default_value = "/run/usher/http.sock", value_parser = plain)]
    pub(crate) shim: String,
    /// A name that a realm's metadata has, for all that the application is told; may be repeated
    #[arg(long, value_name = "NAME", value_parser = name)]
    #[arg(default_values = USUAL)]
    pub(crate) header: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// Whose configuration it is
    #[arg(value_name = "KIND")]
    pub(crate) kind: Kind,
    /// The configuration; - is standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Write passwords into new files in this folder, and their names into the output
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) secrets: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// A database of Kallithea, a dump of its table settings, or its .ini
    Kallithea,
    /// A configuration of httpd with mod_authnz_ldap
    Apache,
    /// A configuration of nginx with the module nginx-auth-ldap
    NginxAuthLdap,
    /// sssd.conf
    Sssd,
    /// saslauthd.conf
    Saslauthd,
}

impl Kind {
    /// The word on the command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Kallithea => "kallithea",
            Self::Apache => "apache",
            Self::NginxAuthLdap => "nginx-auth-ldap",
            Self::Sssd => "sssd",
            Self::Saslauthd => "saslauthd",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct CheckProxy {
    /// A page behind the proxy, where usher-http --echo stands in for the application
    pub(crate) url: String,
    /// Log in as this user; the password is asked for, or read as one line of standard input
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,
    /// A name that the application is told; may be repeated
    #[arg(long, value_name = "NAME", value_parser = name)]
    #[arg(default_values = USUAL)]
    pub(crate) header: Vec<String>,
    /// Who signs the proxy's certificate, in PEM; without it, those whom the system trusts
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) ca_file: Option<PathBuf>,
    /// Take any certificate: whoever is on the way may then read the password
    #[arg(long, conflicts_with = "ca_file")]
    pub(crate) insecure: bool,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("whom").required(true))]
pub(crate) struct Bench {
    /// How many connections to ask over at once
    #[arg(long, value_name = "N", default_value = "16")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) connections: u32,
    /// How many questions to have under way on each connection
    #[arg(long, value_name = "K", default_value = "1")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) in_flight: u32,
    /// How long to ask, such as 500ms, 5s or 1m [default: 5s]
    #[arg(long, value_name = "DURATION", value_parser = duration, conflicts_with = "requests")]
    pub(crate) duration: Option<Duration>,
    /// How many questions to ask in all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) requests: Option<u64>,
    /// Ask who the users are, without passwords
    #[arg(long)]
    pub(crate) lookup: bool,
    /// The realm to ask; without it, the one that the user's domain names, else the default
    #[arg(long, value_name = "REALM")]
    pub(crate) realm: Option<String>,
    /// Ask about those in this file, a user and a password a line, separated by one space; -: standard input
    #[arg(long, value_name = "FILE", group = "whom", value_hint = ValueHint::FilePath)]
    pub(crate) users: Option<PathBuf>,
    /// Ask about this user; the password is asked for, or read as one line of standard input
    #[arg(long, value_name = "USER", group = "whom")]
    pub(crate) user: Option<String>,
}

/// What usherd tells of a user where its configuration does not say.
const USUAL: [&str; 5] = [
    "X_REMOTE_USER",
    "X_REMOTE_EMAIL",
    "X_REMOTE_FIRSTNAME",
    "X_REMOTE_LASTNAME",
    "X_REMOTE_GROUPS",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Proxy {
    /// auth_request
    Nginx,
    /// forward_auth
    Caddy,
    /// By a program in Lua
    Haproxy,
    /// That program
    HaproxyLua,
    /// mod_usher, which needs no usher-http
    Apache,
    /// ForwardAuth, over TCP
    Traefik,
    /// ext_authz
    Envoy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scheme {
    /// Slow and hungry for memory
    Argon2id,
    /// At most 72 bytes of password
    Bcrypt,
    /// As in /etc/shadow
    Sha512Crypt,
}

/// A word of an address or a name, without what could end it in a proxy's configuration.
fn plain(text: &str) -> Result<String, String> {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "-._~:/[]@%+*".contains(c);
    let sound = !text.is_empty() && text.chars().all(harmless);
    sound.then(|| text.to_owned()).ok_or_else(|| "letters, digits and -._~:/[]@%+* only".to_owned())
}

/// A name of the metadata.
fn name(text: &str) -> Result<String, String> {
    let sound = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    sound.then(|| text.to_owned()).ok_or_else(|| "letters, digits and _ only".to_owned())
}

/// An hour is more than anybody waits, and little enough that no clock overflows.
fn duration(text: &str) -> Result<Duration, String> {
    const LONGEST: Duration = Duration::from_secs(60 * 60);
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        _ => return Err("a number and a unit, such as 500ms, 5s or 1m".to_owned()),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(milliseconds))
        .map(Duration::from_millis)
        .filter(|duration| !duration.is_zero() && *duration <= LONGEST)
        .ok_or_else(|| "from 1ms to 60m".to_owned())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_options_stand_before_and_after_the_command() {
        for line in [
            ["usherctl", "--socket", "/x", "--format", "json", "lookup", "alice"],
            ["usherctl", "lookup", "alice", "--socket", "/x", "--format", "json"],
        ] {
            let cli = Cli::try_parse_from(line).expect("parses");
            assert_eq!(cli.global.socket, PathBuf::from("/x"));
            assert_eq!(cli.global.format, Format::Json);
        }
    }

    #[test]
    fn rules_are_repeated() {
        let line = ["usherctl", "lookup", "--require", "group=a", "--require=group=b", "alice"];
        let Command::Lookup(asked) = Cli::try_parse_from(line).expect("parses").command else {
            panic!("not a lookup");
        };
        assert_eq!(asked.require, ["group=a", "group=b"]);
        assert_eq!(asked.user, "alice");
    }

    #[test]
    fn a_user_that_is_not_utf8_is_a_usage_error() {
        let line = ["usherctl".into(), "lookup".into(), OsString::from_vec(vec![b'a', 0xff])];
        let error = Cli::try_parse_from(line).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::InvalidUtf8);
        assert_eq!(error.exit_code(), 2);
    }

    #[test]
    fn a_password_has_no_place_on_the_command_line() {
        let line = ["usherctl", "authenticate", "alice", "wonderland"];
        assert!(Cli::try_parse_from(line).is_err());
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(duration("60m"), Ok(Duration::from_secs(3600)));
        for text in ["", "5", "s", "0s", "-1s", "61m", "1.5s", "5 s", "99999999999999999999s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
