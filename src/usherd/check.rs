//! Trying out what a configuration says.

use std::io::{self, Write};

use usherd::config::Settings;
use usherd::directory;

/// A line for each host of each realm.
pub(crate) async fn hosts(settings: &Settings) -> Result<(), String> {
    let mut ill = 0;
    for realm in settings.realms.values() {
        for walk in directory::walk(realm).await {
            let steps = walk.steps.join(", ");
            let mut line = match walk.outcome {
                Ok(()) => format!("ok      {}  {}: {steps}", realm.name, walk.name),
                Err(error) if steps.is_empty() => {
                    format!("FAILED  {}  {}: {error}", realm.name, walk.name)
                }
                Err(error) => {
                    format!("FAILED  {}  {}: {error} ({steps})", realm.name, walk.name)
                }
            };
            for warning in walk.warnings {
                line += &format!("; warning: {warning}");
            }
            ill += usize::from(line.starts_with("FAILED"));
            writeln!(io::stdout(), "{line}").map_err(|error| format!("cannot print: {error}"))?;
        }
    }
    if ill > 0 { Err(format!("{ill} could not be used")) } else { Ok(()) }
}
