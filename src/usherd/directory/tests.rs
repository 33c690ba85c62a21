//! Where a password asks leave, in directories that do not speak LDAP.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::time::Instant;
use usher_protocol::{HostState, Password};

use super::{Attempt, Directory, SPENT};
use crate::config;

fn directory(lines: &str) -> Arc<dyn Directory> {
    let text = format!("[realm.corp]\n{lines}\n");
    let loaded = config::parse(&text, Path::new("usher.toml")).unwrap();
    super::open(&loaded.settings.realms["corp"]).unwrap()
}

/// How often the password of this user asks for leave that it does not get, and why there is no
/// answer.
async fn refused(directory: &dyn Directory, id: &str) -> (usize, Option<String>) {
    let asked = AtomicUsize::new(0);
    let leave = || {
        asked.fetch_add(1, Ordering::Relaxed);
        false
    };
    let password = Password::from("secret");
    let deadline = Instant::now() + Duration::from_secs(20);
    let said = directory.verify(id, Attempt::new(&password, &leave), deadline).await;
    (asked.load(Ordering::Relaxed), said.err().map(|why| why.message))
}

async fn assert_spent(directory: &dyn Directory, place: &str) {
    let (asked, why) = refused(directory, "alice").await;
    let ends = format!("{place}: {SPENT}");
    assert!(why.as_ref().is_some_and(|why| why.ends_with(&ends)), "{why:?}");
    assert_eq!((asked, directory.problem()), (1, None));
}

async fn assert_never_asked(directory: &dyn Directory, told: &str) {
    let (asked, why) = refused(directory, "alice").await;
    assert!(why.as_ref().is_some_and(|why| why.contains(told)), "{why:?}");
    assert_eq!(asked, 0);
}

#[tokio::test]
async fn crowd_gets_no_password_without_leave_and_none_asks_without_crowd() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let lines =
        format!("type = \"crowd\"\naccount = \"usher\"\npassword = \"x\"\nhost = \"{url}\"");
    let crowd = directory(&lines);
    let sent = async {
        let mut bytes = Vec::new();
        listener.accept().await.unwrap().0.read_to_end(&mut bytes).await.unwrap();
        bytes
    };
    let (sent, ()) = tokio::join!(sent, assert_spent(&*crowd, &url));
    assert_eq!(sent, b"");
    let host = crowd.hosts().remove(0);
    assert_eq!((host.state, host.last_error), (HostState::Untried, None));
    drop(listener);
    assert_never_asked(&*crowd, "cannot connect").await;
}

#[tokio::test]
async fn a_helper_gets_no_password_without_leave_and_none_asks_without_a_helper() {
    let pam = |helper: &str| directory(&format!("type = \"pam\"\nhelper = \"{helper}\""));
    assert_spent(&*pam("/bin/sh"), "PAM service usher").await;
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("pam.sock");
    drop(UnixListener::bind(&socket).unwrap());
    assert_never_asked(&*pam(socket.to_str().unwrap()), "cannot be asked").await;
}

#[tokio::test]
async fn a_password_is_not_hashed_without_leave_and_none_asks_for_a_user_who_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users.toml");
    let hash = "$2b$04$abcdefghijklmnopqrstuuLxkMLbEkFzn5XkqFpHTNjdkXm6XZ9o.";
    fs::write(&file, format!("[user.alice]\npassword = \"{hash}\"\n")).unwrap();
    let local = directory(&format!("type = \"local\"\nfile = \"{}\"", file.display()));
    assert_spent(&*local, file.to_str().unwrap()).await;
    assert_eq!(refused(&*local, "bob").await, (0, None));
}
