//! A group of batches through a shard: judged, written and synced, shown to queries.

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use zonelake_schemas::{BatchNumber, Epoch, Lane, ProducerId, StreamKey};
use zonelake_storage::{Entry, Outcome, Rows, SequencedBatch, Table};

use crate::bed::{Bed, DECIMALS, ENVIRONMENT, Form, LARGE, SMALL};
use crate::rung::{self, Stopwatch};

/// Batches of a group, and rows of each.
const GROUPS: [(Form, usize, usize); 5] = [
    (ENVIRONMENT, 8, LARGE),
    (DECIMALS, 1, LARGE),
    (DECIMALS, 8, LARGE),
    (DECIMALS, 64, SMALL),
    (ENVIRONMENT, 64, SMALL),
];

pub fn measure(criterion: &mut Criterion) {
    let mut group = rung::long(criterion, "shard");
    let stopwatch = Stopwatch::default();
    for (form, batches, rows) in GROUPS {
        group.throughput(Throughput::Elements((8 * rows * batches) as u64));
        let mut prepared = None;
        group.bench_function(BenchmarkId::new(format!("{}_{batches}_batches", form.name), rows), |bencher| {
            let (bed, entries) = prepared.get_or_insert_with(|| {
                let bed = Bed::new();
                let entries = entries(&bed, form, batches, rows);
                (bed, entries)
            });
            let table = bed.table(form.table);
            bencher.iter_custom(|iterations| {
                let mut total = Duration::ZERO;
                for _ in 0..iterations {
                    make_room(bed, &table);
                    number(entries);
                    let outcomes =
                        stopwatch.add(&mut total, || bed.shard.append(entries).expect("the log can be written"));
                    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Stored), "every batch is new");
                }
                total
            });
        });
    }
    group.finish();
}

/// Flushes what the flusher of the program would, between the measurements.
pub fn make_room(bed: &mut Bed, table: &Table) {
    if table.live_bytes() >= bed.store.options().flush_bytes_max {
        bed.runtime.block_on(bed.store.flush(table)).expect("the rows can be flushed");
        bed.shard.release().expect("old segments can go");
    }
}

/// One batch of each of so many producers.
fn entries(bed: &Bed, form: Form, batches: usize, rows: usize) -> Vec<Entry> {
    let table = bed.table(form.table);
    let entry = |index: usize| {
        let zone = index % bed.gateways.len();
        let log = bed.log_rows(form, &mut bed.sender(zone), rows, 1).remove(0);
        let producer = ProducerId(1 + u32::try_from(index).expect("few batches"));
        let stream = StreamKey { table: table.registered.id, lane: Lane::Live };
        Entry {
            sequenced: Some(SequencedBatch { producer, epoch: Epoch(1), stream, number: BatchNumber(0), digest: 0 }),
            gateway: bed.gateways[zone].id,
            lane: Lane::Live,
            table: bed.table(form.table),
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
