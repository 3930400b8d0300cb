//! Live rows brought into the order of files.

use criterion::{BenchmarkId, Criterion, Throughput};
use zonelake_parquet::SortedRows;

use crate::harness::{DECIMALS, Harness, LARGE, SMALL};
use crate::stage;

pub(crate) fn measure(criterion: &mut Criterion) {
    let mut group = stage::long(criterion, "sort");
    for rows_of_batch in [LARGE, SMALL] {
        let mut prepared = None;
        group.throughput(Throughput::Elements(8 * ROWS as u64));
        group.bench_function(BenchmarkId::new("batches_of", rows_of_batch), |bencher| {
            let (chunks, places) = prepared.get_or_insert_with(|| {
                let harness = Harness::new();
                (harness.live_rows(DECIMALS, rows_of_batch, ROWS), harness.store.registry().locations())
            });
            bencher.iter_with_large_drop(|| SortedRows::new(chunks.clone(), places).expect("every device has a place"));
        });
    }
    group.finish();
}

/// Rows of a flush here: 128 batches of 8,192.
pub(crate) const ROWS: usize = 1 << 20;
