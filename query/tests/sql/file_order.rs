//! Rows that are wanted in the order of files are merged, and are the same as sorted ones.

use std::sync::Arc;

use zonelake_parquet::ParquetOptions;
use zonelake_query::QueryOptions;

use crate::harness::{Harness, NEW_YEAR_US, ProbeRow, answer, probe_batch, rows};

const DEVICES: i64 = 7;
const FILES: i64 = 4;
const ROWS_OF_FILE: i64 = 20_000;
const LIVE_ROWS: i64 = 3_000;

/// The number of a row is its order of arrival; times are up to an hour late, so that files overlap.
fn row_time(n: i64) -> i64 {
    let late = if n % 5 == 0 { 3_600 * (n % 3 + 1) } else { 0 };
    NEW_YEAR_US + (4_000_000 + n - late) * 1_000_000
}

fn row(n: i64, keys: &[zonelake_schemas::DeviceKey]) -> ProbeRow {
    let mut row = ProbeRow::numbered(n, keys[(n % DEVICES) as usize], row_time(n));
    row.pulses = Some(n);
    row
}

/// Some files of the same day and more, and live rows.
async fn filled() -> Arc<Harness> {
    let (harness, keys) = Harness::probe(DEVICES as usize);
    for file in 0..FILES {
        let rows: Vec<_> = (file * ROWS_OF_FILE..(file + 1) * ROWS_OF_FILE).map(|n| row(n, &keys)).collect();
        harness.add_live("probe", vec![probe_batch(harness.schemas("probe"), &rows)]);
        harness.flush("probe", &ParquetOptions { row_group_rows_max: 8_000, ..ParquetOptions::default() }).await;
    }
    let live: Vec<_> = (FILES * ROWS_OF_FILE..FILES * ROWS_OF_FILE + LIVE_ROWS).map(|n| row(n, &keys)).collect();
    harness.add_live("probe", vec![probe_batch(harness.schemas("probe"), &live)]);
    harness
}

/// The numbers of a device's rows by time.
fn of_device(device: i64) -> Vec<i64> {
    let mut all: Vec<i64> = (0..FILES * ROWS_OF_FILE + LIVE_ROWS).filter(|n| n % DEVICES == device).collect();
    all.sort_by_key(|&n| row_time(n));
    all
}

fn texts(numbers: &[i64]) -> Vec<String> {
    numbers.iter().map(ToString::to_string).collect()
}

async fn plan(harness: &Arc<Harness>, sql: &str) -> String {
    answer(&harness.engine(), &format!("explain {sql}")).await.join("\n")
}

/// Sorts that are left: of live rows, and of none that come from files.
fn check_merged(plan: &str) {
    let lines: Vec<&str> = plan.lines().collect();
    assert!(plan.contains("output_ordering=[zone@"), "{plan}");
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.contains("SortExec")) {
        let indent = |line: &str| line.len() - line.trim_start().len();
        let below = lines[at + 1..].iter().take_while(|next| indent(next) > indent(line));
        assert!(below.clone().any(|below| below.contains("LiveExec")), "{plan}");
        assert!(!below.clone().any(|below| below.contains("DataSourceExec")), "{plan}");
    }
}

#[tokio::test]
async fn rows_of_a_device_by_time_are_merged_and_a_limit_ends_the_reading() {
    let harness = filled().await;
    let sql = "select pulses from probe where zone = 'vung-ang' and device = 'd3' order by time";
    check_merged(&plan(&harness, sql).await);
    let wanted = texts(&of_device(3));
    let engine = harness.engine();
    assert_eq!(answer(&engine, sql).await, wanted);
    for limit in [1, 10, 5_000] {
        let limited = format!("{sql} limit {limit}");
        check_merged(&plan(&harness, &limited).await);
        assert_eq!(answer(&engine, &limited).await, wanted[..limit]);
    }
    let skipped = format!("{sql} limit 5 offset 100");
    assert_eq!(answer(&engine, &skipped).await, wanted[100..105]);
    // The other way round nothing is merged, and the rows are right.
    let newest = format!("{sql} desc limit 3");
    let last: Vec<_> = wanted.iter().rev().take(3).cloned().collect();
    assert_eq!(answer(&engine, &newest).await, last);
}

#[tokio::test]
async fn all_rows_by_zone_device_and_time_are_merged() {
    let harness = filled().await;
    let wanted: Vec<i64> = (0..DEVICES).flat_map(of_device).collect();
    for order in ["zone, device, time", "zone nulls first, device nulls first, time"] {
        let sql = format!("select pulses from probe order by {order}");
        check_merged(&plan(&harness, &sql).await);
        assert!(answer(&harness.engine(), &sql).await == texts(&wanted), "{order}");
    }
    // Another order than that of files is not taken for it.
    for order in ["device, time", "zone, time", "zone, device, time desc", "zone, device desc, time", "time, device"] {
        let sql = format!("select pulses from probe order by {order}");
        let plan = plan(&harness, &sql).await;
        assert!(!plan.contains("output_ordering"), "{order}: {plan}");
    }
}

#[tokio::test]
async fn windows_over_the_rows_of_each_device_are_computed_in_the_order_of_files() {
    let harness = filled().await;
    let windows = "select pulses, lag(pulses) over (partition by zone, device order by time) as before from probe \
                   where pulses % 2 = 0";
    check_merged(&plan(&harness, windows).await);
    let mut wanted: Vec<String> = Vec::new();
    for device in 0..DEVICES {
        let mut before = "NULL".to_owned();
        for n in of_device(device).into_iter().filter(|n| n % 2 == 0) {
            wanted.push(format!("{n} | {before}"));
            before = n.to_string();
        }
    }
    wanted.sort();
    for options in [harness.options(), QueryOptions { memory_bytes_max: 24 << 20, running_max: 1, ..harness.options() }]
    {
        let mut found = answer(&harness.engine_with(options), windows).await;
        found.sort();
        assert!(found == wanted, "{} rows, {} wanted", found.len(), wanted.len());
    }
}

#[tokio::test]
async fn where_memory_is_too_small_to_merge_all_files_rows_are_sorted() {
    let harness = filled().await;
    let engine = harness.engine_with(QueryOptions { memory_bytes_max: 8 << 20, running_max: 1, ..harness.options() });
    let sql = "select * from probe order by zone, device, time";
    let plan = answer(&engine, &format!("explain {sql}")).await.join("\n");
    assert!(!plan.contains("output_ordering"), "{plan}");
    let count = rows(&engine, &format!("select count(*) from ({sql} limit 90000)")).await.unwrap();
    assert_eq!(count, [(FILES * ROWS_OF_FILE + LIVE_ROWS).to_string()]);
}
