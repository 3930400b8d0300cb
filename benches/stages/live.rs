//! Rows published, and small chunks merged as they age.

use std::sync::Arc;

use arrow::array::RecordBatch;
use criterion::{BenchmarkId, Criterion, Throughput};
use zonelake_schemas::{GroupSequence, Lsn, ShardId, ShardNumber};
use zonelake_storage::{Chunk, ShardChunks};

use crate::harness::{DECIMALS, ENVIRONMENT, Harness, LARGE, SMALL};
use crate::stage;

pub(crate) fn measure(criterion: &mut Criterion) {
    let mut group = stage::short(criterion, "live");
    for (form, rows) in [(DECIMALS, LARGE), (DECIMALS, SMALL), (ENVIRONMENT, SMALL)] {
        let batches = ROWS.div_ceil(rows);
        group.throughput(Throughput::Elements((8 * rows * batches) as u64));
        let mut prepared = None;
        group.bench_function(BenchmarkId::new(form.name, rows), |bencher| {
            let (table, live): &(_, Vec<RecordBatch>) = prepared.get_or_insert_with(|| {
                let harness = Harness::new();
                (harness.table(form.table), harness.live_rows(form, rows, rows * batches))
            });
            let schema = Arc::clone(&table.registered.schemas.live);
            bencher.iter(|| {
                let mut chunks = ShardChunks::default();
                for (lsn, rows) in (1..).zip(live) {
                    let chunk =
                        Chunk::new(rows.clone(), (ShardId(0), ShardNumber(65_536)), Lsn(lsn), GroupSequence(lsn));
                    chunks.push(&schema, chunk).expect("the rows are in the live schema");
                }
                chunks
            });
        });
    }
    group.finish();
}

/// Rows that are published in one iteration.
const ROWS: usize = 102_400;
