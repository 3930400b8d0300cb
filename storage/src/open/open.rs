//! Opening a store: its tables, then the WALs of its shards, replayed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use zonelake_schemas::clock::ForwardClock;
use zonelake_schemas::reject::{REJECTED, rejected_table};
use zonelake_schemas::{Lsn, ShardId, TableId};
use zonelake_wal::Disk;

use crate::open::error::OpenError;
use crate::open::parts::{StoreArgs, StoreParts};
use crate::open::wal_generation::WalGeneration;
use crate::shard::routing::shard_for;
use crate::shard::sequence::Streams;
use crate::shard::shard::{Shard, ShardArgs};
use crate::store::{Store, shard_of};
use crate::table::table::Table;

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

impl Store {
    /// Opens or creates a store and recovers it: every acknowledged row is visible when this returns. The shards are
    /// for their threads to drive.
    pub async fn open(args: StoreArgs) -> Result<(Arc<Self>, Vec<Shard>, Recovered), OpenError> {
        let parts = StoreParts::from_folder(&args.options.folder, &args.clock)?;
        Self::open_on(args, parts).await
    }

    /// The same on parts that the caller brings.
    pub async fn open_on(args: StoreArgs, parts: StoreParts) -> Result<(Arc<Self>, Vec<Shard>, Recovered), OpenError> {
        let StoreArgs { options, mut declared, clock, disk } = args;
        let StoreParts { registry, object_store, url, tables_root, table_log, lock } = parts;
        registry.keep_node(&options.node)?;
        declared.push(rejected_table());
        let mut tables = BTreeMap::new();
        for registered in registry.adopt_tables(&declared)? {
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

    async fn recover(&self, disk: Arc<dyn Disk>) -> Result<(Vec<Shard>, Recovered), OpenError> {
        let wal = self.options.folder.join("wal");
        let wanted = self.options.shards;
        disk.create_dir_all(&wal).map_err(|source| OpenError::Folder { path: wal.clone(), source })?;
        let layout = WalGeneration::adopt(disk.as_ref(), &wal)?;
        let forward = Arc::new(ForwardClock::default());
        let Some(layout) = layout else {
            let first = WalGeneration { generation: 1, shards: wanted };
            let shards = self.begin_generation(first, &disk, &forward, Lsn(1), Streams::default())?;
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
            streams.merge(shard.streams().clone());
        }
        let next = WalGeneration { generation: layout.generation + 1, shards: wanted };
        let shards = self.begin_generation(next, &disk, &forward, start, streams)?;
        next.write(disk.as_ref(), &wal)?;
        next.remove_others(disk.as_ref(), &wal)?;
        Ok((shards, recovered))
    }

    fn replay(
        &self,
        layout: WalGeneration,
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

    fn begin_generation(
        &self,
        layout: WalGeneration,
        disk: &Arc<dyn Disk>,
        forward: &Arc<ForwardClock>,
        start: Lsn,
        streams: Streams,
    ) -> Result<Vec<Shard>, OpenError> {
        let mut shards = Vec::new();
        for id in layout.shard_ids() {
            let args = self.shard_args(layout, id, disk, forward, start);
            let (mut shard, _) = Shard::open(args)?;
            let own = streams.header(forward.last_us(), |producer| shard_for(producer, layout.shards) == id);
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
        layout: WalGeneration,
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
