//! One back-up. The bulk of the files is copied first, while the server does what it likes. Then the server holds still what would go away,
//! for as long as the rest takes: new files, the logs of the tables, the write-ahead log. The registry comes last, so that it knows every
//! device that the others refer to.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::runtime::Runtime;
use zonelake_http::HeldUntilNow;
use zonelake_objects::SyncedStore;
use zonelake_parquet::DataFile;
use zonelake_registry::copy_file as copy_registry;
use zonelake_schemas::clock::{Clock, SystemClock};
use zonelake_server::FailureKind;
use zonelake_storage::{BackupPoint, WalGeneration};
use zonelake_tablelog::{LogSnapshot, TableLog, delta_table};
use zonelake_wal::{CHECKPOINT_FILE, RealDisk};

use super::archive::failed;
use super::copying::{copy_file, digest_of};
use super::logs::files_of_version;
use super::manifest::{FileEntry, Manifest};
use crate::error::CliError;
use crate::registry_access::{Control, REGISTRY_FILE};

/// A back-up that is being made.
pub(super) struct Taking<'a> {
    /// The data folder.
    pub(super) data: &'a Path,
    /// Where the back-up is made.
    pub(super) partial: PathBuf,
    /// The newest back-up of before, and its folder.
    pub(super) earlier: Option<(PathBuf, Manifest)>,
    /// Files that are there, by path.
    pub(super) files: BTreeMap<String, FileEntry>,
    /// What was copied, and what is shared with the earlier back-up.
    pub(super) copied: Counts,
    pub(super) shared: Counts,
}

/// Number of files, and their bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) files: u64,
    pub(super) bytes: u64,
}

impl Counts {
    fn add(&mut self, entry: &FileEntry) {
        self.files += 1;
        self.bytes += entry.bytes;
    }
}

/// Reason why a pass over the files has not ended well.
pub(super) enum PassError {
    /// Something has gone away in the middle: the pass is to be made again.
    Changed,
    /// Nothing helps.
    Failed(CliError),
}

impl From<CliError> for PassError {
    fn from(error: CliError) -> Self {
        Self::Failed(error)
    }
}

impl Taking<'_> {
    /// Takes what the folder has, of one moment.
    ///
    /// # Errors
    /// Where a file is damaged or cannot be copied, and where the folder does not hold still.
    pub(super) fn take(&mut self, control: &Control, runtime: &Runtime) -> Result<(), CliError> {
        for _ in 0..PASSES_MAX {
            self.take_ahead(runtime)?;
            match self.take_moment(control, runtime) {
                Ok(()) => return self.take_behind(),
                Err(PassError::Changed) => {}
                Err(PassError::Failed(error)) => return Err(error),
            }
        }
        Err(CliError::new(
            FailureKind::TryAgain,
            "files went away again and again while they were copied; is another back-up being made? The same command goes on from here",
        ))
    }

    /// Copies the files that the tables have now. What goes away meanwhile is left out.
    fn take_ahead(&mut self, runtime: &Runtime) -> Result<(), CliError> {
        for name in self.tables()? {
            let snapshot = read_log(&self.data.join(TABLES), &name, runtime)?;
            for file in &snapshot.files {
                match self.take_data_file(&name, file) {
                    Ok(()) | Err(PassError::Changed) => {}
                    Err(PassError::Failed(error)) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// Copies all that has to be of one moment.
    fn take_moment(&mut self, control: &Control, runtime: &Runtime) -> Result<(), PassError> {
        if !control.is_running() {
            return self.take_held(None, runtime);
        }
        let point: BackupPoint = control.post(&[BACKUPS], &())?;
        let taken = self.take_held(Some(&point), runtime);
        let ended: HeldUntilNow = control.post(&[BACKUPS, &point.hold.to_string(), "end"], &())?;
        match taken {
            Ok(()) if !ended.held => Err(PassError::Changed),
            taken => taken,
        }
    }

    /// Copies it while nothing of it goes away. Without a point, no server runs.
    fn take_held(&mut self, point: Option<&BackupPoint>, runtime: &Runtime) -> Result<(), PassError> {
        let tables: BTreeMap<String, Option<i64>> = match point {
            Some(point) => point.tables.iter().map(|(name, version)| (name.clone(), Some(*version))).collect(),
            None => self.tables()?.into_iter().map(|name| (name, None)).collect(),
        };
        for (name, version) in &tables {
            self.take_log(name, *version)?;
            // The copied log says which files it is of.
            let snapshot = read_log(&self.partial.join(TABLES), name, runtime)?;
            if version.is_some_and(|version| version != snapshot.version) {
                return Err(PassError::Changed);
            }
            for file in &snapshot.files {
                self.take_data_file(name, file)?;
            }
        }
        // A deletion waits for the hold to end, so that these are of the same moment.
        if self.data.join(LEDGER).exists() {
            self.copy(LEDGER, None)?;
        }
        self.take_wal(point)
    }

    /// Copies the registry and the certificates, which only have to be newer than the rest.
    fn take_behind(&mut self) -> Result<(), CliError> {
        let (from, to) = (self.data.join(REGISTRY_FILE), self.partial.join(REGISTRY_FILE));
        copy_registry(&from, &to).map_err(|error| CliError::from_kind(error.kind(), error))?;
        let synced = fs::File::open(&to).and_then(|file| file.sync_all()).and_then(|()| digest_of(&to));
        let entry = synced.map_err(|error| failed(&to, &error))?;
        self.copied.add(&entry);
        self.files.insert(REGISTRY_FILE.to_owned(), entry);
        // Orders whose entries of audit are still to be written. One that is recorded meanwhile goes away.
        for name in names_in(&self.data.join(PENDING))?.iter().filter(|name| name.ends_with(".json")) {
            match self.copy(&format!("{PENDING}/{name}"), None) {
                Ok(_) | Err(PassError::Changed) => {}
                Err(PassError::Failed(error)) => return Err(error),
            }
        }
        let tls = self.data.join(TLS);
        for name in names_in(&tls)? {
            match self.copy(&format!("{TLS}/{name}"), None) {
                Ok(_) => {}
                Err(PassError::Failed(error)) => return Err(error),
                Err(PassError::Changed) => {
                    return Err(CliError::failed(format!("{} has gone away", tls.join(name).display())));
                }
            }
        }
        Ok(())
    }

    /// Names of the tables that are there.
    fn tables(&self) -> Result<Vec<String>, CliError> {
        let folder = self.data.join(TABLES);
        Ok(names_in(&folder)?.into_iter().filter(|name| folder.join(name).join(LOG).is_dir()).collect())
    }

    fn take_log(&mut self, name: &str, version: Option<i64>) -> Result<(), PassError> {
        let below = format!("{TABLES}/{name}/{LOG}");
        clear(&self.partial.join(&below))?;
        self.files.retain(|path, _| !path.starts_with(&below));
        let folder = self.data.join(&below);
        for file in files_of_version(&folder, version).map_err(|error| gone_or(&folder, &error))? {
            let path = format!("{below}/{file}");
            let from = self.data.join(&path);
            // A restored folder may have written the same version anew: only its content tells.
            let own = digest_of(&from).map_err(|error| gone_or(&from, &error))?;
            if !self.share(&path, |entry| *entry == own)? {
                self.copy(&path, None)?;
            }
        }
        Ok(())
    }

    /// Takes a Parquet file, which never changes: it is there from an attempt that was cut off, or in an earlier back-up, or copied.
    fn take_data_file(&mut self, table: &str, file: &DataFile) -> Result<(), PassError> {
        let path = format!("{TABLES}/{table}/{}", file.path);
        if self.files.contains_key(&path) {
            return Ok(());
        }
        let to = self.partial.join(&path);
        if let Ok(entry) = digest_of(&to) {
            if entry.is(file.bytes, file.checksum) && file.checksum.is_some() {
                self.shared.add(&entry);
                self.files.insert(path, entry);
                return Ok(());
            }
            fs::remove_file(&to).map_err(|error| failed(&to, &error))?;
        }
        // The names of files are never used twice; without a checksum the content has to tell.
        if file.checksum.is_some() && self.share(&path, |entry| entry.is(file.bytes, file.checksum))? {
            return Ok(());
        }
        let entry = self.copy(&path, None)?;
        if entry.is(file.bytes, file.checksum) {
            return Ok(());
        }
        let from = self.data.join(&path);
        Err(PassError::Failed(CliError::new(
            FailureKind::Unsound,
            format!(
                "{} is damaged: it is not the file that its table lists. Nothing was backed up; `zonelake check` says what is damaged, docs/troubleshooting.md what to do",
                from.display()
            ),
        )))
    }

    /// Takes the WALs: up to their durable ends where a server goes on writing them.
    fn take_wal(&mut self, point: Option<&BackupPoint>) -> Result<(), PassError> {
        clear(&self.partial.join(WAL))?;
        self.files.retain(|path, _| !path.starts_with(WAL));
        for name in ["format", "layout"] {
            if self.data.join(WAL).join(name).exists() {
                self.copy(&format!("{WAL}/{name}"), None)?;
            }
        }
        let Some(point) = point else { return self.take_stopped_wal() };
        for wal in &point.wals {
            for segment in &wal.segments {
                self.copy(&format!("{}/{}", wal.folder, segment.name), Some(segment.bytes))?;
            }
            // It is not replaced while the hold lasts.
            let checkpoint = format!("{}/{CHECKPOINT_FILE}", wal.folder);
            if self.data.join(&checkpoint).exists() {
                self.copy(&checkpoint, None)?;
            }
        }
        Ok(())
    }

    fn take_stopped_wal(&mut self) -> Result<(), PassError> {
        let wal = self.data.join(WAL);
        let layout = WalGeneration::read(&RealDisk, &wal).map_err(CliError::failed)?;
        for folder in layout.iter().flat_map(|layout| layout.shard_ids().map(|shard| layout.shard_folder(&wal, shard)))
        {
            let below = folder.strip_prefix(self.data).unwrap_or(&folder).to_string_lossy().into_owned();
            // Spares and files in the making mean nothing.
            let is_content = |name: &String| {
                let of_records = name.starts_with("segment-") || name.starts_with("aside-");
                name == CHECKPOINT_FILE || of_records && name.ends_with(".wal")
            };
            for name in names_in(&folder)?.into_iter().filter(is_content) {
                self.copy(&format!("{below}/{name}"), None)?;
            }
        }
        Ok(())
    }

    /// Takes a file from the earlier back-up where that has it. False where it has to be copied from the data folder.
    fn share(&mut self, path: &str, is_same: impl Fn(&FileEntry) -> bool) -> Result<bool, CliError> {
        let Some((folder, manifest)) = &self.earlier else { return Ok(false) };
        let Some(entry) = manifest.files.get(path).filter(|entry| is_same(entry)).cloned() else { return Ok(false) };
        let (from, to) = (folder.join(path), self.partial.join(path));
        let parent = to.parent().unwrap_or(&self.partial);
        fs::create_dir_all(parent).map_err(|error| failed(parent, &error))?;
        // Some file systems have no links; and a file that is missing or too short there is copied anew.
        let is_there = fs::metadata(&from).is_ok_and(|found| found.len() == entry.bytes);
        if !is_there || fs::hard_link(&from, &to).is_err() {
            return Ok(false);
        }
        self.shared.add(&entry);
        self.files.insert(path.to_owned(), entry);
        Ok(true)
    }

    fn copy(&mut self, path: &str, bytes: Option<u64>) -> Result<FileEntry, PassError> {
        let (from, to) = (self.data.join(path), self.partial.join(path));
        let entry = copy_file(&from, &to, bytes).map_err(|error| gone_or(&from, &error))?;
        self.copied.add(&entry);
        self.files.insert(path.to_owned(), entry.clone());
        Ok(entry)
    }
}

/// A file that is not there has gone away since it was listed.
fn gone_or(path: &Path, error: &io::Error) -> PassError {
    match error.kind() {
        io::ErrorKind::NotFound => PassError::Changed,
        _ => PassError::Failed(failed(path, error)),
    }
}

fn clear(folder: &Path) -> Result<(), CliError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(folder, &error)),
        _ => Ok(()),
    }
}

/// Names in a folder, in order; none where there is no folder.
fn names_in(folder: &Path) -> Result<Vec<String>, CliError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(folder, &error)),
    };
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<io::Result<Vec<_>>>().map_err(|error| failed(folder, &error))?;
    names.sort();
    Ok(names)
}

/// Newest version of a table below a folder of tables.
fn read_log(tables: &Path, name: &str, runtime: &Runtime) -> Result<LogSnapshot, CliError> {
    let store = SyncedStore::new(tables).map_err(|error| failed(tables, &error))?;
    let url = store.url().join(&format!("{name}/")).map_err(CliError::failed)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let log = delta_table(Arc::new(store), &url, clock).map_err(|error| CliError::from_kind(error.kind(), error))?;
    runtime.block_on(log.load()).map_err(|error| CliError::from_kind(error.kind(), error))
}

/// Times that the files are gone over.
const PASSES_MAX: usize = 5;
/// Resource of the moments that back-ups copy.
const BACKUPS: &str = "backups";
const TABLES: &str = "tables";
const LOG: &str = "_delta_log";
const WAL: &str = "wal";
const TLS: &str = "tls";
/// Orders that are not in the table of audit yet.
const PENDING: &str = "audit/pending";
/// Retention, legal holds and deletions.
const LEDGER: &str = "rules/ledger";
