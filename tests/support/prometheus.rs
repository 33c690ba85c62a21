//! A real Prometheus that scrapes one target, and its checks.

use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::http::Server;
use super::process::{self, Output, Process};
use super::programs::installed;
use super::slapd::free_port;
use super::{repository, text_of, until};

#[derive(Debug)]
pub(crate) struct Prometheus {
    _process: Process,
    folder: TempDir,
    port: u16,
}

impl Prometheus {
    /// With our alerts, and this address (and port) to scrape.
    pub(crate) fn start(target: &str) -> Self {
        let folder = TempDir::with_prefix("prometheus-").expect("temporary folder");
        let file = folder.path().join("prometheus.yml");
        let rules = repository().join("packaging/prometheus/usher.rules.yml");
        let text = format!(
            "global: {{scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms}}\n\
             rule_files: [{rules:?}]\n\
             scrape_configs:\n- job_name: usher\n  static_configs: [{{targets: [{target:?}]}}]\n"
        );
        std::fs::write(&file, text).expect("a file");
        let port = free_port();
        let mut prometheus = Command::new(installed("prometheus", "prometheus"));
        prometheus.arg(format!("--config.file={}", file.display()));
        prometheus.arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()));
        prometheus.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        let process = Process::start(prometheus, &folder.path().join("log"));
        Self { _process: process, folder, port }
    }

    /// What it answers to a query, once that is `expected`.
    pub(crate) fn until(&self, query: &str, expected: &str) {
        let mut last = Value::Null;
        until(query, || {
            last = self.query(query)?;
            let value = last["data"]["result"][0]["value"][1].as_str();
            (value == Some(expected)).then_some(()).or_else(|| {
                eprintln!("{query} is {value:?}");
                None
            })
        });
    }

    fn query(&self, query: &str) -> Option<Value> {
        std::net::TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        let coded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let page = Server::Tcp(self.port).ask(&format!("GET /api/v1/query?query={coded}"), &[]);
        serde_json::from_str(&page.body).ok()
    }

    pub(crate) fn log(&self) -> String {
        text_of(&self.folder.path().join("log"))
    }
}

/// Runs promtool with this on its standard input.
pub(crate) fn promtool(arguments: &[&str], input: &str) -> Output {
    process::run(
        Command::new(installed("promtool", "prometheus")).args(arguments),
        input.as_bytes(),
    )
}
