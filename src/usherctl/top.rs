//! The daemon's status, live in the terminal.

mod change;
mod view;

use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyModifiers};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use usher_protocol::client::Client;
use usher_protocol::{Call, Reply, Status};

use crate::admin;
use crate::arguments::{Format, Global};
use crate::report::{Exit, Report};
use change::Change;

/// Between two questions to the daemon.
const PACE: Duration = Duration::from_secs(1);
/// Between two looks at keys, signals and answers.
const BLINK: Duration = Duration::from_millis(100);

/// What the daemon said, or why it said nothing.
type News = Result<Status, String>;

/// What is on the screen.
#[derive(Default)]
struct Picture {
    change: Option<Change>,
    trouble: Option<String>,
}

/// Shows the status until a key or a signal ends it, and leaves the terminal as it was.
pub(crate) fn run(global: &Global) -> Report {
    if global.format == Format::Json || !io::stdout().is_terminal() {
        return Report::usage(
            "top is for a terminal; programs ask status --format json".to_owned(),
        );
    }
    let end = Arc::new(AtomicBool::new(false));
    // Not SIGHUP: with the terminal gone there is nothing to restore, and crossterm, which would
    // read from it without end, can only be ended from outside.
    for signal in [SIGTERM, SIGINT] {
        // The second ends it at once. They fail for signals that cannot be caught.
        let _ = flag::register_conditional_default(signal, Arc::clone(&end));
        let _ = flag::register(signal, Arc::clone(&end));
    }
    let news = ask(global);
    let shown = ratatui::try_init().and_then(|terminal| show(terminal, &news, &end));
    // Also where it could be begun with only in part.
    let restored = ratatui::try_restore();
    match shown.and(restored) {
        Ok(()) => Report::answer(Exit::Yes, String::new()),
        Err(error) => Report::usage(format!("the terminal cannot be used: {error}")),
    }
}

/// Asks in a thread of its own, since a daemon that hangs must not hold the keys up. It ends when
/// nobody listens any more, at the latest with the program.
fn ask(global: &Global) -> Receiver<News> {
    let (tell, news) = mpsc::channel();
    let (mut client, timeout) = (Client::new(&global.admin_socket), global.timeout);
    thread::spawn(move || {
        loop {
            let said = match client.ask(Call::Status, timeout) {
                Ok(Reply::Status(status)) => Ok(*status),
                Ok(Reply::Verdict(other)) => {
                    Err(other.refusal().map_or_else(String::new, |refusal| refusal.message.clone()))
                }
                Ok(_) => Err("another kind of answer".to_owned()),
                Err(error) => Err(error.to_string()),
            };
            if tell.send(said).is_err() {
                return;
            }
            thread::sleep(PACE);
        }
    });
    news
}

fn show(mut terminal: DefaultTerminal, news: &Receiver<News>, end: &AtomicBool) -> io::Result<()> {
    let mut picture = Picture::default();
    let mut stale = true;
    while !end.load(Ordering::Relaxed) {
        for said in news.try_iter() {
            picture.learn(said);
            stale = true;
        }
        if stale {
            terminal.draw(|frame| view::draw(frame, &picture, admin::now()))?;
        }
        stale = false;
        if is_gone() {
            return Ok(());
        }
        match event::poll(BLINK) {
            Ok(true) => match event::read()? {
                Event::Key(key) if ends(key) => return Ok(()),
                _ => stale = true,
            },
            Ok(false) => {}
            // A signal; the flag says whether it ends this.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether the terminal was taken away while SIGHUP is ignored, as nohup(1) does it.
fn is_gone() -> bool {
    let stdin = io::stdin();
    let mut terminal = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
    let gone = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
    poll(&mut terminal, PollTimeout::ZERO).is_ok()
        && terminal.iter().any(|it| it.revents().is_some_and(|seen| seen.intersects(gone)))
}

fn ends(key: KeyEvent) -> bool {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    matches!(key.code, KeyCode::Char('q') | KeyCode::Esc)
        || control && matches!(key.code, KeyCode::Char('c' | 'd'))
}

impl Picture {
    /// What was known stays on the screen while the daemon is away.
    fn learn(&mut self, said: News) {
        match said {
            Ok(status) => {
                self.change = Some(Change::new(self.change.take(), status));
                self.trouble = None;
            }
            Err(trouble) => self.trouble = Some(trouble),
        }
    }
}
