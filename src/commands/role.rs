//! `zonelake role`: users of SQL and limits on their statements, in a running server or in the folder of a stopped one.

use std::io::Write;

use clap::{Args, Subcommand};
use zonelake_http::{AddRole, LimitChanges, RoleItem, RoleList, RolePassword};
use zonelake_registry::RoleKind;

use crate::commands::role_grants::{GrantKeyOptions, KindOptions, PersonalOptions, print_role};
use crate::commands::tokens::{self, TokenCommand};
use crate::error::{CliError, long_help};
use crate::registry_access::{Control, ControlOptions};

const EXAMPLES: &str = "A role reads what is granted to it, and public reference data. Its limits narrow those of the settings (section query) and never widen them.

Examples:
  ZONELAKE_PASSWORD=$(zonelake role add grafana --statement-seconds-max 10 --running-max 4)
  zonelake role grant grafana --table environment --province ha-tinh
  zonelake role grant grafana --all-tables --zone vung-ang --plate hashed
  zonelake role revoke grafana --table environment --province ha-tinh
  zonelake role show grafana
  zonelake role add formosa --kind zone-operator --zone vung-ang
  zonelake role add viettel --kind network-operator --operator Viettel
  zonelake role set grafana --memory-bytes-max 67108864 --running-max none
  zonelake role password admin
  zonelake role token add grafana --expires-days 365
  zonelake role remove grafana";

/// Add, change, list and remove the roles that read over SQL, and what they may read
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES, after_long_help = long_help(EXAMPLES))]
pub(crate) enum RoleCommand {
    #[command(after_long_help = long_help(EXAMPLES))]
    /// Add a role; its password goes to standard output, this once
    Add(AddOptions),
    #[command(after_long_help = long_help(EXAMPLES))]
    /// Grant a role what it may read; a grant of the same table, place and value is replaced
    Grant(GrantOptions),
    #[command(after_long_help = long_help(EXAMPLES))]
    /// Take a grant away; statements of the role that run are ended
    Revoke(RevokeOptions),
    #[command(after_long_help = long_help(EXAMPLES))]
    /// Show what a role may read
    Show(NameOptions),
    #[command(after_long_help = long_help(EXAMPLES))]
    /// Change the limits of a role; those that are not named stay
    Set(RoleOptions),
    #[command(after_long_help = long_help(EXAMPLES))]
    /// Give a role a new password, which goes to standard output, this once; the old one holds no more
    Password(NameOptions),
    #[command(after_long_help = long_help(EXAMPLES))]
    /// List the roles and their limits
    List(ControlOptions),
    #[command(after_long_help = long_help(EXAMPLES))]
    /// Remove a role; its connections get no more answers
    Remove(NameOptions),
    #[command(subcommand)]
    /// Add, list and revoke tokens of a role, by which programs take the place of a password
    Token(TokenCommand),
}

/// Options of `role add`.
#[derive(Debug, Args)]
pub(crate) struct AddOptions {
    #[command(flatten)]
    pub role: RoleOptions,

    #[command(flatten)]
    pub kind: KindOptions,
}

/// Options of `role grant`.
#[derive(Debug, Args)]
pub(crate) struct GrantOptions {
    /// Name of the role
    pub name: String,

    #[command(flatten)]
    pub key: GrantKeyOptions,

    #[command(flatten)]
    pub personal: PersonalOptions,

    #[command(flatten)]
    pub control: ControlOptions,
}

/// Options of `role revoke`.
#[derive(Debug, Args)]
pub(crate) struct RevokeOptions {
    /// Name of the role
    pub name: String,

    #[command(flatten)]
    pub key: GrantKeyOptions,

    #[command(flatten)]
    pub control: ControlOptions,
}

/// Options of `role set`, and of `role add` beside its kind.
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
    pub control: ControlOptions,
}

/// Options of `role show`, `role password` and `role remove`.
#[derive(Debug, Args)]
pub(crate) struct NameOptions {
    /// Name of the role
    pub name: String,

    #[command(flatten)]
    pub control: ControlOptions,
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
    text.parse().map(Limit::At).map_err(|_cause| "a whole number, or none".to_owned())
}

impl RoleOptions {
    /// Limits that were named.
    fn changes(&self) -> LimitChanges {
        LimitChanges {
            statement_seconds_max: self.statement_seconds_max.map(Limit::at),
            memory_bytes_max: self.memory_bytes_max.map(Limit::at),
            running_max: self.running_max.map(Limit::at),
        }
    }
}

/// Changes or lists roles.
///
/// # Errors
/// Where there is no registry, the role is not known, its name is taken, or a limit cannot be.
pub(crate) fn run(command: &RoleCommand) -> Result<(), CliError> {
    match command {
        RoleCommand::Add(AddOptions { role: options, kind }) => {
            let grants = kind.grants(&options.name)?;
            let body = AddRole {
                name: options.name.clone(),
                kind: Some(kind.kind.name().to_owned()),
                limits: options.changes(),
                grants,
            };
            let added: RolePassword = Control::open(&options.control)?.post(&[ROLES], &body)?;
            eprintln!("Role {} is added. Its password, which is not shown again:", options.name);
            if body.grants.is_empty() && kind.kind != RoleKind::Administrator {
                eprintln!("Nothing is granted to it yet: see `zonelake role grant`.");
            }
            print_password(&added)
        }
        RoleCommand::Grant(options) => {
            let grant = options.key.grant(&options.personal);
            let role: RoleItem = Control::open(&options.control)?.post(&[ROLES, &options.name, "grants"], &grant)?;
            print_role(&role)
        }
        RoleCommand::Revoke(options) => {
            let key = options.key.item();
            let role: RoleItem = Control::open(&options.control)?.post(&[ROLES, &options.name, "revoke"], &key)?;
            print_role(&role)
        }
        RoleCommand::Show(options) => {
            let role: RoleItem = Control::open(&options.control)?.get(&[ROLES, &options.name])?;
            print_role(&role)
        }
        RoleCommand::Set(options) => {
            Control::open(&options.control)?.patch(&[ROLES, &options.name], &options.changes())?;
            eprintln!("The limits of role {} are set.", options.name);
            Ok(())
        }
        RoleCommand::Password(options) => {
            let reset: RolePassword =
                Control::open(&options.control)?.post(&[ROLES, &options.name, "password"], &())?;
            eprintln!("The new password of {}, which is not shown again:", options.name);
            print_password(&reset)
        }
        RoleCommand::List(control) => {
            let list: RoleList = Control::open(control)?.get(&[ROLES])?;
            print(&list.roles)
        }
        RoleCommand::Remove(options) => {
            Control::open(&options.control)?.delete(&[ROLES, &options.name])?;
            eprintln!("Role {} is removed; it is answered no more.", options.name);
            Ok(())
        }
        RoleCommand::Token(command) => tokens::run(ROLES, command),
    }
}

fn print_password(of: &RolePassword) -> Result<(), CliError> {
    writeln!(std::io::stdout(), "{}", of.password).map_err(CliError::failed)
}

fn print(roles: &[RoleItem]) -> Result<(), CliError> {
    let width = roles.iter().map(|role| role.name.len()).max().unwrap_or(0).max(NAME.len());
    let mut out = std::io::stdout().lock();
    let mut line = |name: &str, seconds: &str, bytes: &str, running: &str, kind: &str| {
        writeln!(out, "{name:width$}  {seconds:>21}  {bytes:>16}  {running:>11}  {kind}").map_err(CliError::failed)
    };
    line(NAME, "statement_seconds_max", "memory_bytes_max", "running_max", "kind")?;
    for role in roles {
        let text = |limit: Option<u64>| limit.map_or("none".to_owned(), |limit| limit.to_string());
        line(
            &role.name,
            &text(role.statement_seconds_max.map(u64::from)),
            &text(role.memory_bytes_max),
            &text(role.running_max.map(u64::from)),
            &role.kind,
        )?;
    }
    Ok(())
}

/// Resource of the roles.
const ROLES: &str = "roles";
const NAME: &str = "role";
