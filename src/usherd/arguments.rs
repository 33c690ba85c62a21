//! What may be said on the command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use usherd::telemetry;

/// Answers who a user is and whether they may in, from LDAP and other directories, over a Unix
/// socket.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = "/etc/usher/usher.toml")]
    pub(crate) config: PathBuf,
    /// Check the configuration, say what is wrong, and end
    #[arg(long)]
    pub(crate) check: bool,
    /// Check the configuration, try each host of each realm, and end
    #[arg(long)]
    pub(crate) check_hosts: bool,
    /// Print the effective configuration, secrets masked, and end
    #[arg(long)]
    pub(crate) print_config: bool,
    /// How log lines look [default: journal under systemd, else text]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) log_format: Option<telemetry::Format>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run the whole daemon with sample users, without root or any server
    Demo {
        /// The folder for it [default: a temporary one]
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
        /// Ask itself, print the answers, and end
        #[arg(long)]
        once: bool,
    },
}
