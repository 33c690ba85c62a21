//! usherctl, asked in JSON.

use std::process::Command;

use serde_json::Value;

use super::daemon::Daemon;
use super::process::{self, Output};
use super::programs::program;

/// What usherctl answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) code: i32,
    /// Null where there was nothing on the standard output.
    pub(crate) json: Value,
    pub(crate) stderr: String,
}

impl Reply {
    pub(crate) fn outcome(&self) -> &str {
        self.json["outcome"].as_str().unwrap_or("nothing")
    }

    pub(crate) fn reason(&self) -> &str {
        self.json["reason"].as_str().unwrap_or("nothing")
    }

    pub(crate) fn message(&self) -> &str {
        self.json["message"].as_str().unwrap_or("nothing")
    }

    /// One value of the metadata.
    pub(crate) fn metadata(&self, name: &str) -> Option<&str> {
        self.json["metadata"][name].as_str()
    }

    /// Checks the exit status, the outcome and the reason in one.
    pub(crate) fn is(&self, code: i32, outcome: &str, reason: &str) {
        let is = (self.code, self.outcome(), self.reason());
        assert_eq!(is, (code, outcome, reason), "{self:#?}");
        assert!(code != 0 || self.stderr.is_empty(), "a yes needs no comment: {self:#?}");
    }

    pub(crate) fn is_granted(&self) {
        self.is(0, "granted", "nothing");
    }

    pub(crate) fn is_found(&self) {
        self.is(0, "found", "nothing");
    }
}

impl Daemon {
    /// Runs usherctl with this daemon's sockets.
    pub(crate) fn ctl(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut usherctl = Command::new(program("usherctl"));
        usherctl.arg("--socket").arg(self.socket());
        usherctl.arg("--admin-socket").arg(self.admin_socket()).args(arguments);
        process::run(&mut usherctl, input)
    }

    /// As [`Self::ctl`], in JSON.
    pub(crate) fn ctl_json(&self, arguments: &[&str], input: &[u8]) -> Reply {
        let output = self.ctl(&[&["--format", "json"], arguments].concat(), input);
        let json = match output.stdout.as_str() {
            "" => Value::Null,
            text => serde_json::from_str(text)
                .unwrap_or_else(|error| panic!("not JSON alone ({error}): {output:#?}")),
        };
        Reply { code: output.code, json, stderr: output.stderr }
    }

    pub(crate) fn lookup(&self, user: &str) -> Reply {
        self.ctl_json(&["lookup", "--", user], b"")
    }

    pub(crate) fn authenticate(&self, user: &str, password: &str) -> Reply {
        self.ctl_json(&["authenticate", "--", user], format!("{password}\n").as_bytes())
    }

    /// Where the answer comes from.
    pub(crate) fn source(&self, user: &str) -> String {
        self.lookup(user).json["source"].as_str().unwrap_or("nothing").to_owned()
    }

    /// `usherctl status`, which must succeed.
    pub(crate) fn status(&self) -> Value {
        let reply = self.ctl_json(&["status"], b"");
        assert_eq!(reply.code, 0, "{reply:#?}");
        reply.json
    }
}
