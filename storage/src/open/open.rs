//! Opening a store: its tables, then the WALs of its shards, replayed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use zonelake_registry::RegisteredTable;
use zonelake_schemas::alerts::{ALERTS, alerts_table, is_alerts_table};
use zonelake_schemas::audit::{AUDIT, audit_table};
use zonelake_schemas::clock::ForwardClock;
use zonelake_schemas::reject::{REJECTED, rejected_table};
use zonelake_schemas::{GroupClock, Lsn, NodeNumber, ShardId, TableDef, TableId};
use zonelake_wal::Disk;

use crate::backup::hold::BackupHold;
use crate::health::log_sizes::LogSizes;
use crate::health::merges::Merges;
use crate::last::checkpoint::{LastRowsFolder, Wanted};
use crate::open::error::OpenError;
use crate::open::folder_format::FolderFormat;
use crate::open::parts::{StoreArgs, StoreParts};
use crate::open::wal_generation::WalGeneration;
use crate::rules::clean_files::CleanFiles;
use crate::rules::hidden::Hidden;
use crate::rules::ledger::Rules;
use crate::rules::orders::Settling;
use crate::shard::routing::shard_for;
use crate::shard::sequence_check::Streams;
use crate::shard::shard::{Shard, ShardArgs};
use crate::store::{Store, shard_of};
use crate::table::table::Table;

/// Findings of recovery.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Records read from the WALs.
    pub records: u64,
    /// Rows that are live again.
    pub rows: u64,
    /// Torn tails that were dropped, never acknowledged.
    pub torn_tails: u64,
}

/// An open store, its shards, and what recovery found.
pub type OpenedStore = (Arc<Store>, Vec<Shard>, Recovered);

impl Store {
    /// Opens or creates a store and recovers it: every acknowledged row is visible when this returns. The caller drives
    /// the shards, each with a thread of its own.
    ///
    /// # Errors
    /// [`OpenError`] says which part cannot be opened. The folder is locked only while this runs and after success.
    pub fn open(args: StoreArgs) -> BoxFuture<'static, Result<OpenedStore, OpenError>> {
        Box::pin(async move {
            // Before anything is opened, and with that brought up to date: a folder of a later release stays as it is.
            FolderFormat::read(args.disk.as_ref(), &args.options.folder.join(WAL_FOLDER))?;
            let parts = StoreParts::from_folder(&args.options.folder, &args.clock)?;
            Self::open_on(args, parts).await
        })
    }

    /// Opens a store on parts that the caller brings.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn open_on(args: StoreArgs, parts: StoreParts) -> Result<OpenedStore, OpenError> {
        let StoreArgs { options, mut declared, clock, disk } = args;
        let StoreParts { registry, object_store, url, tables_root, table_log, lock } = parts;
        registry.bind_node_name(&options.node)?;
        // Rows that are refused are stored like all others, so the table of rejections is one of the tables.
        declared.push(rejected_table());
        // So are entries of audit.
        declared.push(audit_table());
        let mut tables = BTreeMap::new();
        let forward = Arc::new(ForwardClock::default());
        let earlier = registry.stored_tables()?;
        declare_alerts(&mut declared, &earlier);
        let last = LastRowsFolder { disk: Arc::clone(&disk), folder: options.folder.join(LAST_FOLDER) };
        for registered in registry.register_tables(&declared)? {
            let name = registered.def.name.clone();
            let log = table_log(&name)?;
            let snapshot = log.open(&registered.def).await?;
            let table = Table::new(registered, tables_root.clone().join(name.as_str()), log);
            // The last LSN of each shard in files must be known before the replay: it decides which rows are live.
            table.load(snapshot, |app| shard_of(&options.node, app));
            restore_last_rows(&last, &table, registry.locations().len());
            table.note_event_times_of_files(&forward);
            tables.insert(name, Arc::new(table));
        }
        let rejected = Arc::clone(&tables[REJECTED]);
        let audit = Arc::clone(&tables[AUDIT]);
        let alerts = tables.get(ALERTS).filter(|table| is_alerts_table(&table.registered.def)).cloned();
        let log_sizes = LogSizes::new(options.shards);
        let backup_hold = Arc::<BackupHold>::default();
        let rules = Rules::open(Arc::clone(&disk), &options.folder, Arc::clone(&backup_hold))?;
        let store = Arc::new(Self {
            options,
            registry,
            object_store,
            url,
            tables,
            rejected,
            audit,
            alerts,
            clock,
            forward,
            moments: Arc::default(),
            backup_hold,
            last,
            log_sizes,
            merges: Merges::default(),
            rules,
            refreshing: Mutex::default(),
            ledger_turn: tokio::sync::Mutex::default(),
            _lock: lock,
        });
        store.settle_orders(Settling::All)?;
        for table in store.tables.values() {
            let clean = CleanFiles::beside(&store.rules).read(table.name(), &table.view().files);
            table.change_hidden(|view| Hidden::clone(&view.hidden).recalling(clean));
        }
        let (shards, recovered) = store.recover(disk, &earlier).await?;
        // Rows that the replay has found say which day it is.
        store.refresh_rules();
        Ok((store, shards, recovered))
    }

    async fn recover(
        &self,
        disk: Arc<dyn Disk>,
        earlier: &[Arc<RegisteredTable>],
    ) -> Result<(Vec<Shard>, Recovered), OpenError> {
        let wal = self.options.folder.join(WAL_FOLDER);
        let wanted = self.options.shards;
        disk.create_dir_all(&wal).map_err(|source| OpenError::Folder { path: wal.clone(), source })?;
        let format = FolderFormat::adopt(disk.as_ref(), &wal)?;
        let node_number = self.node_number(format, disk.as_ref())?;
        let generation = WalGeneration::adopt(disk.as_ref(), &wal)?;
        let clocks = Clocks { forward: Arc::clone(&self.forward), group: Arc::default() };
        let args = RecoveryArgs { wal, disk, node_number, clocks };
        let Some(generation) = generation else {
            self.adopt_on_repeat(earlier)?;
            self.adopt_format(format, &args)?;
            let first = WalGeneration { generation: 1, shards: wanted };
            let shards = self.begin_generation(first, &args, Lsn(1), None)?;
            // The file is written last: a crash before it leaves folders that the next start removes.
            first.write(args.disk.as_ref(), &args.wal)?;
            return Ok((shards, Recovered::default()));
        };
        // A change of the shard count that was cut off has left a set that was never in force.
        generation.remove_others(args.disk.as_ref(), &args.wal)?;
        let (mut shards, recovered) = self.replay(generation, &args)?;
        // Before any row is flushed.
        self.adopt_on_repeat(earlier)?;
        // All of the folder has been read and is sound, so that from here on it may be what an earlier release refuses.
        self.adopt_format(format, &args)?;
        shards.iter_mut().try_for_each(Shard::leave_earlier_format)?;
        if generation.shards == wanted {
            return Ok((shards, recovered));
        }
        tracing::info!(
            from = generation.shards,
            to = wanted,
            "the number of shards changes: flushing before the switch"
        );
        // Rows in the old WALs would be lost with them, so all of them go to files first.
        self.flush_all().await?;
        // LSNs go on above the highest of the old set, so that the versions of `txn` actions never go back.
        let start = shards.iter().map(Shard::next_lsn).max().unwrap_or(Lsn(1));
        let mut streams = Streams::default();
        for shard in shards {
            streams.merge(shard.streams().clone());
        }
        let next = WalGeneration { generation: generation.generation + 1, shards: wanted };
        let shards = self.begin_generation(next, &args, start, Some(&streams))?;
        // The switch is this one step; the old set goes only once the new one is durably in force.
        next.write(args.disk.as_ref(), &args.wal)?;
        next.remove_others(args.disk.as_ref(), &args.wal)?;
        Ok((shards, recovered))
    }

    /// Makes durable what tables declare of repeats now, where that has changed since `earlier` and they have no row.
    fn adopt_on_repeat(&self, earlier: &[Arc<RegisteredTable>]) -> Result<(), OpenError> {
        for before in earlier {
            let Some(table) = self.tables.get(&before.def.name) else { continue };
            let (from, to) = (before.def.on_repeat, table.registered.def.on_repeat);
            if from == to {
                continue;
            }
            let view = table.view();
            if !view.files.is_empty() || view.live_rows() > 0 {
                return Err(OpenError::RepeatsOfRows { table: table.name().to_owned(), from, to });
            }
            self.registry.adopt_on_repeat(&table.registered)?;
        }
        Ok(())
    }

    /// The number of the node: that of the WAL, or of the registry where the WAL has none yet, or a new one.
    fn node_number(&self, format: Option<FolderFormat>, disk: &dyn Disk) -> Result<NodeNumber, OpenError> {
        let of_registry = self.registry.node_number()?;
        match (format, of_registry) {
            (Some(format), Some(_)) => {
                self.registry.bind_node_number(format.node_number)?;
                Ok(format.node_number)
            }
            (Some(FolderFormat { node_number, .. }), None) | (None, Some(node_number)) => Ok(node_number),
            (None, None) => {
                let random = disk.random();
                let failed = |source| OpenError::Folder { path: self.options.folder.clone(), source };
                random.map(NodeNumber::from_random).map_err(failed)
            }
        }
    }

    /// Writes down the format and the node's number where that has not been done.
    fn adopt_format(&self, format: Option<FolderFormat>, args: &RecoveryArgs) -> Result<(), OpenError> {
        self.registry.bind_node_number(args.node_number)?;
        let current = FolderFormat::current(args.node_number);
        if format != Some(current) {
            current.write(args.disk.as_ref(), &args.wal)?;
        }
        Ok(())
    }

    fn replay(&self, generation: WalGeneration, args: &RecoveryArgs) -> Result<(Vec<Shard>, Recovered), OpenError> {
        let mut recovered = Recovered::default();
        let mut shards = Vec::new();
        for id in generation.shard_ids() {
            let (shard, replayed) = Shard::open(self.shard_args(generation, id, args, Lsn(1)))?;
            recovered.records += replayed.records;
            recovered.rows += replayed.rows;
            recovered.torn_tails += u64::from(replayed.torn.is_some());
            shards.push(shard);
        }
        Ok((shards, recovered))
    }

    /// Begins a set of WALs, with the state of the one before it where there was one.
    fn begin_generation(
        &self,
        generation: WalGeneration,
        args: &RecoveryArgs,
        start: Lsn,
        streams: Option<&Streams>,
    ) -> Result<Vec<Shard>, OpenError> {
        let mut shards = Vec::new();
        for id in generation.shard_ids() {
            let (mut shard, _) = Shard::open(self.shard_args(generation, id, args, start))?;
            if let Some(streams) = streams {
                shard.begin_with(streams.part(|producer| shard_for(producer, generation.shards) == id))?;
            }
            shards.push(shard);
        }
        Ok(shards)
    }

    fn shard_args(&self, generation: WalGeneration, shard: ShardId, args: &RecoveryArgs, start_lsn: Lsn) -> ShardArgs {
        let by_id: BTreeMap<TableId, Arc<Table>> =
            self.tables.values().map(|table| (table.registered.id, Arc::clone(table))).collect();
        ShardArgs {
            shard,
            shard_number: args.node_number.shard_number(shard),
            dir: generation.shard_folder(&args.wal, shard),
            segment_bytes: self.options.segment_bytes,
            log_bytes_max: self.options.log_bytes_max,
            start_lsn,
            disk: Arc::clone(&args.disk),
            tables: Arc::new(by_id),
            rejected: Arc::clone(&self.rejected),
            clock: Arc::clone(&self.clock),
            forward: Arc::clone(&args.clocks.forward),
            group_clock: Arc::clone(&args.clocks.group),
            moments: Arc::clone(&self.moments),
            registry: Arc::clone(&self.registry),
        }
    }
}

/// Adds the table of alerts, unless the operator has one of that name from before there was ours: it stays as it is, and there are no alert rules.
fn declare_alerts(declared: &mut Vec<TableDef>, earlier: &[Arc<RegisteredTable>]) {
    let is_other = |def: &TableDef| def.name == ALERTS && !is_alerts_table(def);
    if declared.iter().any(is_other) || earlier.iter().any(|table| is_other(&table.def)) {
        tracing::warn!(
            "there is a table {ALERTS} of your own, and alert rules need that name: no rule is looked at in this data folder"
        );
    } else {
        declared.push(alerts_table());
    }
}

/// Restores the last rows of a table's devices from their checkpoint, before the replay brings what is newer.
fn restore_last_rows(folder: &LastRowsFolder, table: &Table, device_key_max: usize) {
    let view = table.view();
    if view.files.is_empty() || !table.keeps_last_rows() {
        return table.restore_last_rows(None);
    }
    let wanted = Wanted {
        schemas: &table.registered.schemas,
        committed: &table.all_committed(),
        file_rows: view.file_rows(),
        device_key_max,
    };
    let restored = folder.read(table.name(), &wanted).inspect_err(|why| {
        tracing::info!(table = table.name(), "the last rows of its devices are read from its files, since {why}");
    });
    table.restore_last_rows(restored.ok());
}

/// What all shards of a store have in common while they are opened.
struct RecoveryArgs {
    /// Folder of all WALs.
    wal: PathBuf,
    disk: Arc<dyn Disk>,
    node_number: NodeNumber,
    clocks: Clocks,
}

/// Clocks that go on where an earlier run has stopped.
struct Clocks {
    forward: Arc<ForwardClock>,
    group: Arc<GroupClock>,
}

/// Name of the folder of the last rows, below the data folder.
const LAST_FOLDER: &str = "last";
/// Name of the folder of all WALs, below the data folder.
const WAL_FOLDER: &str = "wal";
