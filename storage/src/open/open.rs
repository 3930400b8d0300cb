//! Opening a store: its tables, then the WALs of its shards, replayed.

use std::collections::BTreeMap;
use std::sync::Arc;

use zonelake_schemas::clock::ForwardClock;
use zonelake_schemas::reject::{REJECTED, rejected_table};
use zonelake_schemas::{Lsn, ShardId, TableId};
use zonelake_wal::Disk;

use crate::open::error::OpenError;
use crate::open::parts::{StoreArgs, StoreParts};
use crate::open::wal_generation::WalGeneration;
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

impl Store {
    /// Opens or creates a store and recovers it: every acknowledged row is visible when this returns. The caller drives
    /// the shards, each with a thread of its own.
    ///
    /// # Errors
    /// [`OpenError`] says which part cannot be opened. The folder is locked only while this runs and after success.
    pub async fn open(args: StoreArgs) -> Result<(Arc<Self>, Vec<Shard>, Recovered), OpenError> {
        let parts = StoreParts::from_folder(&args.options.folder, &args.clock)?;
        Self::open_on(args, parts).await
    }

    /// Opens a store on parts that the caller brings.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn open_on(args: StoreArgs, parts: StoreParts) -> Result<(Arc<Self>, Vec<Shard>, Recovered), OpenError> {
        let StoreArgs { options, mut declared, clock, disk } = args;
        let StoreParts { registry, object_store, url, tables_root, table_log, lock } = parts;
        registry.bind_node_name(&options.node)?;
        // Rows that are refused are stored like all others, so the table of rejections is one of the tables.
        declared.push(rejected_table());
        let mut tables = BTreeMap::new();
        for registered in registry.register_tables(&declared)? {
            let name = registered.def.name.clone();
            let log = table_log(&name)?;
            let snapshot = log.open(&registered.def).await?;
            let table = Table::new(registered, tables_root.clone().join(name.as_str()), log);
            // The last LSN of each shard in files must be known before the replay: it decides which rows are live.
            table.load(snapshot, |app| shard_of(&options.node, app));
            tables.insert(name, Arc::new(table));
        }
        let rejected = Arc::clone(&tables[REJECTED]);
        let store = Arc::new(Self { options, registry, object_store, url, tables, rejected, clock, _lock: lock });
        let (shards, recovered) = store.recover(disk).await?;
        Ok((store, shards, recovered))
    }

    async fn recover(&self, disk: Arc<dyn Disk>) -> Result<(Vec<Shard>, Recovered), OpenError> {
        let wal = self.options.folder.join("wal");
        let wanted = self.options.shards;
        disk.create_dir_all(&wal).map_err(|source| OpenError::Folder { path: wal.clone(), source })?;
        let generation = WalGeneration::adopt(disk.as_ref(), &wal)?;
        let forward = Arc::new(ForwardClock::default());
        let Some(generation) = generation else {
            let first = WalGeneration { generation: 1, shards: wanted };
            let shards = self.begin_generation(first, &disk, &forward, Lsn(1), Streams::default())?;
            // The file is written last: a crash before it leaves folders that the next start removes.
            first.write(disk.as_ref(), &wal)?;
            return Ok((shards, Recovered::default()));
        };
        // A change of the shard count that was cut off has left a set that was never in force.
        generation.remove_others(disk.as_ref(), &wal)?;
        let (shards, recovered) = self.replay(generation, &disk, &forward)?;
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
        let shards = self.begin_generation(next, &disk, &forward, start, streams)?;
        // The switch is this one step; the old set goes only once the new one is durably in force.
        next.write(disk.as_ref(), &wal)?;
        next.remove_others(disk.as_ref(), &wal)?;
        Ok((shards, recovered))
    }

    fn replay(
        &self,
        generation: WalGeneration,
        disk: &Arc<dyn Disk>,
        forward: &Arc<ForwardClock>,
    ) -> Result<(Vec<Shard>, Recovered), OpenError> {
        let mut recovered = Recovered::default();
        let mut shards = Vec::new();
        for id in generation.shard_ids() {
            let (shard, replayed) = Shard::open(self.shard_args(generation, id, disk, forward, Lsn(1)))?;
            recovered.records += replayed.records;
            recovered.rows += replayed.rows;
            recovered.torn_tails += u64::from(replayed.torn.is_some());
            shards.push(shard);
        }
        Ok((shards, recovered))
    }

    fn begin_generation(
        &self,
        generation: WalGeneration,
        disk: &Arc<dyn Disk>,
        forward: &Arc<ForwardClock>,
        start: Lsn,
        streams: Streams,
    ) -> Result<Vec<Shard>, OpenError> {
        let mut shards = Vec::new();
        for id in generation.shard_ids() {
            let args = self.shard_args(generation, id, disk, forward, start);
            let (mut shard, _) = Shard::open(args)?;
            let own = streams.header(forward.last_us(), |producer| shard_for(producer, generation.shards) == id);
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
        generation: WalGeneration,
        shard: ShardId,
        disk: &Arc<dyn Disk>,
        forward: &Arc<ForwardClock>,
        start_lsn: Lsn,
    ) -> ShardArgs {
        let by_id: BTreeMap<TableId, Arc<Table>> =
            self.tables.values().map(|table| (table.registered.id, Arc::clone(table))).collect();
        ShardArgs {
            shard,
            dir: generation.shard_folder(&self.options.folder.join("wal"), shard),
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
