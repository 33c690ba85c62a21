//! An application behind a proxy, as small as can be: it answers with the headers that it got.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// Listens on a loopback port. Its threads end with their connections.
pub(crate) struct Echo {
    port: u16,
}

impl Echo {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                thread::spawn(move || answer(&client));
            }
        });
        Self { port }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

fn answer(mut client: &TcpStream) {
    let mut head = Vec::new();
    let mut reader = BufReader::new(client);
    while let Ok(3..) = reader.read_until(b'\n', &mut head) {
        if head.ends_with(b"\r\n\r\n") {
            break;
        }
    }
    let length = head.len();
    let start = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    // Who went away meanwhile does not want to know.
    let _ = client.write_all(start.as_bytes()).and_then(|()| client.write_all(&head));
}
