//! `zonelake rejected`: rows that a server has rejected whole, to be listed, stored after all, or dropped.

use std::collections::BTreeMap;
use std::io::Write;

use clap::{Args, Subcommand};
use zonelake_http::{KeptRows, RejectedGroup, RejectedList, RejectedPage, RejectedSelection};

use crate::error::{CliError, long_help};
use crate::registry_access::{Control, ControlOptions};

const EXAMPLES: &str = "The server must be running. A row is stored once, as back-fill, however often it is replayed; what is still not acceptable stays as it was.

Examples:
  zonelake rejected list
  zonelake rejected replay --reason future_time
  zonelake rejected replay --table environment --gateway formosa-1
  zonelake rejected drop --reason past_time --gateway formosa-1";

/// List rows that were rejected whole, store them after all, or drop them
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES, after_long_help = long_help(EXAMPLES))]
pub(crate) enum RejectedCommand {
    #[command(after_long_help = long_help(EXAMPLES))]
    /// List the rows by reason, table and gateway
    List(ControlOptions),
    #[command(after_long_help = long_help(EXAMPLES))]
    /// Store the rows that are acceptable now, as a clock is right again or a device is registered
    Replay(ReplayOptions),
    #[command(after_long_help = long_help(EXAMPLES))]
    /// Drop rows for good; they stay readable in the table rejected
    Drop(DropOptions),
}

/// Options of `rejected replay`.
#[derive(Debug, Args)]
pub(crate) struct ReplayOptions {
    #[command(flatten)]
    pub selection: SelectionOptions,

    #[command(flatten)]
    pub control: ControlOptions,
}

/// Options of `rejected drop`.
#[derive(Debug, Args)]
pub(crate) struct DropOptions {
    #[command(flatten)]
    pub selection: SelectionOptions,

    /// Drop the rows of all reasons
    #[arg(long, conflicts_with = "reasons")]
    pub all_reasons: bool,

    #[command(flatten)]
    pub control: ControlOptions,
}

/// Rows that a command is about.
#[derive(Debug, Args)]
pub(crate) struct SelectionOptions {
    /// Reason of the rejection, as future_time; may be given several times. Not given: all of them
    #[arg(long = "reason", value_name = "REASON", id = "reasons")]
    pub reasons: Vec<String>,

    /// Table that the rows were meant for
    #[arg(long, value_name = "NAME")]
    pub table: Option<String>,

    /// Gateway that sent them
    #[arg(long, value_name = "NAME")]
    pub gateway: Option<String>,

    /// Zone of the rows
    #[arg(long, value_name = "CODE")]
    pub zone: Option<String>,

    /// Device that they name
    #[arg(long, value_name = "NAME")]
    pub device: Option<String>,
}

/// Lists, stores or drops.
///
/// # Errors
/// Where no server runs, a name is not known, or the server cannot store at the moment.
pub(crate) fn run(command: &RejectedCommand) -> Result<(), CliError> {
    match command {
        RejectedCommand::List(control) => {
            let list: RejectedList = Control::open_running(control)?.get(&[REJECTED])?;
            print(&list.groups)
        }
        RejectedCommand::Replay(options) => {
            let (stored, kept) = work(&options.control, "replay", &options.selection)?;
            eprintln!("{stored} rows are stored.");
            kept.iter().for_each(say_kept);
            Ok(())
        }
        RejectedCommand::Drop(options) => {
            if options.selection.reasons.is_empty() && !options.all_reasons {
                return Err(CliError::input("name what to drop: --reason REASON, or --all-reasons"));
            }
            let (dropped, kept) = work(&options.control, "drop", &options.selection)?;
            eprintln!("{dropped} rows are dropped.");
            kept.iter().for_each(say_kept);
            Ok(())
        }
    }
}

/// Asks for page after page. Returns the rows that were done, and those that stay as they were.
fn work(options: &ControlOptions, verb: &str, of: &SelectionOptions) -> Result<(u64, Vec<KeptRows>), CliError> {
    let control = Control::open_running(options)?;
    let mut selection = RejectedSelection {
        reasons: of.reasons.clone(),
        table: of.table.clone(),
        gateway: of.gateway.clone(),
        zone: of.zone.clone(),
        device: of.device.clone(),
        after: None,
    };
    let mut done = 0;
    let mut kept: BTreeMap<String, KeptRows> = BTreeMap::new();
    loop {
        // What was done before an error is done, and the same command goes on behind it.
        let page: RejectedPage = control
            .post(&[REJECTED, verb], &selection)
            .inspect_err(|_| eprintln!("{done} rows are done; the same command does the rest"))?;
        done += page.done;
        for more in page.kept {
            match kept.get_mut(&more.reason) {
                Some(known) => known.rows += more.rows,
                None => drop(kept.insert(more.reason.clone(), more)),
            }
        }
        selection.after = page.after;
        if selection.after.is_none() {
            return Ok((done, kept.into_values().collect()));
        }
    }
}

fn say_kept(kept: &KeptRows) {
    eprintln!("{} rows stay rejected ({}): {}", kept.rows, kept.reason, kept.message);
}

fn print(groups: &[RejectedGroup]) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    let mut line = |reason: &str, table: &str, gateway: &str, rows: &str, last: &str, message: &str| {
        writeln!(out, "{reason:14}  {table:16}  {gateway:16}  {rows:>12}  {last:16}  {message}")
            .map_err(CliError::failed)
    };
    line("reason", "table", "gateway", "rows", "last (UTC)", "why")?;
    for group in groups {
        let last = chrono::DateTime::from_timestamp_micros(group.last_us);
        let last = last.map_or_else(|| group.last_us.to_string(), |at| at.format("%Y-%m-%d %H:%M").to_string());
        line(&group.reason, &group.table, &group.gateway, &group.rows.to_string(), &last, &group.message)?;
    }
    Ok(())
}

/// Resource of the rejected rows.
const REJECTED: &str = "rejected";
