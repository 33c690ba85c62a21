//! The embedded default: the whole daemon with sample users, without any server.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::PasswordHasher;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use usher_protocol::client::Client;
use usher_protocol::{Call, Password, Query, Reason, Reply, Verdict};

use crate::config;
use crate::daemon::Daemon;

/// Name, password, and what else stands in the file.
const USERS: [(&str, &str, &str); 3] = [
    (
        "alice",
        "wonderland",
        "email = \"Alice@Example.com\"\nfirst_name = \"Alice\"\nlast_name = \"Archer\"\n\
         groups = [\"dev\", \"ops\"]\nemployeeType = \"staff\"\n",
    ),
    (
        "bob",
        "builder",
        "email = \"bob@example.com\"\nfirst_name = \"Bob\"\nlast_name = \"Brown\"\n\
         groups = [\"dev\"]\n",
    ),
    ("carol", "christmas", "first_name = \"Carol\"\nlast_name = \"Clark\"\ndisabled = true\n"),
];

const CONFIG: &str = r#"[listen]
socket = "usher.sock"
admin_socket = "admin.sock"

[realm.demo]
type = "local"
file = "users.toml"
domains = ["DEMO", "demo.example.com"]

[http]
listen = "./http.sock"
"#;

/// Runs the demonstration, in `dir` or a temporary folder; with `once`, asks itself and ends.
///
/// # Errors
/// A text for people: what could not be started, or which answer was not as it must be.
pub async fn run(dir: Option<PathBuf>, once: bool) -> Result<(), String> {
    let folder = Folder::new(dir)?;
    let path = folder.path().to_path_buf();
    let file = folder.write("usher.toml", CONFIG)?;
    folder.write("users.toml", &users()?)?;
    let loaded = config::load(&file).map_err(|error| error.to_string())?;
    let daemon = Daemon::start(&file, &loaded.settings)?;
    let end = CancellationToken::new();
    let mut running = tokio::spawn(daemon.run(end.clone()));
    let failed = |error: io::Error| format!("cannot print: {error}");
    let outcome = if once {
        let asked = tokio::task::spawn_blocking(move || ask_itself(&path)).await;
        asked.map_err(|error| error.to_string()).and_then(|answers| answers)
    } else {
        let told = tell(&path).map_err(failed);
        tokio::select! {
            _ = &mut running => return told,
            () = std::future::pending(), if told.is_ok() => told,
            () = std::future::ready(()), if told.is_err() => told,
        }
    };
    end.cancel();
    let _ = running.await;
    outcome
}

/// Where the demonstration lives, and what it takes away again.
struct Folder {
    temporary: Option<TempDir>,
    given: PathBuf,
    made: bool,
}

const FILES: [&str; 2] = ["usher.toml", "users.toml"];

impl Folder {
    fn new(dir: Option<PathBuf>) -> Result<Self, String> {
        let failed = |error: io::Error| format!("cannot make the folder: {error}");
        let Some(given) = dir else {
            let temporary = tempfile::Builder::new().prefix("usherd-demo-").tempdir();
            let temporary = temporary.map_err(failed)?;
            let given = temporary.path().to_path_buf();
            return Ok(Self { temporary: Some(temporary), given, made: false });
        };
        let made = !given.exists();
        fs::create_dir_all(&given).map_err(failed)?;
        let given = given.canonicalize().map_err(failed)?;
        if let Some(taken) = FILES.iter().find(|name| given.join(name).exists()) {
            return Err(format!("{} exists already", given.join(taken).display()));
        }
        Ok(Self { temporary: None, given, made })
    }

    fn path(&self) -> &Path {
        &self.given
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf, String> {
        let path = self.given.join(name);
        fs::write(&path, text)
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.temporary.is_none() {
            for name in FILES {
                let _ = fs::remove_file(self.given.join(name));
            }
            if self.made {
                let _ = fs::remove_dir(&self.given);
            }
        }
    }
}

fn users() -> Result<String, String> {
    let mut file = String::new();
    for (name, password, more) in USERS {
        let hash = Argon2::default()
            .hash_password(password.as_bytes())
            .map_err(|error| format!("cannot hash a password: {error}"))?;
        file.push_str(&format!("[user.{name}]\npassword = \"{hash}\"\n{more}\n"));
    }
    Ok(file)
}

/// The questions of `--once`, each with what its answer must be.
fn ask_itself(dir: &Path) -> Result<(), String> {
    let mut client = Client::new(dir.join("usher.sock"));
    let query = |user: &str| Query { user: user.to_owned(), ..Query::default() };
    let password = |user, password| Call::Authenticate(query(user), Password::from(password));
    let granted: fn(&Verdict) -> bool = |verdict| {
        matches!(verdict, Verdict::Granted(who)
        if who.profile.user() == "alice"
            && who.profile.metadata().any(|it| it == ("X_REMOTE_EMAIL", "alice@example.com")))
    };
    let refused: fn(&Verdict) -> bool = |verdict| {
        matches!(verdict, Verdict::Denied(no)
        if no.reason == Reason::BadCredentials)
    };
    let found: fn(&Verdict) -> bool = |verdict| {
        matches!(verdict, Verdict::Found(who)
        if who.profile.user() == "bob" && who.profile.groups().eq(["dev"]))
    };
    let nobody: fn(&Verdict) -> bool = |verdict| matches!(verdict, Verdict::NotFound(_));
    let questions = [
        ("authenticate alice, right password", password("alice", "wonderland"), granted),
        (
            r"authenticate DEMO\Alice, right password",
            password(r"DEMO\Alice", "wonderland"),
            granted,
        ),
        ("authenticate alice, wrong password", password("alice", "looking-glass"), refused),
        ("authenticate mallory, unknown user", password("mallory", "wonderland"), refused),
        ("lookup bob@demo.example.com", Call::Lookup(query("bob@demo.example.com")), found),
        ("lookup mallory, unknown user", Call::Lookup(query("mallory")), nobody),
    ];
    let mut out = io::stdout();
    for (title, call, as_it_must_be) in questions {
        let reply = client.ask(call, Duration::from_secs(10)).map_err(|error| error.to_string())?;
        let Reply::Verdict(verdict) = reply else {
            return Err(format!("{title}: another kind of answer"));
        };
        writeln!(out, "{title}\n    {}", show(&verdict)).map_err(|error| error.to_string())?;
        if !as_it_must_be(&verdict) {
            return Err(format!("{title}: that is not as it must be"));
        }
    }
    writeln!(out, "all answers are as they must be").map_err(|error| error.to_string())
}

fn show(verdict: &Verdict) -> String {
    let outcome = verdict.outcome();
    match (verdict.identity(), verdict.refusal()) {
        (Some(who), _) => {
            let told = who.profile.metadata().map(|(name, value)| format!(" {name}={value:?}"));
            format!(
                "{outcome}: {} (from {}){}",
                who.profile.user(),
                who.source.as_str(),
                told.collect::<String>()
            )
        }
        (None, Some(no)) => format!("{outcome}: {} ({})", no.message, no.reason.as_str()),
        (None, None) => outcome.to_owned(),
    }
}

/// What to try next, in another terminal.
fn tell(dir: &Path) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let (ctl, http) = (program("usherctl", ""), program("usher-http", "/usr/libexec/usher/"));
    let (config, http_socket) = (dir.join("usher.toml"), dir.join("http.sock"));
    let socket = format!("--socket {}", dir.join("usher.sock").display());
    let admin = format!("--admin-socket {}", dir.join("admin.sock").display());
    writeln!(out, "usherd serves sample users from {}\n\nusers:", dir.display())?;
    for (name, password, _) in USERS {
        let note = if name == "carol" { "   (her account is disabled)" } else { "" };
        writeln!(out, "    {name:<6} {password}{note}")?;
    }
    writeln!(out, "\nTry, in another terminal:\n")?;
    writeln!(out, "    {ctl} {socket} lookup alice")?;
    writeln!(out, "    echo wonderland | {ctl} {socket} authenticate 'DEMO\\alice'")?;
    writeln!(out, "    echo wrong | {ctl} {socket} authenticate alice")?;
    writeln!(out, "    {ctl} {socket} --format json lookup --require 'group=dev|ops' bob")?;
    writeln!(out, "    {ctl} {admin} status")?;
    writeln!(out, "\nAs nginx would ask, while usher-http runs in a terminal of its own:\n")?;
    writeln!(out, "    {http} --config {}", config.display())?;
    let unix = format!("--unix-socket {}", http_socket.display());
    writeln!(out, "    curl -i {unix} -u alice:wonderland http://localhost/auth")?;
    writeln!(out, "\nChange {} and look again. Ctrl-C ends it.", dir.join("users.toml").display())?;
    out.flush()
}

/// How to call another of our programs from where this one was started; it is installed in
/// `folder`.
fn program(name: &str, folder: &str) -> String {
    let beside = std::env::current_exe().ok().map(|program| program.with_file_name(name));
    match beside {
        Some(program) if program.exists() => program.display().to_string(),
        _ if std::env::var_os("CARGO").is_some() => {
            format!("cargo run --quiet --release -p {name} --")
        }
        _ => format!("{folder}{name}"),
    }
}
