//! Where a table declares `on_repeat`, every statement says what it says of a table of the chosen rows alone, wherever the rows are: in
//! memory, in files, in both, before and after merges, with deletions.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use zonelake_parquet::ParquetOptions;
use zonelake_schemas::{DeviceKey, OnRepeat, TableDef};
use zonelake_storage::{Deletion, Hidden, Ledger, Selection, TableView};

use crate::harness::{HOUR_US, Harness, NEW_YEAR_US, PROBE, ProbeRow, answer, probe_batch};

const DAY_US: i64 = 24 * HOUR_US;
const RULES: [OnRepeat; 3] = [OnRepeat::LastWins, OnRepeat::FirstWins, OnRepeat::Merge];
/// Devices of the tests; two of them are in the same zone under the same name, at two places one after the other.
const DEVICES: usize = 3;

/// A row as it is sent, with the sequence of its record.
#[derive(Debug, Clone)]
struct Sent {
    sequence: u64,
    row: ProbeRow,
}

/// The tables `probe`, as a rule says, and `plain`, which keeps all.
fn tables(rule: OnRepeat) -> (Arc<Harness>, Vec<DeviceKey>) {
    let declared = |name: &str, more: &str| {
        TableDef::from_toml(&PROBE.replacen("name = \"probe\"", &format!("name = \"{name}\"\n{more}"), 1)).unwrap()
    };
    let harness = Harness::new(&[declared("probe", &format!("on_repeat = \"{rule}\"")), declared("plain", "")]);
    let names: Vec<String> = (0..DEVICES).map(|device| format!("d{device}")).collect();
    let keys = harness.devices("vung-ang", &names);
    (harness, keys)
}

/// The rows of a table by a rule, in a way that has nothing in common with the one that is tested.
fn model(rule: OnRepeat, sent: &[Sent]) -> Vec<ProbeRow> {
    let mut sorted = sent.to_vec();
    sorted.sort_by_key(|sent| sent.sequence);
    let mut rows: BTreeMap<(DeviceKey, i64), ProbeRow> = BTreeMap::new();
    for Sent { row, .. } in sorted {
        let key = (row.device, row.time_us);
        let before = rows.get(&key).cloned();
        let now = match (rule, before) {
            (OnRepeat::FirstWins, Some(before)) => before,
            (OnRepeat::Merge, Some(before)) => ProbeRow {
                level: row.level.or(before.level),
                temperature: row.temperature.or(before.temperature),
                volume: row.volume.or(before.volume),
                pulses: row.pulses.or(before.pulses),
                is_open: row.is_open.or(before.is_open),
                note: row.note.clone().or(before.note),
                seen: row.seen.or(before.seen),
                ..row
            },
            _ => row,
        };
        rows.insert(key, now);
    }
    rows.into_values().collect()
}

/// Statements that are answered in different ways.
const STATEMENTS: [&str; 18] = [
    "select device, time, site, quality, backfill, level, temperature, volume, pulses, is_open, note, seen, ingested_at \
     from {t} order by device, time",
    "select count(*) from {t}",
    "select count(*), min(time), max(time), min(pulses), max(pulses), count(note), sum(pulses), sum(round(temperature)) \
     from {t}",
    "select max(ingested_at), min(volume), count(seen) from {t}",
    "select device, time, pulses from {t} where pulses > 40 order by device, time",
    "select device, time, temperature from {t} where temperature < 0 or level > 1.5 order by device, time",
    "select device, time from {t} where note is null order by device, time",
    "select count(*) from {t} where device = 'd1' and pulses < 2000",
    "select count(*) from {t} where device = 'd1' and time >= '2026-01-01T00:00:03Z' and note is not null",
    "select count(*), count(level) from {t} where date = '2026-01-02' and zone = 'vung-ang'",
    "select device, count(*), count(pulses), max(level) from {t} group by device order by device",
    "select date, count(distinct device) from {t} group by date order by date",
    "select count(*) from (select time from {t} limit 3)",
    "select count(*) from {t} a join {t} b on a.device = b.device and a.time = b.time",
    "select a.device, a.time from {t} a join (select max(pulses) p from {t}) b on a.pulses = b.p order by 1, 2",
    "select device, time, pulses, note from {t} order by pulses desc nulls last, device, time limit 3",
    "select time, device, level from {t} order by time desc, device limit 2",
    "select device, time, level, note from latest({t}) order by device",
];

async fn assert_same(harness: &Arc<Harness>, rule: OnRepeat, state: &str) {
    let engine = harness.engine();
    for statement in STATEMENTS {
        let wanted = answer(&engine, &statement.replace("{t}", "plain")).await;
        let found = answer(&engine, &statement.replace("{t}", "probe")).await;
        assert_eq!(found, wanted, "{rule}, {state}: {statement}");
    }
}

/// Makes `plain` the rows that the model has of what was sent.
fn set_plain(harness: &Harness, rule: OnRepeat, sent: &[Sent]) {
    harness.publish("plain", TableView::default());
    let rows = model(rule, sent);
    if !rows.is_empty() {
        harness.add_live("plain", vec![probe_batch(harness.schemas("plain"), &rows)]);
    }
}

fn add(harness: &Harness, sent: &Sent) {
    let rows = probe_batch(harness.schemas("probe"), std::slice::from_ref(&sent.row));
    harness.add_record("probe", (sent.sequence % 2) as u16, sent.sequence, rows);
}

fn delete(harness: &Harness, selection: &Selection) {
    let view = harness.view("probe");
    let files: std::collections::BTreeSet<String> = view.files.iter().map(|file| file.path.clone()).collect();
    let order = Deletion {
        id: 1,
        table: "probe".into(),
        selection: selection.clone(),
        who: "tester".into(),
        why: "a test".into(),
        at_us: 0,
        rows: 0,
        pending: files.clone(),
        files,
        erased_us: None,
    };
    let ledger = Ledger { deletions: vec![order], ..Ledger::default() };
    let hidden = Arc::new(Hidden::of(&ledger, "probe", 0));
    let mut view = TableView::clone(&view);
    view.set_hidden(hidden);
    harness.publish("probe", view);
}

/// Positions of the files of the date that has most of them.
fn files_of_a_date(harness: &Harness) -> Vec<usize> {
    let mut by_date: BTreeMap<i32, Vec<usize>> = BTreeMap::new();
    for (position, file) in harness.view("probe").files.iter().enumerate() {
        by_date.entry(file.date).or_default().push(position);
    }
    by_date.into_values().max_by_key(Vec::len).unwrap_or_default()
}

/// A row that is sent: what it says, for which device and time, and when it is flushed.
type Plan = (i64, usize, i64, usize);

fn plans() -> impl Strategy<Value = Vec<Plan>> {
    let time = prop_oneof![0i64..6, Just(DAY_US / 1_000_000), Just(DAY_US / 1_000_000 + 1)];
    prop::collection::vec((1i64..200, 0..DEVICES, time, 0usize..5), 1..45)
}

async fn any_way(rule: OnRepeat, plans: Vec<Plan>, order: Vec<usize>, deleted: usize) {
    let (harness, keys) = tables(rule);
    let row = |(n, device, second, _): Plan| ProbeRow::numbered(n, keys[device], NEW_YEAR_US + second * 1_000_000);
    // Sequences are given in an order of their own, as shards of different speed do.
    let mut sent: Vec<(usize, Sent)> = plans
        .iter()
        .zip(&order)
        .map(|(plan, at)| (plan.3, Sent { sequence: *at as u64 + 1, row: row(*plan) }))
        .collect();
    sent.sort_by_key(|(flush, sent)| (*flush, sent.sequence));
    let mut so_far = Vec::new();
    for flush in 0..4 {
        for (_, one) in sent.iter().filter(|(of, _)| *of == flush) {
            add(&harness, one);
            so_far.push(one.clone());
        }
        set_plain(&harness, rule, &so_far);
        assert_same(&harness, rule, "live and files").await;
        harness.flush("probe", &ParquetOptions::default()).await;
        assert_same(&harness, rule, "files").await;
        if flush == 2 {
            let files = files_of_a_date(&harness);
            if files.len() > 1 {
                harness.merge("probe", &files[..2]).await;
                assert_same(&harness, rule, "some of them merged").await;
            }
        }
    }
    let device = format!("d{deleted}");
    delete(&harness, &Selection { device: Some(device), ..Selection::default() });
    so_far.retain(|sent| sent.row.device != keys[deleted]);
    set_plain(&harness, rule, &so_far);
    assert_same(&harness, rule, "deleted").await;
    // What is sent after the deletion is there, and no row of before it.
    for (_, one) in sent.iter().filter(|(of, _)| *of == 4) {
        let later = Sent { sequence: one.sequence + 1_000, row: one.row.clone() };
        add(&harness, &later);
        so_far.push(later);
    }
    set_plain(&harness, rule, &so_far);
    assert_same(&harness, rule, "sent again").await;
}

#[test]
fn every_statement_sees_the_chosen_row_of_a_key_wherever_its_repeats_are() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let config = ProptestConfig { cases: 5, ..ProptestConfig::default() };
    let any = plans().prop_flat_map(|plans| {
        let order: Vec<usize> = (0..plans.len()).collect();
        (Just(plans), Just(order).prop_shuffle(), 0..DEVICES)
    });
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let run = runner.run(&any, |(plans, order, deleted)| {
        for rule in RULES {
            runtime.block_on(any_way(rule, plans.clone(), order.clone(), deleted));
        }
        Ok(())
    });
    run.unwrap();
}

/// Rows of one device at the seconds `from..until`.
fn rows(key: DeviceKey, seconds: std::ops::Range<i64>, n: i64) -> Vec<ProbeRow> {
    seconds.map(|second| ProbeRow::numbered(n + second, key, NEW_YEAR_US + second * 1_000_000)).collect()
}

#[tokio::test]
async fn files_that_overlap_with_nothing_are_scanned_as_ever_and_explain_says_which_way_was_taken() {
    let (harness, keys) = tables(OnRepeat::LastWins);
    let mut sequence = 0;
    let mut send = |seconds: std::ops::Range<i64>, n: i64| {
        sequence += 1;
        harness.add_record("probe", 0, sequence, probe_batch(harness.schemas("probe"), &rows(keys[0], seconds, n)));
    };
    send(0..100, 0);
    // Sent again within one flush: the file has each key once.
    send(0..100, 7);
    harness.flush("probe", &ParquetOptions::default()).await;
    send(200..300, 0);
    harness.flush("probe", &ParquetOptions::default()).await;
    assert_eq!(harness.view("probe").file_rows(), 200);
    let explain = |sql: &str| format!("explain {sql}");
    let plan = answer(&harness.engine(), &explain("select count(*) from probe")).await.join("\n");
    assert!(
        !plan.contains("RepeatsExec") && !plan.contains("DataSourceExec: file_groups"),
        "statistics answer: {plan}"
    );
    assert_eq!(answer(&harness.engine(), "select count(*) from probe").await, ["200"]);
    let plan = answer(&harness.engine(), &explain("select sum(pulses) from probe where pulses > 5")).await.join("\n");
    assert!(!plan.contains("RepeatsExec"), "{plan}");

    send(250..260, 9);
    harness.flush("probe", &ParquetOptions::default()).await;
    assert_eq!(answer(&harness.engine(), "select count(*) from probe").await, ["200"]);
    let plan = answer(&harness.engine(), &explain("select sum(pulses) from probe where pulses > 5")).await.join("\n");
    assert!(plan.contains("RepeatsExec: on_repeat=last_wins, files=2, chunks=0, rows=110"), "{plan}");
    let (above, below) = plan.split_once("RepeatsExec").expect("it is there");
    assert!(above.contains("pulses@") && !below.contains("predicate=pulses"), "the filter is above: {plan}");
    // A filter of the key goes below, where it leaves files out.
    let early = "select count(*) from probe where time < '2026-01-01T00:01:00Z' and pulses > 5";
    let plan = answer(&harness.engine(), &explain(early)).await.join("\n");
    assert!(!plan.contains("RepeatsExec"), "the files that overlap are left out: {plan}");
    let late = "select count(*) from probe where time >= '2026-01-01T00:04:15Z' and pulses > 5";
    let plan = answer(&harness.engine(), &explain(late)).await.join("\n");
    let below = plan.split_once("RepeatsExec").expect("it is there").1;
    assert!(below.contains("predicate=time"), "{plan}");

    send(0..1, 11);
    let plan = answer(&harness.engine(), &explain("select sum(pulses) from probe")).await.join("\n");
    assert!(plan.contains("files=3, chunks=1, rows=211"), "{plan}");
    // What is merged has each key once.
    harness.merge("probe", &[1, 2]).await;
    assert_eq!(harness.view("probe").file_rows(), 200);
    let plan = answer(&harness.engine(), &explain("select sum(pulses) from probe")).await.join("\n");
    assert!(plan.contains("files=1, chunks=1, rows=101"), "{plan}");
}
