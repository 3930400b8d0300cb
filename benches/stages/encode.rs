//! Rows to payloads, at the gateway.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use zonelake_benches::workload::ArrowForm;
use zonelake_gateway::{ArrowEncoder, Compression};

use crate::bed::{Bed, DECIMALS, DOUBLES, Form, LARGE, SMALL};
use crate::rung;

pub fn measure(criterion: &mut Criterion) {
    let mut group = rung::short(criterion, "encode");
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
    let bed = Bed::new();
    let mut sender = bed.sender(0);
    let arrow = ArrowForm::new(&bed.table(form.table).registered.schemas, form.wire, &sender.names);
    let encoder = ArrowEncoder::new(arrow.schema(), Compression::None).expect("the schema can be encoded");
    (encoder, (0..16).map(|_| arrow.batch(&sender.rows(rows))).collect())
}
