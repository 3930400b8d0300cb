//! The command line as a whole. Each command's options stand beside the command.

use clap::{Parser, Subcommand};

use crate::commands::{
    alert_hook, alert_rule, backup, check, completions, config, demo, device, forward, gateway, man, push, reference,
    rejected, report, role, rules, serve, site, spool, sql, watch,
};
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
    Watch(watch::WatchOptions),
    Forward(forward::ForwardOptions),
    #[command(subcommand)]
    Spool(spool::SpoolCommand),
    Sql(sql::SqlOptions),
    Report(report::ReportOptions),
    #[command(subcommand)]
    Gateway(gateway::GatewayCommand),
    #[command(subcommand)]
    Site(site::SiteCommand),
    #[command(subcommand)]
    Device(device::DeviceCommand),
    #[command(subcommand)]
    Role(role::RoleCommand),
    #[command(subcommand)]
    Reference(reference::ReferenceCommand),
    #[command(subcommand)]
    Rejected(rejected::RejectedCommand),
    #[command(subcommand)]
    Rule(alert_rule::RuleCommand),
    #[command(subcommand)]
    Hook(alert_hook::HookCommand),
    Config(config::ConfigOptions),
    Check(check::CheckOptions),
    Backup(backup::BackupOptions),
    #[command(subcommand)]
    Retention(rules::RetentionCommand),
    Delete(rules::DeleteOptions),
    Correct(rules::CorrectOptions),
    Restore(backup::RestoreOptions),
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
            Command::Watch(options) => watch::run(&options),
            Command::Forward(options) => forward::run(&options),
            Command::Spool(command) => spool::run(&command),
            Command::Sql(options) => sql::run(&options),
            Command::Report(options) => report::run(&options),
            Command::Gateway(command) => gateway::run(&command),
            Command::Site(command) => site::run(&command),
            Command::Device(command) => device::run(&command),
            Command::Role(command) => role::run(&command),
            Command::Reference(command) => reference::run(&command),
            Command::Rejected(command) => rejected::run(&command),
            Command::Rule(command) => alert_rule::run(&command),
            Command::Hook(command) => alert_hook::run(&command),
            Command::Config(options) => config::run(&options),
            Command::Check(options) => check::run(&options),
            Command::Backup(options) => backup::run(&options),
            Command::Retention(command) => rules::run_retention(&command),
            Command::Delete(options) => rules::run_delete(&options),
            Command::Correct(options) => rules::run_correct(&options),
            Command::Restore(options) => backup::run_restore(&options),
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
