//! Parts of a store: the registry, the object store and the table logs, of a folder or brought by the caller.

use std::fmt;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use object_store::ObjectStore;
use object_store::path::Path as ObjectPath;
use url::Url;
use zonelake_objects::{SyncedStore, remove_staged};
use zonelake_registry::Registry;
use zonelake_schemas::TableDef;
use zonelake_schemas::clock::Clock;
use zonelake_tablelog::{TableLog, TableLogError, delta_table};
use zonelake_wal::Disk;

use crate::open::error::OpenError;
use crate::open::folder::{create_folder, lock_folder};
use crate::options::StoreOptions;

/// Inputs of [`Store::open`](crate::Store::open).
#[derive(Debug)]
pub struct StoreArgs {
    /// Options.
    pub options: StoreOptions,
    /// Tables as declared.
    pub declared: Vec<TableDef>,
    /// Clock.
    pub clock: Arc<dyn Clock>,
    /// Disk below the WALs.
    pub disk: Arc<dyn Disk>,
}

/// Source of table logs, by the name of the table.
pub type TableLogs = dyn Fn(&str) -> Result<Box<dyn TableLog>, TableLogError> + Send + Sync;

/// Parts that a store stands on. [`Store::open`](crate::Store::open) takes the folder's own; a simulation brings
/// others.
pub struct StoreParts {
    /// The registry.
    pub registry: Arc<Registry>,
    /// Object store with the files of the tables.
    pub object_store: Arc<dyn ObjectStore>,
    /// URL that `object_store` begins at.
    pub url: Url,
    /// Path in `object_store` below which each table has its folder.
    pub tables_root: ObjectPath,
    /// Source of the tables' logs.
    pub table_log: Box<TableLogs>,
    /// Lock that keeps other processes out.
    pub lock: Option<File>,
}

impl fmt::Debug for StoreParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreParts")
            .field("url", &self.url)
            .field("tables_root", &self.tables_root)
            .finish_non_exhaustive()
    }
}

impl StoreParts {
    /// The registry, the tables and the lock of a folder, made where they are missing.
    pub(super) fn from_folder(folder: &Path, clock: &Arc<dyn Clock>) -> Result<Self, OpenError> {
        let tables_folder = folder.join("tables");
        create_folder(&tables_folder)?;
        // Nothing of the folder is read before the lock is held.
        let lock = lock_folder(folder)?;
        let registry = Arc::new(Registry::open(&folder.join("registry.sqlite"), Arc::clone(clock))?);
        sweep(&tables_folder, clock);
        let synced =
            SyncedStore::new(&tables_folder).map_err(|source| OpenError::Folder { path: tables_folder, source })?;
        let (tables_root, tables_url) = (synced.root().clone(), synced.url().clone());
        let object_store: Arc<dyn ObjectStore> = Arc::new(synced);
        let (below, clock) = (Arc::clone(&object_store), Arc::clone(clock));
        let table_log = move |name: &str| {
            let table_url = tables_url.join(&format!("{name}/")).expect("a table's name is a folder's name");
            let log = delta_table(Arc::clone(&below), &table_url, Arc::clone(&clock))?;
            Ok(Box::new(log) as Box<dyn TableLog>)
        };
        let url = Url::parse("file:///").expect("this is a URL");
        Ok(Self { registry, object_store, url, tables_root, table_log: Box::new(table_log), lock: Some(lock) })
    }
}

/// Removes what an earlier process that was killed has left in a folder that is locked. What cannot be removed harms nothing.
fn sweep(folder: &Path, clock: &Arc<dyn Clock>) {
    let now = SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(clock.wall_us()).unwrap_or(0));
    match remove_staged(folder, STAGED_AGE_MIN, now) {
        Ok(0) => {}
        Ok(files) => tracing::info!(files, "removed staged files of a process that was killed"),
        Err(error) => {
            tracing::warn!(%error, "cannot remove staged files of a process that was killed; nothing lists them")
        }
    }
}

/// Age from which a staged file is nobody's any more.
const STAGED_AGE_MIN: Duration = Duration::from_secs(3_600);
