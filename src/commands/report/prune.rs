//! `zonelake report prune`: old files of scheduled reports go, and their digests stay.

use std::io::Write;

use chrono::{NaiveDate, NaiveTime};
use clap::Args;
use zonelake_http::{PruneReports, PrunedReports};
use zonelake_reports::schedule::instant_of;

use super::schedule::RUNS;
use crate::error::CliError;
use crate::registry_access::{Control, ControlOptions};

pub(super) const EXAMPLES: &str = "The server must be running. Files are kept until they are removed by this command. What was made, when, and its SHA-256 stay, so that a
file that was handed in can be verified still. A file that is not what was made stays.

Examples:
  zonelake report prune --before 2025-01-01 --dry-run
  zonelake report prune --before 2025-01-01 --schedule hourly-files";

/// Options of `report prune`.
#[derive(Debug, Args)]
pub(crate) struct PruneOptions {
    /// Files of reports that were due before the begin of this day are removed
    #[arg(long, value_name = "DAY")]
    pub before: NaiveDate,

    /// Schedule whose files they are; all without one
    #[arg(long, value_name = "NAME")]
    pub schedule: Option<String>,

    /// Say what would be removed, and remove nothing
    #[arg(long)]
    pub dry_run: bool,

    #[command(flatten)]
    pub control: ControlOptions,
}

/// Removes files.
///
/// # Errors
/// Where one cannot be removed, or no server runs.
pub(crate) fn run(options: &PruneOptions) -> Result<(), CliError> {
    let body = PruneReports {
        before_us: instant_of(options.before.and_time(NaiveTime::MIN)),
        schedule: options.schedule.clone(),
        dry_run: options.dry_run,
    };
    let control = Control::open_running(&options.control)?;
    let PrunedReports { removed, bytes, kept } = control.post_slowly(&[RUNS, "prune"], &body)?;
    let mut out = std::io::stdout().lock();
    for path in kept {
        writeln!(out, "kept, since it is not what was made: {path}").map_err(CliError::failed)?;
    }
    let words = if options.dry_run { "would be removed" } else { "are removed" };
    eprintln!("{removed} files of {bytes} bytes {words}.");
    Ok(())
}
