//! A file of a full flush into the table: one entry of the Delta log, synced; on a new table and on one of 5,000 files.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use zonelake_benches::workload::{FIELDS, hundredths_table};
use zonelake_objects::SyncedStore;
use zonelake_parquet::{ColumnStats, DataFile, StatValue};
use zonelake_schemas::clock::SystemClock;
use zonelake_tablelog::{DeltaLog, LogCommit, TableLog, delta_table};

use crate::harness::scratch;
use crate::stage::{self, Stopwatch};

pub(crate) fn measure(criterion: &mut Criterion) {
    let mut group = stage::long(criterion, "delta");
    let runtime = Runtime::new().expect("threads can be started");
    let stopwatch = Stopwatch::default();
    for files in [0, 5_000] {
        group.throughput(Throughput::Elements(READINGS));
        let mut prepared: Option<Growing> = None;
        group.bench_function(BenchmarkId::new("files", files), |bencher| {
            bencher.iter_custom(|iterations| {
                let mut total = Duration::ZERO;
                for _ in 0..iterations {
                    let table = match prepared.take() {
                        Some(table) if table.version < COMMITS_MAX => table,
                        _ => runtime.block_on(Growing::new(files)),
                    };
                    let table = prepared.insert(table);
                    stopwatch.add(&mut total, || runtime.block_on(table.commit(1)));
                }
                total
            });
        });
    }
    group.finish();
}

/// A table that grows by a file a commit. It is begun again now and then, so that it has about the stated number of files
/// throughout; its checkpoints, one in a hundred commits, count.
struct Growing {
    log: DeltaLog,
    version: i64,
    files: u64,
    _folder: TempDir,
}

impl Growing {
    async fn new(files: u64) -> Self {
        let folder = scratch();
        let store = SyncedStore::new(folder.path()).expect("the folder exists");
        let url = store.url().join("loadtest_hundredths/").expect("it is the name of a folder");
        let log = delta_table(Arc::new(store), &url, Arc::new(SystemClock::default())).expect("the URL is a file's");
        let snapshot = log.open(&hundredths_table()).await.expect("a new table can be made");
        let mut table = Self { log, version: snapshot.version, files: 0, _folder: folder };
        if files > 0 {
            table.commit(files).await;
        }
        table
    }

    async fn commit(&mut self, files: u64) {
        let adds = (self.files..self.files + files).map(|number| Arc::new(file(number))).collect();
        self.files += files;
        let lsn = i64::try_from(self.files).expect("few files");
        let txns = vec![("node-1/shard-0000".to_owned(), lsn)];
        let commit = LogCommit { base_version: self.version, adds, txns, ..LogCommit::default() };
        self.version = self.log.commit(commit).await.expect("nobody else commits");
    }
}

/// Entry of a file in the Delta log; the file itself need not exist.
fn file(number: u64) -> DataFile {
    let rows = READINGS / 8;
    let bound = |value: i64| Some(StatValue::Integer(value));
    let mut stats: BTreeMap<String, ColumnStats> = FIELDS
        .iter()
        .map(|field| (field.name.to_owned(), ColumnStats { min: bound(3), max: bound(9_999), nulls: 0 }))
        .collect();
    for name in ["time", "ingested_at"] {
        stats.insert(name.into(), ColumnStats { min: bound(1_000), max: bound(2_000), nulls: 0 });
    }
    for (name, min, max) in [("zone", "zone-00", "zone-19"), ("device", "vung-ang-env-00000", "vung-ang-env-00999")] {
        let text = |text: &str| Some(StatValue::Text(text.into()));
        stats.insert(name.into(), ColumnStats { min: text(min), max: text(max), nulls: 0 });
    }
    let path = format!("date=2026-01-01/part-{number:032x}.parquet");
    DataFile { path, bytes: 16 << 20, rows, date: 20_454, stats, checksum: Some(number) }
}

/// Readings of a file: 128 MiB of live rows of eight decimals, which is when a flush is due.
const READINGS: u64 = 8 * (128 << 20) / 53;
/// Commits after which a table is begun again.
const COMMITS_MAX: i64 = 200;
