//! Server log: standard error, one line an event, coloured where that is a terminal.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::error::CliError;

/// Starts the log at the level of the settings, as `info` or `info,zonelake_ingest=debug`.
///
/// # Errors
/// Where the level cannot be read.
pub(crate) fn start(level: &str) -> Result<(), CliError> {
    let filter =
        level.parse::<EnvFilter>().map_err(|error| CliError::input(format!("log.level {level:?}: {error}")))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    Ok(())
}
