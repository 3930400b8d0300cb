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

use crate::table::live::Chunk;
use crate::table::view::TableView;

/// A table of the store.
#[derive(Debug)]
pub struct Table {
    /// Its declaration as the registry keeps it.
    pub registered: Arc<RegisteredTable>,
    pub(crate) log: Box<dyn TableLog>,
    /// One flush at a time; and the files of a commit whose fate is not known, which the next flush looks into first.
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

/// What one flush takes: a prefix of each shard's rows of this table.
#[derive(Debug)]
pub(crate) struct FlushBatch {
    pub chunks: Arc<Vec<Arc<Chunk>>>,
    pub last_lsns: BTreeMap<ShardId, Lsn>,
}

/// What the log holds after a commit.
#[derive(Debug)]
pub(crate) enum Committed {
    /// These files, beside those that it had.
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

    /// Its name.
    pub fn name(&self) -> &str {
        &self.registered.def.name
    }

    /// Its folder below the root of the store.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Files and live rows at this moment. One load; it never waits.
    pub fn view(&self) -> Arc<TableView> {
        self.view.load_full()
    }

    /// Memory that live rows take, those being flushed included.
    pub fn live_bytes(&self) -> usize {
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
            let freed = self.freed.notified();
            if self.live_bytes() < bytes_max {
                return;
            }
            self.force_flush();
            freed.await;
        }
    }

    /// Takes the state that its log was found in. `shard_of` reads a shard from an application id.
    pub(crate) fn load(&self, snapshot: LogSnapshot, shard_of: impl Fn(&str) -> Option<ShardId>) {
        *self.committed.write().unwrap_or_else(PoisonError::into_inner) = snapshot
            .txns
            .iter()
            .filter_map(|(app, &lsn)| Some((shard_of(app)?, Lsn(u64::try_from(lsn).ok()?))))
            .collect();
        let files = Arc::new(snapshot.files);
        self.view.store(Arc::new(TableView { log_version: snapshot.version, files, ..Default::default() }));
    }

    /// Shows new rows of one shard to every query that starts from now on.
    pub(crate) fn publish(&self, chunks: Vec<Chunk>, now: Duration) -> Result<(), ArrowError> {
        let Some(first) = chunks.first() else { return Ok(()) };
        let shard = first.shard;
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
        let _ = self.waiting_since_ms.compare_exchange(0, since, Ordering::Relaxed, Ordering::Relaxed);
        Ok(())
    }

    /// Whether a flush is due.
    pub(crate) fn flush_is_due(&self, bytes_max: usize, age_max: Duration, now: Duration) -> bool {
        let since = self.waiting_since_ms.load(Ordering::Relaxed);
        since != 0
            && (self.forced.load(Ordering::Relaxed)
                || self.live_bytes() >= bytes_max
                || now.saturating_sub(Duration::from_millis(since)) >= age_max)
    }

    /// Sets the oldest rows of each shard aside for one flush, of about `bytes_max` in all; queries go on seeing them. What
    /// stays behind is due as before. Where an earlier flush has failed, its rows are taken first. `None` where there is
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

    /// The flush is committed: its files take the place of its rows, in one step.
    pub(crate) fn end_flush(&self, part: &FlushBatch, committed: Committed, log_version: i64) {
        {
            let _one_writer = self.publish.lock().unwrap_or_else(PoisonError::into_inner);
            let mut view = TableView::clone(&self.view.load());
            assert!(Arc::ptr_eq(&view.flushing, &part.chunks), "one flush at a time");
            view.files = Arc::new(match committed {
                Committed::Added(added) => view.files.iter().cloned().chain(added).collect(),
                Committed::All(files) => files,
            });
            view.flushing = Arc::default();
            view.log_version = log_version;
            let live = view.chunks().map(|chunk| chunk.bytes).sum();
            self.view.store(Arc::new(view));
            self.live_bytes.store(live, Ordering::Relaxed);
        }
        let mut committed = self.committed.write().unwrap_or_else(PoisonError::into_inner);
        for (&shard, &lsn) in &part.last_lsns {
            let before = committed.insert(shard, lsn);
            assert!(before.is_none_or(|before| before < lsn), "a flush covers the next LSNs of its shard");
        }
        drop(committed);
        self.freed.notify_waiters();
    }

    /// Takes a version of the log that holds nothing of what is live here: another program has committed it.
    pub(crate) fn rebase(&self, snapshot: LogSnapshot) {
        let _one_writer = self.publish.lock().unwrap_or_else(PoisonError::into_inner);
        let mut view = TableView::clone(&self.view.load());
        view.files = Arc::new(snapshot.files);
        view.log_version = snapshot.version;
        self.view.store(Arc::new(view));
    }

    /// The flush has failed: its rows stay where they are and the next flush takes them.
    pub(crate) fn fail_flush(&self, now: Duration) {
        let since = u64::try_from(now.as_millis()).unwrap_or(u64::MAX).max(1);
        self.waiting_since_ms.store(since, Ordering::Relaxed);
        self.force_flush();
    }
}
