//! `zonelake retention`: how long rows are kept, and legal holds, in a running server.

use std::io::Write;

use clap::{Args, Subcommand};
use zonelake_http::{AddLegalHold, ConcernedRows, SetRetention};
use zonelake_storage::Ledger;

use super::rows::{SelectionOptions, concerned, time, who, words};
use crate::error::{CliError, long_help};
use crate::registry_access::{Control, ControlOptions};

const EXAMPLES: &str =
    "The server must be running. Rows are kept for ever where nothing is said. Days are whole days of UTC before today.

Examples:
  zonelake retention set energy --days 1826 --dry-run
  zonelake retention set environment --days 400
  zonelake retention set environment --days 800 --zone vung-ang
  zonelake retention remove environment --zone vung-ang
  zonelake retention hold case-7 --zone vung-ang --device stack-2 --why \"inspection 7/2026\"
  zonelake retention release case-7
  zonelake retention list";

/// Say how long rows are kept, and which outlast that
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES, after_long_help = long_help(EXAMPLES))]
pub(crate) enum RetentionCommand {
    #[command(after_long_help = long_help(EXAMPLES))]
    /// Keep the rows of a table, or of one zone in it, for so many days
    Set(SetOptions),
    #[command(after_long_help = long_help(EXAMPLES))]
    /// Keep the rows of a table, or of one zone in it, for ever again
    Remove(TermOptions),
    #[command(after_long_help = long_help(EXAMPLES))]
    /// Keep rows of all tables whatever their term is, and from deletion
    Hold(HoldOptions),
    #[command(after_long_help = long_help(EXAMPLES))]
    /// End a legal hold
    Release(ReleaseOptions),
    #[command(after_long_help = long_help(EXAMPLES))]
    /// List terms and legal holds
    List(ControlOptions),
}

/// Table, and zone in it.
#[derive(Debug, Args)]
pub(crate) struct TermOptions {
    /// Table
    pub table: String,

    /// Code of the zone; without it, all zones that have no term of their own
    #[arg(long, value_name = "CODE")]
    pub zone: Option<String>,

    #[command(flatten)]
    pub control: ControlOptions,
}

/// Options of `retention set`.
#[derive(Debug, Args)]
pub(crate) struct SetOptions {
    #[command(flatten)]
    pub term: TermOptions,

    /// Days that rows are kept
    #[arg(long, value_name = "NUMBER")]
    pub days: u32,

    /// Say what would go at once, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Options of `retention hold`.
#[derive(Debug, Args)]
pub(crate) struct HoldOptions {
    /// Name of the hold
    pub name: String,

    #[command(flatten)]
    pub selection: SelectionOptions,

    /// Reason, for the record
    #[arg(long, value_name = "TEXT")]
    pub why: String,

    #[command(flatten)]
    pub control: ControlOptions,
}

/// Options of `retention release`.
#[derive(Debug, Args)]
pub(crate) struct ReleaseOptions {
    /// Name of the hold
    pub name: String,

    #[command(flatten)]
    pub control: ControlOptions,
}

/// Changes or lists rules.
///
/// # Errors
/// Where no server runs, there is no such table or hold, or the term is too short.
pub(crate) fn run(command: &RetentionCommand) -> Result<(), CliError> {
    match command {
        RetentionCommand::Set(options) => set(options),
        RetentionCommand::Remove(TermOptions { table, zone, control }) => {
            let body = SetRetention { table: table.clone(), zone: zone.clone(), days: None, dry_run: false };
            let _nothing_goes: ConcernedRows = Control::open_running(control)?.post(&[RETENTION], &body)?;
            eprintln!("Rows of {table} are kept for ever again{}.", of_zone(zone.as_deref()));
            Ok(())
        }
        RetentionCommand::Hold(options) => {
            let body = AddLegalHold {
                name: options.name.clone(),
                selection: options.selection.selection(),
                who: who(),
                why: options.why.clone(),
            };
            Control::open_running(&options.control)?.create(&[HOLDS], &body)?;
            eprintln!("Under the legal hold {}: {}.", options.name, words(&body.selection));
            Ok(())
        }
        RetentionCommand::Release(options) => {
            Control::open_running(&options.control)?.delete(&[HOLDS, &options.name])?;
            eprintln!("The legal hold {} has ended.", options.name);
            Ok(())
        }
        RetentionCommand::List(control) => list(&Control::open_running(control)?.get(&["rules"])?),
    }
}

fn set(options: &SetOptions) -> Result<(), CliError> {
    let SetOptions { term: TermOptions { table, zone, control }, days, dry_run } = options;
    let body = SetRetention { table: table.clone(), zone: zone.clone(), days: Some(*days), dry_run: *dry_run };
    let done: ConcernedRows = Control::open_running(control)?.post_slowly(&[RETENTION], &body)?;
    let what = concerned(&done);
    if *dry_run {
        eprintln!("Would go at once: {what}");
    } else {
        let zone = of_zone(zone.as_deref());
        eprintln!("Rows of {table} are kept for {days} days{zone}. No statement sees what is older any more: {what}");
    }
    writeln!(std::io::stdout(), "{}", done.rows).map_err(CliError::failed)
}

fn list(ledger: &Ledger) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    for term in &ledger.retention {
        let zone = of_zone(term.zone.as_deref());
        writeln!(out, "{} is kept for {} days{zone}", term.table, term.days).map_err(CliError::failed)?;
    }
    for hold in &ledger.holds {
        let (rows, at) = (words(&hold.selection), time(hold.at_us));
        writeln!(out, "hold {}: {rows}; by {} since {at}: {}", hold.name, hold.who, hold.why)
            .map_err(CliError::failed)?;
    }
    Ok(())
}

fn of_zone(zone: Option<&str>) -> String {
    zone.map_or_else(String::new, |zone| format!(" in zone {zone}"))
}

/// Resources of the terms and of the legal holds.
const RETENTION: &str = "retention";
const HOLDS: &str = "legal-holds";
