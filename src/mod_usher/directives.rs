//! The directives: what they may say, and how those of a directory add to those of its server.

use std::ffi::c_void;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Where the daemon listens if nobody says otherwise.
const SOCKET: &str = "/run/usher/usher.sock";
/// Longest path that fits into a socket's address, with its end.
const LONGEST_PATH: usize = 107;
/// How long a request waits for the daemon, all its questions together.
const TIMEOUT: Duration = Duration::from_secs(3);
/// A worker that waits longer is of no use to anybody, nor is what was told longer ago.
const LONGEST: Duration = Duration::from_secs(60);

/// What is configured for a server or a directory; `None` is what was not said there.
///
/// httpd merges those of nested places anew for each request.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// `UsherSocket`
    pub socket: Option<Arc<Path>>,
    /// `UsherRealm`
    pub realm: Option<Expression>,
    /// `UsherTimeout`
    pub timeout: Option<Duration>,
    /// `UsherReuse`
    pub reuse: Option<Duration>,
    /// `UsherMetadata`
    pub metadata: Option<bool>,
    /// `UsherMetadataOnError`
    pub on_error: Option<OnError>,
    /// The rules that stand alone in their `Require` lines.
    pub rules: Option<Arc<Vec<String>>>,
}

/// A text that httpd has compiled and works out for each request; it lives as long as the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expression(pub *const c_void);

/// What becomes of a request whose metadata cannot be had.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnError {
    /// It goes on without.
    #[default]
    Pass,
    /// It is refused.
    Deny,
}

impl Settings {
    /// What holds in an inner place: what was said there, else what was said outside.
    #[must_use]
    pub fn within(&self, outer: &Self) -> Self {
        Self {
            socket: self.socket.clone().or_else(|| outer.socket.clone()),
            realm: self.realm.or(outer.realm),
            timeout: self.timeout.or(outer.timeout),
            reuse: self.reuse.or(outer.reuse),
            metadata: self.metadata.or(outer.metadata),
            on_error: self.on_error.or(outer.on_error),
            rules: self.rules.clone().or_else(|| outer.rules.clone()),
        }
    }

    /// Takes a directive over, other than `UsherRealm`, which httpd compiles.
    ///
    /// # Errors
    /// What is wrong with the value; httpd puts the file and the line before it.
    pub fn set(&mut self, directive: &str, value: &str) -> Result<(), String> {
        match directive {
            "UsherSocket" => self.socket = Some(socket(value)?),
            "UsherTimeout" => self.timeout = Some(time(value, Duration::from_millis(1))?),
            "UsherReuse" => self.reuse = Some(time(value, Duration::ZERO)?),
            "UsherMetadata" => {
                self.metadata = Some(choice(value, &[("On", true), ("Off", false)])?);
            }
            "UsherMetadataOnError" => {
                let known = [("pass", OnError::Pass), ("deny", OnError::Deny)];
                self.on_error = Some(choice(value, &known)?);
            }
            _ => return Err(format!("mod_usher has no directive {directive}")),
        }
        Ok(())
    }

    /// Remembers what a `Require` line here asks for.
    pub fn require(&mut self, rule: &str) {
        Arc::make_mut(self.rules.get_or_insert_default()).push(rule.to_owned());
    }

    /// The rules that can be asked with a password.
    #[must_use]
    pub fn rules(&self) -> &[String] {
        self.rules.as_deref().map_or(&[], Vec::as_slice)
    }

    /// The socket in force.
    #[must_use]
    pub fn socket(&self) -> Arc<Path> {
        self.socket.clone().unwrap_or_else(|| Path::new(SOCKET).into())
    }

    /// The time-out in force.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout.unwrap_or(TIMEOUT)
    }

    /// How long what a request was told serves others of its connection; zero is not at all.
    #[must_use]
    pub fn reuse(&self) -> Duration {
        self.reuse.unwrap_or_default()
    }
}

fn socket(value: &str) -> Result<Arc<Path>, String> {
    if !value.starts_with('/') {
        return Err(format!("{value:?} is not an absolute path"));
    }
    if value.len() > LONGEST_PATH {
        return Err(format!("a socket's path has at most {LONGEST_PATH} bytes"));
    }
    Ok(Path::new(value).into())
}

/// As httpd's own time-outs: a number of seconds, or one with a unit.
fn time(value: &str, least: Duration) -> Result<Duration, String> {
    let (digits, unit) =
        value.split_at(value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len()));
    let number: u64 = digits.parse().map_err(|_| not_a_time(value))?;
    let time = match unit {
        "" | "s" => Duration::from_secs(number),
        "ms" => Duration::from_millis(number),
        _ => return Err(not_a_time(value)),
    };
    if time < least || time > LONGEST {
        return Err(format!("{value:?} is not between {least:?} and {LONGEST:?}"));
    }
    Ok(time)
}

fn not_a_time(value: &str) -> String {
    format!("{value:?} is not a time: write 3s or 500ms")
}

fn choice<T: Copy>(value: &str, known: &[(&str, T)]) -> Result<T, String> {
    let found = known.iter().find(|(name, _)| name.eq_ignore_ascii_case(value));
    found.map(|(_, meant)| *meant).ok_or_else(|| {
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        format!("{value:?} is not one of: {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(directives: &[(&str, &str)]) -> Settings {
        let mut settings = Settings::default();
        for (directive, value) in directives {
            settings.set(directive, value).unwrap();
        }
        settings
    }

    #[test]
    fn what_is_said_inside_counts_and_the_rest_comes_from_outside() {
        let outer = settings(&[
            ("UsherSocket", "/outer"),
            ("UsherTimeout", "500ms"),
            ("UsherMetadata", "on"),
            ("UsherMetadataOnError", "Deny"),
            ("UsherReuse", "1s"),
        ]);
        let inner = settings(&[("UsherMetadata", "Off"), ("UsherTimeout", "2")]).within(&outer);
        assert_eq!(inner.reuse(), Duration::from_secs(1));
        assert_eq!(settings(&[("UsherReuse", "0")]).within(&outer).reuse(), Duration::ZERO);
        assert_eq!(
            (&*inner.socket(), inner.timeout()),
            (Path::new("/outer"), Duration::from_secs(2))
        );
        assert_eq!((inner.metadata, inner.on_error), (Some(false), Some(OnError::Deny)));
    }

    #[test]
    fn the_rules_of_an_inner_place_stand_for_those_outside_as_httpd_has_it() {
        let with = |rules: &[&str]| {
            let mut settings = Settings::default();
            rules.iter().for_each(|rule| settings.require(rule));
            settings
        };
        let outer = with(&["a", "b"]);
        assert_eq!(with(&["c"]).within(&outer).rules(), ["c"]);
        assert_eq!(with(&[]).within(&outer).rules(), ["a", "b"]);
        assert!(with(&[]).rules().is_empty());
    }

    #[test]
    fn the_defaults_are_those_of_the_manual() {
        let nothing = Settings::default();
        assert_eq!(&*nothing.socket(), Path::new("/run/usher/usher.sock"));
        assert_eq!((nothing.timeout(), nothing.reuse()), (Duration::from_secs(3), Duration::ZERO));
        assert_eq!(OnError::default(), OnError::Pass);
    }

    #[test]
    fn what_is_wrong_is_told() {
        let long = format!("/{}", "x".repeat(107));
        for (directive, value, what) in [
            ("UsherSocket", "usher.sock", "\"usher.sock\" is not an absolute path"),
            ("UsherSocket", &long, "a socket's path has at most 107 bytes"),
            ("UsherTimeout", "soon", "\"soon\" is not a time: write 3s or 500ms"),
            ("UsherTimeout", "3m", "\"3m\" is not a time: write 3s or 500ms"),
            (
                "UsherTimeout",
                "99999999999999999999",
                "\"99999999999999999999\" is not a time: write 3s or 500ms",
            ),
            ("UsherTimeout", "0s", "\"0s\" is not between 1ms and 60s"),
            ("UsherTimeout", "61", "\"61\" is not between 1ms and 60s"),
            ("UsherReuse", "61s", "\"61s\" is not between 0ns and 60s"),
            ("UsherReuse", "a while", "\"a while\" is not a time: write 3s or 500ms"),
            ("UsherMetadata", "yes", "\"yes\" is not one of: On, Off"),
            ("UsherMetadataOnError", "503", "\"503\" is not one of: pass, deny"),
            ("UsherRealm", "x", "mod_usher has no directive UsherRealm"),
        ] {
            assert_eq!(Settings::default().set(directive, value), Err(what.to_owned()));
        }
    }
}
