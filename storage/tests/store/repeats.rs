//! Tables in which rows of one device and time are one row: what flushes and merges leave on disk, and when a declaration may change.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arrow::array::{Array, AsArray, Float64Array, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type, TimestampMicrosecondType};
use zonelake_schemas::columns::LOG_FIXED;
use zonelake_storage::{Compacted, CompactionOptions, Entry, MergeControl, Rows, Store};

use crate::made::{Folder, ONE_FIELD, Opened, START_US, entry, log_rows, read_file};

const LAST: &str = "name = \"air\"\non_repeat = \"last_wins\"\n[[field]]\nname = \"a\"\ntype = \"double\"\n";
const FIRST: &str = "name = \"air\"\non_repeat = \"first_wins\"\n[[field]]\nname = \"a\"\ntype = \"double\"\n";
const MERGE: &str = "name = \"air\"\non_repeat = \"merge\"\n[[field]]\nname = \"a\"\ntype = \"double\"\n[[field]]\nname = \"b\"\ntype = \"text\"\n";

fn folder(declared: &'static str) -> Folder {
    Folder { declared, shards: 2, ..Folder::new() }
}

/// Rows at `START_US` and the microseconds behind it, as a producer's next batch. A value may be null.
fn send(opened: &mut Opened, producer: u32, number: u64, values: &[Option<f64>]) {
    let numbers: Vec<f64> = values.iter().map(|value| value.unwrap_or_default()).collect();
    let rows = log_rows(opened.air(), 0, &numbers, 1);
    let mut columns = rows.columns().to_vec();
    columns[LOG_FIXED] = Arc::new(Float64Array::from(values.to_vec()));
    let rows = RecordBatch::try_new(rows.schema(), columns).unwrap();
    let made = entry(opened.air(), producer, number, &numbers);
    let shard = producer as usize % opened.shards.len();
    opened.shards[shard].append(&[Entry { stored: Some(Rows::new(rows).unwrap()), ..made }]).unwrap();
}

/// Values of `a` and their sequences in files, by time and sequence.
fn on_disk(opened: &Opened) -> Vec<(i64, Option<f64>, i64)> {
    let table = opened.air();
    let mut found = Vec::new();
    for file in table.view().files.iter() {
        for rows in read_file(table, &file.path) {
            let times = rows.column_by_name("time").unwrap().as_primitive::<TimestampMicrosecondType>().clone();
            let values = rows.column_by_name("a").unwrap().as_primitive::<Float64Type>().clone();
            let sequences = rows.column_by_name("_sequence").unwrap().as_primitive::<Int64Type>().clone();
            for row in 0..rows.num_rows() {
                let value = values.is_valid(row).then(|| values.value(row));
                found.push((times.value(row) - START_US, value, sequences.value(row)));
            }
        }
    }
    found.sort_by_key(|row| (row.0, row.2));
    found
}

fn values(opened: &Opened) -> Vec<(i64, Option<f64>)> {
    on_disk(opened).into_iter().map(|(time, value, _)| (time, value)).collect()
}

async fn compact(store: &Store) -> Option<Compacted> {
    let options = CompactionOptions { repeats_every: Duration::from_secs(600), ..CompactionOptions::default() };
    let (skipped, is_stopping) = (HashSet::new(), Arc::default());
    let control = MergeControl { options: &options, skipped: &skipped, is_stopping: &is_stopping };
    store.compact(&store.tables()["air"], control).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flush_and_a_merge_leave_the_row_that_counts_whichever_shard_was_faster() {
    for (declared, wanted) in [(LAST, [7.0, 8.0, 30.0]), (FIRST, [1.0, 2.0, 30.0])] {
        let folder = folder(declared);
        let mut opened = folder.open().await;
        send(&mut opened, 1, 1, &[Some(1.0), Some(2.0), Some(30.0)]);
        send(&mut opened, 2, 1, &[Some(5.0), Some(6.0)]);
        opened.store.flush_all().await.unwrap();
        let once: Vec<i64> = on_disk(&opened).iter().map(|row| row.0).collect();
        assert_eq!(once, [0, 1, 2], "one file has each key once");
        send(&mut opened, 1, 2, &[Some(7.0), Some(8.0)]);
        opened.store.flush_all().await.unwrap();
        assert_eq!(on_disk(&opened).len(), 5, "another file repeats it");
        drop(opened);

        let mut opened = folder.open().await;
        assert!(opened.air().view().last_rows().unwrap().is_none(), "last rows are not kept");
        let merged = compact(&opened.store).await.unwrap();
        assert_eq!((merged.files, merged.rows), (2, 5));
        let of = |values: &[f64]| (0..).zip(values.iter().copied().map(Some)).collect::<Vec<_>>();
        assert_eq!(values(&opened), of(&wanted), "{declared}");
        assert_eq!(compact(&opened.store).await, None);

        // A date has its turn once in a while.
        send(&mut opened, 2, 2, &[Some(9.0)]);
        opened.store.flush_all().await.unwrap();
        assert_eq!(compact(&opened.store).await, None);
        folder.clock.monotonic_us.fetch_add(601_000_000, Ordering::SeqCst);
        assert!(compact(&opened.store).await.is_some());
        let first = if declared == LAST { 9.0 } else { wanted[0] };
        assert_eq!(values(&opened), of(&[first, wanted[1], wanted[2]]));
        drop(opened);
        assert_eq!(values(&folder.open().await).len(), 3);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_merge_a_row_stays_on_disk_as_long_as_one_of_its_values_counts() {
    let folder = folder(MERGE);
    let mut opened = folder.open().await;
    // The second has no value of `a`, so that the first one counts; the third has one.
    send(&mut opened, 1, 1, &[Some(1.0)]);
    send(&mut opened, 2, 1, &[None]);
    opened.store.flush_all().await.unwrap();
    assert_eq!(values(&opened), [(0, Some(1.0)), (0, None)]);
    send(&mut opened, 1, 2, &[Some(3.0)]);
    opened.store.flush_all().await.unwrap();
    compact(&opened.store).await.unwrap();
    assert_eq!(values(&opened), [(0, Some(3.0))]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_becomes_of_repeats_may_change_while_there_is_no_row_and_is_refused_by_name_afterwards() {
    let mut folder = folder(ONE_FIELD);
    drop(folder.open().await);
    folder.declared = LAST;
    let mut opened = folder.open().await;
    send(&mut opened, 1, 1, &[Some(1.0)]);
    send(&mut opened, 1, 2, &[Some(2.0)]);
    drop(opened);
    // The row is in the log alone.
    for other in [ONE_FIELD, FIRST] {
        folder.declared = other;
        let error = folder.try_open().await.err().expect("the table has rows").to_string();
        assert!(
            error.contains("table air: on_repeat was last_wins") && error.contains("the table has rows"),
            "{error}"
        );
    }
    folder.declared = LAST;
    let opened = folder.open().await;
    opened.store.flush_all().await.unwrap();
    assert_eq!(values(&opened), [(0, Some(2.0))]);
    drop(opened);
    folder.declared = FIRST;
    assert!(folder.try_open().await.is_err(), "it is in a file");
    // Other shards have their rows flushed at the start, which must not be by another rule.
    folder.shards = 1;
    assert!(folder.try_open().await.is_err());
    folder.declared = LAST;
    assert_eq!(values(&folder.open().await), [(0, Some(2.0))]);
}
