//! `zonelake restore`: a data folder from a back-up.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use zonelake_server::FailureKind;
use zonelake_storage::Ledger;
use zonelake_wal::RealDisk;

use super::archive::{Archive, failed};
use super::copying::{copy_file, digest_of, files_below, sync_folders};
use super::manifest::Manifest;
use crate::commands::check::problems_of_copy;
use crate::error::{CliError, long_help};
use crate::options::SettingsOptions;
use crate::registry_access::record_on_folder;

const EXAMPLES: &str = "Examples:
  zonelake restore /backup/zonelake --data /var/lib/zonelake
  zonelake restore /backup/zonelake --point 2026-11-30T19-30-00Z --data /srv/looked-into

The data folder must not exist yet, or be empty. Every file is compared with its digest. A command that was cut off is gone on with by the
same command; the folder appears under its name only when it is whole.";

/// Make a data folder from a back-up
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = long_help(EXAMPLES))]
pub(crate) struct RestoreOptions {
    /// Folder of the back-ups
    #[arg(value_name = "FOLDER")]
    pub source: PathBuf,

    /// Restore although rows come back that were deleted after this back-up was made
    #[arg(long)]
    pub with_deleted_rows: bool,

    /// Name of the back-up, as `zonelake backup FOLDER --list` has it; without it the newest one
    #[arg(long, value_name = "NAME")]
    pub point: Option<String>,

    #[command(flatten)]
    pub settings: SettingsOptions,
}

/// Makes the data folder.
///
/// # Errors
/// Where there is no such back-up, it is damaged, or the data folder is there already.
pub(crate) fn run(options: &RestoreOptions) -> Result<(), CliError> {
    let settings = options.settings.load()?;
    let target = settings.data.as_path();
    check_target(target)?;
    let archive = Archive::open(&options.source)?;
    let name = chosen(&archive, options)?;
    let manifest = archive.manifest(&name)?;
    if !options.with_deleted_rows {
        check_deletions(&archive, &name)?;
    }
    let staging = staging(target)?;
    copy(&archive.point(&name), &manifest, &staging)?;
    let problems = problems_of_copy(&staging, &manifest.node)?;
    if !problems.is_empty() {
        let message = format!("the back-up {name} is not sound; nothing was restored:\n{}", problems.join("\n"));
        return Err(CliError::new(FailureKind::Unsound, message));
    }
    sync_folders(&staging).map_err(|error| failed(&staging, &error))?;
    // It takes the place of an empty folder.
    fs::rename(&staging, target).map_err(|error| {
        let hint = "a folder that is a mount cannot be replaced: name one below it";
        CliError::failed(format!("{}: {error} ({hint})", target.display()))
    })?;
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(parent).and_then(|parent| parent.sync_all()).map_err(|error| failed(parent, &error))?;
    record_on_folder(target, "restore", Some(name.clone()))?;
    eprintln!(
        "{} is as the back-up {name} has it: {} files with {} bytes. What was acknowledged after that moment is not in it.",
        target.display(),
        manifest.files.len(),
        manifest.bytes()
    );
    Ok(())
}

/// Refuses a target with something in it.
fn check_target(target: &Path) -> Result<(), CliError> {
    let is_free = match fs::read_dir(target) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(failed(target, &error)),
    };
    if is_free {
        return Ok(());
    }
    Err(CliError::input(format!(
        "{} has files in it, and a back-up is restored to a new folder only: move it away first",
        target.display()
    )))
}

fn chosen(archive: &Archive, options: &RestoreOptions) -> Result<String, CliError> {
    let mut points = archive.points()?;
    match &options.point {
        Some(name) if points.contains(name) => Ok(name.clone()),
        Some(name) => Err(CliError::input(format!(
            "there is no back-up {name} in {}; zonelake backup FOLDER --list names them",
            options.source.display()
        ))),
        None => points
            .pop()
            .ok_or_else(|| CliError::input(format!("there is no back-up in {} yet", options.source.display()))),
    }
}

/// Refuses a back-up without the deletions that a later one knows of: rows would be back that somebody was promised to be gone.
fn check_deletions(archive: &Archive, name: &str) -> Result<(), CliError> {
    let deletions = |name: &str| {
        let ledger = Ledger::read(&RealDisk, &archive.point(name));
        let ledger = ledger.map_err(|error| CliError::from_kind(error.kind(), error))?;
        Ok::<_, CliError>(ledger.deletions.last().map_or(0, |last| last.id))
    };
    let own = deletions(name)?;
    let points = archive.points()?;
    for later in points.iter().skip_while(|point| *point != name).skip(1) {
        let known = deletions(later)?;
        if known > own {
            return Err(CliError::input(format!(
                "rows were deleted between the back-ups {name} and {later} (deletions {} to {known}), and would be back; take {later} or a later one, or say --with-deleted-rows and delete them again",
                own + 1
            )));
        }
    }
    Ok(())
}

/// Folder beside the target in which it is made.
fn staging(target: &Path) -> Result<PathBuf, CliError> {
    let name =
        target.file_name().ok_or_else(|| CliError::input(format!("{} is no folder's name", target.display())))?;
    let mut name = name.to_os_string();
    name.push(".restoring");
    Ok(target.with_file_name(name))
}

/// Copies the files of a back-up that are not there yet, and removes what is not of it.
fn copy(from: &Path, manifest: &Manifest, to: &Path) -> Result<(), CliError> {
    use std::os::unix::fs::DirBuilderExt;

    fs::DirBuilder::new().recursive(true).mode(0o700).create(to).map_err(|error| failed(to, &error))?;
    for path in files_below(to).map_err(|error| failed(to, &error))? {
        if !manifest.files.contains_key(&path) {
            let path = to.join(path);
            fs::remove_file(&path).map_err(|error| failed(&path, &error))?;
        }
    }
    for (path, entry) in &manifest.files {
        let (source, target) = (from.join(path), to.join(path));
        if digest_of(&target).is_ok_and(|found| found == *entry) {
            continue;
        }
        let copied = copy_file(&source, &target, None).map_err(|error| failed(&source, &error))?;
        if copied != *entry {
            let message = format!(
                "{} is damaged: it has {} bytes with digest {}, and the back-up was made with {} and {}. Nothing was restored; take another back-up with --point",
                source.display(),
                copied.bytes,
                copied.xxh3_64,
                entry.bytes,
                entry.xxh3_64
            );
            return Err(CliError::new(FailureKind::Unsound, message));
        }
    }
    Ok(())
}
