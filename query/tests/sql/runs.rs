//! Groups are those of the rows, however long runs of one key are and whatever memory there is.

use std::collections::BTreeMap;
use std::sync::Arc;

use zonelake_parquet::ParquetOptions;
use zonelake_query::QueryOptions;
use zonelake_schemas::DeviceKey;

use crate::harness::{Harness, NEW_YEAR_US, ProbeRow, answer, probe_batch};

const DEVICES: i64 = 30;
const ROWS: i64 = 60_000;

fn row(n: i64, keys: &[DeviceKey]) -> ProbeRow {
    let mut row = ProbeRow::numbered(n, keys[(n % DEVICES) as usize], NEW_YEAR_US + n * 1_000_000);
    row.pulses = (n % 7 != 0).then_some(n);
    row.note = (n % 5 != 0).then(|| format!("a note that is longer than twelve bytes, {}", n % 3));
    row
}

/// Most rows in files, in which runs are long, the rest live, in which they are not.
async fn filled() -> Arc<Harness> {
    let (harness, keys) = Harness::probe(usize::try_from(DEVICES).unwrap());
    let rows: Vec<_> = (0..ROWS).map(|n| row(n, &keys)).collect();
    let (in_files, live) = rows.split_at(rows.len() - 5_000);
    harness.add_live("probe", vec![probe_batch(harness.schemas("probe"), in_files)]);
    harness.flush("probe", &ParquetOptions { row_group_rows_max: 10_000, ..ParquetOptions::default() }).await;
    harness.add_live("probe", vec![probe_batch(harness.schemas("probe"), live)]);
    harness
}

/// Count and sum of pulses by a key that is made of the row's number.
fn grouped(key: impl Fn(i64) -> String) -> Vec<String> {
    let mut groups: BTreeMap<String, (i64, Option<i64>, i64)> = BTreeMap::new();
    for n in 0..ROWS {
        let group = groups.entry(key(n)).or_default();
        group.0 += 1;
        if n % 7 != 0 {
            group.1 = Some(group.1.unwrap_or_default() + n);
            group.2 += i64::from(n % 2 == 0);
        }
    }
    let sum = |sum: Option<i64>| sum.map_or("NULL".to_owned(), |sum| sum.to_string());
    let line = |(key, (rows, of_group, even))| format!("{key} | {rows} | {} | {even}", sum(of_group));
    groups.into_iter().map(line).collect()
}

fn note(n: i64) -> String {
    if n % 5 == 0 { "NULL".to_owned() } else { format!("a note that is longer than twelve bytes, {}", n % 3) }
}

fn sorted(mut rows: Vec<String>) -> Vec<String> {
    rows.sort();
    rows
}

const AGGREGATES: &str = "count(*), sum(pulses), count(pulses) filter (where pulses % 2 = 0)";

async fn check(harness: &Arc<Harness>, options: QueryOptions) {
    let engine = harness.engine_with(options);
    let device = |n: i64| format!("d{}", n % DEVICES);
    let cases: [(&str, Vec<String>); 4] = [
        ("device", grouped(device)),
        ("note", grouped(note)),
        ("device, note", grouped(|n| format!("{} | {}", device(n), note(n)))),
        ("extract(epoch from time)::bigint - 1767225600", grouped(|n| n.to_string())),
    ];
    for (keys, wanted) in cases {
        let sql = format!("select {keys}, {AGGREGATES} from probe group by {keys}");
        let plan = answer(&engine, &format!("explain {sql}")).await.join("\n");
        assert!(plan.contains("RunAggregateExec"), "{plan}");
        let found = sorted(answer(&engine, &sql).await);
        assert!(found == sorted(wanted), "{sql}: {} rows, the first: {:?}", found.len(), &found[..3.min(found.len())]);
    }
}

#[tokio::test]
async fn groups_of_runs_are_the_groups_of_their_rows() {
    let harness = filled().await;
    check(&harness, harness.options()).await;
}

#[tokio::test]
async fn with_little_memory_groups_go_on_in_parts() {
    let harness = filled().await;
    check(&harness, QueryOptions { memory_bytes_max: 12 << 20, running_max: 1, ..harness.options() }).await;
}

#[tokio::test]
async fn states_of_every_kind_of_aggregate_are_brought_together() {
    let harness = filled().await;
    let sql = "select device, avg(pulses), min(note), max(time), count(distinct note), \
               percentile_cont(0.5) within group (order by pulses), last(pulses, time), \
               array_length(array_agg(pulses)) from probe where device in ('d1', 'd29') group by device order by device";
    let of = |device: i64| {
        let all: Vec<i64> = (0..ROWS).filter(|n| n % DEVICES == device).collect();
        let pulses: Vec<i64> = all.iter().copied().filter(|n| n % 7 != 0).collect();
        let mean = pulses.iter().sum::<i64>() as f64 / pulses.len() as f64;
        let median = (pulses[(pulses.len() - 1) / 2] + pulses[pulses.len() / 2]) as f64 / 2.0;
        (mean, median, *pulses.last().unwrap(), all.len())
    };
    let found = answer(&harness.engine(), sql).await;
    assert_eq!(found.len(), 2);
    for (line, device) in found.iter().zip([1, 29]) {
        let cells: Vec<&str> = line.split(" | ").collect();
        let (mean, median, last, rows) = of(device);
        assert_eq!(cells[0], format!("d{device}"));
        assert!((cells[1].parse::<f64>().unwrap() - mean).abs() < 1e-6, "{line}: {mean}");
        assert!((cells[5].parse::<f64>().unwrap() - median).abs() <= 0.5, "{line}: {median}");
        assert_eq!((cells[6], cells[7]), (last.to_string().as_str(), rows.to_string().as_str()), "{line}");
    }
    let few = format!(
        "select device, {AGGREGATES} from probe where time < to_timestamp({}) group by device",
        1_767_225_600 + 2
    );
    assert_eq!(sorted(answer(&harness.engine(), &few).await), ["d0 | 1 | NULL | 0", "d1 | 1 | 1 | 0"]);
}

#[tokio::test]
async fn the_last_row_of_each_device_needs_memory_for_devices_and_not_for_rows() {
    let harness = filled().await;
    let small = QueryOptions { memory_bytes_max: 4 << 20, running_max: 1, ..harness.options() };
    let sql = "select device, pulses, note, time from latest(probe)";
    let wanted: Vec<String> = (ROWS - DEVICES..ROWS).map(|n| format!("d{}", n % DEVICES)).collect();
    let found = answer(&harness.engine_with(small), sql).await;
    let devices: Vec<String> = found.iter().map(|row| row.split(" | ").next().unwrap().to_owned()).collect();
    assert_eq!(sorted(devices), sorted(wanted));
    for line in &found {
        let number: i64 = line.split(" | ").next().unwrap()[1..].parse().unwrap();
        let n = (ROWS - DEVICES..ROWS).find(|n| n % DEVICES == number).unwrap();
        let pulses = if n % 7 == 0 { "NULL".to_owned() } else { n.to_string() };
        assert!(line.contains(&format!(" | {pulses} | {} | ", note(n))), "{line}, row {n}");
    }
}
