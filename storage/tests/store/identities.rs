//! The identity of rows in files: the one that they had in memory, through merges and restarts, and beside rows that have none.

use std::collections::BTreeMap;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int32Type, Int64Type};
use zonelake_schemas::identity;
use zonelake_storage::{Outcome, Table};

use crate::compaction::compact;
use crate::made::{Folder, Opened, read_file};

/// Shard number, LSN, row and sequence.
type Identity = (i64, i64, i32, i64);

/// Identities of rows in memory by the value of `a`.
fn live(table: &Table) -> BTreeMap<i64, Identity> {
    let mut found = BTreeMap::new();
    for chunk in table.view().chunks() {
        let mut values = chunk.rows.column_by_name("a").unwrap().as_primitive::<Float64Type>().iter();
        for origin in &chunk.origins {
            for (row, value) in (0..origin.rows).zip(values.by_ref()) {
                let (shard, lsn) = (chunk.shard_number.0.cast_signed(), origin.lsn.0.cast_signed());
                let identity = (shard, lsn, row as i32, origin.sequence.0.cast_signed());
                assert!(found.insert(value.unwrap() as i64, identity).is_none());
            }
        }
    }
    found
}

/// Identities of rows in files by the value of `a`.
fn in_files(table: &Table) -> BTreeMap<i64, Identity> {
    let mut found = BTreeMap::new();
    let view = table.view();
    for rows in view.files.iter().flat_map(|file| read_file(table, &file.path)) {
        let wide = |rows: &RecordBatch, name| rows.column_by_name(name).unwrap().as_primitive::<Int64Type>().clone();
        let [shard, lsn, sequence] = [identity::SHARD, identity::LSN, identity::SEQUENCE].map(|name| wide(&rows, name));
        let row = rows.column_by_name(identity::ROW).unwrap().as_primitive::<Int32Type>();
        let values = rows.column_by_name("a").unwrap().as_primitive::<Float64Type>();
        for at in 0..rows.num_rows() {
            let identity = (shard.value(at), lsn.value(at), row.value(at), sequence.value(at));
            assert!(found.insert(values.value(at) as i64, identity).is_none());
        }
    }
    found
}

/// Writes a batch of two rows and one of one row, of two shards.
fn write(opened: &mut Opened, number: u64) {
    let first = number as f64 * 10.0;
    assert_eq!(opened.append(1, number, &[first, first + 1.0]), Outcome::Stored);
    assert_eq!(opened.append(2, number, &[first + 2.0]), Outcome::Stored);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_keeps_its_identity_from_memory_into_files_through_merges_restarts_and_shard_counts() {
    let mut folder = Folder { shards: 2, ..Folder::new() };
    let mut expected = BTreeMap::new();
    let mut opened = folder.open().await;
    for number in 1..=5 {
        write(&mut opened, number * 2 - 1);
        write(&mut opened, number * 2);
        expected.extend(live(opened.air()));
        opened.store.flush_all().await.unwrap();
        assert_eq!(in_files(opened.air()), expected);
    }
    let mut places: Vec<_> = expected.values().map(|(shard, lsn, row, _)| (shard, lsn, row)).collect();
    places.sort_unstable();
    places.dedup();
    assert_eq!((places.len(), expected.len()), (30, 30), "no two rows are the same");
    assert_eq!(compact(&opened.store).await.unwrap().rows, 30);
    assert_eq!(in_files(opened.air()), expected);
    // Rows that are replayed have the identity that they had before.
    write(&mut opened, 11);
    expected.extend(live(opened.air()));
    drop(opened);
    let opened = folder.open().await;
    opened.store.flush_all().await.unwrap();
    assert_eq!(in_files(opened.air()), expected);
    drop(opened);
    folder.shards = 1;
    let mut opened = folder.open().await;
    write(&mut opened, 12);
    let new = live(opened.air());
    let last_lsn = expected.values().map(|(_, lsn, ..)| *lsn).max();
    assert!(new.values().all(|(_, lsn, ..)| Some(*lsn) > last_lsn), "LSNs go on behind those of all shards before");
    expected.extend(new);
    opened.store.flush_all().await.unwrap();
    assert_eq!(in_files(opened.air()), expected);
}
