//! The command line as a whole. Each command's options stand beside the command.

use clap::{Parser, Subcommand};

use crate::commands::{check, completions, config, demo, gateway, man, push, role, serve, sql};
use crate::error::{CliError, EXIT_CODES};

/// Telemetry of industrial zones: QUIC ingest, durable and exactly once; Delta Lake storage; SQL over all of it.
#[derive(Debug, Parser)]
#[command(name = "zonelake", version, after_help = EXIT_CODES, propagate_version = true, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// One variant a command.
#[derive(Debug, Subcommand)]
enum Command {
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
    Completions(completions::CompletionsOptions),
    Man(man::ManOptions),
}

impl Cli {
    /// Does what the command line says.
    ///
    /// # Errors
    /// Where the command fails, with the exit code to end with.
    pub(crate) fn run(self) -> Result<(), CliError> {
        match self.command {
            Command::Serve(options) => serve::run(&options),
            Command::Demo(options) => demo::run(&options),
            Command::Push(options) => push::run(&options),
            Command::Sql(options) => sql::run(&options),
            Command::Gateway(command) => gateway::run(&command),
            Command::Role(command) => role::run(&command),
            Command::Config(options) => config::run(&options),
            Command::Check(options) => check::run(&options),
            Command::Completions(options) => completions::run(&options, &mut command()),
            Command::Man(options) => man::run(&options, command()),
        }
    }
}

/// The command line as `--help`, completions and the manual show it: each command tells its exit codes.
fn command() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn every_command_tells_what_it_does_and_gives_an_example_and_its_exit_codes() {
        let whole = command();
        for command in whole.get_subcommands() {
            let short = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(short.contains("zonelake "), "{} gives no example", command.get_name());
        }
        let nested = whole.get_subcommands().flat_map(clap::Command::get_subcommands);
        for command in whole.get_subcommands().chain(nested) {
            assert!(command.get_about().is_some(), "{} says nothing", command.get_name());
            let long = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
            assert!(long.contains("zonelake "), "{} gives no example in --help", command.get_name());
            assert!(long.contains("Exit codes:"), "{} does not tell its exit codes in --help", command.get_name());
        }
    }
}
