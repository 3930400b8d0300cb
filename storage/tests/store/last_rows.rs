//! The last rows of devices: what they are after any order of arrival, through flushes, kills and restarts, and from where they are
//! restored.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt8Array, UInt32Array,
};
use proptest::prelude::*;
use zonelake_schemas::{BatchNumber, DeviceKey, Epoch, GatewayId, Lane, Principal, ProducerId, StreamKey};
use zonelake_storage::{
    CompactionOptions, Entry, LastRows, LastRowsState, LastValue, MergeControl, Rows, SequencedBatch, Table,
};

use crate::made::{Folder, Opened, START_US, TWO_FIELDS};

/// A row: seconds, device, and a value of each of the two fields.
type Row = (i64, u32, Option<i32>, Option<u8>);

fn rows_of(table: &Table, rows: &[Row]) -> RecordBatch {
    let times = rows.iter().map(|row| START_US + row.0 * 1_000_000);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC")),
        Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.1))),
        Arc::new(UInt8Array::from_value(0, rows.len())),
        Arc::new(BooleanArray::from(vec![false; rows.len()])),
        Arc::new(Float64Array::from_iter(rows.iter().map(|row| row.2.map(f64::from)))),
        Arc::new(StringArray::from_iter(rows.iter().map(|row| row.3.map(|text| format!("text {text}"))))),
    ];
    RecordBatch::try_new(Arc::clone(&table.registered.schemas.log), columns).unwrap()
}

fn append(opened: &mut Opened, producer: u32, number: u64, rows: &[Row]) {
    let table = opened.air();
    let entry = Entry {
        sequenced: Some(SequencedBatch {
            producer: ProducerId(producer),
            epoch: Epoch(1),
            stream: StreamKey { table: table.registered.id, lane: Lane::Live },
            number: BatchNumber(number),
            digest: number,
        }),
        principal: Principal::Gateway(GatewayId(1)),
        lane: Lane::Live,
        table: Arc::clone(table),
        stored: Some(Rows::new(rows_of(table, rows)).unwrap()),
        rejected: None,
    };
    let shard = producer as usize % opened.shards.len();
    assert_eq!(opened.shards[shard].append(&[entry]).unwrap(), [zonelake_storage::Outcome::Stored]);
}

/// Registers devices, and returns the greatest key.
fn register(opened: &Opened, devices: u32) -> u32 {
    let names: Vec<String> = (0..devices).map(|device| format!("device-{device}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let zone = opened.store.registry().zone_by_code("vung-ang").unwrap().id;
    let keys = opened.store.registry().register_devices(zone, &names).unwrap();
    keys.iter().map(|key| key.0).max().unwrap()
}

/// What a device has in the end: time and values of its last row, and of each field the last value with its time.
#[derive(Debug, Clone, Default, PartialEq)]
struct Expected {
    last: Option<(i64, Option<i32>, Option<u8>)>,
    number: Option<(i64, i32)>,
    text: Option<(i64, u8)>,
}

#[derive(Debug, Default)]
struct Oracle(BTreeMap<u32, Expected>);

impl Oracle {
    /// Takes rows in, in the order in which they became durable.
    fn append(&mut self, rows: &[Row]) {
        for &(time, device, number, text) in rows {
            let expected = self.0.entry(device).or_default();
            if expected.last.is_none_or(|(last, ..)| time >= last) {
                expected.last = Some((time, number, text));
            }
            if let Some(number) = number
                && expected.number.is_none_or(|(last, _)| time >= last)
            {
                expected.number = Some((time, number));
            }
            if let Some(text) = text
                && expected.text.is_none_or(|(last, _)| time >= last)
            {
                expected.text = Some((time, text));
            }
        }
    }
}

fn seconds(time_us: i64) -> i64 {
    (time_us - START_US) / 1_000_000
}

fn number(value: &LastValue) -> i32 {
    let LastValue::Bits(bits) = value else { panic!("a double has bits") };
    f64::from_bits(*bits) as i32
}

fn text(value: &LastValue) -> u8 {
    let LastValue::Text(text) = value else { panic!("a text is one") };
    text.strip_prefix("text ").unwrap().parse().unwrap()
}

fn known(last: &LastRows) -> BTreeMap<u32, Expected> {
    let of_device = |(key, device): (DeviceKey, &Arc<zonelake_storage::DeviceLast>)| {
        let (a, b) = (device.field(0), device.field(1));
        let in_last = |field: Option<&zonelake_storage::LastField>| field.is_some_and(|field| field.is_in_last_row);
        let expected = Expected {
            last: Some((
                seconds(device.head.order.time_us),
                a.filter(|_| in_last(a)).map(|a| number(&a.value)),
                b.filter(|_| in_last(b)).map(|b| text(&b.value)),
            )),
            number: a.map(|a| (seconds(a.order.time_us), number(&a.value))),
            text: b.map(|b| (seconds(b.order.time_us), text(&b.value))),
        };
        (key.0, expected)
    };
    last.devices().map(of_device).collect()
}

fn seen(opened: &Opened) -> Option<BTreeMap<u32, Expected>> {
    opened.air().view().last_rows().unwrap().map(|last| known(&last))
}

/// What happens to a store.
#[derive(Debug, Clone)]
enum Step {
    Append(u32, Vec<Row>),
    Fold,
    Flush,
    Merge,
    /// The process is gone, with all that was in memory.
    Kill,
    /// The same, and the checkpoint is lost too.
    KillAndLose,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let row = (0_i64..200, 0_u32..5, prop::option::of(-50..50_i32), prop::option::of(0_u8..9));
    let append = (1_u32..4, prop::collection::vec(row, 1..6)).prop_map(|(producer, rows)| Step::Append(producer, rows));
    let step = prop_oneof![
        10 => append,
        2 => Just(Step::Fold),
        3 => Just(Step::Flush),
        1 => Just(Step::Merge),
        2 => Just(Step::Kill),
        1 => Just(Step::KillAndLose),
    ];
    prop::collection::vec(step, 1..40)
}

async fn run(steps: &[Step]) {
    let folder = Folder { declared: TWO_FIELDS, shards: 2, ..Folder::new() };
    let mut opened = folder.open().await;
    let first = register(&opened, 5) - 4;
    let (mut oracle, mut numbers) = (Oracle::default(), BTreeMap::<u32, u64>::new());
    for step in steps {
        match step {
            Step::Append(producer, rows) => {
                let number = numbers.entry(*producer).or_default();
                *number += 1;
                let rows: Vec<Row> = rows.iter().map(|row| (row.0, row.1 + first, row.2, row.3)).collect();
                folder.clock.wall_us.fetch_add(1, Ordering::SeqCst);
                append(&mut opened, *producer, *number, &rows);
                oracle.append(&rows);
            }
            Step::Fold => {
                opened.air().fold_last_rows().unwrap();
            }
            Step::Flush => {
                opened.store.flush_all().await.unwrap();
            }
            Step::Merge => {
                let options = CompactionOptions { files_max: 2, ..CompactionOptions::default() };
                let (skipped, is_stopping) = (Default::default(), Arc::default());
                let control = MergeControl { options: &options, skipped: &skipped, is_stopping: &is_stopping };
                opened.store.compact(opened.air(), control).await.unwrap();
            }
            Step::Kill | Step::KillAndLose => {
                drop(opened);
                if matches!(step, Step::KillAndLose) {
                    std::fs::remove_file(folder.data().join("last/air.last")).ok();
                }
                opened = folder.open().await;
                let has_files = !opened.air().view().files.is_empty();
                let must_fill = has_files && matches!(step, Step::KillAndLose);
                assert_eq!(seen(&opened).is_none(), must_fill, "the checkpoint and the log are enough, without a scan");
                if must_fill {
                    assert!(opened.store.fill_last_rows(opened.air()).await.unwrap().is_some());
                }
            }
        }
        assert_eq!(seen(&opened).as_ref(), Some(&oracle.0), "after {step:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn last_rows_are_those_of_all_rows_through_any_order_late_rows_flushes_merges_and_kills(steps in steps()) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(run(&steps));
    }
}

#[tokio::test]
async fn a_pinned_view_keeps_its_last_rows_while_the_table_goes_on() {
    let folder = Folder { declared: TWO_FIELDS, ..Folder::new() };
    let mut opened = folder.open().await;
    let key = register(&opened, 1);
    append(&mut opened, 1, 1, &[(1, key, Some(1), None)]);
    let pinned = opened.air().view();
    append(&mut opened, 1, 2, &[(2, key, Some(2), None)]);
    opened.air().fold_last_rows().unwrap();
    opened.store.flush_all().await.unwrap();
    let time = |view: &zonelake_storage::TableView| {
        let last = view.last_rows().unwrap().unwrap();
        seconds(last.device(DeviceKey(key)).unwrap().head.order.time_us)
    };
    assert_eq!((time(&pinned), time(&opened.air().view())), (1, 2));
}

#[tokio::test]
async fn a_checkpoint_that_cannot_be_used_costs_a_scan_and_nothing_else() {
    type Spoil = fn(&std::path::Path);
    let spoils: [(&str, Spoil); 4] = [
        ("damaged", |path| {
            let mut bytes = std::fs::read(path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(path, bytes).unwrap();
        }),
        ("cut off", |path| std::fs::write(path, &std::fs::read(path).unwrap()[..30]).unwrap()),
        ("empty", |path| std::fs::write(path, b"").unwrap()),
        ("missing", |path| std::fs::remove_file(path).unwrap()),
    ];
    for (what, spoil) in spoils {
        let folder = Folder { declared: TWO_FIELDS, ..Folder::new() };
        let mut opened = folder.open().await;
        let key = register(&opened, 2);
        append(&mut opened, 1, 1, &[(5, key, Some(5), Some(5)), (4, key - 1, None, Some(4))]);
        opened.store.flush_all().await.unwrap();
        append(&mut opened, 1, 2, &[(6, key, None, None)]);
        let before = seen(&opened);
        drop(opened);
        spoil(&folder.data().join("last/air.last"));
        let opened = folder.open().await;
        assert_eq!(seen(&opened), None, "{what}: they are not known yet");
        assert_eq!(opened.store.fill_last_rows(opened.air()).await.unwrap(), Some(1), "{what}");
        assert_eq!(seen(&opened), before, "{what}");
        assert_eq!(opened.store.fill_last_rows(opened.air()).await.unwrap(), None, "{what}: once is enough");
    }
}

#[tokio::test]
async fn a_flush_whose_checkpoint_cannot_be_written_goes_on_and_the_next_start_reads_its_files() {
    let folder = Folder { declared: TWO_FIELDS, ..Folder::new() };
    let mut opened = folder.open().await;
    let key = register(&opened, 1);
    append(&mut opened, 1, 1, &[(1, key, Some(1), None)]);
    opened.store.flush_all().await.unwrap();
    // A folder where the file is to be.
    let written = folder.data().join("last/air.new");
    std::fs::create_dir(&written).unwrap();
    append(&mut opened, 1, 2, &[(2, key, Some(2), None)]);
    opened.store.flush_all().await.unwrap();
    let before = seen(&opened);
    assert!(before.is_some());
    drop(opened);
    let opened = folder.open().await;
    assert_eq!(seen(&opened), None, "the earlier checkpoint is behind the files");
    opened.store.fill_last_rows(opened.air()).await.unwrap();
    assert_eq!(seen(&opened), before);
}

#[tokio::test]
async fn what_is_forgotten_is_read_from_files_and_not_from_the_checkpoint() {
    let folder = Folder { declared: TWO_FIELDS, ..Folder::new() };
    let mut opened = folder.open().await;
    let key = register(&opened, 1);
    append(&mut opened, 1, 1, &[(1, key, Some(1), None)]);
    opened.store.flush_all().await.unwrap();
    append(&mut opened, 1, 2, &[(2, key, None, Some(2))]);
    let before = seen(&opened);
    opened.store.forget_last_rows(opened.air()).unwrap();
    assert_eq!(seen(&opened), None);
    append(&mut opened, 1, 3, &[(0, key, None, Some(3))]);
    opened.store.flush_all().await.unwrap();
    opened.store.fill_last_rows(opened.air()).await.unwrap();
    assert_eq!(seen(&opened), before);
    drop(opened);
    let opened = folder.open().await;
    assert_eq!(seen(&opened), before, "what was read from files is kept at once");
}

#[tokio::test]
async fn rows_of_one_time_that_are_read_from_files_are_in_the_order_in_which_they_became_durable() {
    let folder = Folder { declared: TWO_FIELDS, shards: 2, ..Folder::new() };
    let mut opened = folder.open().await;
    let key = register(&opened, 1);
    append(&mut opened, 1, 1, &[(1, key, Some(1), Some(1))]);
    opened.store.flush_all().await.unwrap();
    // The clock steps back, so that times of receipt say the contrary.
    folder.clock.wall_us.fetch_sub(3_600_000_000, Ordering::SeqCst);
    append(&mut opened, 2, 1, &[(1, key, Some(2), None)]);
    opened.store.flush_all().await.unwrap();
    let expected = Expected { last: Some((1, Some(2), None)), number: Some((1, 2)), text: Some((1, 1)) };
    assert_eq!(seen(&opened), Some(BTreeMap::from([(key, expected)])));
    let before = seen(&opened);
    opened.store.forget_last_rows(opened.air()).unwrap();
    assert_eq!(opened.store.fill_last_rows(opened.air()).await.unwrap(), Some(2));
    assert_eq!(seen(&opened), before);
}

#[tokio::test]
async fn a_checkpoint_that_is_ahead_of_an_older_backup_is_not_used() {
    let folder = Folder { declared: TWO_FIELDS, ..Folder::new() };
    let mut opened = folder.open().await;
    let key = register(&opened, 1);
    append(&mut opened, 1, 1, &[(1, key, Some(1), None)]);
    opened.store.flush_all().await.unwrap();
    let before = seen(&opened);
    drop(opened);
    let backup = folder.folder.path().join("backup");
    copy(&folder.data(), &backup);
    let mut opened = folder.open().await;
    append(&mut opened, 1, 2, &[(2, key, Some(2), None)]);
    opened.store.flush_all().await.unwrap();
    drop(opened);
    // The backup is put back, and the newer checkpoint stays: it has as many rows "before its flush" as the files have now.
    std::fs::rename(folder.data().join("last"), folder.folder.path().join("newer")).unwrap();
    std::fs::remove_dir_all(folder.data()).unwrap();
    copy(&backup, &folder.data());
    std::fs::remove_dir_all(folder.data().join("last")).unwrap();
    std::fs::rename(folder.folder.path().join("newer"), folder.data().join("last")).unwrap();
    let opened = folder.open().await;
    assert_eq!(seen(&opened), None);
    opened.store.fill_last_rows(opened.air()).await.unwrap();
    assert_eq!(seen(&opened), before);
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(std::fs::copy(entry.path(), to).unwrap()),
        }
    }
}

#[tokio::test]
async fn a_hundred_thousand_devices_take_the_stated_memory_and_come_back_from_the_checkpoint() {
    const DEVICES: u32 = 100_000;
    let folder = Folder { declared: TWO_FIELDS, segment_bytes: 64 << 20, ..Folder::new() };
    let mut opened = folder.open().await;
    let last = register(&opened, DEVICES);
    let first = last - DEVICES + 1;
    for (number, keys) in (1_u64..).zip((first..=last).collect::<Vec<_>>().chunks(10_000)) {
        let rows: Vec<Row> = keys.iter().map(|key| (1, *key, Some(1), None)).collect();
        append(&mut opened, 1, number, &rows);
        opened.air().fold_last_rows().unwrap();
    }
    let bytes = opened.air().view().last.bytes();
    let each = bytes / DEVICES as usize;
    assert!((150..=260).contains(&each), "{each} bytes for a device with one field");
    opened.store.flush_all().await.unwrap();
    let devices = |opened: &Opened| opened.air().view().last_rows().unwrap().map(|last| last.devices().count());
    assert_eq!(devices(&opened), Some(DEVICES as usize));
    drop(opened);
    let opened = folder.open().await;
    assert_eq!(devices(&opened), Some(DEVICES as usize));
    assert_eq!(opened.air().view().last.state(), LastRowsState::Complete);
    assert_eq!(opened.air().view().last.bytes(), bytes);
}
