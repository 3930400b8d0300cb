//! A statement sees one state of each table.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use zonelake_parquet::ParquetOptions;
use zonelake_storage::TableView;

use crate::harness::{Harness, NEW_YEAR_US, ProbeRow, answer, probe_batch};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_stands_several_times_in_a_statement_is_one_state() {
    let (harness, keys) = Harness::probe(1);
    let batch = |n: i64| {
        let rows: Vec<_> = (0..50).map(|at| ProbeRow::numbered(at, keys[0], NEW_YEAR_US + n * 50 + at)).collect();
        probe_batch(harness.schemas("probe"), &rows)
    };
    // The states that the publisher goes through over and over: more live rows, then the same rows in files.
    harness.add_live("probe", vec![batch(0)]);
    let mut states = vec![TableView::clone(&harness.view("probe"))];
    for n in 1..6 {
        harness.add_live("probe", vec![batch(n)]);
        states.push(TableView::clone(&harness.view("probe")));
        if n % 2 == 0 {
            harness.flush("probe", &ParquetOptions::default()).await;
            states.push(TableView::clone(&harness.view("probe")));
        }
    }
    let stop = Arc::new(AtomicBool::new(false));
    let publisher = std::thread::spawn({
        let (harness, stop, states) = (Arc::clone(&harness), Arc::clone(&stop), states.clone());
        move || {
            let mut published = 0usize;
            while !stop.load(Ordering::Relaxed) {
                harness.publish("probe", states[published % states.len()].clone());
                published += 1;
                std::thread::yield_now();
            }
            published
        }
    });
    let engine = harness.engine();
    let sql = "with a as (select count(*) as n, sum(pulses) as s from probe where time >= '2026-01-01T00:00:00Z') \
               select (select count(*) from probe p join probe q using (device, time)) as joined, (select n from a), \
               (select count(*) from probe where level is null or level is not null) as counted, (select s from a), \
               (select sum(pulses) from probe where quality <> '') as summed";
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..60 {
        let row = answer(&engine, sql).await.remove(0);
        let cells: Vec<&str> = row.split(" | ").collect();
        assert_eq!((cells[0], cells[0], cells[3]), (cells[1], cells[2], cells[4]), "{row}");
        assert_eq!(cells[0].parse::<u64>().unwrap() % 50, 0, "{row}");
        seen.insert(cells[0].to_owned());
    }
    stop.store(true, Ordering::Relaxed);
    assert!(publisher.join().unwrap() > states.len());
    assert!(seen.len() > 1, "the state changed between statements: {seen:?}");
}
