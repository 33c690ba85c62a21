//! nginx, with a configuration that is tested as it is printed.

use std::fs;
use std::net::TcpStream;
use std::process::Command;

use tempfile::TempDir;

use super::http::Server;
use super::process::Process;
use super::programs::{self, installed};
use super::shim::Shim;
use super::slapd::free_port;
use super::{text_of, until_true};

/// All around the file that is tested, which an installed nginx has elsewhere.
const MAIN: &str = "
daemon off;
worker_processes @WORKERS@;
pid @DIR@/nginx.pid;
events { }
http {
    access_log @DIR@/access.log;
    client_body_temp_path @DIR@/body;
    proxy_temp_path @DIR@/proxy;
    fastcgi_temp_path @DIR@/fastcgi;
    uwsgi_temp_path @DIR@/uwsgi;
    scgi_temp_path @DIR@/scgi;
    @HTTP@
    include @DIR@/site.conf;
}
";

/// A running nginx.
#[derive(Debug)]
pub(crate) struct Nginx {
    _process: Process,
    folder: TempDir,
    port: u16,
}

impl Nginx {
    /// With what `usherctl snippet nginx` prints for these options, changed as people do, and with
    /// more in `http { }`.
    pub(crate) fn of_snippet(
        shim: &Shim,
        application: &str,
        options: &[&str],
        http: &str,
        adapt: impl FnOnce(String) -> String,
    ) -> Self {
        let port = free_port();
        let listen = format!("127.0.0.1:{port}");
        let arguments = ["snippet", "nginx", "--listen", &listen, "--upstream", application];
        let arguments = [&arguments[..], &["--shim", shim.place()], options].concat();
        let text = programs::run("usherctl", &arguments).success().stdout;
        Self::start(port, http, &adapt(text))
    }

    /// With this text.
    pub(crate) fn start(port: u16, http: &str, site: &str) -> Self {
        Self::start_with_workers("1", port, http, site)
    }

    /// As [`Self::start`], with so many processes that answer.
    pub(crate) fn start_with_workers(workers: &str, port: u16, http: &str, site: &str) -> Self {
        let folder = TempDir::with_prefix("nginx-").expect("temporary folder");
        let path = |name: &str| folder.path().join(name);
        // Its workers are to reach a socket in a folder of root's.
        let user = if nix::unistd::geteuid().is_root() { "user root;" } else { "" };
        let main = MAIN.replace("@DIR@", &folder.path().to_string_lossy()).replace("@HTTP@", http);
        let main = main.replace("@WORKERS@", workers);
        fs::write(path("nginx.conf"), user.to_owned() + &main).expect("a file");
        fs::write(path("site.conf"), site).expect("a file");
        let mut nginx = Command::new(installed("nginx", "nginx"));
        nginx.arg("-e").arg(path("log")).arg("-c").arg(path("nginx.conf"));
        let mut process = Process::start(nginx, &path("log"));
        until_true("nginx to listen", || {
            assert_eq!(process.ended(), None, "{}\n{site}", text_of(&path("log")));
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Self { _process: process, folder, port }
    }

    pub(crate) fn server(&self) -> Server {
        Server::Tcp(self.port())
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port())
    }

    pub(crate) fn log(&self) -> String {
        text_of(&self.folder.path().join("log"))
    }
}
