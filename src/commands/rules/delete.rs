//! `zonelake delete`: rows deleted by zone, device and time, in a running server.

use std::io::Write;

use clap::Args;
use zonelake_http::{ConcernedRows, DeleteRows};
use zonelake_storage::Ledger;

use super::rows::{SelectionOptions, concerned, time, who, words};
use crate::error::{CliError, long_help};
use crate::registry_access::{Control, ControlOptions};

const EXAMPLES: &str = "The server must be running. Rows that were acknowledged before the command are deleted; what is sent later is stored.

Examples:
  zonelake delete energy --zone vung-ang --device meter-17 --why \"wrong meter\" --dry-run
  zonelake delete energy --zone vung-ang --device meter-17 --why \"wrong meter\"
  zonelake delete security --from 2026-01-01 --until 2026-01-02 --why \"order 12/2026\"
  zonelake delete --list";

/// Delete rows by zone, device and time
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = long_help(EXAMPLES))]
pub(crate) struct DeleteOptions {
    /// Table
    #[arg(required_unless_present = "list")]
    pub table: Option<String>,

    #[command(flatten)]
    pub selection: SelectionOptions,

    /// Reason, for the record
    #[arg(long, value_name = "TEXT", required_unless_present = "list")]
    pub why: Option<String>,

    /// Say what would go, and delete nothing
    #[arg(long)]
    pub dry_run: bool,

    /// List the deletions so far
    #[arg(long, conflicts_with_all = ["table", "why", "dry_run"])]
    pub list: bool,

    #[command(flatten)]
    pub control: ControlOptions,
}

/// Deletes, or says what would go.
///
/// # Errors
/// Where no server runs, the selection is empty or of everything, or rows of it are under a legal hold.
pub(crate) fn run(options: &DeleteOptions) -> Result<(), CliError> {
    let control = Control::open_running(&options.control)?;
    let (Some(table), Some(why)) = (&options.table, &options.why) else {
        return list(&control.get(&["rules"])?);
    };
    let body = DeleteRows {
        table: table.clone(),
        selection: options.selection.selection(),
        who: who(),
        why: why.clone(),
        dry_run: options.dry_run,
    };
    let done: ConcernedRows = control.post_slowly(&["deletions"], &body)?;
    match done.id {
        Some(id) => eprintln!(
            "Deletion {id}: no statement sees these {} rows any more. Their files are rewritten and then removed from disk; zonelake delete --list says when that is done.",
            done.rows
        ),
        None => eprintln!("Would be deleted: {}", concerned(&done)),
    }
    writeln!(std::io::stdout(), "{}", done.rows).map_err(CliError::failed)
}

fn list(ledger: &Ledger) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    for order in &ledger.deletions {
        let state = match order.erased_us {
            Some(at) => format!("gone from disk {}", time(at)),
            None if order.pending.is_empty() => "rewritten; the old files are still on disk".to_owned(),
            None => format!("{} files to be rewritten", order.pending.len()),
        };
        writeln!(
            out,
            "{}  {}  {}  {} ({})  {} rows  by {}: {}  {state}",
            order.id,
            time(order.at_us),
            order.table,
            words(&order.selection),
            order.files.len(),
            order.rows,
            order.who,
            order.why
        )
        .map_err(CliError::failed)?;
    }
    Ok(())
}
