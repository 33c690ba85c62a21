//! usherd(8).
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::{Mode, umask};
use tokio_util::sync::CancellationToken;
use usherd::config::{self, Loaded};
use usherd::daemon::Daemon;
use usherd::realm::Realms;
use usherd::{demo, telemetry};

/// Answers who a user is and whether they may in, from LDAP and other directories, over a Unix
/// socket.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = "/etc/usher/usher.toml")]
    config: PathBuf,
    /// Check the configuration, say what is wrong, and end
    #[arg(long)]
    check: bool,
    /// Print the effective configuration, secrets masked, and end
    #[arg(long)]
    print_config: bool,
    /// How log lines look [default: journal under systemd, else text]
    #[arg(long, value_enum, value_name = "FORMAT")]
    log_format: Option<telemetry::Format>,
}

#[derive(Subcommand)]
enum Command {
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

/// Wrong usage or configuration.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    harden();
    let level = match arguments.command {
        Some(Command::Demo { .. }) => tracing::Level::WARN,
        None => tracing::Level::INFO,
    };
    let format = arguments.log_format.unwrap_or_else(telemetry::Format::fitting);
    let _log = telemetry::begin(format, level);
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, text)) => {
            eprintln!("usherd: {text}");
            ExitCode::from(code)
        }
    }
}

fn run(arguments: Arguments) -> Result<(), (u8, String)> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(|error| (1, format!("cannot start: {error}")))?;
    if let Some(Command::Demo { dir, once }) = arguments.command {
        return runtime.block_on(demo::run(dir, once)).map_err(|text| (1, text));
    }
    let Loaded { settings, warnings } =
        config::load(&arguments.config).map_err(|error| (USAGE, error.to_string()))?;
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    if arguments.print_config {
        print!("{}", config::print(&settings));
    }
    if arguments.check {
        Realms::check(&settings).map_err(|text| (USAGE, text))?;
    }
    if arguments.check || arguments.print_config {
        return Ok(());
    }
    let _context = runtime.enter();
    let daemon = Daemon::start(&arguments.config, &settings).map_err(|text| (1, text))?;
    runtime.block_on(daemon.run(CancellationToken::new()));
    Ok(())
}

/// Passwords pass through this process: no core dumps, no debugger of the same user, and files
/// (the sockets) begin with no rights for others. More connections than the usual limit of files.
fn harden() {
    let _ = nix::sys::prctl::set_dumpable(false);
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    umask(Mode::from_bits_truncate(0o077));
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}
