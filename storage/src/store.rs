//! The store: all tables, the registry, and the folder that they live in. Opening it recovers whatever a crash left.
//!
//! | path below the data folder | what |
//! |---|---|
//! | `lock` | held while a process has the folder open |
//! | `registry.sqlite` | the registry |
//! | `wal/` | the logs of the shards, see [`crate::layout`] |
//! | `tables/<name>/` | one Delta Lake table each |

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStore;
use object_store::path::Path as ObjectPath;
use url::Url;
use zonelake_registry::{Registry, RegistryError};
use zonelake_schemas::clock::{Clock, ForwardClock};
use zonelake_schemas::error::ErrorKind;
use zonelake_schemas::reject::{REJECTED, rejected_table};
use zonelake_schemas::{Lsn, ProducerId, ShardId, TableDef, TableId};
use zonelake_tablelog::{ParquetOptions, SyncedStore, TableLog, TableLogError, delta_table};
use zonelake_wal::Disk;

use crate::flush::FlushError;
use crate::layout::{Layout, LayoutError};
use crate::shard::{Shard, ShardArgs, ShardError};
use crate::streams::Streams;
use crate::table::Table;

/// How a store is kept. The settings file explains each.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Data folder.
    pub folder: PathBuf,
    /// Name of this node, in the application ids of Delta transactions.
    pub node: String,
    /// Shards; 1 or more.
    pub shards: u16,
    /// Size of a log segment.
    pub segment_bytes: u64,
    /// Live rows of a table that bring about a flush, bytes.
    pub flush_bytes_max: usize,
    /// Age of the oldest live row that brings about a flush.
    pub flush_age_max: Duration,
    /// Live rows of a table at which its senders wait, bytes.
    pub live_bytes_max: usize,
    /// Log of a shard at which the tables that hold it are flushed, bytes.
    pub log_bytes_max: u64,
    /// Free space below which nothing more is taken in, bytes.
    pub free_bytes_min: u64,
    /// How Parquet files are written.
    pub parquet: ParquetOptions,
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("the data folder {0} is in use by another process; stop it first, or give this one a folder of its own")]
    InUse(PathBuf),
    /// A folder or file cannot be made.
    #[error("{path}: {source}")]
    Folder {
        /// Path.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A table's log.
    #[error(transparent)]
    TableLog(#[from] TableLogError),
    /// The layout of the shards.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// A shard's log.
    #[error(transparent)]
    Shard(#[from] ShardError),
    /// A flush that a change of the shard count needs.
    #[error("before the number of shards can change: {0}")]
    Flush(#[from] FlushError),
}

impl OpenError {
    /// What the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::InUse(_) | Self::Folder { .. } => ErrorKind::Retry,
            Self::Registry(error) => error.kind(),
            Self::TableLog(error) => error.kind(),
            Self::Layout(_) => ErrorKind::Corrupt,
            Self::Shard(error) => error.kind(),
            Self::Flush(_) => ErrorKind::Retry,
        }
    }
}

/// What recovery found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Records read from the logs.
    pub records: u64,
    /// Rows that are live again.
    pub rows: u64,
    /// Torn tails that were dropped, never acknowledged.
    pub torn_tails: u64,
}

/// The store.
#[derive(Debug)]
pub struct Store {
    options: StoreOptions,
    registry: Arc<Registry>,
    object_store: Arc<dyn ObjectStore>,
    url: Url,
    tables: BTreeMap<String, Arc<Table>>,
    rejected: Arc<Table>,
    clock: Arc<dyn Clock>,
    /// Held as long as the store is open; absent where nothing else can open it.
    _lock: Option<File>,
}

/// What a store is made of.
pub struct StoreArgs {
    /// How it is kept.
    pub options: StoreOptions,
    /// Tables as declared.
    pub declared: Vec<TableDef>,
    /// Clock.
    pub clock: Arc<dyn Clock>,
    /// Disk below the logs.
    pub disk: Arc<dyn Disk>,
}

/// Gives the log of the table of a name.
pub type TableLogs = dyn Fn(&str) -> Result<Box<dyn TableLog>, TableLogError> + Send + Sync;

/// What a store stands on. [`Store::open`] takes the folder's own; a simulation brings others.
pub struct StoreParts {
    /// The registry.
    pub registry: Arc<Registry>,
    /// Where the files of the tables are.
    pub object_store: Arc<dyn ObjectStore>,
    /// URL that `object_store` begins at.
    pub url: Url,
    /// Path in `object_store` below which each table has its folder.
    pub tables_root: ObjectPath,
    /// The log of the table of that name.
    pub table_log: Box<TableLogs>,
    /// What keeps other processes out.
    pub lock: Option<File>,
}

impl StoreParts {
    /// The registry, the tables and the lock of a folder, made where they are missing.
    fn of_folder(folder: &Path, clock: &Arc<dyn Clock>) -> Result<Self, OpenError> {
        let tables_folder = folder.join("tables");
        create_folder(&tables_folder)?;
        let lock = lock_folder(folder)?;
        let registry = Arc::new(Registry::open(&folder.join("registry.sqlite"), Arc::clone(clock))?);
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

impl Store {
    /// Opens or creates a store and recovers it: every acknowledged row is visible when this returns. The shards are
    /// for their threads to drive.
    pub async fn open(args: StoreArgs) -> Result<(Arc<Self>, Vec<Shard>, Recovered), OpenError> {
        let parts = StoreParts::of_folder(&args.options.folder, &args.clock)?;
        Self::open_on(args, parts).await
    }

    /// The same on parts that the caller brings.
    pub async fn open_on(args: StoreArgs, parts: StoreParts) -> Result<(Arc<Self>, Vec<Shard>, Recovered), OpenError> {
        let StoreArgs { options, mut declared, clock, disk } = args;
        let StoreParts { registry, object_store, url, tables_root, table_log, lock } = parts;
        registry.bind_node_name(&options.node)?;
        declared.push(rejected_table());
        let mut tables = BTreeMap::new();
        for registered in registry.register_tables(&declared)? {
            let name = registered.def.name.clone();
            let log = table_log(&name)?;
            let snapshot = log.open(&registered.def).await?;
            let table = Table::new(registered, tables_root.clone().join(name.as_str()), log);
            table.load(snapshot, |app| shard_of(&options.node, app));
            tables.insert(name, Arc::new(table));
        }
        let rejected = Arc::clone(&tables[REJECTED]);
        let store = Arc::new(Self { options, registry, object_store, url, tables, rejected, clock, _lock: lock });
        let (shards, recovered) = store.recover(disk).await?;
        Ok((store, shards, recovered))
    }

    /// Tables by name, `rejected` included.
    pub fn tables(&self) -> &BTreeMap<String, Arc<Table>> {
        &self.tables
    }

    /// The table of what was rejected.
    pub fn rejected(&self) -> &Arc<Table> {
        &self.rejected
    }

    /// The registry.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Where the tables are: the whole file system; [`Table::root`] says where in it.
    pub fn object_store(&self) -> &Arc<dyn ObjectStore> {
        &self.object_store
    }

    /// URL that [`object_store`](Self::object_store) begins at.
    pub fn store_url(&self) -> &Url {
        &self.url
    }

    /// How it is kept.
    pub fn options(&self) -> &StoreOptions {
        &self.options
    }

    /// Its clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    pub(crate) fn app_id(&self, shard: ShardId) -> String {
        format!("{}/shard-{:04}", self.options.node, shard.0)
    }

    async fn recover(&self, disk: Arc<dyn Disk>) -> Result<(Vec<Shard>, Recovered), OpenError> {
        let wal = self.options.folder.join("wal");
        let wanted = self.options.shards;
        disk.create_dir_all(&wal).map_err(|source| OpenError::Folder { path: wal.clone(), source })?;
        let layout = Layout::settle(disk.as_ref(), &wal)?;
        let forward = Arc::new(ForwardClock::default());
        let Some(layout) = layout else {
            let first = Layout { generation: 1, shards: wanted };
            let shards = self.begin_layout(first, &disk, &forward, Lsn(1), Streams::default())?;
            first.write(disk.as_ref(), &wal)?;
            return Ok((shards, Recovered::default()));
        };
        layout.remove_others(disk.as_ref(), &wal)?;
        let (shards, recovered) = self.replay(layout, &disk, &forward)?;
        if layout.shards == wanted {
            return Ok((shards, recovered));
        }
        tracing::info!(from = layout.shards, to = wanted, "the number of shards changes: flushing before the switch");
        self.flush_all().await?;
        let start = shards.iter().map(Shard::next_lsn).max().unwrap_or(Lsn(1));
        let mut streams = Streams::default();
        for shard in shards {
            streams.absorb(shard.streams().clone());
        }
        let next = Layout { generation: layout.generation + 1, shards: wanted };
        let shards = self.begin_layout(next, &disk, &forward, start, streams)?;
        next.write(disk.as_ref(), &wal)?;
        next.remove_others(disk.as_ref(), &wal)?;
        Ok((shards, recovered))
    }

    fn replay(
        &self,
        layout: Layout,
        disk: &Arc<dyn Disk>,
        forward: &Arc<ForwardClock>,
    ) -> Result<(Vec<Shard>, Recovered), OpenError> {
        let mut recovered = Recovered::default();
        let mut shards = Vec::new();
        for id in layout.shard_ids() {
            let (shard, replayed) = Shard::open(self.shard_args(layout, id, disk, forward, Lsn(1)))?;
            recovered.records += replayed.records;
            recovered.rows += replayed.rows;
            recovered.torn_tails += u64::from(replayed.torn.is_some());
            shards.push(shard);
        }
        Ok((shards, recovered))
    }

    fn begin_layout(
        &self,
        layout: Layout,
        disk: &Arc<dyn Disk>,
        forward: &Arc<ForwardClock>,
        start: Lsn,
        streams: Streams,
    ) -> Result<Vec<Shard>, OpenError> {
        let mut shards = Vec::new();
        for id in layout.shard_ids() {
            let args = self.shard_args(layout, id, disk, forward, start);
            let (mut shard, _) = Shard::open(args)?;
            let own = streams.head(forward.last_us(), |producer| shard_for(producer, layout.shards) == id);
            if !own.producers.is_empty() || !own.keys.is_empty() {
                let mut restored = Streams::default();
                restored.restore(&own);
                shard.write_streams(restored)?;
            }
            shards.push(shard);
        }
        Ok(shards)
    }

    fn shard_args(
        &self,
        layout: Layout,
        shard: ShardId,
        disk: &Arc<dyn Disk>,
        forward: &Arc<ForwardClock>,
        start_lsn: Lsn,
    ) -> ShardArgs {
        let by_id: HashMap<TableId, Arc<Table>> =
            self.tables.values().map(|table| (table.registered.id, Arc::clone(table))).collect();
        ShardArgs {
            shard,
            dir: layout.shard_folder(&self.options.folder.join("wal"), shard),
            segment_bytes: self.options.segment_bytes,
            start_lsn,
            disk: Arc::clone(disk),
            tables: Arc::new(by_id),
            rejected: Arc::clone(&self.rejected),
            clock: Arc::clone(&self.clock),
            forward: Arc::clone(forward),
        }
    }
}

/// The shard that a producer's streams go to: always the same, so that their order and numbers need no lock.
pub fn shard_for(producer: ProducerId, shards: u16) -> ShardId {
    ShardId(u16::try_from(producer.0 % u32::from(shards)).expect("a remainder of a u16 fits"))
}

fn shard_of(node: &str, app: &str) -> Option<ShardId> {
    app.strip_prefix(node)?.strip_prefix("/shard-")?.parse().ok().map(ShardId)
}

/// Makes a folder, and those above it, durably.
fn create_folder(path: &Path) -> Result<(), OpenError> {
    let failed = |source| OpenError::Folder { path: path.into(), source };
    let mut made = Vec::new();
    let mut missing = path;
    while !missing.exists() {
        made.push(missing);
        let Some(parent) = missing.parent().filter(|parent| !parent.as_os_str().is_empty()) else { break };
        missing = parent;
    }
    std::fs::create_dir_all(path).map_err(failed)?;
    for folder in made {
        let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent).and_then(|parent| parent.sync_all()).map_err(failed)?;
    }
    Ok(())
}

fn lock_folder(folder: &Path) -> Result<File, OpenError> {
    let path = folder.join("lock");
    let failed = |source| OpenError::Folder { path: path.clone(), source };
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(folder.into())),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}
