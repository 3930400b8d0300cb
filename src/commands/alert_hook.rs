//! `zonelake hook`: whom alerts are sent to.

use std::io::Write;

use clap::{Args, Subcommand};
use zonelake_http::{AddAlertHook, AddedAlertHook, AlertHookList};

use crate::commands::rules::time;
use crate::error::{CliError, long_help};
use crate::registry_access::{Control, ControlOptions};

const EXAMPLES: &str =
    "What alert rules find is sent to each hook as JSON by POST, signed with the hook's secret (docs/alerts.md).

Examples:
  zonelake hook add duty https://duty.example.vn/alerts
  zonelake hook list
  zonelake hook remove duty";

/// Send what alert rules find to other systems
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES, after_long_help = long_help(EXAMPLES))]
pub(crate) enum HookCommand {
    #[command(after_long_help = long_help(EXAMPLES))]
    /// Add a hook, and print its secret once
    Add(AddOptions),
    #[command(after_long_help = long_help(EXAMPLES))]
    /// List hooks, and what could not be delivered
    List(ControlOptions),
    #[command(after_long_help = long_help(EXAMPLES))]
    /// Remove a hook, and what could not be delivered to it
    Remove(RemoveOptions),
}

/// Options of `hook add`.
#[derive(Debug, Args)]
pub(crate) struct AddOptions {
    /// Name of the hook
    pub name: String,

    /// Address of http or https
    pub url: String,

    #[command(flatten)]
    pub control: ControlOptions,
}

/// Options of `hook remove`.
#[derive(Debug, Args)]
pub(crate) struct RemoveOptions {
    /// Name of the hook
    pub name: String,

    #[command(flatten)]
    pub control: ControlOptions,
}

/// Changes or lists hooks.
///
/// # Errors
/// Where a hook cannot be, or there is none of the name.
pub(crate) fn run(command: &HookCommand) -> Result<(), CliError> {
    match command {
        HookCommand::Add(AddOptions { name, url, control }) => {
            let body = AddAlertHook { name: name.clone(), url: url.clone() };
            let added: AddedAlertHook = Control::open(control)?.post(&[HOOKS], &body)?;
            eprintln!("What is found from now on is sent to {name}. The secret of its signatures, shown once:");
            writeln!(std::io::stdout(), "{}", added.secret).map_err(CliError::failed)
        }
        HookCommand::List(control) => list(&Control::open(control)?.get(&[HOOKS])?),
        HookCommand::Remove(RemoveOptions { name, control }) => {
            Control::open(control)?.delete(&[HOOKS, name])?;
            eprintln!("Nothing more is sent to {name}.");
            Ok(())
        }
    }
}

fn list(list: &AlertHookList) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    for hook in &list.hooks {
        let delivered = time(hook.delivered_us);
        writeln!(out, "{:<24} {}  delivered up to {delivered}", hook.name, hook.url).map_err(CliError::failed)?;
    }
    for dead in &list.dead_letters {
        let at = time(dead.at_us);
        writeln!(out, "not delivered to {}: {} {at} ({}, {} attempts)", dead.hook, dead.key, dead.error, dead.attempts)
            .map_err(CliError::failed)?;
    }
    Ok(())
}

const HOOKS: &str = "alert-hooks";
