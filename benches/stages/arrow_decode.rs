//! Arrow payloads to checked rows: limits, full validation, devices, ranges, conversion.

use criterion::{BenchmarkId, Criterion, Throughput};

use crate::bed::{Bed, FORMS, LARGE, SMALL, as_received, stored};
use crate::rung;

pub fn measure(criterion: &mut Criterion) {
    let mut group = rung::short(criterion, "arrow_decode");
    for form in FORMS {
        for rows in [LARGE, SMALL] {
            group.throughput(Throughput::Elements(8 * rows as u64));
            let mut prepared = None;
            group.bench_function(BenchmarkId::new(form.name, rows), |bencher| {
                let (bed, decoder, payloads) = prepared.get_or_insert_with(|| {
                    let bed = Bed::new();
                    let encoded = bed.encoded(form, &mut bed.sender(0), rows, 16);
                    let payloads: Vec<_> = encoded.iter().map(|batch| as_received(&batch.payload)).collect();
                    let decoder = bed.decoder(form, &encoded[0]);
                    (bed, decoder, payloads)
                });
                let table = bed.table(form.table);
                let source = bed.source(&table, 0);
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
