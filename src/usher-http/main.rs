//! usher-http(8).
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::{Mode, umask};
use usher_http::{Address, Config, Service};

/// A request takes some twenty small pieces of memory and gives them back at once.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Answers the authentication requests of nginx and other proxies from usherd.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The configuration file, for its table [http]
    #[arg(long, value_name = "FILE", default_value = "/etc/usher/usher.toml")]
    config: PathBuf,
    /// Check the configuration, say what is wrong, and end
    #[arg(long)]
    check: bool,
    /// Stand in for an application there and show what reaches it, for usherctl check-proxy
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["config", "check"])]
    echo: Option<Address>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    harden();
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, text)) => {
            eprintln!("usher-http: {text}");
            ExitCode::from(code)
        }
    }
}

fn run(arguments: Arguments) -> Result<(), (u8, String)> {
    let service = if let Some(address) = arguments.echo {
        Service::Echo(address)
    } else {
        let config = Config::load(&arguments.config).map_err(|text| (2, text))?;
        Service::Shim(Box::new(config))
    };
    if arguments.check { Ok(()) } else { usher_http::run(service).map_err(|text| (1, text)) }
}

/// Passwords pass through this process: no core dumps, no debugger of the same user, and a socket
/// begins with no rights for others. More connections than the usual limit of files.
fn harden() {
    let _ = nix::sys::prctl::set_dumpable(false);
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    umask(Mode::from_bits_truncate(0o077));
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}
