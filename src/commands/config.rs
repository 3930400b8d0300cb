//! `zonelake config`: the documented settings file.

use std::io::Write;

use clap::Args;

use crate::cli::SettingsOptions;
use crate::failure::Failure;
use crate::settings;

/// Print the settings file with every key, its meaning, bounds and default; or check a settings file
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  zonelake config > zonelake.toml
  zonelake config --check --config zonelake.toml")]
pub(crate) struct ConfigOptions {
    /// Check the settings file and the environment instead, and say nothing where they are good
    #[arg(long)]
    pub check: bool,

    #[command(flatten)]
    pub settings: SettingsOptions,
}

/// Prints the template, or checks.
///
/// # Errors
/// Where a setting cannot be, or standard output is closed.
pub(crate) fn run(options: &ConfigOptions) -> Result<(), Failure> {
    if options.check {
        options.settings.load()?;
        return Ok(());
    }
    std::io::stdout().write_all(settings::template().as_bytes()).map_err(Failure::failed)
}
