//! The local object store, made durable.
//!
//! object_store's own local store writes and renames without any fsync: after a power loss a file that it has
//! "written" may be empty or absent. This one wraps it. When a write returns, the file's bytes, its name, and every
//! folder on the way down from the data folder survive a power loss. A file appears under its name only once its bytes
//! are synced, so that no reader, and no recovery after a power loss, meets half of it.
//!
//! | call | order of work |
//! |---|---|
//! | `put` | folders, staged file, fsync, link or rename, fsync of the folder |
//! | multipart `complete` | the same; the parts go to the staged file as they come |
//! | `rename`, `copy` | fsync of the source, the operation, fsync of the folder |
//! | `delete` | not synced: what comes back after a power loss is a file that nothing lists |
//!
//! Staged files are named `<name>#<number>`, which object_store's local store never lists. Paths are those below the
//! root of the file system, as `file://` URLs have them; paths outside of the data folder are refused.

use std::collections::HashSet;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path as FsPath, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result, UploadPart,
};
use url::Url;

/// A local object store below one data folder, which syncs what it writes.
#[derive(Debug)]
pub struct SyncedStore {
    inner: LocalFileSystem,
    root: Path,
    url: Url,
    folders: Arc<Folders>,
}

/// A file has its name already, but the folder that holds the name could not be synced: it may be gone after a power
/// loss. It stands in the source chain of the store's error.
#[derive(Debug, thiserror::Error)]
#[error("{path} is written but its folder cannot be synced: {source}", path = path.display())]
pub struct NotSynced {
    pub(crate) path: PathBuf,
    pub(crate) source: io::Error,
}

impl SyncedStore {
    /// The store of a data folder, which is created where it is missing.
    ///
    /// # Errors
    /// The folder cannot be created, resolved or synced.
    pub fn new(folder: &FsPath) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let folder = folder.canonicalize()?;
        sync_folder(&folder)?;
        if let Some(parent) = folder.parent()
            && let Err(error) = sync_folder(parent)
            && error.kind() != io::ErrorKind::PermissionDenied
        {
            return Err(error);
        }
        let root = Path::from_absolute_path(&folder).map_err(io::Error::other)?;
        let url = Url::from_directory_path(&folder)
            .map_err(|()| io::Error::new(io::ErrorKind::InvalidInput, "the data folder has no URL"))?;
        let folders = Arc::new(Folders { root: folder, durable: Mutex::default() });
        Ok(Self { inner: LocalFileSystem::new(), root, url, folders })
    }

    /// URL of the data folder, with a slash at its end.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Path of the data folder in this store.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn check(&self, location: &Path) -> Result<()> {
        if location.prefix_matches(&self.root) {
            return Ok(());
        }
        Err(Error::PermissionDenied {
            path: location.to_string(),
            source: format!("it is outside of the data folder /{}", self.root).into(),
        })
    }

    fn file_path(&self, location: &Path) -> Result<PathBuf> {
        self.check(location)?;
        self.inner.path_to_filesystem(location)
    }
}

impl fmt::Display for SyncedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SyncedStore({})", self.url)
    }
}

#[async_trait]
impl ObjectStore for SyncedStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        if matches!(opts.mode, PutMode::Update(_)) {
            return Err(Error::NotImplemented { operation: "put with PutMode::Update".into(), implementer: NAME.into() });
        }
        let dest = self.file_path(location)?;
        let folders = Arc::clone(&self.folders);
        in_blocking(move || {
            let mut staged = Staged::create(&folders, dest)?;
            for bytes in &payload {
                staged.file.write_all(bytes).map_err(|source| staged.failed(source))?;
            }
            staged.publish(&folders, matches!(opts.mode, PutMode::Create))
        })
        .await
    }

    async fn put_multipart_opts(&self, location: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let dest = self.file_path(location)?;
        let folders = Arc::clone(&self.folders);
        let opened = Arc::clone(&self.folders);
        let staged = in_blocking(move || Staged::create(&opened, dest)).await?;
        Ok(Box::new(SyncedUpload { staged: Arc::new(Mutex::new(Some(staged))), next_offset: 0, folders }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.check(location)?;
        self.inner.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.check(location)?;
        self.inner.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        use futures::StreamExt;
        let root = self.root.clone();
        let inside = locations.map(move |location| match location {
            Ok(location) if !location.prefix_matches(&root) => Err(Error::PermissionDenied {
                path: location.to_string(),
                source: "it is outside of the data folder".into(),
            }),
            other => other,
        });
        self.inner.delete_stream(inside.boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        use futures::StreamExt;
        match prefix.map(|prefix| self.check(prefix)) {
            Some(Err(error)) => futures::stream::once(async { Err(error) }).boxed(),
            _ => self.inner.list(Some(prefix.unwrap_or(&self.root))),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let prefix = prefix.unwrap_or(&self.root);
        self.check(prefix)?;
        self.inner.list_with_delimiter(Some(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let (source, dest) = (self.file_path(from)?, self.file_path(to)?);
        self.before_naming(source, dest.clone()).await?;
        self.inner.copy_opts(from, to, options).await?;
        self.after_naming(dest).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        let (source, dest) = (self.file_path(from)?, self.file_path(to)?);
        self.before_naming(source, dest.clone()).await?;
        self.inner.rename_opts(from, to, options).await?;
        self.after_naming(dest).await
    }
}

impl SyncedStore {
    /// Syncs a file that is about to get another name, and makes the folder of that name.
    async fn before_naming(&self, source: PathBuf, dest: PathBuf) -> Result<()> {
        let folders = Arc::clone(&self.folders);
        in_blocking(move || {
            File::open(&source).and_then(|file| file.sync_all()).map_err(|error| failed(&source, error))?;
            folders.prepare(parent(&dest)).map_err(|error| failed(&dest, error))
        })
        .await
    }

    async fn after_naming(&self, dest: PathBuf) -> Result<()> {
        in_blocking(move || sync_folder(parent(&dest)).map_err(|source| not_synced(dest, source))).await
    }
}

/// A file that is being written and has not got its name yet. Dropped before that, it is removed.
#[derive(Debug)]
struct Staged {
    file: File,
    path: PathBuf,
    dest: PathBuf,
    /// Its staged name is gone, and may be another writer's by now.
    renamed: bool,
}

impl Staged {
    fn create(folders: &Folders, dest: PathBuf) -> Result<Self> {
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

    fn failed(&self, source: io::Error) -> Error {
        failed(&self.dest, source)
    }

    /// Syncs the bytes, gives the file its name, and syncs the folder that holds the name.
    fn publish(mut self, folders: &Folders, must_be_new: bool) -> Result<PutResult> {
        self.file.sync_all().map_err(|source| self.failed(source))?;
        let named = if must_be_new {
            std::fs::hard_link(&self.path, &self.dest)
        } else {
            std::fs::rename(&self.path, &self.dest)
        };
        named.map_err(|source| self.failed(source))?;
        self.renamed = !must_be_new;
        let dest = self.dest.clone();
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
struct SyncedUpload {
    /// Absent once it is complete or aborted.
    staged: Arc<Mutex<Option<Staged>>>,
    next_offset: u64,
    folders: Arc<Folders>,
}

#[async_trait]
impl MultipartUpload for SyncedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        use std::io::{Seek, SeekFrom};
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

/// The folders below the data folder whose names are known to be durable, each with its parents. It grows with the
/// partitions of the tables: a hundred bytes a date.
#[derive(Debug)]
struct Folders {
    root: PathBuf,
    durable: Mutex<HashSet<PathBuf>>,
}

impl Folders {
    /// Makes a folder and its parents below the root, and syncs the names that this process has not synced yet: one that
    /// exists may have been made by a process that was killed before its sync.
    fn prepare(&self, folder: &FsPath) -> io::Result<()> {
        if folder == self.root || (lock(&self.durable).contains(folder) && folder.is_dir()) {
            return Ok(());
        }
        self.prepare(parent(folder))?;
        match std::fs::create_dir(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        sync_folder(parent(folder))?;
        lock(&self.durable).insert(folder.to_owned());
        Ok(())
    }

    fn sync(&self, folder: &FsPath) -> io::Result<()> {
        debug_assert!(folder.starts_with(&self.root), "paths outside of the data folder are refused");
        sync_folder(folder)
    }
}

fn sync_folder(folder: &FsPath) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn parent(path: &FsPath) -> &FsPath {
    path.parent().expect("a path below the data folder has a parent")
}

/// A panic in between leaves nothing half-done behind these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn in_blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|source| Error::Generic { store: NAME, source: source.into() })?
}

fn failed(path: &FsPath, source: io::Error) -> Error {
    let path = path.display().to_string();
    match source.kind() {
        io::ErrorKind::NotFound => Error::NotFound { path, source: source.into() },
        io::ErrorKind::AlreadyExists => Error::AlreadyExists { path, source: source.into() },
        io::ErrorKind::PermissionDenied => Error::PermissionDenied { path, source: source.into() },
        _ => Error::Generic { store: NAME, source: Box::new(WriteFailed { path, source }) },
    }
}

/// The file could not be written; it has not got its name.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path}: {source}")]
struct WriteFailed {
    path: String,
    source: io::Error,
}

fn not_synced(path: PathBuf, source: io::Error) -> Error {
    Error::Generic { store: NAME, source: Box::new(NotSynced { path, source }) }
}

fn over() -> Error {
    Error::Generic { store: NAME, source: "the upload is complete or aborted already".into() }
}

const NAME: &str = "SyncedStore";

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;
    use object_store::ObjectStoreExt;

    use super::*;

    fn store() -> (tempfile::TempDir, SyncedStore) {
        let folder = tempfile::tempdir().unwrap();
        let store = SyncedStore::new(folder.path()).unwrap();
        (folder, store)
    }

    fn names(folder: &FsPath) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn what_is_put_is_read_back_and_no_staged_file_stays() {
        let (folder, store) = store();
        let path = store.root().clone().join("a").join("đ=1 %").join("x.txt");
        store.put(&path, "one".into()).await.unwrap();
        store.put(&path, "two".into()).await.unwrap();
        assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), "two");
        assert_eq!(names(&folder.path().join("a")).len(), 1);
        let listed: Vec<_> = store.list(None).map_ok(|meta| meta.location).try_collect().await.unwrap();
        assert_eq!(listed, [path]);
    }

    #[tokio::test]
    async fn a_name_that_is_taken_is_not_taken_again() {
        let (folder, store) = store();
        let path = store.root().clone().join("x.txt");
        store.put_opts(&path, "one".into(), PutMode::Create.into()).await.unwrap();
        let again = store.put_opts(&path, "two".into(), PutMode::Create.into()).await;
        assert!(matches!(again, Err(Error::AlreadyExists { .. })), "{again:?}");
        assert_eq!(store.get(&path).await.unwrap().bytes().await.unwrap(), "one");
        assert_eq!(names(folder.path()), ["x.txt"]);
    }

    #[tokio::test]
    async fn parts_that_are_written_out_of_order_land_in_order() {
        let (folder, store) = store();
        let path = store.root().clone().join("x.bin");
        let mut upload = store.put_multipart(&path).await.unwrap();
        let first = upload.put_part(vec![1u8; 1000].into());
        let second = upload.put_part(vec![2u8; 10].into());
        second.await.unwrap();
        first.await.unwrap();
        assert!(matches!(store.head(&path).await, Err(Error::NotFound { .. })), "it has no name before it is complete");
        upload.complete().await.unwrap();
        let bytes = store.get(&path).await.unwrap().bytes().await.unwrap();
        assert_eq!(bytes, [vec![1u8; 1000], vec![2u8; 10]].concat());
        assert!(upload.complete().await.is_err());

        let mut dropped = store.put_multipart(&path).await.unwrap();
        dropped.put_part("z".into()).await.unwrap();
        drop(dropped);
        assert_eq!(names(folder.path()), ["x.bin"]);
    }

    #[tokio::test]
    async fn renaming_moves_a_file_and_copying_keeps_it() {
        let (folder, store) = store();
        let path = |name: &str| store.root().clone().join(name);
        store.put(&path("a"), "one".into()).await.unwrap();
        store.rename(&path("a"), &path("b")).await.unwrap();
        store.copy(&path("b"), &path("c")).await.unwrap();
        assert_eq!(names(folder.path()), ["b", "c"]);
        store.delete(&path("b")).await.unwrap();
        assert_eq!(names(folder.path()), ["c"]);
    }

    #[tokio::test]
    async fn paths_outside_of_the_data_folder_are_refused() {
        let (folder, store) = store();
        let outside = Path::from_absolute_path(folder.path().parent().unwrap()).unwrap().join("x.txt");
        assert!(matches!(store.get(&outside).await, Err(Error::PermissionDenied { .. })));
        assert!(matches!(store.put(&outside, "one".into()).await, Err(Error::PermissionDenied { .. })));
        assert!(store.delete(&outside).await.is_err());
        assert!(store.list(Some(&outside)).try_collect::<Vec<_>>().await.is_err());
        assert!(!folder.path().parent().unwrap().join("x.txt").exists());
    }

    #[tokio::test]
    async fn a_write_that_fails_leaves_no_name() {
        let (folder, store) = store();
        std::fs::write(folder.path().join("file"), "in the way of a folder").unwrap();
        let path = store.root().clone().join("file").join("x.txt");
        assert!(store.put(&path, "one".into()).await.is_err());
        assert_eq!(names(folder.path()), ["file"]);
    }
}
