//! `zonelake report verify`: whether files of scheduled reports are those that were made.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use zonelake_http::{ReportRunItem, ReportRunList, VerifiedReports, VerifyReports};
use zonelake_reports::schedule::files::digest_of;
use zonelake_server::FailureKind;

use super::schedule::{RUNS, local_time};
use crate::error::CliError;
use crate::registry_access::{Control, ControlOptions};

pub(super) const EXAMPLES: &str = "The server must be running. Without a file it compares all files that it keeps with the digests of what was made; with files, as an
agency hands them back, it says which report each of them is. The digests are in the table audit, too.

Examples:
  zonelake report verify
  zonelake report verify --schedule monthly-air
  zonelake report verify handed-in.xlsx";

/// Options of `report verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyOptions {
    /// Files to look up by their digests
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// Schedule whose files are compared; all without one
    #[arg(long, value_name = "NAME", conflicts_with = "files")]
    pub schedule: Option<String>,

    #[command(flatten)]
    pub control: ControlOptions,
}

/// Compares files.
///
/// # Errors
/// Where one is not what was made, or no server runs.
pub(crate) fn run(options: &VerifyOptions) -> Result<(), CliError> {
    let control = Control::open_running(&options.control)?;
    if options.files.is_empty() {
        let body = VerifyReports { schedule: options.schedule.clone() };
        return of_server(&control.post_slowly(&[RUNS, "verify"], &body)?);
    }
    let mut unknown = 0;
    for path in &options.files {
        if !look_up(path, &control)? {
            unknown += 1;
        }
    }
    end(unknown, options.files.len(), "of no report that was made")
}

fn of_server(verified: &VerifiedReports) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    for file in &verified.files {
        let found = file.found.as_ref().map(|found| format!(" ({found})")).unwrap_or_default();
        writeln!(out, "{} {}  {}{found}", file.state, file.sha256, file.path).map_err(CliError::failed)?;
    }
    if verified.has_more {
        eprintln!("There are older files, which were not compared: name a schedule.");
    }
    // What was removed on purpose says nothing of the others.
    let kept: Vec<_> = verified.files.iter().filter(|file| file.state != "removed").collect();
    let others = kept.iter().filter(|file| file.state != "unchanged").count();
    end(others, kept.len(), "not what was made")
}

/// Says which report a file is; true where it is one.
fn look_up(path: &Path, control: &Control) -> Result<bool, CliError> {
    let digest = digest_of(path);
    let digest = digest.map_err(|error| CliError::input(format!("cannot read {}: {error}", path.display())))?;
    let made: ReportRunList = control.get(&["report-files", &digest])?;
    let files = made.runs.iter().flat_map(|run| run.files.iter().map(move |file| (run, file)));
    let known: Vec<_> = files.filter(|(_, file)| file.sha256 == digest).collect();
    let mut out = std::io::stdout().lock();
    let shown = path.display();
    if known.is_empty() {
        writeln!(out, "unknown {digest}  {shown}").map_err(CliError::failed)?;
    }
    for (run, file) in &known {
        let (due, done) = (local_time(run.due_us), local_time(run.done_us));
        let ahead = if run.is_ahead { ", while the clock was ahead" } else { "" };
        let ReportRunItem { schedule, author, .. } = run;
        writeln!(
            out,
            "unchanged {digest}  {shown} is {} of {schedule}, due at {due}, made at {done} with the rights of {author}{ahead}",
            file.path
        )
        .map_err(CliError::failed)?;
    }
    Ok(!known.is_empty())
}

fn end(others: usize, all: usize, words: &str) -> Result<(), CliError> {
    if others > 0 {
        return Err(CliError::new(FailureKind::Unsound, format!("{others} of {all} files are {words}")));
    }
    eprintln!("All of {all} files are as they were made.");
    Ok(())
}
