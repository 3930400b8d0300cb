//! Line protocol to checked rows.

use criterion::{BenchmarkId, Criterion, Throughput};
use zonelake_benches::workload::lines;
use zonelake_ingest::{LineDecoder, Precision};

use crate::bed::{Bed, DECIMALS, ENVIRONMENT, LARGE, SMALL, stored};
use crate::rung;

pub fn measure(criterion: &mut Criterion) {
    let mut group = rung::short(criterion, "line_decode");
    for (form, rows) in [(ENVIRONMENT, LARGE), (DECIMALS, LARGE), (DECIMALS, SMALL)] {
        group.throughput(Throughput::Elements(8 * rows as u64));
        let mut prepared = None;
        group.bench_function(BenchmarkId::new(form.table, rows), |bencher| {
            let (bed, decoder, payloads) = prepared.get_or_insert_with(|| {
                let bed = Bed::new();
                let mut sender = bed.sender(0);
                let zone = bed.gateways[0].zone_code.to_string();
                let text = |_| lines(form.table, &zone, &sender.names, &sender.walks.rows(rows));
                let payloads: Vec<Vec<u8>> = (0..8).map(text).collect();
                let decoder = LineDecoder::new(&bed.table(form.table).registered, Precision::Nanoseconds);
                (bed, decoder, payloads)
            });
            let table = bed.table(form.table);
            let source = bed.source(&table, 0);
            let mut next = (0..payloads.len()).cycle();
            bencher.iter(|| {
                let payload = &payloads[next.next().unwrap_or_default()];
                stored(decoder.decode(payload, &source).expect("the lines are accepted"), rows)
            });
        });
    }
    group.finish();
}
