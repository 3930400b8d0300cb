//! `latest`, `last_values` and the newest row of a device, compared with windows over all rows.

use std::time::Duration;

use proptest::prelude::*;
use zonelake_storage::{DeletionOrder, Retention, Selection};

use crate::fixture::{Folder, Row, Running};

/// The last rows by a window over all rows.
const RAW_LATEST: &str = "select province, zone, site, device, time, ingested_at, quality, backfill, pm, raw, count, is_open, note, seen from \
    (select *, row_number() over (partition by province, zone, device order by time desc, ingested_at desc) as place from air) as numbered \
    where place = 1 order by zone, device";
const LATEST: &str = "select province, zone, site, device, time, ingested_at, quality, backfill, pm, raw, count, is_open, note, seen \
    from latest(air) order by zone, device";

/// The last values of a field by a window over all rows.
fn raw_values(field: &str) -> String {
    format!(
        "select zone, device, {field}, time, quality from \
         (select *, row_number() over (partition by zone, device order by time desc, ingested_at desc) as place from air \
          where {field} is not null) as numbered where place = 1 order by zone, device"
    )
}

fn values(field: &str) -> String {
    format!(
        "select zone, device, {field}, {field}_time, {field}_quality from last_values(air) where {field} is not null order by zone, device"
    )
}

const FIELDS: [&str; 6] = ["pm", "raw", "count", "is_open", "note", "seen"];

async fn compare(running: &Running, what: &str) {
    let latest = running.ask(LATEST).await.unwrap();
    assert_eq!(latest, running.ask(RAW_LATEST).await.unwrap(), "latest after {what}");
    for field in FIELDS {
        let values = running.ask(&values(field)).await.unwrap();
        assert_eq!(values, running.ask(&raw_values(field)).await.unwrap(), "last values of {field} after {what}");
    }
    for (zone, device) in [("vung-ang", "d0"), ("vung-ang", "d1"), ("hoa-phu", "d0"), ("hoa-phu", "e0")] {
        let of_one = format!("from air where zone = '{zone}' and device = '{device}'");
        let newest = format!("select zone, device, time {of_one} order by time desc limit 1");
        let raw = format!("select zone, device, max(time) {of_one} group by zone, device");
        let (newest, raw) = (running.ask(&newest).await.unwrap(), running.ask(&raw).await.unwrap());
        assert_eq!(newest, raw, "{device} of {zone} after {what}");
        // The name is that of devices of two zones: the newest row is of either of them.
        let of_name = format!("from air where device = '{device}'");
        let newest = running.ask(&format!("select device, time {of_name} order by time desc limit 1")).await.unwrap();
        let raw = running.ask(&format!("select device, max(time) {of_name} group by device")).await.unwrap();
        assert_eq!(newest, raw, "{device} after {what}");
    }
}

/// A row: second, device, quality, `pm`, and the number of a note.
type Sent = (i64, usize, u8, Option<i32>, Option<u8>);

#[derive(Debug, Clone)]
enum Step {
    Append(usize, Vec<Sent>),
    Fold,
    Flush,
    Forget,
    Kill,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let row = (0_i64..60, 0_usize..4, 0_u8..5, prop::option::of(0_i32..1000), prop::option::of(0_u8..9));
    let append = (0_usize..2, prop::collection::vec(row, 1..8)).prop_map(|(shard, rows)| Step::Append(shard, rows));
    let step = prop_oneof![6 => append, 1 => Just(Step::Fold), 2 => Just(Step::Flush), 1 => Just(Step::Forget), 1 => Just(Step::Kill)];
    prop::collection::vec(step, 1..14)
}

async fn run(steps: Vec<Step>) {
    let folder = Folder::new();
    let mut running = folder.open().await;
    let mut keys = running.devices("vung-ang", &["d0", "d1"]);
    keys.extend(running.devices("hoa-phu", &["d0", "e0"]));
    for step in steps {
        let what = format!("{step:?}");
        match step {
            Step::Append(shard, rows) => {
                let mut batch: Vec<Row> = Vec::new();
                for (second, device, quality, pm, note) in rows {
                    // Which of two rows of one batch and time is the last is a matter of their order alone, which no window can see.
                    if batch.iter().all(|row| (row.second, row.device) != (second, keys[device])) {
                        let note = note.map(|note| format!("note {note}"));
                        batch.push(Row { second, device: keys[device], quality, pm, note });
                    }
                }
                // Far enough that two appends differ by the time they came at, as SQL has it.
                folder.clock.advance(Duration::from_secs(1));
                running.append(shard, &batch);
            }
            Step::Fold => {
                running.table().fold_last_rows().unwrap();
            }
            Step::Flush => {
                running.store.flush_all().await.unwrap();
            }
            // As after a correction: until the files are read again, rows answer.
            Step::Forget => running.store.forget_last_rows(running.table()).unwrap(),
            Step::Kill => {
                drop(running);
                running = folder.open().await;
            }
        }
        compare(&running, &what).await;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn latest_and_last_values_are_what_windows_over_all_rows_say_in_any_order_of_arrival(steps in steps()) {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(run(steps));
    }
}

async fn plan(running: &Running, sql: &str) -> String {
    running.ask(&format!("explain {sql}")).await.unwrap().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_is_read_from_memory_and_anything_else_from_rows() {
    let folder = Folder::new();
    let mut running = folder.open().await;
    let keys = running.devices("vung-ang", &["d0", "d1"]);
    running.append(0, &[Row::new(1, keys[0], 10), Row::new(2, keys[1], 20)]);
    let of_rows = "LiveExec";
    for sql in [
        "select * from latest(air)",
        "select device, pm from latest(air) as l where l.zone = 'vung-ang'",
        "select * from last_values(air)",
        "select * from air where device = 'd0' order by time desc limit 1",
        "select time, pm from air where device = 'd0' and zone = 'vung-ang' order by time desc limit 1",
        "select t as at from (select time as t, device from air) as s where device in ('d0', 'd1') order by t desc limit 1",
        "select * from air order by time desc limit 1",
    ] {
        let plan = plan(&running, sql).await;
        assert!(!plan.contains(of_rows), "{sql}:\n{plan}");
    }
    for sql in [
        "select * from air where device = 'd0' order by time desc limit 2",
        "select * from air where device = 'd0' order by time limit 1",
        "select * from air where device = 'd0' and pm > 5 order by time desc limit 1",
        "select * from air where device = 'd0' and time < '2026-01-01 00:00:02Z' order by time desc limit 1",
        "select * from air where device = 'd0' order by ingested_at desc limit 1",
        "select * from air where device = 'd0' order by time desc limit 1 offset 1",
        "select * from (select pm as device, time from air) as s where device = 10 order by time desc limit 1",
        "select max(time) from air",
    ] {
        let plan = plan(&running, sql).await;
        assert!(plan.contains(of_rows) || sql.contains("max("), "{sql}:\n{plan}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_has_moved_stays_in_latest_and_leaves_last_values() {
    let folder = Folder::new();
    let mut running = folder.open().await;
    let keys = running.devices("vung-ang", &["d0", "d1"]);
    running.store.registry().add_site("vung-ang", "north", "North").unwrap();
    running.append(0, &[Row::new(1, keys[0], 10), Row::new(1, keys[1], 30)]);
    let moved = running.store.registry().assign_device_site("vung-ang", "d0", Some("north")).unwrap();
    let latest = "select device, site, pm from latest(air) order by device";
    let values = "select device, site, pm from last_values(air) order by device";
    assert_eq!(running.ask(latest).await.unwrap(), ["d0 | - | 0.1", "d1 | - | 0.3"]);
    assert_eq!(running.ask(values).await.unwrap(), ["d1 | - | 0.3"]);
    running.append(0, &[Row::new(2, moved.0, 20)]);
    assert_eq!(running.ask(latest).await.unwrap(), ["d0 | north | 0.2", "d1 | - | 0.3"]);
    assert_eq!(running.ask(values).await.unwrap(), ["d0 | north | 0.2", "d1 | - | 0.3"]);
    // The newest row of a device is at its new site, so that none of them is at the old one.
    let at_no_site = "select device from latest(air) where site is null order by device";
    assert_eq!(running.ask(at_no_site).await.unwrap(), ["d1"]);
    compare(&running, "a move").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_devices_stay_with_their_age_and_null_is_no_value() {
    let folder = Folder::new();
    let mut running = folder.open().await;
    let keys = running.devices("vung-ang", &["d0", "d1"]);
    running.append(0, &[Row::new(0, keys[0], 10)]);
    running.append(1, &[Row::note(5, keys[0], "mute")]);
    let sql = "select device, time, pm, pm_time, note, note_time, count_quality from last_values(air)";
    assert_eq!(
        running.ask(sql).await.unwrap(),
        ["d0 | 2026-01-01T00:00:05Z | 0.1 | 2026-01-01T00:00:00Z | mute | 2026-01-01T00:00:05Z | good"]
    );
    let age = running.ask("select age_seconds > 0 and age_seconds < 1e9 from last_values(air)").await.unwrap();
    assert_eq!(age, ["true"], "the age is counted to the beginning of the statement");
    assert_eq!(running.ask("select pm, note from latest(air)").await.unwrap(), ["- | mute"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn last_values_say_what_is_wrong_where_there_are_none_and_are_read_from_rows_where_memory_does_not_know_them() {
    let folder = Folder::new();
    let mut running = folder.open().await;
    let keys = running.devices("vung-ang", &["d0"]);
    running.append(0, &[Row::new(0, keys[0], 10)]);
    let error = running.ask("select * from last_values(zones)").await.unwrap_err();
    assert!(error.message.contains("one table of readings"), "{error}");
    let error = running.ask("select * from last_values(air, 1)").await.unwrap_err();
    assert!(error.message.contains("last_values takes the name of one table"), "{error}");
    running.store.flush_all().await.unwrap();
    running.store.forget_last_rows(running.table()).unwrap();
    compare(&running, "it was forgotten").await;
    running.store.fill_last_rows(running.table()).await.unwrap();
    assert_eq!(running.ask("select device, pm from last_values(air)").await.unwrap(), ["d0 | 0.1"]);
}

/// Issue 21: what was newest before a deletion, a correction or the end of a term is not told for a moment longer, and the value before it at once.
#[tokio::test(flavor = "multi_thread")]
async fn the_value_before_is_known_at_once_where_the_newest_row_is_deleted_or_due() {
    let folder = Folder::new();
    let mut running = folder.open().await;
    let keys = running.devices("vung-ang", &["d0", "d1"]);
    running.append(0, &[Row::new(1, keys[0], 10), Row::note(2, keys[0], "first"), Row::new(3, keys[1], 30)]);
    running.append(0, &[Row::new(4, keys[0], 40)]);
    let values = "select device, pm, pm_time, note from last_values(air) order by device";
    let at = |second: u32, value: &str| format!("{value} | 2026-01-01T00:00:0{second}Z");
    let d1 = format!("d1 | {} | -", at(3, "0.3"));
    assert_eq!(running.ask(values).await.unwrap(), [format!("d0 | {} | first", at(4, "0.4")), d1.clone()]);
    let selection = Selection {
        device: Some("d0".into()),
        from_us: Some(1_767_225_604_000_000),
        until_us: Some(1_767_225_605_000_000),
        ..Selection::default()
    };
    let order = DeletionOrder { table: "air".into(), selection, who: "w".into(), why: "y".into() };
    running.store.delete_rows(order).await.unwrap();
    assert_eq!(running.ask(values).await.unwrap(), [format!("d0 | {} | first", at(1, "0.1")), d1]);
    compare(&running, "a deletion").await;
    // A row of a later day ends the term of all others.
    let day = 86_400;
    folder.clock.advance(Duration::from_secs(3 * 86_400));
    running.append(0, &[Row::new(2 * day + 1, keys[1], 50)]);
    running.store.set_retention(Retention { table: "air".into(), zone: None, days: 1 }).unwrap();
    assert_eq!(running.ask(values).await.unwrap(), ["d1 | 0.5 | 2026-01-03T00:00:01Z | -"]);
    compare(&running, "a term").await;
}
