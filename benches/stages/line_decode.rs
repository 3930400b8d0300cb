//! Line protocol to checked rows.

use criterion::{BenchmarkId, Criterion, Throughput};
use zonelake_benches::workload::lines;
use zonelake_ingest::{LineDecoder, Precision};

use crate::harness::{DECIMALS, ENVIRONMENT, Harness, LARGE, SMALL, stored};
use crate::stage;

pub(crate) fn measure(criterion: &mut Criterion) {
    let mut group = stage::short(criterion, "line_decode");
    for (form, rows) in [(ENVIRONMENT, LARGE), (DECIMALS, LARGE), (DECIMALS, SMALL)] {
        group.throughput(Throughput::Elements(8 * rows as u64));
        let mut prepared = None;
        group.bench_function(BenchmarkId::new(form.table, rows), |bencher| {
            let (harness, decoder, payloads) = prepared.get_or_insert_with(|| {
                let harness = Harness::new();
                let mut sender = harness.sender(0);
                let zone = harness.gateways[0].zone_code.to_string();
                let text = |_| lines(form.table, &zone, &sender.names, &sender.walks.rows(rows));
                let payloads: Vec<Vec<u8>> = (0..8).map(text).collect();
                let decoder = LineDecoder::new(&harness.table(form.table).registered, Precision::Nanoseconds);
                (harness, decoder, payloads)
            });
            let table = harness.table(form.table);
            let source = harness.source(&table, 0);
            let mut next = (0..payloads.len()).cycle();
            bencher.iter(|| {
                let payload = &payloads[next.next().unwrap_or_default()];
                stored(decoder.decode(payload, &source).expect("the lines are accepted"), rows)
            });
        });
    }
    group.finish();
}
