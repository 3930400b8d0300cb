//! Rows that are due or deleted are in no answer, whatever answers: a scan, statistics, a limit, a join, a filter; and rows without a
//! name are never taken for those of one.

use std::sync::Arc;

use zonelake_parquet::ParquetOptions;
use zonelake_schemas::DeviceKey;
use zonelake_storage::{Deletion, Hidden, Ledger, LegalHold, Retention, Selection, TableView};

use crate::harness::{HOUR_US, Harness, NEW_YEAR_US, ProbeRow, answer, probe_batch};

const DAY_US: i64 = 24 * HOUR_US;

/// Rows of three devices and of the zone as a whole, on four days, the last of which is in memory.
async fn made() -> Arc<Harness> {
    let (harness, keys) = Harness::probe(3);
    let zone = harness.registry_arc().zone_by_code("vung-ang").unwrap();
    let of_zone = harness.registry_arc().add_gateway("g", &zone.code).unwrap().gateway.zone_key;
    for day in 0..4 {
        let key = |n: i64| -> DeviceKey { if n % 4 == 3 { of_zone } else { keys[(n % 4) as usize] } };
        let rows: Vec<_> =
            (0..400).map(|n| ProbeRow::numbered(n, key(n), NEW_YEAR_US + day * DAY_US + n * 1_000_003)).collect();
        harness.add_live("probe", vec![probe_batch(harness.schemas("probe"), &rows)]);
        if day < 3 {
            harness.flush("probe", &ParquetOptions::default()).await;
        }
    }
    harness
}

fn hide(harness: &Harness, ledger: &Ledger, today_us: i64) {
    let mut view = TableView::clone(&harness.view("probe"));
    view.set_hidden(Arc::new(Hidden::of(ledger, "probe", today_us)));
    harness.publish("probe", view);
}

fn deletion(harness: &Harness, selection: Selection) -> Deletion {
    let files: std::collections::BTreeSet<String> =
        harness.view("probe").files.iter().map(|file| file.path.clone()).collect();
    Deletion {
        id: 1,
        table: "probe".into(),
        selection,
        who: "tester".into(),
        why: "a test".into(),
        at_us: 0,
        rows: 0,
        pending: files.clone(),
        files,
        erased_us: None,
    }
}

/// Statements that are answered in different ways, each with a place for a condition.
const STATEMENTS: [&str; 9] = [
    "select count(*) from probe where {}",
    "select count(*), min(time), max(time), min(pulses), max(pulses) from probe where {}",
    "select device, count(*), count(pulses) from probe where {} group by device order by device nulls first",
    "select date, count(distinct device) from probe where {} group by date order by date",
    "select count(*) from (select time from probe where {} limit 100000)",
    "select count(*) from probe a join (select distinct device d from probe where {}) b on a.device = b.d where {a}",
    "select count(*) from probe where device = 'd1' and {}",
    "select time from probe where {} order by time limit 3",
    "select count(*) from probe where note <> 'x' and pulses > 5 and {}",
];

/// What statements say of a table where some rows are hidden is what they say where a condition leaves these rows out.
async fn assert_hidden(harness: &Arc<Harness>, ledger: &Ledger, today_us: i64, visible: &str) {
    let statement = |template: &str, condition: &str| {
        let of_a = condition.replace("device", "a.device").replace("time ", "a.time ");
        template.replace("{a}", &of_a).replace("{}", condition)
    };
    hide(harness, &Ledger::default(), today_us);
    let mut wanted = Vec::new();
    for template in STATEMENTS {
        wanted.push(answer(&harness.engine(), &statement(template, visible)).await);
    }
    hide(harness, ledger, today_us);
    for (template, wanted) in STATEMENTS.iter().zip(wanted) {
        assert_eq!(answer(&harness.engine(), &statement(template, "true")).await, wanted, "{template}");
    }
}

#[tokio::test]
async fn deleted_rows_of_files_are_in_no_answer_and_rows_without_a_device_are() {
    let harness = made().await;
    let selection = Selection { device: Some("d1".into()), ..Selection::default() };
    let ledger = Ledger { deletions: vec![deletion(&harness, selection)], ..Ledger::default() };
    // What is live came after the order.
    let visible = "(device is null or device <> 'd1' or time >= '2026-01-04T00:00:00Z')";
    assert_hidden(&harness, &ledger, 0, visible).await;
    let plan = answer(&harness.engine(), "explain select count(*) from probe").await.join("\n");
    assert!(plan.contains("DataSourceExec"), "statistics know that not every row is visible: {plan}");

    let bounded = Selection {
        device: Some("d2".into()),
        from_us: Some(NEW_YEAR_US + 100_000_000),
        until_us: Some(NEW_YEAR_US + DAY_US + 50_000_000),
        ..Selection::default()
    };
    let ledger = Ledger { deletions: vec![deletion(&harness, bounded)], ..Ledger::default() };
    let visible =
        "(device is null or device <> 'd2' or time < '2026-01-01T00:01:40Z' or time >= '2026-01-02T00:00:50Z')";
    assert_hidden(&harness, &ledger, 0, visible).await;
    let elsewhere = Selection { zone: Some("elsewhere".into()), ..Selection::default() };
    let ledger = Ledger { deletions: vec![deletion(&harness, elsewhere)], ..Ledger::default() };
    assert_hidden(&harness, &ledger, 0, "(true or time > '2026-01-01T00:00:00Z' or device = '')").await;
}

#[tokio::test]
async fn due_rows_of_files_and_of_memory_are_in_no_answer_but_held_ones_are() {
    let harness = made().await;
    let term = |zone: Option<&str>, days| Retention { table: "probe".into(), zone: zone.map(Into::into), days };
    let today = NEW_YEAR_US + 4 * DAY_US;
    let of_all = Ledger { retention: vec![term(None, 2)], ..Ledger::default() };
    assert_hidden(&harness, &of_all, today, "(time >= '2026-01-03T00:00:00Z' or device = 'none')").await;
    // All that is in memory is due, too.
    assert_hidden(&harness, &of_all, today + 3 * DAY_US, "(time >= '2026-01-06T00:00:00Z' and device <> '')").await;
    let of_zone = Ledger { retention: vec![term(None, 1), term(Some("vung-ang"), 3)], ..Ledger::default() };
    assert_hidden(&harness, &of_zone, today, "(time >= '2026-01-02T00:00:00Z' or device = 'none')").await;
    let selection = Selection { device: Some("d0".into()), ..Selection::default() };
    let hold = LegalHold { name: "case".into(), selection, who: "tester".into(), why: "a test".into(), at_us: 0 };
    let held = Ledger { retention: vec![term(None, 2)], holds: vec![hold], ..Ledger::default() };
    assert_hidden(&harness, &held, today, "(time >= '2026-01-03T00:00:00Z' or device = 'd0')").await;
}
