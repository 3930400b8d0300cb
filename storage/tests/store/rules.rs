//! Rows that are due or deleted are seen by nobody from one moment on, leave the disk, and never come back: not by a merge, and not
//! after a restart. All other rows stay.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, TimestampMicrosecondType, UInt32Type};
use zonelake_registry::NewZone;
use zonelake_schemas::DeviceKey;
use zonelake_storage::{
    CompactionOptions, DeletionOrder, LegalHold, MergeControl, Retention, Rows, RuleError, Selection, Store,
};

use crate::made::{Folder, Opened, START_US, entry, log_rows, once, read_file};

const DAY_US: i64 = 86_400_000_000;

fn options() -> CompactionOptions {
    CompactionOptions { files_max: 2, keep_removed: Duration::ZERO, ..CompactionOptions::default() }
}

/// Values of field `a` that a statement would see now, each with how often.
fn visible(opened: &Opened) -> BTreeMap<i64, usize> {
    let (table, locations) = (opened.air(), opened.store.registry().locations());
    let view = table.view();
    // What the view knows is what each of its files and chunks says.
    let in_files = view.files.iter().any(|file| view.hidden.in_file(file).is_some());
    let in_live_rows = view.chunks().any(|chunk| view.hidden.in_live_rows(chunk.time_us.0).is_some());
    assert_eq!(view.hides_rows(), in_files || in_live_rows);
    let mut seen = BTreeMap::new();
    for file in view.files.iter() {
        let hidden = view.hidden.in_file(file).unwrap_or_default();
        for rows in read_file(table, &file.path) {
            let (zone, device) = (text(&rows, "zone"), text(&rows, "device"));
            for (row, (value, time)) in values(&rows).into_iter().enumerate() {
                if !hidden.hides(zone[row].as_deref(), device[row].as_deref(), time) {
                    *seen.entry(value).or_default() += 1;
                }
            }
        }
    }
    for chunk in view.chunks() {
        let hidden = view.hidden.in_live_rows(chunk.time_us.0).unwrap_or_default();
        let keys = chunk.rows.column_by_name("device_key").unwrap().as_primitive::<UInt32Type>().values().to_vec();
        for (key, (value, time)) in keys.into_iter().zip(values(&chunk.rows)) {
            let location = locations.get(DeviceKey(key)).unwrap();
            if !hidden.hides(location.zone.as_deref(), location.device.as_deref(), time) {
                *seen.entry(value).or_default() += 1;
            }
        }
    }
    seen
}

fn values(rows: &RecordBatch) -> Vec<(i64, i64)> {
    let value = rows.column_by_name("a").unwrap().as_primitive::<Float64Type>().values().to_vec();
    let time = rows.column_by_name("time").unwrap().as_primitive::<TimestampMicrosecondType>().values().to_vec();
    value.into_iter().map(|value| value as i64).zip(time).collect()
}

fn text(rows: &RecordBatch, name: &str) -> Vec<Option<String>> {
    let column = arrow::compute::cast(rows.column_by_name(name).unwrap(), &arrow::datatypes::DataType::Utf8).unwrap();
    column.as_string::<i32>().iter().map(|value| value.map(str::to_owned)).collect()
}

/// Appends one row, of a device or of the zone as a whole, so many days after the first; batches are numbered from 1.
fn append(opened: &mut Opened, number: u64, device: Option<&str>, day: i64) {
    let zone = opened.store.registry().zone_by_code("vung-ang").unwrap().id;
    let key = match device {
        Some(name) => opened.store.registry().register_devices(zone, &[name]).unwrap()[0].0,
        None => 1,
    };
    append_of(opened, number, key, day);
}

/// The same of a device by its key.
fn append_of(opened: &mut Opened, number: u64, key: u32, day: i64) {
    let mut entry = entry(opened.air(), 1, number, &[number as f64]);
    let rows = log_rows(opened.air(), number, &[number as f64], key);
    let mut columns = rows.columns().to_vec();
    let time = START_US + day * DAY_US + number as i64;
    columns[0] = Arc::new(arrow::array::TimestampMicrosecondArray::from_value(time, 1).with_timezone("UTC"));
    entry.stored = Some(Rows::new(RecordBatch::try_new(rows.schema(), columns).unwrap()).unwrap());
    opened.shards[0].append(&[entry]).unwrap();
}

async fn flush(opened: &Opened) {
    opened.store.flush_all().await.unwrap();
}

/// Merges and erases until nothing is left to do, and then deletes what nobody needs any more.
async fn tidy(store: &Store) {
    let (options, skipped, is_stopping) = (options(), HashSet::new(), Arc::default());
    let control = MergeControl { options: &options, skipped: &skipped, is_stopping: &is_stopping };
    let table = &store.tables()["air"];
    loop {
        let erased = store.erase_hidden(table, &options, &is_stopping).await.unwrap();
        let merged = store.compact(table, control).await.unwrap();
        if erased.is_none() && merged.is_none() {
            break;
        }
    }
    store.delete_retired(table, &options).await;
    store.confirm_erased().await.unwrap();
}

fn order(selection: Selection) -> DeletionOrder {
    DeletionOrder { table: "air".into(), selection, who: "tester".into(), why: "a test".into() }
}

fn of_device(name: &str) -> Selection {
    Selection { device: Some(name.into()), ..Selection::default() }
}

/// Values in the files on disk, whoever lists them.
fn on_disk(folder: &Folder, opened: &Opened) -> BTreeMap<i64, usize> {
    let mut seen = BTreeMap::new();
    let root = folder.data().join("tables/air");
    for date in std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        for path in std::fs::read_dir(date).unwrap().map(|entry| entry.unwrap().path()) {
            if path.extension().is_some_and(|ending| ending == "parquet") {
                let path = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
                for rows in read_file(opened.air(), &path) {
                    values(&rows).into_iter().for_each(|(value, _)| *seen.entry(value).or_default() += 1);
                }
            }
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_rows_are_hidden_at_once_gone_from_disk_after_and_rows_without_a_name_stay() {
    let folder = Folder::new();
    let mut opened = folder.open().await;
    append(&mut opened, 1, Some("pump"), 0);
    append(&mut opened, 2, Some("fan"), 0);
    append(&mut opened, 3, None, 0);
    flush(&opened).await;
    append(&mut opened, 4, Some("pump"), 1);
    append(&mut opened, 5, Some("fan"), 1);
    let would = opened.store.try_deletion(&order(of_device("pump"))).await.unwrap();
    assert_eq!((would.rows, would.mixed_files), (2, 1), "one row in a file, one in memory");
    assert_eq!(visible(&opened), once(1..=5), "nothing has gone yet");

    let deletion = opened.store.delete_rows(order(of_device("pump"))).await.unwrap();
    assert_eq!((deletion.id, deletion.rows), (1, 2));
    assert_eq!(visible(&opened), once([2, 3, 5]));
    // What is sent after the order is stored.
    append(&mut opened, 6, Some("pump"), 0);
    flush(&opened).await;
    assert_eq!(visible(&opened), once([2, 3, 5, 6]));
    drop(opened);
    let mut opened = folder.open().await;
    assert_eq!(visible(&opened), once([2, 3, 5, 6]), "also after a restart");
    assert_eq!(on_disk(&folder, &opened), once(1..=6));

    tidy(&opened.store).await;
    assert_eq!(visible(&opened), once([2, 3, 5, 6]));
    assert_eq!(on_disk(&folder, &opened), once([2, 3, 5, 6]), "and of what was deleted nothing is on disk");
    let order = opened.store.ledger().deletions[0].clone();
    assert!(order.pending.is_empty() && order.erased_us.is_some(), "{order:?}");
    append(&mut opened, 7, Some("fan"), 0);
    flush(&opened).await;
    tidy(&opened.store).await;
    drop(opened);
    let opened = folder.open().await;
    assert_eq!(visible(&opened), once([2, 3, 5, 6, 7]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_restart_brings_back_the_last_row_of_a_deleted_device_though_as_many_rows_are_left_as_before_the_last_flush()
{
    let folder = Folder::new();
    let mut opened = folder.open().await;
    append(&mut opened, 1, Some("pump"), 0);
    flush(&opened).await;
    append(&mut opened, 2, Some("fan"), 0);
    flush(&opened).await;
    opened.store.delete_rows(order(of_device("fan"))).await.unwrap();
    tidy(&opened.store).await;
    // Killed before the last rows are read from the files that are left.
    drop(opened);
    let opened = folder.open().await;
    assert_eq!(visible(&opened), once([1]));
    let last = opened.air().view().last_rows().unwrap();
    assert!(last.is_none_or(|last| last.devices().count() == 1), "the deleted row is the last one of no device");
    opened.store.fill_last_rows(opened.air()).await.unwrap();
    let last = opened.air().view().last_rows().unwrap().expect("they were read from the files");
    assert_eq!(last.devices().count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_of_nothing_in_particular_or_of_held_rows_is_refused() {
    let folder = Folder::new();
    let mut opened = folder.open().await;
    append(&mut opened, 1, Some("pump"), 0);
    let refused = |selection| opened.store.delete_rows(order(selection));
    assert!(matches!(refused(Selection::default()).await, Err(RuleError::Input(_))));
    let from = Selection { from_us: Some(0), ..Selection::default() };
    assert!(matches!(refused(from).await, Err(RuleError::Input(_))));
    let backwards = Selection { from_us: Some(2), until_us: Some(1), ..Selection::default() };
    assert!(matches!(refused(backwards).await, Err(RuleError::Input(_))));
    let hold = LegalHold {
        name: "case".into(),
        selection: of_device("pump"),
        who: "tester".into(),
        why: "a test".into(),
        at_us: 0,
    };
    opened.store.add_legal_hold(hold.clone()).unwrap();
    assert!(matches!(opened.store.add_legal_hold(hold), Err(RuleError::Input(_))));
    let zone = Selection { zone: Some("vung-ang".into()), ..Selection::default() };
    let error = opened.store.delete_rows(order(zone.clone())).await.unwrap_err();
    assert!(error.to_string().contains("legal hold case"), "{error}");
    let number = opened.store.backup_hold().begin(Duration::ZERO);
    assert!(opened.store.remove_legal_hold("case").unwrap());
    assert!(matches!(opened.store.delete_rows(order(zone.clone())).await, Err(RuleError::Busy(_))));
    opened.store.backup_hold().end(number, Duration::ZERO);
    assert_eq!(visible(&opened), once([1]));
    opened.store.delete_rows(order(zone)).await.unwrap();
    assert_eq!(visible(&opened), once([]));
}

/// A back-up copies the files of a moment, and the ledger behind them. Were an order done in between, its rows would be back in the copy.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_file_is_rewritten_and_no_order_is_done_while_a_back_up_copies_files() {
    let folder = Folder::new();
    let mut opened = folder.open().await;
    // On one day a file of both devices, on the other one that goes as a whole.
    append(&mut opened, 1, Some("pump"), 0);
    append(&mut opened, 2, Some("fan"), 0);
    append(&mut opened, 3, Some("pump"), 1);
    flush(&opened).await;
    opened.store.delete_rows(order(of_device("pump"))).await.unwrap();
    let files = || opened.air().view().files.iter().map(|file| file.path.clone()).collect::<Vec<_>>();
    let (before, pending) = (files(), opened.store.ledger().deletions[0].pending.clone());
    let hold = opened.store.hold_for_backup().await;
    tidy(&opened.store).await;
    assert_eq!((files(), &opened.store.ledger().deletions[0].pending), (before, &pending));
    assert_eq!(visible(&opened), once([2]));
    assert!(opened.store.backup_hold().end(hold, Duration::ZERO));
    tidy(&opened.store).await;
    assert!(opened.store.ledger().deletions[0].pending.is_empty());
    assert_eq!((visible(&opened), on_disk(&folder, &opened)), (once([2]), once([2])));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merge_that_began_before_a_deletion_is_dropped_and_brings_nothing_back() {
    let folder = Folder::new();
    let mut opened = folder.open().await;
    for number in 1..=6 {
        append(&mut opened, number, Some(if number % 2 == 0 { "pump" } else { "fan" }), 0);
        flush(&opened).await;
    }
    let (options, skipped, is_stopping) = (options(), HashSet::new(), Arc::default());
    let control = MergeControl { options: &options, skipped: &skipped, is_stopping: &is_stopping };
    // Whichever comes first, the rows are not seen afterwards.
    let merge = opened.store.compact(opened.air(), control);
    let delete = opened.store.delete_rows(order(of_device("pump")));
    let (merged, deleted) = tokio::join!(merge, delete);
    merged.unwrap();
    deleted.unwrap();
    assert_eq!(visible(&opened), once([1, 3, 5]));
    tidy(&opened.store).await;
    assert_eq!(visible(&opened), once([1, 3, 5]));
    assert_eq!(on_disk(&folder, &opened), once([1, 3, 5]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_beyond_their_term_are_hidden_and_go_by_whole_dates_and_held_ones_stay() {
    let folder = Folder::new();
    let mut opened = folder.open().await;
    for day in 0..10 {
        append(&mut opened, 2 * day + 1, Some("pump"), day as i64);
        append(&mut opened, 2 * day + 2, Some("fan"), day as i64);
    }
    flush(&opened).await;
    folder.clock.wall_us.store(START_US + 9 * DAY_US + 1, Ordering::SeqCst);
    let term = |days| Retention { table: "air".into(), zone: None, days };
    let hold =
        LegalHold { name: "case".into(), selection: of_device("fan"), who: "t".into(), why: "t".into(), at_us: 0 };
    opened.store.add_legal_hold(hold).unwrap();
    assert!(matches!(opened.store.set_retention(term(0)), Err(RuleError::Input(_))));
    let would = opened.store.try_retention(term(4)).await.unwrap();
    assert_eq!((would.rows, would.mixed_files, would.whole_files), (5, 5, 0));
    opened.store.set_retention(term(4)).unwrap();
    // Days 0 to 4 are before the floor of day 5.
    let without = |gone: &[i64]| once((1..=20).filter(|value| !gone.contains(value)));
    assert_eq!(visible(&opened), without(&[1, 3, 5, 7, 9]));
    assert_eq!(opened.air().registered.earliest.of("vung-ang"), Some(START_US + 5 * DAY_US));
    tidy(&opened.store).await;
    assert_eq!(on_disk(&folder, &opened), without(&[1, 3, 5, 7, 9]));
    assert!(opened.store.remove_legal_hold("case").unwrap());
    let gone = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
    assert_eq!(visible(&opened), without(&gone));
    let version = opened.air().view().log_version;
    tidy(&opened.store).await;
    assert_eq!(opened.air().view().log_version, version + 1, "all files that are wholly due go by one commit");
    assert_eq!(on_disk(&folder, &opened), without(&gone));
    drop(opened);
    let opened = folder.open().await;
    assert_eq!(visible(&opened), without(&gone));
    assert!(opened.store.remove_retention("air", None).unwrap());
    assert_eq!(opened.air().registered.earliest.of("vung-ang"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_years_ahead_removes_nothing() {
    let folder = Folder::new();
    let mut opened = folder.open().await;
    append(&mut opened, 1, Some("pump"), 0);
    append(&mut opened, 2, Some("pump"), 6);
    flush(&opened).await;
    folder.clock.wall_us.store(START_US + 3_650 * DAY_US, Ordering::SeqCst);
    opened.store.set_retention(Retention { table: "air".into(), zone: None, days: 5 }).unwrap();
    // The day after the latest row is the seventh: only what is before the second day is due.
    assert_eq!(visible(&opened), once([2]));
    append(&mut opened, 3, Some("pump"), 2);
    opened.store.refresh_rules();
    assert_eq!(visible(&opened), once([2, 3]));
    tidy(&opened.store).await;
    assert_eq!(visible(&opened), once([2, 3]));
}

/// A first term of one zone among several has every file of a mixed table read. That takes long, and is not done again with each start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_were_read_for_rows_of_a_zone_and_have_none_are_not_read_again_by_the_next_start() {
    let folder = Folder::new();
    let mut opened = folder.open().await;
    let zone = NewZone {
        province: "ha-tinh",
        kind: "KCN",
        code: "vung-zz",
        name: "Last",
        locality: None,
        area_ha: None,
        status: "operating",
        source: None,
        auto_register: true,
    };
    let zone = opened.store.registry().add_zone(&zone).unwrap();
    let key = opened.store.registry().register_devices(zone, &["d"]).unwrap()[0].0;
    for day in 0..6_u64 {
        append(&mut opened, 2 * day + 1, Some("pump"), day as i64);
        append_of(&mut opened, 2 * day + 2, key, day as i64);
    }
    flush(&opened).await;
    folder.clock.wall_us.store(START_US + 6 * DAY_US, Ordering::SeqCst);
    // A zone between the two: by their bounds, files may have rows of it.
    let term = Retention { table: "air".into(), zone: Some("vung-b".into()), days: 2 };
    opened.store.set_retention(term).unwrap();
    let to_read = |opened: &Opened| {
        let view = opened.air().view();
        view.files.iter().filter(|file| view.hidden.in_file(file).is_some()).count()
    };
    assert_eq!(to_read(&opened), 4);
    tidy(&opened.store).await;
    assert_eq!(to_read(&opened), 0);
    drop(opened);
    let opened = folder.open().await;
    assert_eq!((to_read(&opened), visible(&opened)), (0, once(1..=12)), "they are known");
    let term = Retention { table: "air".into(), zone: Some("vung-ang".into()), days: 2 };
    opened.store.set_retention(term).unwrap();
    assert_eq!((to_read(&opened), visible(&opened).len()), (4, 8), "for other rows they are looked at");
    tidy(&opened.store).await;
    drop(opened);
    // What is kept of them is no more than that.
    std::fs::write(folder.data().join("rules/air.clean"), "{").unwrap();
    let opened = folder.open().await;
    assert_eq!(visible(&opened).len(), 8);
    tidy(&opened.store).await;
    assert_eq!((to_read(&opened), visible(&opened).len()), (0, 8));
}

/// The ledger names every file of every order, so that one that is written with each file costs the square of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_from_many_files_writes_the_ledger_few_times() {
    const DAYS: u64 = 40;
    let folder = Folder::new();
    let mut opened = folder.open().await;
    for day in 0..DAYS {
        append(&mut opened, 2 * day + 1, Some("pump"), day as i64);
        append(&mut opened, 2 * day + 2, Some("fan"), day as i64);
    }
    flush(&opened).await;
    assert_eq!(opened.air().view().files.len() as u64, DAYS);
    opened.store.delete_rows(order(of_device("pump"))).await.unwrap();
    let ledger = || std::fs::read(folder.data().join("rules/ledger")).unwrap();
    let (mut last, mut written, mut rewritten) = (ledger(), 0, 0);
    while let Some(erased) = opened.store.erase_hidden(opened.air(), &options(), &Arc::default()).await.unwrap() {
        opened.store.confirm_erased().await.unwrap();
        rewritten += erased.rewritten;
        let now = ledger();
        written += u64::from(now != last);
        last = now;
    }
    assert_eq!(rewritten, DAYS);
    assert!(written <= 5, "it was written {written} times for {DAYS} files");
    assert!(opened.store.ledger().deletions[0].pending.is_empty(), "and it says that nothing is left to do");
    assert_eq!(visible(&opened), once((1..=DAYS as i64).map(|number| 2 * number)));
}
