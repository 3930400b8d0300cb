//! Arrow payloads to checked rows: limits, full validation, devices, ranges, conversion.

use criterion::{BenchmarkId, Criterion, Throughput};

use crate::harness::{FORMS, Harness, LARGE, SMALL, as_received, stored};
use crate::stage;

pub(crate) fn measure(criterion: &mut Criterion) {
    let mut group = stage::short(criterion, "arrow_decode");
    for form in FORMS {
        for rows in [LARGE, SMALL] {
            group.throughput(Throughput::Elements(8 * rows as u64));
            let mut prepared = None;
            group.bench_function(BenchmarkId::new(form.name, rows), |bencher| {
                let (harness, decoder, payloads) = prepared.get_or_insert_with(|| {
                    let harness = Harness::new();
                    let encoded = harness.encoded(form, &mut harness.sender(0), rows, 16);
                    let payloads: Vec<_> = encoded.iter().map(|batch| as_received(&batch.payload)).collect();
                    let decoder = harness.decoder(form, &encoded[0]);
                    (harness, decoder, payloads)
                });
                let table = harness.table(form.table);
                let source = harness.source(&table, 0);
                let mut next = (0..payloads.len()).cycle();
                bencher.iter(|| {
                    let payload = payloads[next.next().unwrap_or_default()].clone();
                    stored(decoder.decode(payload, &source).expect("the batch is accepted"), rows)
                });
            });
        }
    }
    group.finish();
}
