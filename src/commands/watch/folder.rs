//! The files of the folder, and where they go afterwards. Symbolic links are not followed: whoever may put files into the folder must not
//! name others.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::settling::{Found, Stamp};
use crate::error::CliError;

/// Folder that one process watches.
#[derive(Debug)]
pub(super) struct WatchFolder {
    path: PathBuf,
    _lock: File,
}

impl WatchFolder {
    /// Takes a folder that is there.
    ///
    /// # Errors
    /// Where it cannot be used, or another process watches it.
    pub(super) fn open(path: &Path) -> Result<Self, CliError> {
        let lock_path = path.join(LOCK);
        let failed = |error: &dyn std::fmt::Display| CliError::failed(format!("{}: {error}", lock_path.display()));
        let lock = File::options().create(true).truncate(false).write(true).open(&lock_path);
        let lock = lock.map_err(|error| failed(&error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                Err(CliError::input(format!("another process watches the folder {}", path.display())))
            }
            Err(TryLockError::Error(error)) => Err(failed(&error)),
        }
    }

    /// The files that may be taken: not those that are done or failed, nor such whose names say that they are being written.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub(super) fn files(&self) -> Result<Vec<Found>, CliError> {
        let mut found = Vec::new();
        let mut folders = vec![(PathBuf::new(), 0)];
        while let Some((relative, depth)) = folders.pop() {
            let folder = self.path.join(&relative);
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                // A folder in it that has gone meanwhile, or is not for us, holds up no other.
                Err(error) if depth > 0 => {
                    tracing::warn!("{}: {error}", folder.display());
                    continue;
                }
                Err(error) => return Err(CliError::failed(format!("{}: {error}", folder.display()))),
            };
            for entry in entries.filter_map(Result::ok) {
                let (name, relative) = (entry.file_name(), relative.join(entry.file_name()));
                let name = name.to_string_lossy();
                let Ok(kind) = entry.file_type() else { continue };
                if kind.is_dir()
                    && depth < DEPTH_MAX
                    && !(depth == 0 && OWN_FOLDERS.contains(&&*name))
                    && !name.starts_with('.')
                {
                    folders.push((relative, depth + 1));
                } else if kind.is_file() && !is_being_written(&name) {
                    found.extend(self.stamp(&self.path(&relative)).map(|stamp| Found { relative, stamp }));
                }
            }
        }
        Ok(found)
    }

    /// Path of a file of the folder.
    pub(super) fn path(&self, relative: &Path) -> PathBuf {
        self.path.join(relative)
    }

    /// State of a file; `None` where it is gone.
    pub(super) fn stamp(&self, path: &Path) -> Option<Stamp> {
        let metadata = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file)?;
        Some(Stamp { bytes: metadata.len(), modified: metadata.modified().ok(), inode: metadata.ino() })
    }

    /// Moves a file to a folder of the watched one, with its path there and a report beside it; gives its new path. The report comes first, so that
    /// no file is there without one. A file of the same name is not replaced: this one goes to a folder `2`, `3` and so on, since its name may say its device.
    ///
    /// # Errors
    /// Where the disk does not take it.
    pub(super) fn put_away(&self, relative: &Path, to: &Path, report: &str) -> Result<PathBuf, CliError> {
        let to = self.path.join(to);
        let is_free = |path: &PathBuf| !path.exists();
        let numbered = (2_u32..).map(|number| to.join(number.to_string()).join(relative));
        let target = std::iter::once(to.join(relative)).chain(numbered).find(is_free).expect("numbers do not end");
        let folder = target.parent().unwrap_or(&to);
        let failed = |error: std::io::Error| CliError::failed(format!("{}: {error}", target.display()));
        fs::create_dir_all(folder).map_err(failed)?;
        write_report(&target, report)?;
        fs::rename(self.path.join(relative), &target).map_err(failed)?;
        // Were the move undone by a power loss, the file would be pushed once more, which adds nothing.
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        Ok(target)
    }
}

/// Writes the report beside a file that was put away.
///
/// # Errors
/// Where the disk does not take it.
pub(super) fn write_report(beside: &Path, report: &str) -> Result<(), CliError> {
    let mut name = beside.file_name().unwrap_or_default().to_owned();
    name.push(REPORT_ENDING);
    let path = beside.with_file_name(name);
    let written =
        File::create(&path).and_then(|mut file| file.write_all(report.as_bytes()).and_then(|()| file.sync_all()));
    match written {
        // A name may be too long with an ending behind it; the log has what the report says.
        Err(error) if error.kind() == ErrorKind::InvalidFilename => {
            tracing::warn!("{}: {error}", path.display());
            Ok(())
        }
        written => written.map_err(|error| CliError::failed(format!("{}: {error}", path.display()))),
    }
}

/// True for names under which senders write what they rename when it is complete.
fn is_being_written(name: &str) -> bool {
    name.starts_with('.') || BEING_WRITTEN.iter().any(|ending| name.ends_with(ending))
}

/// Endings of names of files that are being written, by the usual senders.
const BEING_WRITTEN: [&str; 5] = [".part", ".partial", ".filepart", ".tmp", "~"];
/// Folders of files that were put away.
pub(super) const DONE: &str = "done";
pub(super) const FAILED: &str = "failed";
const OWN_FOLDERS: [&str; 2] = [DONE, FAILED];
const REPORT_ENDING: &str = ".report.toml";
const LOCK: &str = ".zonelake-watch.lock";
/// Folders within folders that are looked into.
const DEPTH_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_being_written_put_away_or_linked_to_are_not_taken_and_none_is_replaced() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("in");
        for folder in ["done/2026-01-01", "failed", "station/failed", ".hidden"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        let files = ["a.csv", "b.csv.part", ".c.csv", "station/d.csv", "station/failed/e.csv"];
        let others = ["done/2026-01-01/a.csv", "failed/g.csv", ".hidden/h.csv", "../secret.csv"];
        for name in files.iter().chain(&others) {
            fs::write(root.join(name), name).unwrap();
        }
        std::os::unix::fs::symlink(place.path().join("secret.csv"), root.join("link.csv")).unwrap();
        std::os::unix::fs::symlink(place.path(), root.join("folder")).unwrap();
        let folder = WatchFolder::open(&root).unwrap();
        assert!(WatchFolder::open(&root).is_err(), "one process at a time");
        let names = || {
            let mut found: Vec<_> = folder.files().unwrap().into_iter().map(|file| file.relative).collect();
            found.sort();
            found
        };
        assert_eq!(names(), ["a.csv", "station/d.csv", "station/failed/e.csv"].map(PathBuf::from));

        let path = folder.put_away(Path::new("a.csv"), Path::new("done/2026-01-01"), "rows = 1").unwrap();
        assert_eq!(path, root.join("done/2026-01-01/2/a.csv"));
        assert_eq!(fs::read_to_string(root.join("done/2026-01-01/2/a.csv.report.toml")).unwrap(), "rows = 1");
        assert_eq!(fs::read_to_string(root.join("done/2026-01-01/a.csv")).unwrap(), "done/2026-01-01/a.csv");
        let path = folder.put_away(Path::new("station/d.csv"), Path::new("failed"), "").unwrap();
        assert_eq!(path, root.join("failed/station/d.csv"));
        assert_eq!(names(), [PathBuf::from("station/failed/e.csv")]);
    }
}
