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
//! | `list` | fsync of the folder, the first time and after an fsync of it has failed; then the names |
//! | `delete` | not synced: what comes back after a power loss is a file that nothing lists |
//!
//! A name that is listed is durable: a process that was killed between naming an entry of a table log and syncing its
//! folder must not let its successor build on a name that a power loss takes back.
//!
//! Staged files are named `<name>#<number>`, which object_store's local store never lists. Paths are those below the
//! root of the file system, as `file://` URLs have them; paths outside of the data folder are refused.

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};
use url::Url;

use crate::error::STORE_NAME;
use crate::staged_file::{Folders, Staged, SyncedUpload, failed, in_blocking, not_synced, parent, sync_folder};

/// A local object store below one data folder, which syncs what it writes.
#[derive(Debug)]
pub struct SyncedStore {
    inner: LocalFileSystem,
    root: Path,
    url: Url,
    folders: Arc<Folders>,
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
            // The parent may belong to another user, who has made the folder and answers for its name.
            && error.kind() != io::ErrorKind::PermissionDenied
        {
            return Err(error);
        }
        let root = Path::from_absolute_path(&folder).map_err(io::Error::other)?;
        let url = Url::from_directory_path(&folder)
            .map_err(|()| io::Error::new(io::ErrorKind::InvalidInput, "the data folder has no URL"))?;
        let folders = Arc::new(Folders::new(folder));
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
            return Err(Error::NotImplemented {
                operation: "put with PutMode::Update".into(),
                implementer: STORE_NAME.into(),
            });
        }
        let dest = self.file_path(location)?;
        let folders = Arc::clone(&self.folders);
        in_blocking(move || {
            let mut staged = Staged::create(&folders, dest)?;
            for bytes in &payload {
                staged.write(bytes)?;
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
        Ok(Box::new(SyncedUpload::new(staged, folders)))
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
        match prefix.map(|prefix| self.check(prefix)) {
            Some(Err(error)) => futures::stream::once(async { Err(error) }).boxed(),
            _ => self.list_durable(prefix.unwrap_or(&self.root)),
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
    fn list_durable(&self, prefix: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        let (listed, folder) = (self.inner.list(Some(prefix)), self.file_path(prefix));
        let folders = Arc::clone(&self.folders);
        let synced = async move {
            let folder = folder?;
            in_blocking(move || folders.sync_listed_folder(&folder).map_err(|source| not_synced(folder, source)))
                .await?;
            Ok::<_, Error>(listed)
        };
        futures::stream::once(synced).try_flatten().boxed()
    }

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
        let folders = Arc::clone(&self.folders);
        in_blocking(move || folders.sync(parent(&dest)).map_err(|source| not_synced(dest, source))).await
    }
}

#[cfg(test)]
mod tests {
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
