//! Files on their way to a name, and the folders that hold the names: the durable part of [`crate::SyncedStore`].

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path as FsPath, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use object_store::{Error, MultipartUpload, PutPayload, PutResult, Result, UploadPart};

use crate::error::{NotSynced, STORE_NAME};

/// A file that is being written and has not got its name yet. Dropped before that, it is removed.
#[derive(Debug)]
pub(crate) struct Staged {
    file: File,
    path: PathBuf,
    dest: PathBuf,
    /// True once the staged name is gone; another writer may have it by now.
    renamed: bool,
}

impl Staged {
    pub(crate) fn create(folders: &Folders, dest: PathBuf) -> Result<Self> {
        folders.prepare(parent(&dest)).map_err(|source| failed(&dest, source))?;
        for number in 1.. {
            let mut name = dest.clone().into_os_string();
            name.push(format!("#{number}"));
            let path = PathBuf::from(name);
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok(Self { file, path, dest, renamed: false }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(&path, error)),
            }
        }
        unreachable!("a folder does not hold 2^31 staged files")
    }

    /// Adds bytes at the end.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> Error {
        failed(&self.dest, source)
    }

    /// Syncs the bytes, gives the file its name, and syncs the folder that holds the name.
    pub(crate) fn publish(mut self, folders: &Folders, must_be_new: bool) -> Result<PutResult> {
        // Bytes before the name: no reader, and no recovery after a power loss, meets half a file under it.
        self.file.sync_all().map_err(|source| self.failed(source))?;
        let named = if must_be_new {
            std::fs::hard_link(&self.path, &self.dest)
        } else {
            std::fs::rename(&self.path, &self.dest)
        };
        named.map_err(|source| self.failed(source))?;
        self.renamed = !must_be_new;
        let dest = self.dest.clone();
        // The staged name goes first: after a hard link it is a second name of the file.
        drop(self);
        folders.sync(parent(&dest)).map_err(|source| not_synced(dest, source))?;
        Ok(PutResult { e_tag: None, version: None })
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.renamed
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove a staged file; it is never listed");
        }
    }
}

#[derive(Debug)]
pub(crate) struct SyncedUpload {
    /// Absent once it is complete or aborted.
    staged: Arc<Mutex<Option<Staged>>>,
    next_offset: u64,
    folders: Arc<Folders>,
}

impl SyncedUpload {
    pub(crate) fn new(staged: Staged, folders: Arc<Folders>) -> Self {
        Self { staged: Arc::new(Mutex::new(Some(staged))), next_offset: 0, folders }
    }
}

#[async_trait]
impl MultipartUpload for SyncedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let offset = self.next_offset;
        self.next_offset += data.content_length() as u64;
        let staged = Arc::clone(&self.staged);
        Box::pin(in_blocking(move || {
            let mut guard = lock(&staged);
            let staged = guard.as_mut().ok_or_else(over)?;
            let written = staged
                .file
                .seek(SeekFrom::Start(offset))
                .and_then(|_| data.iter().try_for_each(|bytes| staged.file.write_all(bytes)));
            written.map_err(|source| staged.failed(source))
        }))
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let staged = lock(&self.staged).take().ok_or_else(over)?;
        let folders = Arc::clone(&self.folders);
        in_blocking(move || staged.publish(&folders, false)).await
    }

    async fn abort(&mut self) -> Result<()> {
        lock(&self.staged).take().map(drop).ok_or_else(over)
    }
}

/// The folders below the data folder whose names are known to be durable, each with its parents, and those in which all
/// names are. Both grow with the partitions of the tables: a hundred bytes a date.
#[derive(Debug)]
pub(crate) struct Folders {
    root: PathBuf,
    durable: Mutex<HashSet<PathBuf>>,
    synced: Mutex<HashSet<PathBuf>>,
}

impl Folders {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root, durable: Mutex::default(), synced: Mutex::default() }
    }

    /// Makes a folder and its parents below the root, and syncs the names that this process has not synced yet: one
    /// that exists may have been made by a process that was killed before its sync.
    pub(crate) fn prepare(&self, folder: &FsPath) -> io::Result<()> {
        if folder == self.root || (lock(&self.durable).contains(folder) && folder.is_dir()) {
            return Ok(());
        }
        self.prepare(parent(folder))?;
        match std::fs::create_dir(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        // The name of this folder is in its parent.
        sync_folder(parent(folder))?;
        lock(&self.durable).insert(folder.to_owned());
        Ok(())
    }

    /// Syncs a folder in which a name has changed.
    pub(crate) fn sync(&self, folder: &FsPath) -> io::Result<()> {
        debug_assert!(folder.starts_with(&self.root), "paths outside of the data folder are refused");
        sync_folder(folder).inspect_err(|_| {
            lock(&self.synced).remove(folder);
        })
    }

    /// Makes the names in a folder durable where they may not be: those of an earlier process that was killed before
    /// its sync, and those of a sync that has failed. File systems keep a journal of names, so that a later sync makes
    /// up for it or fails too. A folder that is not there has no names.
    pub(crate) fn sync_listed_folder(&self, folder: &FsPath) -> io::Result<()> {
        if lock(&self.synced).contains(folder) || !folder.is_dir() {
            return Ok(());
        }
        sync_folder(folder)?;
        lock(&self.synced).insert(folder.to_owned());
        Ok(())
    }
}

pub(crate) fn sync_folder(folder: &FsPath) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

pub(crate) fn parent(path: &FsPath) -> &FsPath {
    path.parent().expect("a path below the data folder has a parent")
}

/// A panic in between leaves nothing half-done behind these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) async fn in_blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|source| Error::Generic { store: STORE_NAME, source: source.into() })?
}

pub(crate) fn failed(path: &FsPath, source: io::Error) -> Error {
    let path = path.display().to_string();
    match source.kind() {
        io::ErrorKind::NotFound => Error::NotFound { path, source: source.into() },
        io::ErrorKind::AlreadyExists => Error::AlreadyExists { path, source: source.into() },
        io::ErrorKind::PermissionDenied => Error::PermissionDenied { path, source: source.into() },
        _ => Error::Generic { store: STORE_NAME, source: Box::new(WriteFailed { path, source }) },
    }
}

/// The file could not be written; it has not got its name.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path}: {source}")]
struct WriteFailed {
    path: String,
    source: io::Error,
}

pub(crate) fn not_synced(path: PathBuf, source: io::Error) -> Error {
    Error::Generic { store: STORE_NAME, source: Box::new(NotSynced { path, source }) }
}

fn over() -> Error {
    Error::Generic { store: STORE_NAME, source: "the upload is complete or aborted already".into() }
}
