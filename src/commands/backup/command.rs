//! `zonelake backup`: options, the order of the steps, and what it says.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use zonelake_schemas::clock::{Clock, SystemClock};
use zonelake_server::FailureKind;

use super::archive::{Archive, failed};
use super::copying::{files_below, sync_folders};
use super::manifest::{MANIFEST_VERSION, Manifest};
use super::taking::{Counts, Taking};
use crate::commands::check::problems_of_copy;
use crate::error::{CliError, long_help};
use crate::options::SettingsOptions;
use crate::registry_access::{Control, record_on_folder};

const EXAMPLES: &str = "Examples:
  zonelake backup /backup/zonelake
  zonelake backup /backup/zonelake --keep 14
  zonelake backup /backup/zonelake --list

The server may run or not. Each back-up is a whole data folder, of one moment; files that an earlier one has are not copied again. A
back-up that was cut off is gone on with by the same command. zonelake restore makes a data folder from one.";

/// Back up a data folder, while its server runs or without it
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = long_help(EXAMPLES))]
pub(crate) struct BackupOptions {
    /// Folder of the back-ups, best on another disk; made where it is missing
    #[arg(value_name = "FOLDER")]
    pub destination: PathBuf,

    /// Remove the oldest back-ups afterwards, so that so many are left
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub keep: Option<u32>,

    /// List the back-ups in the folder, and make none
    #[arg(long, conflicts_with = "keep")]
    pub list: bool,

    #[command(flatten)]
    pub settings: SettingsOptions,
}

/// Makes a back-up, or lists those that are there.
///
/// # Errors
/// Where the destination cannot be used, a file is damaged or cannot be copied, or the server does not answer.
pub(crate) fn run(options: &BackupOptions) -> Result<(), CliError> {
    if options.list {
        return list(&Archive::open(&options.destination)?);
    }
    let settings = options.settings.load()?;
    let data = settings.data.as_path();
    let control = Control::open_local(data)?;
    let archive = Archive::open_or_make(&options.destination, data)?;
    let (name, copied, shared) = take(&archive, data, &settings.node, &control)?;
    // A server records what it is asked for itself.
    if !control.is_running() {
        record_on_folder(data, "backup", Some(name.clone()))?;
    }
    eprintln!(
        "The back-up {name} is complete: {} files with {} bytes copied, {} files with {} bytes shared with the one before.",
        copied.files, copied.bytes, shared.files, shared.bytes
    );
    prune(&archive, options.keep, &name)?;
    writeln!(std::io::stdout(), "{name}").map_err(CliError::failed)
}

fn take(archive: &Archive, data: &Path, node: &str, control: &Control) -> Result<(String, Counts, Counts), CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CliError::failed)?;
    let partial = archive.partial();
    make_private(&partial)?;
    let earlier = archive.points()?.pop();
    let earlier =
        earlier.map(|name| Ok::<_, CliError>((archive.point(&name), archive.manifest(&name)?))).transpose()?;
    let mut taking = Taking {
        data,
        partial: partial.clone(),
        earlier,
        files: BTreeMap::new(),
        copied: Counts::default(),
        shared: Counts::default(),
    };
    remove_registry(&partial)?;
    taking.take(control, &runtime)?;
    let Taking { files, copied, shared, .. } = taking;
    remove_others(&partial, &files)?;
    let problems = problems_of_copy(&partial, node)?;
    if !problems.is_empty() {
        let message = format!("the copy is not sound, and is no back-up:\n{}", problems.join("\n"));
        return Err(CliError::new(FailureKind::Unsound, message));
    }
    let taken_us = SystemClock::default().wall_us();
    let release = env!("CARGO_PKG_VERSION").to_owned();
    let manifest = Manifest { version: MANIFEST_VERSION, release, node: node.to_owned(), taken_us, files };
    let written = manifest.write(&partial).and_then(|()| sync_folders(&partial));
    written.map_err(|error| failed(&partial, &error))?;
    Ok((archive.complete(taken_us)?, copied, shared))
}

/// Makes the folder, which nobody else may read: it will have the keys of the server.
fn make_private(folder: &Path) -> Result<(), CliError> {
    use std::os::unix::fs::DirBuilderExt;

    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| failed(folder, &error))
}

/// Removes the registry of an attempt that was cut off: SQLite copies into no file that has something in it.
fn remove_registry(partial: &Path) -> Result<(), CliError> {
    let entries = fs::read_dir(partial).map_err(|error| failed(partial, &error))?;
    for entry in entries {
        let path = entry.map_err(|error| failed(partial, &error))?.path();
        if path.is_file() {
            fs::remove_file(&path).map_err(|error| failed(&path, &error))?;
        }
    }
    Ok(())
}

/// Removes what an attempt that was cut off has left and this one does not want.
fn remove_others<T>(partial: &Path, files: &BTreeMap<String, T>) -> Result<(), CliError> {
    for path in files_below(partial).map_err(|error| failed(partial, &error))? {
        if !files.contains_key(&path) {
            let path = partial.join(path);
            fs::remove_file(&path).map_err(|error| failed(&path, &error))?;
        }
    }
    Ok(())
}

/// Removes the oldest back-ups. The one that was just made stays, whatever the clock said when the others got their names.
fn prune(archive: &Archive, keep: Option<u32>, made: &str) -> Result<(), CliError> {
    let Some(keep) = keep else { return Ok(()) };
    let mut points = archive.points()?;
    points.retain(|name| name != made);
    let surplus = (points.len() + 1).saturating_sub(keep.max(1) as usize);
    for name in &points[..surplus] {
        archive.remove(name)?;
        eprintln!("The back-up {name} is removed.");
    }
    Ok(())
}

fn list(archive: &Archive) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    for name in archive.points()? {
        let manifest = archive.manifest(&name)?;
        let (files, bytes) = (manifest.files.len(), manifest.bytes());
        writeln!(out, "{name}  {files:>8} files  {bytes:>15} bytes  {}", manifest.node).map_err(CliError::failed)?;
    }
    Ok(())
}
