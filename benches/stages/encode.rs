//! Rows to payloads, at the gateway.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use zonelake_benches::workload::ArrowForm;
use zonelake_gateway::{ArrowEncoder, Compression};

use crate::harness::{DECIMALS, DOUBLES, Form, Harness, LARGE, SMALL};
use crate::stage;

pub(crate) fn measure(criterion: &mut Criterion) {
    let mut group = stage::short(criterion, "encode");
    for form in [DOUBLES, DECIMALS] {
        for rows in [LARGE, SMALL] {
            group.throughput(Throughput::Elements(8 * rows as u64));
            let mut prepared = None;
            group.bench_function(BenchmarkId::new(form.name, rows), |bencher| {
                let (encoder, batches) = prepared.get_or_insert_with(|| prepare(form, rows));
                let mut next = (0..batches.len()).cycle();
                bencher.iter(|| {
                    let batch = &batches[next.next().unwrap_or_default()];
                    black_box(encoder.encode(batch)).expect("the batch can be encoded")
                });
            });
        }
    }
    group.finish();
}

fn prepare(form: Form, rows: usize) -> (ArrowEncoder, Vec<arrow::array::RecordBatch>) {
    let harness = Harness::new();
    let mut sender = harness.sender(0);
    let arrow = ArrowForm::new(&harness.table(form.table).registered.schemas, form.wire, &sender.names);
    let encoder = ArrowEncoder::new(arrow.schema(), Compression::None).expect("the schema can be encoded");
    (encoder, (0..16).map(|_| arrow.batch(&sender.rows(rows))).collect())
}
