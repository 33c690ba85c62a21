//! What was answered, for Prometheus.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use hyper::StatusCode;

/// Counted since the start.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    connections: AtomicU64,
    answers: Mutex<BTreeMap<(&'static str, u16), u64>>,
}

impl Metrics {
    pub(crate) fn connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn answered(&self, endpoint: &'static str, status: StatusCode) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        *answers.entry((endpoint, status.as_u16())).or_default() += 1;
    }

    /// In the text format of Prometheus.
    pub(crate) fn text(&self, daemon_up: bool) -> String {
        let connections = self.connections.load(Ordering::Relaxed);
        let mut text = format!(
            "# HELP usher_http_daemon_up Whether usherd answers.\n\
             # TYPE usher_http_daemon_up gauge\n\
             usher_http_daemon_up {}\n\
             # HELP usher_http_connections_total Connections that proxies opened.\n\
             # TYPE usher_http_connections_total counter\n\
             usher_http_connections_total {connections}\n\
             # HELP usher_http_answers_total Answers by endpoint and status.\n\
             # TYPE usher_http_answers_total counter\n",
            u8::from(daemon_up)
        );
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        for ((endpoint, status), count) in &*answers {
            text.push_str(&format!(
                "usher_http_answers_total{{endpoint=\"{endpoint}\",status=\"{status}\"}} {count}\n"
            ));
        }
        text
    }
}
