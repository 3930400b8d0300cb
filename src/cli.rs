//! What can be said on the command line. Each command's options stand beside the command.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::commands::{check, config, demo, gateway, push, role, serve, sql};
use crate::failure::{EXIT_CODES, Failure};
use crate::settings::Settings;

/// Telemetry of industrial zones: QUIC ingest, durable and exactly once; Delta Lake storage; SQL over all of it.
#[derive(Debug, Parser)]
#[command(name = "zonelake", version, after_help = EXIT_CODES, propagate_version = true, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

/// One variant a command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(serve::ServeOptions),
    Demo(demo::DemoOptions),
    Push(push::PushOptions),
    Sql(sql::SqlOptions),
    #[command(subcommand)]
    Gateway(gateway::GatewayCommand),
    #[command(subcommand)]
    Role(role::RoleCommand),
    Config(config::ConfigOptions),
    Check(check::CheckOptions),
}

/// Which settings, and so which data folder.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SettingsOptions {
    /// Settings file (`zonelake config` prints one); without it the defaults and the environment hold
    #[arg(long, value_name = "FILE", env = "ZONELAKE_CONFIG")]
    pub config: Option<PathBuf>,

    /// Data folder, before that of the settings [default: ./zonelake-data]
    #[arg(long, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
}

impl SettingsOptions {
    /// Reads and checks the settings.
    ///
    /// # Errors
    /// Where a setting cannot be; the message names it.
    pub(crate) fn load(&self) -> Result<Settings, Failure> {
        let mut settings = Settings::load(self.config.as_deref())?;
        if let Some(data) = &self.data {
            settings.data.clone_from(data);
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_tells_what_it_does_and_gives_an_example() {
        for command in Cli::command().get_subcommands() {
            assert!(command.get_about().is_some(), "{} says nothing", command.get_name());
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("zonelake "), "{} gives no example", command.get_name());
        }
    }
}
