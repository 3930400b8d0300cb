//! `zonelake role`: who may read over SQL, and what their statements may take. It works on the registry file in the data
//! folder, beside a running server too, which takes the change over within seconds.

use std::io::Write;

use clap::{Args, Subcommand};
use zonelake_registry::{Registry, RoleLimits};

use crate::cli::SettingsOptions;
use crate::commands::{open_registry, registry_failure};
use crate::failure::Failure;

/// Add, change, list and remove the roles that read over SQL
#[derive(Debug, Subcommand)]
#[command(
    after_help = "A role reads all tables of the server. Its limits narrow those of the settings (section query) and never widen them.

Examples:
  ZONELAKE_PASSWORD=$(zonelake role add grafana --statement-seconds-max 10 --running-max 4)
  zonelake role set grafana --memory-bytes-max 67108864 --running-max none
  zonelake role password admin
  zonelake role remove grafana"
)]
pub(crate) enum RoleCommand {
    /// Add a role; its password goes to standard output, this once
    Add(RoleOptions),
    /// Change the limits of a role; those that are not named stay
    Set(RoleOptions),
    /// Give a role a new password, which goes to standard output, this once; the old one holds no more
    Password(NameOptions),
    /// List the roles and their limits
    List(SettingsOptions),
    /// Remove a role; its connections get no more answers
    Remove(NameOptions),
}

/// Options of `role add` and `role set`.
#[derive(Debug, Args)]
pub(crate) struct RoleOptions {
    /// Name of the role: a to z, 0 to 9, "_" and "-", a letter first
    pub name: String,

    /// Seconds from the arrival of a statement to its last row, or none
    #[arg(long, value_name = "N", value_parser = limit::<u32>)]
    pub statement_seconds_max: Option<Limit<u32>>,

    /// Memory of one statement, bytes, at least 1,048,576, or none; beyond it a statement uses the disk or fails
    #[arg(long, value_name = "N", value_parser = limit::<u64>)]
    pub memory_bytes_max: Option<Limit<u64>>,

    /// Statements that run at the same time, or none; others wait for their turn
    #[arg(long, value_name = "N", value_parser = limit::<u32>)]
    pub running_max: Option<Limit<u32>>,

    #[command(flatten)]
    pub settings: SettingsOptions,
}

/// Options of `role password` and `role remove`.
#[derive(Debug, Args)]
pub(crate) struct NameOptions {
    /// Name of the role
    pub name: String,

    #[command(flatten)]
    pub settings: SettingsOptions,
}

/// A limit as the command line has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit<T> {
    /// That of the server.
    None,
    /// This one.
    At(T),
}

impl<T> Limit<T> {
    fn at(self) -> Option<T> {
        match self {
            Self::None => None,
            Self::At(limit) => Some(limit),
        }
    }
}

fn limit<T: std::str::FromStr>(text: &str) -> Result<Limit<T>, String> {
    if text == "none" {
        return Ok(Limit::None);
    }
    text.parse().map(Limit::At).map_err(|_| "a whole number, or none".to_owned())
}

impl RoleOptions {
    /// What was named, and of the rest what was before.
    fn limits(&self, before: RoleLimits) -> RoleLimits {
        RoleLimits {
            statement_seconds_max: self.statement_seconds_max.map_or(before.statement_seconds_max, Limit::at),
            memory_bytes_max: self.memory_bytes_max.map_or(before.memory_bytes_max, Limit::at),
            running_max: self.running_max.map_or(before.running_max, Limit::at),
        }
    }
}

/// Changes or lists roles.
///
/// # Errors
/// Where there is no registry, the role is not known, its name is taken, or a limit cannot be.
pub(crate) fn run(command: &RoleCommand) -> Result<(), Failure> {
    match command {
        RoleCommand::Add(options) => {
            let registry = open_registry(&options.settings)?;
            let password =
                registry.add_role(&options.name, options.limits(RoleLimits::default())).map_err(registry_failure)?;
            eprintln!("Role {} is added. Its password, which is not shown again:", options.name);
            print(&password)
        }
        RoleCommand::Set(options) => {
            let registry = open_registry(&options.settings)?;
            let before = registry.role(&options.name).map(|role| role.limits).unwrap_or_default();
            registry.set_role_limits(&options.name, options.limits(before)).map_err(registry_failure)?;
            eprintln!("The limits of role {} are set; a running server keeps to them within seconds.", options.name);
            Ok(())
        }
        RoleCommand::Password(options) => {
            let password = open_registry(&options.settings)?.reset_password(&options.name).map_err(registry_failure)?;
            eprintln!("A running server takes the new password of {} within seconds:", options.name);
            print(&password)
        }
        RoleCommand::List(settings) => list(&open_registry(settings)?),
        RoleCommand::Remove(options) => {
            open_registry(&options.settings)?.remove_role(&options.name).map_err(registry_failure)?;
            eprintln!("Role {} is removed; a running server answers it no more within seconds.", options.name);
            Ok(())
        }
    }
}

fn print(password: &str) -> Result<(), Failure> {
    writeln!(std::io::stdout(), "{password}").map_err(Failure::failed)
}

fn list(registry: &Registry) -> Result<(), Failure> {
    let roles = registry.roles();
    let width = roles.iter().map(|role| role.name.len()).max().unwrap_or(0).max(NAME.len());
    let mut out = std::io::stdout().lock();
    let mut line = |name: &str, seconds: &str, bytes: &str, running: &str| {
        writeln!(out, "{name:width$}  {seconds:>21}  {bytes:>16}  {running:>11}").map_err(Failure::failed)
    };
    line(NAME, "statement_seconds_max", "memory_bytes_max", "running_max")?;
    for role in roles.iter() {
        let shown = |limit: Option<u64>| limit.map_or("none".to_owned(), |limit| limit.to_string());
        let limits = role.limits;
        line(
            &role.name,
            &shown(limits.statement_seconds_max.map(u64::from)),
            &shown(limits.memory_bytes_max),
            &shown(limits.running_max.map(u64::from)),
        )?;
    }
    Ok(())
}

const NAME: &str = "role";
