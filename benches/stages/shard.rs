//! A group of batches through a shard: classified, written and synced, published to queries.

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use zonelake_schemas::{BatchNumber, Epoch, Lane, Principal, ProducerId, StreamKey};
use zonelake_storage::{Entry, Outcome, Rows, SequencedBatch, Table};

use crate::harness::{DECIMALS, ENVIRONMENT, Form, Harness, LARGE, SMALL};
use crate::stage::{self, Stopwatch};

/// Batches of a group, and rows of each.
const GROUPS: [(Form, usize, usize); 5] = [
    (ENVIRONMENT, 8, LARGE),
    (DECIMALS, 1, LARGE),
    (DECIMALS, 8, LARGE),
    (DECIMALS, 64, SMALL),
    (ENVIRONMENT, 64, SMALL),
];

pub(crate) fn measure(criterion: &mut Criterion) {
    let mut group = stage::long(criterion, "shard");
    let stopwatch = Stopwatch::default();
    for (form, batches, rows) in GROUPS {
        group.throughput(Throughput::Elements((8 * rows * batches) as u64));
        let mut prepared = None;
        group.bench_function(BenchmarkId::new(format!("{}_{batches}_batches", form.name), rows), |bencher| {
            let (harness, entries) = prepared.get_or_insert_with(|| {
                let harness = Harness::new();
                let entries = entries(&harness, form, batches, rows);
                (harness, entries)
            });
            let table = harness.table(form.table);
            bencher.iter_custom(|iterations| {
                let mut total = Duration::ZERO;
                for _ in 0..iterations {
                    make_room(harness, &table);
                    number(entries);
                    let outcomes =
                        stopwatch.add(&mut total, || harness.shard.append(entries).expect("the WAL can be written"));
                    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Stored), "every batch is new");
                }
                total
            });
        });
    }
    group.finish();
}

/// Flushes what the flusher of the program would, between the measurements.
pub(crate) fn make_room(harness: &mut Harness, table: &Table) {
    if table.live_bytes() >= harness.store.options().flush_bytes_max {
        harness.runtime.block_on(harness.store.flush(table)).expect("the rows can be flushed");
        harness.shard.release().expect("old segments can go");
    }
}

/// One batch of each of so many producers.
fn entries(harness: &Harness, form: Form, batches: usize, rows: usize) -> Vec<Entry> {
    let table = harness.table(form.table);
    let entry = |index: usize| {
        let zone = index % harness.gateways.len();
        let log = harness.log_rows(form, &mut harness.sender(zone), rows, 1).remove(0);
        let producer = ProducerId(1 + u32::try_from(index).expect("few batches"));
        let stream = StreamKey { table: table.registered.id, lane: Lane::Live };
        Entry {
            sequenced: Some(SequencedBatch { producer, epoch: Epoch(1), stream, number: BatchNumber(0), digest: 0 }),
            principal: Principal::Gateway(harness.gateways[zone].id),
            lane: Lane::Live,
            table: harness.table(form.table),
            stored: Some(Rows::new(log).expect("the rows can be encoded")),
            rejected: None,
        }
    };
    (0..batches).map(entry).collect()
}

/// Makes each the next batch of its stream.
fn number(entries: &mut [Entry]) {
    for sequenced in entries.iter_mut().filter_map(|entry| entry.sequenced.as_mut()) {
        sequenced.number.0 += 1;
        sequenced.digest = sequenced.number.0;
    }
}
