//! `zonelake config`: the documented settings file.

use std::io::Write;

use clap::Args;

use crate::error::{CliError, long_help};
use crate::options::SettingsOptions;

const EXAMPLES: &str = "Examples:
  zonelake config > zonelake.toml
  zonelake config --check --config zonelake.toml";

/// Print the settings file with every key, its meaning, bounds and default; or check a settings file
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = long_help(EXAMPLES))]
pub(crate) struct ConfigOptions {
    /// Check the settings file, the environment and the certificates instead, and say nothing where they are good
    #[arg(long)]
    pub check: bool,

    #[command(flatten)]
    pub settings: SettingsOptions,
}

/// Prints the template, or checks.
///
/// # Errors
/// Where a setting is out of its bounds, a certificate cannot be used, or standard output is closed.
pub(crate) fn run(options: &ConfigOptions) -> Result<(), CliError> {
    if options.check {
        zonelake_server::check_certificates(&options.settings.load()?)?;
        return Ok(());
    }
    std::io::stdout().write_all(zonelake_settings::template().as_bytes()).map_err(CliError::failed)
}
