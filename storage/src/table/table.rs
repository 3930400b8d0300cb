//! One table: its declaration, its log of files, and the view of files and live rows that queries read.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use arrow::error::ArrowError;
use object_store::path::Path;
use zonelake_parquet::DataFile;
use zonelake_registry::RegisteredTable;
use zonelake_schemas::{Lsn, ShardId};
use zonelake_tablelog::{LogSnapshot, TableLog};

use crate::table::chunks::Chunk;
use crate::table::view::TableView;

/// A table of the store.
#[derive(Debug)]
pub struct Table {
    /// Declaration as the registry has it.
    pub registered: Arc<RegisteredTable>,
    pub(crate) log: Box<dyn TableLog>,
    /// Lock that lets one flush run at a time. It holds the files of a commit whose outcome is not known, which the
    /// next flush resolves first.
    pub(crate) flush: tokio::sync::Mutex<Option<Vec<Arc<DataFile>>>>,
    root: Path,
    view: ArcSwap<TableView>,
    /// Held for the moment in which a new view is made from the old one; readers never take it.
    publish: Mutex<()>,
    committed: RwLock<BTreeMap<ShardId, Lsn>>,
    live_bytes: AtomicUsize,
    /// Monotonic time, ms and at least 1, since which rows wait for a flush; 0: none wait.
    waiting_since_ms: AtomicU64,
    /// A flush was asked for, whatever size and age say.
    forced: AtomicBool,
    freed: tokio::sync::Notify,
}

/// Frozen rows that one flush writes: a prefix of each shard's rows of this table.
#[derive(Debug)]
pub(crate) struct FlushBatch {
    pub chunks: Arc<Vec<Arc<Chunk>>>,
    pub last_lsns: BTreeMap<ShardId, Lsn>,
}

/// Files that the table log lists after a commit.
#[derive(Debug)]
pub(crate) enum Committed {
    /// These files, added to those before.
    Added(Vec<Arc<DataFile>>),
    /// These files and no others.
    All(Vec<Arc<DataFile>>),
}

impl Table {
    pub(crate) fn new(registered: Arc<RegisteredTable>, root: Path, log: Box<dyn TableLog>) -> Self {
        Self {
            registered,
            log,
            flush: tokio::sync::Mutex::default(),
            root,
            view: ArcSwap::default(),
            publish: Mutex::default(),
            committed: RwLock::default(),
            live_bytes: AtomicUsize::new(0),
            waiting_since_ms: AtomicU64::new(0),
            forced: AtomicBool::new(false),
            freed: tokio::sync::Notify::new(),
        }
    }

    /// Name of the table.
    pub fn name(&self) -> &str {
        &self.registered.def.name
    }

    /// Folder of the table below the root of the store.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Files and live rows at this moment. One atomic load; it never waits.
    pub fn view(&self) -> Arc<TableView> {
        self.view.load_full()
    }

    /// Memory that live rows take, those being flushed included.
    pub fn live_bytes(&self) -> usize {
        // A measure for back-pressure and metrics: no other memory is read on the strength of it.
        self.live_bytes.load(Ordering::Relaxed)
    }

    /// Asks for a flush.
    pub fn force_flush(&self) {
        self.forced.store(true, Ordering::Relaxed);
    }

    /// Last LSN of a shard whose rows of this table are in files.
    pub fn committed(&self, shard: ShardId) -> Lsn {
        let committed = self.committed.read().unwrap_or_else(PoisonError::into_inner);
        committed.get(&shard).copied().unwrap_or_default()
    }

    /// Returns once live rows take less than `bytes_max`: a table whose flush falls behind holds its own senders only.
    pub async fn wait_for_capacity(&self, bytes_max: usize) {
        loop {
            // Registered before the look at the bytes: what a flush frees in between is not missed.
            let freed = self.freed.notified();
            if self.live_bytes() < bytes_max {
                return;
            }
            self.force_flush();
            freed.await;
        }
    }

    /// Takes the state that the table log was found in. `shard_of` reads a shard from an application id.
    pub(crate) fn load(&self, snapshot: LogSnapshot, shard_of: impl Fn(&str) -> Option<ShardId>) {
        *self.committed.write().unwrap_or_else(PoisonError::into_inner) = snapshot
            .txns
            .iter()
            .filter_map(|(app, &lsn)| Some((shard_of(app)?, Lsn(u64::try_from(lsn).ok()?))))
            .collect();
        let files = Arc::new(snapshot.files);
        self.view.store(Arc::new(TableView { log_version: snapshot.version, files, ..Default::default() }));
    }

    /// Publishes new rows of one shard: they are visible to every query that starts from now on.
    pub(crate) fn publish(&self, chunks: Vec<Chunk>, now: Duration) -> Result<(), ArrowError> {
        let Some(first) = chunks.first() else { return Ok(()) };
        let shard = first.shard;
        // Writers take turns, since each makes the next view from the last; readers never wait for this lock.
        let _one_writer = self.publish.lock().unwrap_or_else(PoisonError::into_inner);
        let mut view = TableView::clone(&self.view.load());
        let mut live = view.live.get(&shard).map(|live| live.as_ref().clone()).unwrap_or_default();
        for chunk in chunks {
            assert!(chunk.shard == shard, "one shard at a time publishes");
            self.live_bytes.fetch_add(chunk.bytes, Ordering::Relaxed);
            live.push(&self.registered.schemas.live, chunk)?;
        }
        view.live.insert(shard, Arc::new(live));
        self.view.store(Arc::new(view));
        let since = u64::try_from(now.as_millis()).unwrap_or(u64::MAX).max(1);
        // Rows that wait already keep their earlier time, so a failed exchange is right and its result means nothing.
        self.waiting_since_ms.compare_exchange(0, since, Ordering::Relaxed, Ordering::Relaxed).ok();
        Ok(())
    }

    /// True where a flush is due.
    pub(crate) fn flush_is_due(&self, bytes_max: usize, age_max: Duration, now: Duration) -> bool {
        let since = self.waiting_since_ms.load(Ordering::Relaxed);
        since != 0
            && (self.forced.load(Ordering::Relaxed)
                || self.live_bytes() >= bytes_max
                || now.saturating_sub(Duration::from_millis(since)) >= age_max)
    }

    /// Freezes the oldest rows of each shard for one flush, of about `bytes_max` in all; they stay visible to queries.
    /// The rest is due as before. Where an earlier flush has failed, its rows are taken first. `None` where there is
    /// nothing.
    pub(crate) fn begin_flush(&self, bytes_max: usize) -> Option<FlushBatch> {
        let _one_writer = self.publish.lock().unwrap_or_else(PoisonError::into_inner);
        let mut view = TableView::clone(&self.view.load());
        if view.flushing.is_empty() {
            let of_shard = bytes_max / view.live.len().max(1);
            let taken = view.live.values_mut().flat_map(|live| Arc::make_mut(live).take_oldest(of_shard.max(1)));
            view.flushing = Arc::new(taken.collect());
            view.live.retain(|_, live| !live.chunks().is_empty());
            if view.live.is_empty() {
                self.waiting_since_ms.store(0, Ordering::Relaxed);
                self.forced.store(false, Ordering::Relaxed);
            }
        }
        let chunks = Arc::clone(&view.flushing);
        self.view.store(Arc::new(view));
        let mut last_lsns = BTreeMap::new();
        for chunk in chunks.iter() {
            let last = last_lsns.entry(chunk.shard).or_insert(chunk.last_lsn);
            *last = chunk.last_lsn.max(*last);
        }
        (!chunks.is_empty()).then_some(FlushBatch { chunks, last_lsns })
    }

    /// Ends a flush that is committed: its files replace its rows, in one step.
    pub(crate) fn end_flush(&self, batch: &FlushBatch, committed: Committed, log_version: i64) {
        {
            let _one_writer = self.publish.lock().unwrap_or_else(PoisonError::into_inner);
            let mut view = TableView::clone(&self.view.load());
            assert!(Arc::ptr_eq(&view.flushing, &batch.chunks), "one flush at a time");
            view.files = Arc::new(match committed {
                Committed::Added(added) => view.files.iter().cloned().chain(added).collect(),
                Committed::All(files) => files,
            });
            // Files in and rows out with one store of the view: no query sees a row twice, or not at all.
            view.flushing = Arc::default();
            view.log_version = log_version;
            let live = view.chunks().map(|chunk| chunk.bytes).sum();
            self.view.store(Arc::new(view));
            self.live_bytes.store(live, Ordering::Relaxed);
        }
        // Only now may the shard release segments: a view that lacks the files can no longer be loaded.
        let mut committed = self.committed.write().unwrap_or_else(PoisonError::into_inner);
        for (&shard, &lsn) in &batch.last_lsns {
            let before = committed.insert(shard, lsn);
            assert!(before.is_none_or(|before| before < lsn), "a flush covers the next LSNs of its shard");
        }
        drop(committed);
        self.freed.notify_waiters();
    }

    /// Takes a version of the table log that holds nothing of what is live here: another program has committed it.
    pub(crate) fn rebase(&self, snapshot: LogSnapshot) {
        let _one_writer = self.publish.lock().unwrap_or_else(PoisonError::into_inner);
        let mut view = TableView::clone(&self.view.load());
        view.files = Arc::new(snapshot.files);
        view.log_version = snapshot.version;
        self.view.store(Arc::new(view));
    }

    /// Ends a flush that has failed: its rows stay frozen and the next flush takes them.
    pub(crate) fn fail_flush(&self, now: Duration) {
        let since = u64::try_from(now.as_millis()).unwrap_or(u64::MAX).max(1);
        self.waiting_since_ms.store(since, Ordering::Relaxed);
        self.force_flush();
    }
}
