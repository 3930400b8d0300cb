//! Flushes over a Delta log whose commits fail before and after they have landed.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, RecordBatch, TimestampMicrosecondArray, UInt8Array, UInt32Array,
};
use async_trait::async_trait;
use tempfile::TempDir;
use zonelake_parquet::{DataFile, ParquetOptions};
use zonelake_schemas::clock::{Clock, SystemClock};
use zonelake_schemas::{GroupSequence, Lsn, ShardId, ShardNumber, TableDef};
use zonelake_tablelog::{LogCommit, LogSnapshot, TableLog, TableLogError, delta_table};
use zonelake_wal::RealDisk;

use crate::table::chunks::Chunk;
use crate::table::table::Table;
use crate::{
    CompactionError, CompactionOptions, DeletionOrder, MergeControl, RuleError, Selection, Store, StoreArgs,
    StoreOptions,
};

/// What goes wrong with the next commit or look at the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The commit has not landed.
    Lost,
    /// The commit has landed and is reported as failed.
    Landed,
    /// The log cannot be read.
    Unread,
    /// Another program commits first.
    Overtaken,
}

#[derive(Debug)]
struct FaultyLog {
    inner: Box<dyn TableLog>,
    faults: Arc<Mutex<Vec<Fault>>>,
}

impl FaultyLog {
    fn meets(&self, of: &[Fault]) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap();
        let is_next = faults.first().is_some_and(|fault| of.contains(fault));
        is_next.then(|| faults.remove(0))
    }
}

fn failed() -> TableLogError {
    TableLogError::Store { table: "air".into(), source: "a fault was injected".into() }
}

#[async_trait]
impl TableLog for FaultyLog {
    async fn open(&self, table: &TableDef) -> Result<LogSnapshot, TableLogError> {
        self.inner.open(table).await
    }

    async fn load(&self) -> Result<LogSnapshot, TableLogError> {
        if self.meets(&[Fault::Unread]).is_some() { Err(failed()) } else { self.inner.load().await }
    }

    async fn commit(&self, commit: LogCommit) -> Result<i64, TableLogError> {
        match self.meets(&[Fault::Lost, Fault::Landed, Fault::Overtaken]) {
            None => self.inner.commit(commit).await,
            Some(Fault::Landed) => {
                self.inner.commit(commit).await?;
                Err(failed())
            }
            Some(Fault::Overtaken) => {
                let theirs = LogCommit { base_version: commit.base_version, ..LogCommit::default() };
                self.inner.commit(theirs).await?;
                self.inner.commit(commit).await
            }
            Some(_) => Err(failed()),
        }
    }
}

struct Bench {
    folder: TempDir,
    store: Arc<Store>,
    table: Arc<Table>,
    faults: Arc<Mutex<Vec<Fault>>>,
    next_lsn: u64,
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = StoreOptions {
            folder: folder.path().to_owned(),
            node: "node-1".into(),
            shards: 1,
            segment_bytes: 1 << 20,
            flush_bytes_max: 1 << 20,
            flush_age_max: Duration::from_secs(60),
            live_bytes_max: 4 << 20,
            log_bytes_max: 8 << 20,
            free_bytes_min: 0,
            parquet: ParquetOptions::default(),
        };
        let def = TableDef::from_toml("name = \"air\"\n[[field]]\nname = \"a\"\ntype = \"double\"\n").unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let declared = vec![def.clone()];
        let args = StoreArgs { options, declared, clock: Arc::clone(&clock), disk: Arc::new(RealDisk) };
        let (mut store, shards, _) = Store::open(args).await.unwrap();
        drop(shards);
        let own = &store.tables()["air"];
        let url = store.store_url().join(&format!("{}/", own.root())).unwrap();
        let inner = Box::new(delta_table(Arc::clone(store.object_store()), &url, clock).unwrap());
        let snapshot = inner.open(&def).await.unwrap();
        let faults = Arc::default();
        let log = FaultyLog { inner, faults: Arc::clone(&faults) };
        let table = Table::new(Arc::clone(&own.registered), own.root().clone(), Box::new(log));
        table.load(snapshot, |_| None);
        let table = Arc::new(table);
        let of_store = Arc::get_mut(&mut store).expect("nobody else has it");
        of_store.tables.insert("air".into(), Arc::clone(&table));
        Self { folder, store, table, faults, next_lsn: 1 }
    }

    fn fail(&self, faults: &[Fault]) {
        *self.faults.lock().unwrap() = faults.to_vec();
    }

    /// Publishes rows as a shard does.
    fn add(&mut self, rows: usize) {
        let time = TimestampMicrosecondArray::from_value(1_767_225_600_000_000, rows).with_timezone("UTC");
        let time: ArrayRef = Arc::new(time);
        let columns: Vec<ArrayRef> = vec![
            Arc::clone(&time),
            time,
            Arc::new(UInt32Array::from_value(1, rows)),
            Arc::new(UInt8Array::from_value(0, rows)),
            Arc::new(BooleanArray::from(vec![false; rows])),
            Arc::new(Float64Array::from_value(1.0, rows)),
        ];
        let rows = RecordBatch::try_new(Arc::clone(&self.table.registered.schemas.live), columns).unwrap();
        let sequence = GroupSequence(self.next_lsn);
        let chunk = Chunk::new(rows, (ShardId(0), ShardNumber(65_536)), Lsn(self.next_lsn), sequence);
        self.next_lsn += 1;
        self.table.publish(vec![chunk], Duration::from_secs(1)).unwrap();
    }

    /// Rows in memory, rows in the files of the view, rows in the files that the log lists, Parquet files in the
    /// folder.
    async fn counts(&self) -> (usize, u64, u64, usize) {
        let view = self.table.view();
        let logged = self.table.log.load().await.unwrap();
        assert_eq!(logged.version, view.log_version);
        (view.live_rows(), view.file_rows(), logged.files.iter().map(|file| file.rows).sum(), self.files_on_disk())
    }

    fn files_on_disk(&self) -> usize {
        let mut folders: Vec<PathBuf> = vec![self.folder.path().join("tables/air")];
        let mut files = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                match entry.file_type().unwrap().is_dir() {
                    true if entry.file_name() != "_delta_log" => folders.push(entry.path()),
                    is_dir => files += usize::from(!is_dir),
                }
            }
        }
        files
    }
}

#[tokio::test]
async fn a_commit_that_was_lost_leaves_no_file_and_the_next_flush_takes_its_rows() {
    let mut bench = Bench::new().await;
    bench.add(3);
    for _ in 0..3 {
        bench.fail(&[Fault::Lost]);
        assert!(bench.store.flush(&bench.table).await.is_err());
        assert_eq!(bench.counts().await, (3, 0, 0, 0));
        assert_eq!(bench.table.committed(ShardId(0)), Lsn(0));
    }
    assert_eq!(bench.store.flush(&bench.table).await.unwrap().rows, 3);
    assert_eq!(bench.counts().await, (0, 3, 3, 1));
}

#[tokio::test]
async fn a_commit_that_has_landed_although_it_was_reported_as_failed_ends_its_flush() {
    let mut bench = Bench::new().await;
    bench.add(3);
    bench.fail(&[Fault::Landed]);
    assert_eq!(bench.store.flush(&bench.table).await.unwrap().rows, 3);
    assert_eq!(bench.counts().await, (0, 3, 3, 1));
    assert_eq!(bench.table.committed(ShardId(0)), Lsn(1));
    bench.add(2);
    assert_eq!(bench.store.flush(&bench.table).await.unwrap().rows, 2);
    assert_eq!(bench.counts().await, (0, 5, 5, 2));
    assert_eq!(bench.table.committed(ShardId(0)), Lsn(2));
}

#[tokio::test]
async fn a_commit_of_unknown_fate_is_looked_into_before_any_file_is_written_again() {
    for (fate, rows_after) in [(Fault::Landed, 3), (Fault::Lost, 0)] {
        let mut bench = Bench::new().await;
        bench.add(3);
        bench.fail(&[fate, Fault::Unread, Fault::Unread, Fault::Unread]);
        for _ in 0..3 {
            assert!(bench.store.flush(&bench.table).await.is_err());
            assert_eq!(bench.files_on_disk(), 1, "none is written and none deleted while it is not known");
            assert_eq!(bench.table.view().live_rows(), 3);
        }
        assert_eq!(bench.table.log.load().await.unwrap().files.iter().map(|file| file.rows).sum::<u64>(), rows_after);
        assert_eq!(bench.store.flush(&bench.table).await.unwrap().rows, 3);
        assert_eq!(bench.counts().await, (0, 3, 3, 1), "{fate:?}");
    }
}

#[tokio::test]
async fn a_table_that_another_program_has_changed_goes_on_from_its_version() {
    let mut bench = Bench::new().await;
    bench.add(3);
    bench.fail(&[Fault::Overtaken]);
    assert!(bench.store.flush(&bench.table).await.is_err());
    assert_eq!(bench.counts().await, (3, 0, 0, 0));
    assert_eq!(bench.store.flush(&bench.table).await.unwrap().rows, 3);
    assert_eq!(bench.counts().await, (0, 3, 3, 1));
}

impl Bench {
    /// Flushes three files of one row each.
    async fn add_three_files(&mut self) {
        for _ in 0..3 {
            self.add(1);
            assert_eq!(self.store.flush(&self.table).await.unwrap().rows, 1);
        }
    }

    /// Merges the files of the table into one; false where there was nothing to do.
    async fn merge(&self) -> Result<bool, CompactionError> {
        let options = CompactionOptions { files_max: 2, keep_removed: Duration::ZERO, ..CompactionOptions::default() };
        let (skipped, is_stopping) = (HashSet::new(), Arc::default());
        let control = MergeControl { options: &options, skipped: &skipped, is_stopping: &is_stopping };
        let merged = self.store.compact(&self.table, control).await?;
        self.store.delete_retired(&self.table, &options).await;
        Ok(merged.is_some())
    }

    /// Takes hidden rows out until nothing is left to do.
    async fn erase(&self) -> Result<(), RuleError> {
        let (options, is_stopping) = (CompactionOptions::default(), Arc::default());
        while self.store.erase_hidden(&self.table, &options, &is_stopping).await?.is_some() {}
        self.store.confirm_erased().await
    }

    /// Deletes all rows that are there now.
    async fn delete(&self) -> Result<u64, RuleError> {
        let selection = Selection { from_us: Some(0), until_us: Some(i64::MAX), ..Selection::default() };
        let order = DeletionOrder { table: "air".into(), selection, who: "tester".into(), why: "a test".into() };
        self.store.delete_rows(order).await.map(|deletion| deletion.rows)
    }

    /// Rows of the view that statements see.
    fn visible_rows(&self) -> u64 {
        let view = self.table.view();
        // Deletions take all rows here.
        let seen = |file: &&Arc<DataFile>| view.hidden.in_file(file).is_none();
        view.files.iter().filter(seen).map(|file| file.rows).sum::<u64>() + view.live_rows() as u64
    }
}

/// Ways in which the outcome of a change of files is not known at its end: whether it has landed, and what goes wrong.
const DOUBTS: [(bool, &[Fault]); 4] = [
    (true, &[Fault::Landed, Fault::Unread]),
    (true, &[Fault::Landed, Fault::Lost]),
    (true, &[Fault::Landed, Fault::Landed]),
    (false, &[Fault::Lost, Fault::Unread]),
];

#[tokio::test]
async fn a_merge_of_unknown_fate_is_looked_into_before_the_next_flush_which_does_not_fail() {
    for (landed, faults) in DOUBTS {
        let mut bench = Bench::new().await;
        bench.add_three_files().await;
        bench.fail(faults);
        assert!(bench.merge().await.is_err(), "{faults:?}");
        assert_eq!(bench.visible_rows(), 3, "{faults:?}");
        bench.add(2);
        assert_eq!(bench.store.flush(&bench.table).await.unwrap().rows, 2, "{faults:?}");
        let (live, in_view, logged, _) = bench.counts().await;
        assert_eq!((live, in_view, logged), (0, 5, 5), "{faults:?}");
        let files = if landed { 2 } else { 4 };
        assert_eq!(bench.table.view().files.len(), files, "{faults:?}");
        // What is left over of it goes: the inputs of what has landed, the output of what has not.
        bench.merge().await.unwrap();
        bench.merge().await.unwrap();
        assert_eq!(bench.files_on_disk(), bench.table.view().files.len(), "{faults:?}");
        assert_eq!(bench.visible_rows(), 5);
    }
}

#[tokio::test]
async fn a_merge_of_unknown_fate_is_looked_into_before_the_next_merge() {
    for (landed, faults) in DOUBTS {
        let mut bench = Bench::new().await;
        bench.add_three_files().await;
        bench.fail(faults);
        assert!(bench.merge().await.is_err(), "{faults:?}");
        assert_eq!(bench.merge().await.unwrap(), !landed, "{faults:?}");
        assert_eq!(bench.counts().await, (0, 3, 3, 1), "{faults:?}");
    }
}

#[tokio::test]
async fn a_merge_of_unknown_fate_brings_no_row_back_that_is_deleted_meanwhile() {
    for (_, faults) in DOUBTS {
        let mut bench = Bench::new().await;
        bench.add_three_files().await;
        bench.fail(faults);
        assert!(bench.merge().await.is_err(), "{faults:?}");
        assert_eq!(bench.delete().await.unwrap(), 3, "{faults:?}");
        assert_eq!(bench.visible_rows(), 0, "{faults:?}");
        bench.add(1);
        bench.store.flush(&bench.table).await.unwrap();
        assert_eq!(bench.visible_rows(), 1, "{faults:?}");
        bench.erase().await.unwrap();
        assert_eq!(bench.counts().await.1, 1, "{faults:?}");
        assert!(bench.store.ledger().deletions[0].pending.is_empty(), "{faults:?}");
    }
}

#[tokio::test]
async fn rows_that_are_taken_out_by_a_commit_of_unknown_fate_are_gone_in_the_end_and_no_flush_fails() {
    for (_, faults) in DOUBTS {
        let mut bench = Bench::new().await;
        bench.add_three_files().await;
        assert_eq!(bench.delete().await.unwrap(), 3);
        bench.fail(faults);
        assert!(bench.erase().await.is_err(), "{faults:?}");
        bench.add(2);
        assert_eq!(bench.store.flush(&bench.table).await.unwrap().rows, 2, "{faults:?}");
        assert_eq!(bench.visible_rows(), 2, "{faults:?}");
        bench.erase().await.unwrap();
        let (live, in_view, logged, _) = bench.counts().await;
        assert_eq!((live, in_view, logged), (0, 2, 2), "{faults:?}");
        assert!(bench.store.ledger().deletions[0].pending.is_empty(), "{faults:?}");
    }
}
