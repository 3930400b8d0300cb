//! One table: its declaration, its log of files, and the view of files and live rows that queries read.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use arrow::error::ArrowError;
use object_store::path::Path;
use zonelake_parquet::{DataFile, StatValue};
use zonelake_registry::RegisteredTable;
use zonelake_schemas::alerts::is_written_by_server;
use zonelake_schemas::clock::ForwardClock;
use zonelake_schemas::{Lsn, ShardId};
use zonelake_tablelog::{LogSnapshot, TableLog};

use crate::compact::retired::Retired;
use crate::last::last_rows::{LastRows, LastRowsState};
use crate::rules::hidden::Hidden;
use crate::table::chunks::Chunk;
use crate::table::doubt::{CommitInDoubt, Exchange};
use crate::table::view::TableView;
use crate::windows::layout::WindowLayout;

/// A table of the store.
#[derive(Debug)]
pub struct Table {
    /// Declaration as the registry has it.
    pub registered: Arc<RegisteredTable>,
    pub(crate) log: Box<dyn TableLog>,
    /// Lock that lets one flush run, and one commit be made, at a time. It holds the commit whose outcome is not known, which is
    /// found out before anything is committed or written again.
    pub(crate) flush: tokio::sync::Mutex<Option<CommitInDoubt>>,
    /// When files of a date were merged last because of repeats, by the monotonic clock.
    pub(crate) repeats_merged: Mutex<BTreeMap<i32, Duration>>,
    /// Files that merges have removed, until they are deleted.
    pub(crate) retired: Retired,
    root: Path,
    view: ArcSwap<TableView>,
    /// Held for the moment in which a new view is made from the old one; readers never take it.
    publish: Mutex<()>,
    /// Held while last rows are folded, so that no two do the same work. Taken before `publish`.
    folding: Mutex<()>,
    /// The same for windows.
    pub(crate) windowing: Mutex<()>,
    pub(crate) layout: Arc<WindowLayout>,
    committed: RwLock<BTreeMap<ShardId, Lsn>>,
    live_bytes: AtomicUsize,
    /// Monotonic time, ms and at least 1, since which rows wait for a flush; 0: none wait.
    waiting_since_ms: AtomicU64,
    /// A flush was asked for, whatever size and age say.
    forced: AtomicBool,
    freed: tokio::sync::Notify,
    pub(crate) merge_backlog: AtomicUsize,
}

/// Frozen rows that one flush writes: a prefix of each shard's rows of this table.
#[derive(Debug)]
pub(crate) struct FlushBatch {
    pub chunks: Arc<Vec<Arc<Chunk>>>,
    pub last_lsns: BTreeMap<ShardId, Lsn>,
}

impl FlushBatch {
    /// Rows of it.
    pub(crate) fn rows(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.rows.num_rows() as u64).sum()
    }
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
        let layout = Arc::new(WindowLayout::new(&registered.def, &registered.schemas));
        Self {
            registered,
            log,
            flush: tokio::sync::Mutex::default(),
            repeats_merged: Mutex::default(),
            retired: Retired::default(),
            root,
            view: ArcSwap::default(),
            publish: Mutex::default(),
            folding: Mutex::default(),
            windowing: Mutex::default(),
            layout,
            committed: RwLock::default(),
            live_bytes: AtomicUsize::new(0),
            waiting_since_ms: AtomicU64::new(0),
            forced: AtomicBool::new(false),
            freed: tokio::sync::Notify::new(),
            merge_backlog: AtomicUsize::new(0),
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

    /// How long the oldest rows have waited for a flush, at a monotonic time; `None` where none wait.
    pub fn waiting_for(&self, now: Duration) -> Option<Duration> {
        let since = self.waiting_since_ms.load(Ordering::Relaxed);
        (since != 0).then(|| now.saturating_sub(Duration::from_millis(since)))
    }

    /// Files that are to be merged, as the last look at the table has found.
    pub fn merge_backlog(&self) -> usize {
        self.merge_backlog.load(Ordering::Relaxed)
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
        self.retired.recall(snapshot.removed);
        let files = Arc::new(snapshot.files);
        let mut view = TableView::of_files(snapshot.version, files);
        view.flushed = self.all_committed();
        self.view.store(Arc::new(view));
    }

    /// Tells which event time was accepted last. In the tables that the server writes it says nothing: the time of receipt, or a time that was
    /// accepted before.
    pub(crate) fn note_event_times(&self, receipts: &ForwardClock, latest_us: i64) {
        if !is_written_by_server(&self.registered.def) {
            receipts.accepted(latest_us);
        }
    }

    /// Tells it of the rows in files.
    pub(crate) fn note_event_times_of_files(&self, receipts: &ForwardClock) {
        for file in self.view().files.iter() {
            if let Some(StatValue::Integer(us)) = file.stats.get("time").and_then(|stats| stats.max.as_ref()) {
                self.note_event_times(receipts, *us);
            }
        }
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
            // Rows that their repeats leave without effect are not in the files.
            let rows_added = match &committed {
                Committed::Added(added) => added.iter().map(|file| file.rows).sum(),
                Committed::All(_) => batch.rows(),
            };
            let rows_expected = view.file_rows() + rows_added;
            self.cover(&mut view, batch);
            let files = match committed {
                Committed::Added(added) => view.files.iter().cloned().chain(added).collect(),
                Committed::All(files) => known_files(&view.files, files),
            };
            view.set_files(Arc::new(files));
            view.flushed.extend(&batch.last_lsns);
            // Files in and rows out with one store of the view: no query sees a row twice, or not at all.
            view.flushing = Arc::default();
            view.log_version = log_version;
            if view.file_rows() != rows_expected {
                self.begin_last_rows_anew(&mut view, &batch.last_lsns);
            } else if !view.windows.covers(&batch.last_lsns) && self.keeps_last_rows() {
                // They are folded before each commit, so that this is what an error has left.
                self.begin_windows_anew(&mut view, &batch.last_lsns);
            }
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
        self.rebase_on(snapshot, false);
    }

    /// The same where rows of it may be others, though there are as many as before.
    pub(crate) fn rebase_on(&self, snapshot: LogSnapshot, changes_rows: bool) {
        let _one_writer = self.publish.lock().unwrap_or_else(PoisonError::into_inner);
        let mut view = TableView::clone(&self.view.load());
        let rows_before = view.file_rows();
        view.set_files(Arc::new(known_files(&view.files, snapshot.files)));
        view.log_version = snapshot.version;
        if changes_rows || view.file_rows() != rows_before {
            self.begin_last_rows_anew(&mut view, &BTreeMap::new());
        }
        self.view.store(Arc::new(view));
    }

    /// Takes live rows into the last rows of their devices. True where there were any.
    ///
    /// # Errors
    /// For rows that are not in the live schema.
    pub fn fold_last_rows(&self) -> Result<bool, ArrowError> {
        if !self.keeps_last_rows() {
            return Ok(false);
        }
        let _one_folder = self.folding.lock().unwrap_or_else(PoisonError::into_inner);
        let view = self.view();
        let Some(folded) = view.last.folded(view.chunks())? else { return Ok(false) };
        if folded.state() == LastRowsState::TooLarge && view.last.state() != LastRowsState::TooLarge {
            tracing::warn!(
                table = self.name(),
                "the last rows of its devices take too much memory and are not kept; statements read the table's rows"
            );
        }
        self.store_last_rows(&view.last, folded);
        Ok(true)
    }

    /// False for the tables that the server writes, whose rows have no last one, and for tables in which a row may take another one's place: the value
    /// that a field had before is not known to the last rows.
    pub fn keeps_last_rows(&self) -> bool {
        !is_written_by_server(&self.registered.def) && self.registered.def.on_repeat.keeps_all()
    }

    /// Takes the last rows that a checkpoint had, or none.
    pub(crate) fn restore_last_rows(&self, restored: Option<LastRows>) {
        let _one_writer = self.publish.lock().unwrap_or_else(PoisonError::into_inner);
        let mut view = TableView::clone(&self.view.load());
        view.last = Arc::new(restored.unwrap_or_else(|| {
            let is_complete = view.files.is_empty() && self.keeps_last_rows();
            LastRows::empty(is_complete, self.all_committed(), 0)
        }));
        self.begin_windows_anew(&mut view, &BTreeMap::new());
        self.view.store(Arc::new(view));
    }

    /// Last LSNs of all shards whose rows of this table are in files.
    pub(crate) fn all_committed(&self) -> BTreeMap<ShardId, Lsn> {
        self.committed.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Joins last rows that were read from the files of a view that had `since`. False where they have begun anew meanwhile.
    pub(crate) fn complete_last_rows(&self, since: &LastRows, of_files: &LastRows) -> bool {
        let _one_folder = self.folding.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let now = Arc::clone(&self.view.load().last);
            if now.generation != since.generation || now.state() != LastRowsState::Filling {
                return false;
            }
            // A flush that ends in between has covered more: then once more, which a flush does not hold up.
            if self.store_last_rows(&now, now.completed_by(of_files)) {
                return true;
            }
        }
    }

    /// Begins the last rows anew, from the files and then the live rows: rows of files have gone or changed.
    pub(crate) fn forget_last_rows(&self) {
        let _one_writer = self.publish.lock().unwrap_or_else(PoisonError::into_inner);
        let mut view = TableView::clone(&self.view.load());
        self.begin_last_rows_anew(&mut view, &BTreeMap::new());
        self.view.store(Arc::new(view));
    }

    /// Begins the last rows anew where they have records that the WAL of a shard has not: those of a folder into which an older backup was
    /// put back.
    pub(crate) fn check_last_rows(&self, shard: ShardId, next: Lsn) {
        if self.view().last.covered().get(&shard).is_some_and(|covered| *covered >= next) {
            tracing::warn!(
                table = self.name(),
                "the checkpoint of the last rows of its devices is ahead of the WAL and is not used"
            );
            self.forget_last_rows();
        }
    }

    /// Begins last rows and windows anew in a view. `lsns` are in files too, beside what is committed.
    fn begin_last_rows_anew(&self, view: &mut TableView, lsns: &BTreeMap<ShardId, Lsn>) {
        let mut covered = self.all_committed();
        covered.extend(lsns);
        let is_complete = view.files.is_empty() && self.keeps_last_rows();
        view.last = Arc::new(LastRows::empty(is_complete, covered, view.last.generation + 1));
        self.begin_windows_anew(view, lsns);
    }

    /// Publishes last rows that were made of `before`, unless those have been begun anew since.
    fn store_last_rows(&self, before: &LastRows, made: LastRows) -> bool {
        let _one_writer = self.publish.lock().unwrap_or_else(PoisonError::into_inner);
        let mut view = TableView::clone(&self.view.load());
        // What a flush has covered meanwhile would be uncovered again.
        if view.last.generation != before.generation || !made.covers(view.last.covered()) {
            return false;
        }
        view.last = Arc::new(made);
        self.view.store(Arc::new(view));
        true
    }

    /// Rows that leave memory are in the last rows, whatever was folded before.
    fn cover(&self, view: &mut TableView, batch: &FlushBatch) {
        if !self.keeps_last_rows() {
            return;
        }
        match view.last.folded(batch.chunks.iter()) {
            Ok(Some(folded)) => view.last = Arc::new(folded),
            Ok(None) => {}
            Err(error) => {
                tracing::error!(
                    table = self.name(),
                    "the last rows of its devices are lost and are read anew: {error}"
                );
                self.begin_last_rows_anew(view, &batch.last_lsns);
            }
        }
    }

    /// Replaces files by what was made of them, in one step.
    pub(crate) fn replace_files(&self, exchange: Exchange, log_version: i64) {
        let Exchange { inputs, outputs, changes_rows } = exchange;
        let removed: HashSet<&str> = inputs.iter().map(|file| file.path.as_str()).collect();
        let _one_writer = self.publish.lock().unwrap_or_else(PoisonError::into_inner);
        let mut view = TableView::clone(&self.view.load());
        // Where the first of them was: later files stay behind it, so that equal rows keep their order in the next merge.
        let at = view.files.iter().position(|file| removed.contains(file.path.as_str())).unwrap_or_default();
        let rows_before = view.file_rows();
        let kept = view.files.iter().filter(|file| !removed.contains(file.path.as_str())).cloned();
        let mut files: Vec<_> = kept.collect();
        // Files in front of it stay where they were.
        let at = at.min(files.len());
        files.splice(at..at, outputs).for_each(drop);
        view.set_files(Arc::new(files));
        view.log_version = log_version;
        // A last row may be among those that have gone or changed.
        if changes_rows || view.file_rows() != rows_before {
            self.begin_last_rows_anew(&mut view, &BTreeMap::new());
        }
        self.view.store(Arc::new(view));
    }

    /// Changes what statements that begin from now on do not see.
    pub(crate) fn change_hidden(&self, change: impl FnOnce(&TableView) -> Hidden) {
        self.change_view(|view| {
            let hidden = Arc::new(change(view));
            view.set_hidden(hidden);
        });
    }

    /// Changes what statements that begin from now on see.
    pub(crate) fn change_view(&self, change: impl FnOnce(&mut TableView)) {
        let _one_writer = self.publish.lock().unwrap_or_else(PoisonError::into_inner);
        let mut view = TableView::clone(&self.view.load());
        change(&mut view);
        self.view.store(Arc::new(view));
    }

    /// Files that merges have removed and that are still on disk.
    pub fn retired_files(&self) -> usize {
        self.retired.len()
    }

    /// Ends a flush that has failed: its rows stay frozen and the next flush takes them.
    pub(crate) fn fail_flush(&self, now: Duration) {
        let since = u64::try_from(now.as_millis()).unwrap_or(u64::MAX).max(1);
        self.waiting_since_ms.store(since, Ordering::Relaxed);
        self.force_flush();
    }
}

/// Files of a table log that was read again, as a view has them already: one file is one value, and its references are those of
/// all views.
fn known_files(known: &[Arc<DataFile>], read: Vec<Arc<DataFile>>) -> Vec<Arc<DataFile>> {
    let known: HashMap<&str, &Arc<DataFile>> = known.iter().map(|file| (file.path.as_str(), file)).collect();
    let as_known = |file: Arc<DataFile>| match known.get(file.path.as_str()) {
        Some(known) if **known == file => Arc::clone(known),
        _ => file,
    };
    read.into_iter().map(as_known).collect()
}
