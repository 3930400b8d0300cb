//! Several shards, and a change of their number.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, TimestampMicrosecondArray, UInt8Array, UInt32Array};
use zonelake_schemas::{BatchNumber, ProducerId, ShardId};
use zonelake_storage::{Outcome, Rows, SequenceCheck, Table, shard_for};
use zonelake_wal::MemoryDisk;

use crate::made::{Folder, START_US, entry, once};

#[tokio::test]
async fn rows_and_numbers_survive_any_change_of_the_shard_count() {
    let mut folder = Folder::new();
    let mut values = 0..;
    let mut next = || values.next().unwrap();
    for (round, shards) in [1, 3, 2, 2, 4, 1].into_iter().enumerate() {
        folder.shards = shards;
        let mut opened = folder.open().await;
        assert_eq!(opened.shards.len(), usize::from(shards));
        assert_eq!(opened.values(), once(0..round as i64 * 5));
        let number = round as u64 + 1;
        for producer in 1..=5 {
            let value = next() as f64;
            assert_eq!(
                opened.append(producer, number + 1, &[value]),
                Outcome::Refused(SequenceCheck::Gap { expected: BatchNumber(number) })
            );
            assert_eq!(opened.append(producer, number, &[value]), Outcome::Stored);
            assert_eq!(opened.append(producer, number, &[value]), Outcome::Repeated);
        }
        if round % 2 == 0 {
            opened.store.flush_all().await.unwrap();
        }
    }
}

#[test]
fn a_producer_always_goes_to_the_same_shard() {
    for producer in 0..100 {
        let shard = shard_for(ProducerId(producer), 3);
        assert!(shard < ShardId(3));
        assert_eq!(shard, shard_for(ProducerId(producer), 3));
    }
}

/// One row for the table `rejected`, without any of its fields.
fn rejected_row(rejected: &Table) -> Rows {
    let schema = Arc::clone(&rejected.registered.schemas.log);
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampMicrosecondArray::from(vec![START_US]).with_timezone("UTC")),
        Arc::new(UInt32Array::from(vec![1])),
        Arc::new(UInt8Array::from(vec![0])),
        Arc::new(BooleanArray::from(vec![false])),
    ];
    let fields = schema.fields()[columns.len()..].iter();
    columns.extend(fields.map(|field| arrow::array::new_null_array(field.data_type(), 1)));
    Rows::new(RecordBatch::try_new(schema, columns).unwrap()).unwrap()
}

#[tokio::test]
async fn a_look_at_all_tables_sees_a_group_in_all_of_them_or_in_none() {
    let folder = Folder { disk: Arc::new(MemoryDisk::new(3)), ..Folder::new() };
    let mut opened = folder.open().await;
    let (store, done) = (Arc::clone(&opened.store), Arc::new(AtomicBool::new(false)));
    let is_done = Arc::clone(&done);
    let looks = std::thread::spawn(move || {
        let mut seen = BTreeSet::new();
        while !is_done.load(Ordering::Relaxed) {
            let views = store.views();
            let rows: BTreeMap<&str, usize> =
                views.iter().map(|(table, view)| (table.name(), view.live_rows())).collect();
            assert_eq!(rows["air"], rows["rejected"]);
            seen.insert(rows["air"]);
        }
        seen.len()
    });
    for number in 1..=5_000 {
        let mut batch = entry(opened.air(), 1, number, &[1.0]);
        batch.rejected = Some(rejected_row(opened.store.rejected()));
        assert_eq!(opened.shards[0].append(&[batch]).unwrap(), [Outcome::Stored]);
    }
    done.store(true, Ordering::Relaxed);
    assert!(looks.join().unwrap() > 10, "there were looks in between");
}
