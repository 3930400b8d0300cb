//! What is known of files and live rows answers counts, least and greatest values; never where it is not exact.

use std::sync::Arc;

use zonelake_parquet::{DataFile, ParquetOptions, StatValue};
use zonelake_schemas::DeviceKey;
use zonelake_storage::TableView;

use crate::harness::{HOUR_US, Harness, NEW_YEAR_US, ProbeRow, answer, probe_batch};

const EXTREMES: &str = "select count(*), count(pulses), min(time), max(time), min(temperature), max(temperature), \
                        min(volume), max(volume), min(pulses), max(pulses), min(date), max(date) from probe";

fn row(n: i64, device: DeviceKey) -> ProbeRow {
    // Microseconds, which the table log does not keep.
    ProbeRow::numbered(n, device, NEW_YEAR_US + 12 * HOUR_US + n * 7_000_001)
}

async fn add(harness: &Arc<Harness>, rows: &[ProbeRow], into_files: bool) {
    harness.add_live("probe", vec![probe_batch(harness.schemas("probe"), rows)]);
    if into_files {
        harness.flush("probe", &ParquetOptions::default()).await;
    }
}

/// The same of the rows themselves: a filter that passes all of them is not answered by statistics.
async fn by_reading(harness: &Arc<Harness>, sql: &str) -> Vec<String> {
    answer(&harness.engine(), &format!("{sql} where level is null or level is not null")).await
}

#[tokio::test]
async fn counts_and_extremes_of_files_are_those_of_their_rows_and_need_no_scan() {
    let (harness, keys) = Harness::probe(2);
    for part in 0..3 {
        let rows: Vec<_> = (part * 5_000..(part + 1) * 5_000).map(|n| row(n, keys[(n % 2) as usize])).collect();
        add(&harness, &rows, true).await;
    }
    assert!(harness.view("probe").files.len() >= 3);
    let engine = harness.engine();
    let wanted = by_reading(&harness, EXTREMES).await;
    assert_eq!(answer(&engine, EXTREMES).await, wanted, "before the metadata of files was read");
    assert_eq!(answer(&engine, "select count(level) from probe where note <> ''").await.len(), 1);
    assert_eq!(answer(&engine, EXTREMES).await, wanted, "and after that");
    let plan = answer(&engine, &format!("explain {EXTREMES}")).await.join("\n");
    assert!(plan.contains("PlaceholderRowExec") && !plan.contains("DataSourceExec"), "{plan}");
    // Texts may be cut and doubles widened.
    let plan = answer(&engine, "explain select max(level), max(note) from probe").await.join("\n");
    assert!(plan.contains("DataSourceExec"), "{plan}");
}

#[tokio::test]
async fn live_rows_count() {
    let (harness, keys) = Harness::probe(2);
    let rows: Vec<_> = (0..3_000).map(|n| row(n, keys[0])).collect();
    add(&harness, &rows, true).await;
    let engine = harness.engine();
    assert_eq!(answer(&engine, "select count(level) from probe where note <> ''").await.len(), 1);
    let more: Vec<_> = (3_000..3_100).map(|n| row(n, keys[1])).collect();
    add(&harness, &more, false).await;
    let wanted = by_reading(&harness, EXTREMES).await;
    assert!(wanted[0].starts_with("3100 | "), "{wanted:?}");
    assert_eq!(answer(&engine, EXTREMES).await, wanted);
    let times = "select count(*), min(time), max(time) from probe";
    assert_eq!(answer(&engine, times).await, by_reading(&harness, times).await);
    let plan = answer(&engine, &format!("explain {times}")).await.join("\n");
    assert!(plan.contains("PlaceholderRowExec"), "{plan}");
    let of_one = "select count(*), max(time), max(pulses) from probe where device = 'd0'";
    let of_one = answer(&engine, of_one).await;
    assert!(of_one[0].starts_with("3000 | 2026-01-01T17:49:53.002999Z | "), "{of_one:?}");
}

#[tokio::test]
async fn a_limit_below_an_aggregate_holds() {
    let (harness, keys) = Harness::probe(1);
    let rows: Vec<_> = (0..1_000).map(|n| row(n, keys[0])).collect();
    add(&harness, &rows, true).await;
    let sql = "select count(*), count(distinct time) from (select time from probe limit 3)";
    assert_eq!(answer(&harness.engine(), sql).await, ["3 | 3"]);
    let sql = "select max(pulses) < (select max(pulses) from probe) from \
               (select pulses from probe where pulses is not null order by time limit 3 offset 1)";
    assert_eq!(answer(&harness.engine(), sql).await, ["true"]);
}

#[tokio::test]
async fn bounds_that_another_program_wrote_are_bounds_only() {
    let (harness, keys) = Harness::probe(1);
    let rows: Vec<_> = (0..1_000).map(|n| row(n, keys[0])).collect();
    add(&harness, &rows, true).await;
    let sql = "select min(pulses), max(pulses) from probe";
    let wanted = by_reading(&harness, sql).await;
    let view = harness.view("probe");
    let foreign = view.files.iter().map(|file| {
        let mut file = DataFile { checksum: None, ..DataFile::clone(file) };
        let pulses = file.stats.get_mut("pulses").expect("statistics");
        (pulses.min, pulses.max) = (Some(StatValue::Integer(i64::MIN)), Some(StatValue::Integer(i64::MAX)));
        Arc::new(file)
    });
    let files = Arc::new(foreign.collect());
    let mut changed = TableView::clone(&view);
    changed.set_files(files);
    harness.publish("probe", changed);
    assert_eq!(answer(&harness.engine(), sql).await, wanted);
}
