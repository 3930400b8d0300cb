//! A statement reads the part of the files that it needs, by the figures of EXPLAIN ANALYZE.

use std::sync::Arc;

use zonelake_parquet::ParquetOptions;
use zonelake_schemas::DeviceKey;

use crate::harness::{HOUR_US, Harness, NEW_YEAR_US, ProbeRow, answer, probe_batch};

/// Rows of every device every `step_us` for a time, in files.
async fn filled(devices: usize, step_us: i64, duration_us: i64) -> Arc<Harness> {
    let (harness, keys) = Harness::probe(devices);
    let steps = duration_us / step_us;
    let row = |at: i64, device: DeviceKey| {
        let mut row = ProbeRow::numbered(at % 1_000, device, NEW_YEAR_US + at * step_us);
        row.note = None;
        row
    };
    let rows: Vec<ProbeRow> = (0..steps).flat_map(|at| keys.iter().map(move |&device| row(at, device))).collect();
    let batches = rows.chunks(500_000).map(|rows| probe_batch(harness.schemas("probe"), rows)).collect();
    harness.add_live("probe", batches);
    harness.flush("probe", &ParquetOptions { files_in_work_max: 32, ..ParquetOptions::default() }).await;
    harness
}

fn file_bytes(harness: &Harness) -> u64 {
    harness.view("probe").files.iter().map(|file| file.bytes).sum()
}

/// The sum of a figure over all scans of a plan. Figures print as `1234`, `1.2 K`, or `10 total → 3 matched`.
fn figure(plan: &str, name: &str) -> u64 {
    let mut sum = 0;
    for (at, _) in plan.match_indices(&format!("{name}=")) {
        let text = &plan[at + name.len() + 1..];
        let end = text.find([',', ']']).unwrap();
        let mut parts = text[..end].split(' ');
        let number: f64 = parts.next().unwrap().parse().unwrap_or_else(|_| panic!("{name} in {text}"));
        let unit = match parts.next() {
            Some("K" | "KB") => 1e3,
            Some("M" | "MB") => 1e6,
            _ => 1.0,
        };
        sum += (number * unit) as u64;
    }
    sum
}

async fn explained(harness: &Arc<Harness>, sql: &str) -> String {
    // An engine of its own, so that no metadata is in memory already.
    answer(&harness.engine(), &format!("explain analyze {sql}")).await.join("\n")
}

#[tokio::test]
async fn one_device_and_one_hour_in_a_year_reads_a_small_part_of_one_file() {
    let harness = filled(50, HOUR_US / 4, 365 * 24 * HOUR_US).await;
    assert_eq!(harness.view("probe").files.len(), 365);
    let total = file_bytes(&harness);
    let sql = "select time, temperature from probe where device = 'd17' \
               and time >= '2026-07-14T08:00:00Z' and time < '2026-07-14T09:00:00Z'";
    assert_eq!(answer(&harness.engine(), sql).await.len(), 4);

    let plan = explained(&harness, sql).await;
    assert_eq!(plan.matches(".parquet").count(), 1, "one of 365 files is opened: {plan}");
    assert!(plan.contains("date=2026-07-14"), "{plan}");
    let scanned = figure(&plan, "bytes_scanned");
    assert!(scanned > 0 && scanned < total / 300, "{scanned} of {total} bytes: {plan}");

    let relative = "select count(*) from probe where time >= timestamp '2026-07-15T00:00:00Z' - interval '3 hours' \
                    and time < timestamp '2026-07-15T00:00:00Z'";
    let plan = explained(&harness, relative).await;
    assert_eq!(plan.matches(".parquet").count(), 1, "{plan}");
    assert_eq!(answer(&harness.engine(), relative).await, ["600"]);

    let by_date = "select count(*) from probe where date between '2026-02-01' and '2026-02-28'";
    assert_eq!(figure(&explained(&harness, by_date).await, "files_ranges_pruned_statistics"), 28);

    let newest = "select time, device from probe order by time desc limit 1";
    let plan = explained(&harness, newest).await;
    let scanned = figure(&plan, "bytes_scanned");
    assert!(scanned < total / 10, "the newest row: {scanned} of {total} bytes: {plan}");
}

#[tokio::test]
async fn pages_of_other_devices_and_values_are_not_read() {
    let harness = filled(200, HOUR_US / 60, 24 * HOUR_US).await;
    let total = file_bytes(&harness);
    assert_eq!(harness.view("probe").files.len(), 1);

    let one = "select avg(temperature) from probe where device = 'd77'";
    let plan = explained(&harness, one).await;
    let scanned = figure(&plan, "bytes_scanned");
    assert!(scanned < total / 8, "{scanned} of {total} bytes: {plan}");
    assert!(plan.contains("page_index_rows_pruned="), "{plan}");

    let none = "select count(*) from probe where temperature > 123.456 and temperature < 123.459";
    let plan = explained(&harness, none).await;
    assert_eq!(answer(&harness.engine(), none).await, ["0"]);
    assert!(plan.contains("row_groups_pruned_statistics") || plan.contains("EmptyExec"), "{plan}");
}

#[tokio::test]
async fn live_chunks_of_other_times_and_rows_of_other_devices_are_left_out() {
    let (harness, keys) = Harness::probe(2);
    for day in 0..3 {
        let rows: Vec<_> = (0..5_000)
            .map(|n| ProbeRow::numbered(n, keys[(n % 2) as usize], NEW_YEAR_US + day * 24 * HOUR_US + n))
            .collect();
        harness.add_live("probe", vec![probe_batch(harness.schemas("probe"), &rows)]);
    }
    let sql = "select count(*) from probe where device = 'd1' and time >= '2026-01-03T00:00:00Z'";
    let plan = explained(&harness, sql).await;
    assert!(plan.contains("LiveExec: chunks=1, rows=5000, pruned_chunks=2, filtered by device"), "{plan}");
    assert_eq!(answer(&harness.engine(), sql).await, ["2500"]);
    assert_eq!(answer(&harness.engine(), "select count(*) from probe where device = 'nobody'").await, ["0"]);
}
