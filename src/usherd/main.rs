//! usherd(8).
#![forbid(unsafe_code)]

mod arguments;
mod check;

use std::io::{self, Write};
use std::process::ExitCode;

use arguments::{Arguments, Command};
use clap::Parser;
use mimalloc::MiMalloc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::{Mode, umask};
use tokio_util::sync::CancellationToken;
use usherd::config::{self, Loaded};
use usherd::daemon::Daemon;
use usherd::{demo, telemetry};

/// What a directory is asked for takes a few pieces of memory of some kilobytes and gives them back
/// soon. malloc(3) of glibc has no such pieces at hand for each thread: it would be a quarter of the
/// work.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

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
            let _ = writeln!(io::stderr(), "usherd: {text}");
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
    let outcome = match arguments.command {
        Some(Command::Demo { dir, once }) => {
            runtime.block_on(demo::run(dir, once)).map_err(|text| (1, text))
        }
        None => runtime.block_on(serve(arguments)),
    };
    // A name server that does not answer would hold the end up otherwise.
    runtime.shutdown_background();
    outcome
}

async fn serve(arguments: Arguments) -> Result<(), (u8, String)> {
    let Loaded { settings, warnings } =
        config::load(&arguments.config).map_err(|error| (USAGE, error.to_string()))?;
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    if arguments.print_config {
        write!(io::stdout(), "{}", config::print(&settings))
            .map_err(|error| (1, format!("cannot print: {error}")))?;
    }
    if arguments.check || arguments.check_hosts {
        Daemon::check(&settings).map_err(|text| (USAGE, text))?;
    }
    if arguments.check_hosts {
        return check::hosts(&settings).await.map_err(|text| (1, text));
    }
    if !arguments.check && !arguments.print_config {
        let daemon = Daemon::start(&arguments.config, &settings).map_err(|text| (1, text))?;
        daemon.run(CancellationToken::new()).await;
    }
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
