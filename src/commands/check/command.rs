//! `zonelake check`: options, and the order in which a folder is read.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;

use clap::Args;
use zonelake_registry::{RegisteredTable, check_file, tables_of_file};
use zonelake_schemas::clock::{Clock, SystemClock};

use zonelake_server::FailureKind;

use super::audit::AuditCheck;
use super::report::Report;
use super::tables::Depth;
use super::wal::Registered;
use super::{rules, tables, wal};
use crate::error::{CliError, long_help};
use crate::options::SettingsOptions;
use crate::registry_access::{REGISTRY_FILE, record_on_folder};

const EXAMPLES: &str = "Examples:
  zonelake check
  zonelake check --data /backup/zonelake --json
  zonelake check --set-apart

Without --set-apart nothing is changed. Exit code 0: sound; 3: not sound, each damage is named with file and place. A torn tail and files
that no log lists are reported and are no damage: docs/troubleshooting.md says what they are.";

/// Read a whole data folder, log and tables, and say whether it is sound
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = long_help(EXAMPLES))]
pub(crate) struct CheckOptions {
    /// Write the report as JSON
    #[arg(long)]
    pub json: bool,

    /// Take damaged Parquet files out of their tables and move them to the folder set-apart of the data folder, so that
    /// the rest can be queried; their rows are missing from then on. With the server stopped only
    #[arg(long)]
    pub set_apart: bool,

    #[command(flatten)]
    pub settings: SettingsOptions,
}

/// Reads everything and reports.
///
/// # Errors
/// Where the folder is none, or not sound.
pub(crate) fn run(options: &CheckOptions) -> Result<(), CliError> {
    let settings = options.settings.load()?;
    let folder = settings.data.as_path();
    if !folder.join(REGISTRY_FILE).exists() && !folder.join("tables").exists() {
        return Err(CliError::input(format!(
            "{} is no data folder: it has neither registry nor tables",
            folder.display()
        )));
    }
    let lock = lock(folder)?;
    if options.set_apart && !matches!(lock, FolderLock::Held(_)) {
        return Err(CliError::input(format!(
            "damaged files can be set apart only while no server runs on {} and it can be written: stop the server first",
            folder.display()
        )));
    }
    let mut report = Report { server_running: matches!(lock, FolderLock::Taken), ..Report::default() };
    if report.server_running {
        eprintln!(
            "A server is running on {}: files come and go while they are read. Look at a finding again with the server stopped.",
            folder.display()
        );
    }
    let depth = if options.set_apart { Depth::SetApart } else { Depth::Read };
    check_folder(folder, &settings.node, depth, &mut report)?;
    if !report.set_apart.is_empty() {
        record_on_folder(folder, "set_apart", Some(report.set_apart.join("; ")))?;
    }
    report.print(options.json).map_err(CliError::failed)?;
    match report.problems.len() {
        0 => Ok(()),
        1 => Err(CliError::new(FailureKind::Unsound, "one thing is not sound")),
        many => Err(CliError::new(FailureKind::Unsound, format!("{many} things are not sound"))),
    }
}

/// What is not sound in a copy of a folder, whose Parquet files were compared with their digests when they were copied.
///
/// # Errors
/// Where the system does not let it be read.
pub(crate) fn problems_of_copy(folder: &Path, node: &str) -> Result<Vec<String>, CliError> {
    let mut report = Report::default();
    check_folder(folder, node, Depth::Lengths, &mut report)?;
    Ok(report.problems)
}

fn check_folder(folder: &Path, node: &str, depth: Depth, report: &mut Report) -> Result<(), CliError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let registry = folder.join(REGISTRY_FILE);
    let (declared, registered) = check_registry(&registry, report);
    let mut audit = AuditCheck::of(&declared);
    let wal_ends = wal::check(&folder.join("wal"), &registry, registered, &mut audit, report);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CliError::failed)?;
    runtime.block_on(tables::check(folder, depth, &declared, &clock, &mut audit, report));
    rules::check(folder, report);
    audit.finish(folder, report);
    for (table, app, committed) in std::mem::take(&mut report.committed) {
        let end = app.strip_prefix(node).and_then(|shard| wal_ends.get(shard.trim_start_matches('/')));
        if let Some(end) = end.filter(|end| **end <= committed) {
            report.problems.push(format!(
                "table {table} has rows up to LSN {committed} of {app}, whose log ends before LSN {end}: the log is older than the table"
            ));
        }
    }
    Ok(())
}

/// Checks the registry and reads from it what files and WAL are compared with.
fn check_registry(path: &Path, report: &mut Report) -> (Vec<Arc<RegisteredTable>>, Registered) {
    let checked = check_file(path).and_then(|found| {
        report.add_registry(&found);
        Ok((tables_of_file(path)?, Some(found.marks), found.node_number))
    });
    let (declared, marks, node_number) = checked.unwrap_or_else(|error| {
        report.problems.push(error.to_string());
        (Vec::new(), None, None)
    });
    let tables = declared.iter().map(|table| (table.id, Arc::clone(table))).collect();
    (declared, Registered { tables, marks, node_number })
}

/// Whether a server has the folder open, and what keeps one from it meanwhile.
enum FolderLock {
    /// A server is running.
    Taken,
    /// None is, and none can start as long as this is held.
    Held(#[expect(dead_code, reason = "it is held, not read")] File),
    /// The folder cannot be written, or no server has ever opened it.
    None,
}

fn lock(folder: &Path) -> Result<FolderLock, CliError> {
    let path = folder.join("lock");
    let Ok(file) = File::options().write(true).open(&path) else { return Ok(FolderLock::None) };
    match file.try_lock() {
        Ok(()) => Ok(FolderLock::Held(file)),
        Err(TryLockError::WouldBlock) => Ok(FolderLock::Taken),
        Err(TryLockError::Error(error)) => Err(CliError::failed(format!("{}: {error}", path.display()))),
    }
}
