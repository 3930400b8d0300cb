//! The folder of back-ups.
//!
//! | path below it | content |
//! |---|---|
//! | `zonelake-backups` | version of this layout: says that the folder is one |
//! | `order` | names of the back-ups in the order in which they were made, a line each; those of a release that did not write it are before them |
//! | `lock` | held by the command that works on it |
//! | `2026-11-30T19-30-00Z/` | one back-up, named for the time at which it was complete: a data folder, and its `manifest.json` |
//! | `partial/` | a back-up that is being made, or was cut off; the next one goes on with its files |
//! | `removing/` | a back-up on its way out |
//!
//! Back-ups of the same folder share Parquet files, which never change, as hard links. So each is whole by itself, and any may go.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use zonelake_server::FailureKind;

use super::manifest::{MANIFEST_FILE, Manifest};
use crate::error::CliError;

/// An open folder of back-ups.
#[derive(Debug)]
pub(super) struct Archive {
    folder: PathBuf,
    /// Held, not read; absent where the folder can be read only.
    _lock: Option<File>,
}

impl Archive {
    /// Opens the folder, and makes it where it is missing or empty.
    pub(super) fn open_or_make(folder: &Path, data: &Path) -> Result<Self, CliError> {
        fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
        let (own, of_server) = (canonical(folder)?, canonical(data)?);
        if own.starts_with(&of_server) || of_server.starts_with(&own) {
            return Err(CliError::input(format!(
                "{} and the data folder {} lie within each other; name a folder outside of it, best on another disk",
                folder.display(),
                data.display()
            )));
        }
        let marker = folder.join(MARKER_FILE);
        if !marker.exists() {
            let is_empty = fs::read_dir(folder)
                .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>())
                .map_err(|error| failed(folder, &error))?
                .iter()
                .all(|name| name == LOCK_FILE);
            if !is_empty {
                return Err(CliError::input(format!(
                    "{} has other files in it and is no folder of back-ups; name a new folder",
                    folder.display()
                )));
            }
        }
        let lock = lock(folder)?;
        if !marker.exists() {
            let written = File::create(&marker)
                .and_then(|mut file| file.write_all(MARKER.as_bytes()).and_then(|()| file.sync_all()));
            written.map_err(|error| failed(&marker, &error))?;
        }
        let archive = Self { folder: folder.into(), _lock: lock };
        archive.check_version()?;
        archive.finish_removing()?;
        Ok(archive)
    }

    /// Opens a folder that is there.
    pub(super) fn open(folder: &Path) -> Result<Self, CliError> {
        if !folder.join(MARKER_FILE).exists() {
            return Err(CliError::input(format!(
                "{} is no folder of back-ups: it has no file {MARKER_FILE}",
                folder.display()
            )));
        }
        let archive = Self { folder: folder.into(), _lock: lock(folder)? };
        archive.check_version()?;
        Ok(archive)
    }

    /// Names of the back-ups that are complete, oldest first: in the order in which they were made, whatever the clock said then. Those whose
    /// place is not known come before all others, by their names.
    pub(super) fn points(&self) -> Result<Vec<String>, CliError> {
        let entries = fs::read_dir(&self.folder).map_err(|error| failed(&self.folder, &error))?;
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(|error| failed(&self.folder, &error))?.file_name().to_string_lossy().into_owned();
            if ![PARTIAL, REMOVING].contains(&name.as_str()) && self.point(&name).join(MANIFEST_FILE).exists() {
                names.push(name);
            }
        }
        let order = self.order()?;
        let made = |name: &String| order.iter().position(|known| known == name);
        names.sort_by_key(|name| (made(name), name.clone()));
        Ok(names)
    }

    /// Names in the order in which they were made. Some may be of none that is there.
    fn order(&self) -> Result<Vec<String>, CliError> {
        let path = self.folder.join(ORDER_FILE);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(failed(&path, &error)),
        }
    }

    /// Notes the name of the back-up that comes behind all others, durably.
    fn note_newest(&self, name: &str) -> Result<(), CliError> {
        let points = self.points()?;
        let lines: String = points.iter().map(String::as_str).chain([name]).map(|name| format!("{name}\n")).collect();
        let (path, written) = (self.folder.join(ORDER_FILE), self.folder.join(ORDER_WRITTEN));
        let written_whole = File::create(&written)
            .and_then(|mut file| file.write_all(lines.as_bytes()).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&written, &path))
            .and_then(|()| self.sync());
        written_whole.map_err(|error| failed(&path, &error))
    }

    /// Folder of a back-up.
    pub(super) fn point(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Folder of the back-up that is being made.
    pub(super) fn partial(&self) -> PathBuf {
        self.folder.join(PARTIAL)
    }

    /// Reads what a back-up consists of.
    pub(super) fn manifest(&self, name: &str) -> Result<Manifest, CliError> {
        let path = self.point(name).join(MANIFEST_FILE);
        Manifest::read(&self.point(name))
            .map_err(|error| CliError::new(FailureKind::Unsound, format!("{}: {error}", path.display())))
    }

    /// Gives the back-up that was made its name, in one step, and returns it.
    pub(super) fn complete(&self, taken_us: i64) -> Result<String, CliError> {
        let time = chrono::DateTime::from_timestamp_micros(taken_us).unwrap_or_default();
        let wanted = time.format("%Y-%m-%dT%H-%M-%SZ").to_string();
        let mut name = wanted.clone();
        let mut number = 1;
        while self.point(&name).exists() {
            number += 1;
            name = format!("{wanted}-{number:03}");
        }
        // Before it has its name: one that is there is in the order.
        self.note_newest(&name)?;
        let (from, to) = (self.partial(), self.point(&name));
        fs::rename(&from, &to).and_then(|()| self.sync()).map_err(|error| failed(&to, &error))?;
        Ok(name)
    }

    /// Removes a back-up: from its first step on it is none any more.
    pub(super) fn remove(&self, name: &str) -> Result<(), CliError> {
        let (from, to) = (self.point(name), self.folder.join(REMOVING));
        fs::rename(&from, &to).and_then(|()| self.sync()).map_err(|error| failed(&from, &error))?;
        self.finish_removing()
    }

    fn finish_removing(&self) -> Result<(), CliError> {
        let path = self.folder.join(REMOVING);
        if !path.exists() {
            return Ok(());
        }
        // A command that was killed may have left the name in memory only. A loss of power would give back the old one, to a back-up
        // that lacks what has been removed meanwhile.
        self.sync().map_err(|error| failed(&self.folder, &error))?;
        fs::remove_dir_all(&path).map_err(|error| failed(&path, &error))
    }

    fn check_version(&self) -> Result<(), CliError> {
        let path = self.folder.join(MARKER_FILE);
        let found = fs::read_to_string(&path).map_err(|error| failed(&path, &error))?;
        if found == MARKER {
            return Ok(());
        }
        Err(CliError::input(format!(
            "{}: version {:?} of the layout is not known to this release; take the release that has made it",
            path.display(),
            found.trim()
        )))
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }
}

fn lock(folder: &Path) -> Result<Option<File>, CliError> {
    let path = folder.join(LOCK_FILE);
    let Ok(file) = File::options().create(true).truncate(false).write(true).open(&path) else { return Ok(None) };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => {
            let message = format!("another command works on {}; wait until it has ended", folder.display());
            Err(CliError::new(FailureKind::TryAgain, message))
        }
        Err(TryLockError::Error(error)) => Err(failed(&path, &error)),
    }
}

fn canonical(path: &Path) -> Result<PathBuf, CliError> {
    path.canonicalize().map_err(|error| failed(path, &error))
}

/// Failure of the system at a path.
pub(super) fn failed(path: &Path, error: &io::Error) -> CliError {
    CliError::failed(format!("{}: {error}", path.display()))
}

const MARKER_FILE: &str = "zonelake-backups";
const MARKER: &str = "1\n";
const ORDER_FILE: &str = "order";
const ORDER_WRITTEN: &str = "order.new";
const LOCK_FILE: &str = "lock";
const PARTIAL: &str = "partial";
const REMOVING: &str = "removing";
