//! Records to the disk: one write and one fdatasync a group.

use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use tempfile::TempDir;
use zonelake_schemas::ShardId;
use zonelake_wal::{RealDisk, RecordParts, SegmentId, Wal, WalError, WalOptions};

use crate::harness::{LARGE, SMALL, scratch};
use crate::stage::{self, Stopwatch};

/// Batches of a group, and rows of each.
const GROUPS: [(usize, usize); 4] = [(1, LARGE), (8, LARGE), (1, SMALL), (64, SMALL)];

pub(crate) fn measure(criterion: &mut Criterion) {
    let mut group = stage::long(criterion, "wal");
    let stopwatch = Stopwatch::default();
    for (batches, rows) in GROUPS {
        group.throughput(Throughput::Elements((8 * rows * batches) as u64));
        let mut prepared = None;
        group.bench_function(BenchmarkId::new(format!("{batches}_batches"), rows), |bencher| {
            let (_folder, wal) = prepared.get_or_insert_with(new_log);
            let payload: Vec<u8> = (0..rows * ROW_BYTES + HEAD_BYTES).map(|at| (at % 251) as u8).collect();
            let parts: RecordParts<'_> = &[&payload];
            let records = vec![parts; batches];
            bencher.iter_custom(|iterations| {
                let mut total = Duration::ZERO;
                for _ in 0..iterations {
                    stopwatch.add(&mut total, || append(wal, &records));
                    // A segment that a flush releases is used again, as in the program.
                    let before = SegmentId(wal.current_segment().id.0 - 1);
                    wal.release_through(before).expect("old segments can go");
                }
                total
            });
        });
    }
    group.finish();
}

fn append(wal: &mut Wal, records: &[RecordParts<'_>]) {
    if wal.must_roll(Wal::group_bytes(records)) {
        wal.roll().expect("the WAL can roll");
    }
    wal.append(records).expect("the WAL can be written");
}

fn new_log() -> (TempDir, Wal) {
    let folder = scratch();
    let options = WalOptions::new(folder.path().join("log"), ShardId(0));
    let (wal, _) = Wal::open(Arc::new(RealDisk), options, &mut |_| Ok::<(), WalError>(())).expect("a new log opens");
    (folder, wal)
}

/// Bytes of a row of eight decimals in the WAL: time, key, quality, lane, fields.
const ROW_BYTES: usize = 8 + 4 + 1 + 8 * 4;
/// Bytes of a record besides its rows, about.
const HEAD_BYTES: usize = 1_100;
