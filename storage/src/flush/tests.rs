//! Flushes over a Delta log whose commits fail before and after they have landed.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, RecordBatch, TimestampMicrosecondArray, UInt8Array, UInt32Array,
};
use async_trait::async_trait;
use tempfile::TempDir;
use zonelake_parquet::ParquetOptions;
use zonelake_schemas::clock::{Clock, SystemClock};
use zonelake_schemas::{Lsn, ShardId, TableDef};
use zonelake_tablelog::{LogCommit, LogSnapshot, TableLog, TableLogError, delta_table};
use zonelake_wal::RealDisk;

use crate::table::chunks::Chunk;
use crate::table::table::Table;
use crate::{Store, StoreArgs, StoreOptions};

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
    table: Table,
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
        let (store, _, _) = Store::open(args).await.unwrap();
        let own = &store.tables()["air"];
        let url = store.store_url().join(&format!("{}/", own.root())).unwrap();
        let inner = Box::new(delta_table(Arc::clone(store.object_store()), &url, clock).unwrap());
        let snapshot = inner.open(&def).await.unwrap();
        let faults = Arc::default();
        let log = FaultyLog { inner, faults: Arc::clone(&faults) };
        let table = Table::new(Arc::clone(&own.registered), own.root().clone(), Box::new(log));
        table.load(snapshot, |_| None);
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
        let chunk = Chunk::new(rows, ShardId(0), Lsn(self.next_lsn));
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
