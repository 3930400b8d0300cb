//! Checked rows to the bytes of their record in the WAL.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use zonelake_storage::Rows;

use crate::harness::{DECIMALS, ENVIRONMENT, Harness, LARGE, SMALL};
use crate::stage;

pub(crate) fn measure(criterion: &mut Criterion) {
    let mut group = stage::short(criterion, "record");
    for form in [ENVIRONMENT, DECIMALS] {
        for rows in [LARGE, SMALL] {
            group.throughput(Throughput::Elements(8 * rows as u64));
            let mut prepared = None;
            group.bench_function(BenchmarkId::new(form.name, rows), |bencher| {
                let batches = prepared.get_or_insert_with(|| {
                    let harness = Harness::new();
                    harness.log_rows(form, &mut harness.sender(0), rows, 16)
                });
                let mut next = (0..batches.len()).cycle();
                bencher.iter_batched(
                    || batches[next.next().unwrap_or_default()].clone(),
                    |batch| Rows::new(batch).expect("the rows can be encoded"),
                    BatchSize::SmallInput,
                );
            });
        }
    }
    group.finish();
}
