//! Windows of the last hour: what they are after any order of arrival, through late rows, flushes, merges, deletions, kills and time that
//! goes by; and what they say where they do not know.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arrow::array::{
    ArrayRef, BooleanArray, Decimal32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, UInt8Array, UInt32Array,
};
use proptest::prelude::*;
use zonelake_registry::NewZone;
use zonelake_schemas::{BatchNumber, DeviceKey, Epoch, GatewayId, Lane, Principal, ProducerId, StreamKey};
use zonelake_storage::{
    Bucket, CompactionOptions, DeletionOrder, Entry, LiveWindows, MergeControl, Moments, Numbers, Outcome, Rows,
    Sample, Selection, SequencedBatch, WindowsState,
};

use crate::made::{Folder, Opened};

const DECLARED: &str = "name = \"air\"\nrights_by = [\"owner\"]\n\
    [[field]]\nname = \"a\"\ntype = \"double\"\n\
    [[field]]\nname = \"d\"\ntype = \"double\"\nmin = -1000.0\nmax = 1000.0\ndecimals = 2\n\
    [[field]]\nname = \"n\"\ntype = \"bigint\"\n\
    [[field]]\nname = \"owner\"\ntype = \"text\"\n";
const SECOND_US: i64 = 1_000_000;
const DEVICES: [&str; 2] = ["pump", "fan"];

/// A row.
#[derive(Debug, Clone)]
struct Row {
    time_us: i64,
    /// Zone and device, each the first or the second.
    place: (bool, bool),
    owner: Option<bool>,
    quality: u8,
    a: Option<f64>,
    d: Option<i32>,
    n: Option<i64>,
}

/// What happens to a store.
#[derive(Debug, Clone)]
enum Step {
    /// Rows, whose times are relative to now.
    Append(u32, Vec<Row>),
    Fold,
    Flush,
    Merge,
    /// The process is gone, with all that was in memory.
    Kill,
    /// What is not known is read from files.
    Fill,
    /// All rows of the devices of one name are deleted.
    Delete(bool),
    /// Deleted rows leave the files.
    Erase,
    /// Seconds go by.
    Pass(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let offset = prop_oneof![
        8 => -20 * SECOND_US..SECOND_US,
        4 => -3_700 * SECOND_US..60 * SECOND_US,
        1 => 60 * SECOND_US..9_000 * SECOND_US,
    ];
    // Few times, so that several rows have one.
    let offset = offset.prop_map(|us| us - us.rem_euclid(SECOND_US / 4));
    let owner = prop::option::of(any::<bool>());
    let values = (
        prop::option::of((-9_999..9_999_i32).prop_map(|tenths| f64::from(tenths) / 10.0)),
        prop::option::of(-99_999..99_999_i32),
        prop::option::of(any::<i64>()),
    );
    let row = (offset, any::<(bool, bool)>(), owner, 0..5_u8, any::<bool>(), values);
    let row = row.prop_map(|(time_us, place, owner, quality, is_good, (a, d, n))| {
        let quality = if is_good { 0 } else { quality };
        Row { time_us, place, owner, quality, a, d, n }
    });
    let append =
        (1_u32..4, prop::collection::vec(row, 1..12)).prop_map(|(producer, rows)| Step::Append(producer, rows));
    let step = prop_oneof![
        12 => append,
        2 => Just(Step::Fold),
        3 => Just(Step::Flush),
        1 => Just(Step::Merge),
        2 => Just(Step::Kill),
        3 => Just(Step::Fill),
        1 => any::<bool>().prop_map(Step::Delete),
        1 => Just(Step::Erase),
        2 => prop_oneof![1..30_i64, 1_000..3_000_i64].prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 1..40)
}

/// A store, and all rows that it must have.
struct World {
    folder: Folder,
    opened: Option<Opened>,
    rows: Vec<Row>,
    numbers: BTreeMap<u32, u64>,
}

impl World {
    async fn new() -> Self {
        let folder = Folder { declared: DECLARED, shards: 2, ..Folder::new() };
        let opened = folder.open().await;
        let zone = NewZone {
            province: "ha-tinh",
            kind: "KCN",
            code: "second",
            name: "Second",
            locality: None,
            area_ha: None,
            status: "operating",
            source: None,
            auto_register: true,
        };
        opened.store.registry().add_zone(&zone).unwrap();
        Self { folder, opened: Some(opened), rows: Vec::new(), numbers: BTreeMap::new() }
    }

    fn opened(&self) -> &Opened {
        self.opened.as_ref().unwrap()
    }

    fn now_us(&self) -> i64 {
        self.folder.clock.wall_us.load(Ordering::SeqCst)
    }

    fn key(&self, place: (bool, bool)) -> DeviceKey {
        let registry = self.opened().store.registry();
        let zone = registry.zone_by_code(zone_of(place)).unwrap().id;
        registry.register_devices(zone, &[DEVICES[usize::from(place.1)]]).unwrap()[0]
    }

    fn append(&mut self, producer: u32, rows: &[Row]) {
        let now_us = self.now_us();
        let rows: Vec<Row> = rows.iter().map(|row| Row { time_us: now_us + row.time_us, ..row.clone() }).collect();
        let number = self.numbers.entry(producer).or_default();
        *number += 1;
        let number = *number;
        let table = Arc::clone(self.opened().air());
        let columns: Vec<ArrayRef> = vec![
            Arc::new(
                TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.time_us)).with_timezone("UTC"),
            ),
            Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| self.key(row.place).0))),
            Arc::new(UInt8Array::from_iter_values(rows.iter().map(|row| row.quality))),
            Arc::new(BooleanArray::from(vec![false; rows.len()])),
            Arc::new(Float64Array::from_iter(rows.iter().map(|row| row.a))),
            Arc::new(rows.iter().map(|row| row.d).collect::<Decimal32Array>().with_precision_and_scale(9, 2).unwrap()),
            Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.n))),
            Arc::new(StringArray::from_iter(rows.iter().map(|row| owner_of(row.owner)))),
        ];
        let batch = RecordBatch::try_new(Arc::clone(&table.registered.schemas.log), columns).unwrap();
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
            table,
            stored: Some(Rows::new(batch).unwrap()),
            rejected: None,
        };
        let opened = self.opened.as_mut().unwrap();
        let shard = producer as usize % opened.shards.len();
        assert_eq!(opened.shards[shard].append(&[entry]).unwrap(), [Outcome::Stored]);
        self.rows.extend(rows);
    }

    fn windows(&self, span: (i64, i64)) -> Option<Arc<LiveWindows>> {
        let view = self.opened().air().view();
        let locations = self.opened().store.registry().locations();
        view.live_windows(&locations, self.now_us(), span).unwrap()
    }

    fn spans(&self) -> [((i64, i64), Option<i64>); 3] {
        let now_us = self.now_us() - self.now_us().rem_euclid(SECOND_US);
        let span = |seconds: i64| (now_us - seconds * SECOND_US, now_us + 61 * SECOND_US);
        [(span(10), Some(SECOND_US)), (span(300), None), (span(3_600), Some(60 * SECOND_US))]
    }

    /// True where all windows are known. Those that are known are those of all rows.
    fn check(&self, after: &Step) -> bool {
        let mut is_known = true;
        for (span, width_us) in self.spans() {
            let Some(windows) = self.windows(span) else {
                is_known = false;
                continue;
            };
            let known: BTreeMap<(i64, Key), Bucket> = windows
                .joined(span, width_us, |_| true)
                .into_iter()
                .map(|((begin_us, group), bucket)| {
                    let key = &windows.keys()[group as usize];
                    let part = |part: &Option<Arc<str>>| part.as_deref().map(str::to_owned);
                    ((begin_us, (part(&key.zone), part(&key.by[0]))), bucket)
                })
                .collect();
            let expected = self.expected(span, width_us);
            assert_eq!(known.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "after {after:?}");
            for (at, bucket) in &known {
                expected[at].check(bucket, &format!("{at:?} after {after:?}"));
            }
        }
        is_known
    }

    fn expected(&self, (from_us, to_us): (i64, i64), width_us: Option<i64>) -> BTreeMap<(i64, Key), Expected> {
        let mut expected: BTreeMap<(i64, Key), Expected> = BTreeMap::new();
        for row in self.rows.iter().filter(|row| (from_us..to_us).contains(&row.time_us)) {
            let begin_us = width_us.map_or(from_us, |width| row.time_us - row.time_us.rem_euclid(width));
            let key = (Some(zone_of(row.place).to_owned()), owner_of(row.owner).map(str::to_owned));
            expected.entry((begin_us, key)).or_default().0.push(row.clone());
        }
        expected
    }
}

/// Zone and owner.
type Key = (Option<String>, Option<String>);

fn zone_of(place: (bool, bool)) -> &'static str {
    if place.0 { "second" } else { "vung-ang" }
}

fn owner_of(owner: Option<bool>) -> Option<&'static str> {
    owner.map(|is_first| if is_first { "first" } else { "other" })
}

/// All rows of one bucket.
#[derive(Debug, Default)]
struct Expected(Vec<Row>);

impl Expected {
    fn check(&self, bucket: &Bucket, what: &str) {
        let rows = |qualities: std::ops::Range<u8>| self.0.iter().filter(move |row| qualities.contains(&row.quality));
        let counts = [bucket.rows.good, bucket.rows.uncertain, bucket.rows.bad];
        assert_eq!(counts, [0..1, 1..2, 2..5].map(|of| rows(of).count() as u64), "{what}");
        let a: Vec<(i64, f64)> = rows(0..1).filter_map(|row| Some((row.time_us, row.a?))).collect();
        let d: Vec<(i64, i64)> = rows(0..1).filter_map(|row| Some((row.time_us, row.d?.into()))).collect();
        let n: Vec<(i64, i64)> = rows(0..1).filter_map(|row| Some((row.time_us, row.n?))).collect();
        for (field, values) in [(1, &d), (2, &n)] {
            let Some(cell) = bucket.field(field) else {
                assert!(values.is_empty(), "{what}");
                continue;
            };
            let Numbers::Integer(of) = &cell.numbers else { panic!("{what}: integers are summed as integers") };
            assert_eq!(of.sum, values.iter().map(|(_, value)| i128::from(*value)).sum::<i128>(), "{what}");
            let square = |(_, value): &(i64, i64)| i128::from(*value) * i128::from(*value);
            assert_eq!(of.squares, values.iter().map(square).fold(0, i128::saturating_add), "{what}");
            check_exact(of, values, what);
        }
        if let Some(cell) = bucket.field(0) {
            let Numbers::Double(of) = &cell.numbers else { panic!("{what}: doubles are summed as doubles") };
            let bound = a.iter().map(|(_, value)| value.abs()).sum::<f64>() * f64::EPSILON * 2.0;
            let sum = a.iter().map(|(_, value)| value).sum::<f64>();
            assert!((of.sum.value() - sum).abs() <= bound * a.len() as f64, "{what}");
            check_exact(of, &a, what);
            let others = [1..2, 2..5].map(|of| rows(of).filter(|row| row.a.is_some()).count());
            assert_eq!([cell.uncertain as usize, cell.bad as usize], others, "{what}");
        }
    }
}

fn check_exact<V: Sample + PartialOrd>(of: &Moments<V>, values: &[(i64, V)], what: &str) {
    assert_eq!(of.count, values.len() as u64, "{what}");
    let by_value = |a: &&(i64, V), b: &&(i64, V)| a.1.order(&b.1);
    let by_time = |a: &&(i64, V), b: &&(i64, V)| a.0.cmp(&b.0).then(a.1.order(&b.1));
    let Some(min) = values.iter().min_by(by_value) else { return };
    let max = values.iter().max_by(by_value).unwrap();
    assert_eq!((of.min, of.max), (min.1, max.1), "{what}");
    assert_eq!(of.first, *values.iter().min_by(by_time).unwrap(), "{what}");
    assert_eq!(of.last, *values.iter().max_by(by_time).unwrap(), "{what}");
}

fn options() -> CompactionOptions {
    CompactionOptions { files_max: 2, keep_removed: Duration::ZERO, ..CompactionOptions::default() }
}

async fn merge(opened: &Opened) {
    let (options, skipped, is_stopping) = (options(), HashSet::new(), Arc::default());
    let control = MergeControl { options: &options, skipped: &skipped, is_stopping: &is_stopping };
    opened.store.compact(opened.air(), control).await.unwrap();
}

impl World {
    /// Takes a step, and says whether windows that were known before it must be known behind it.
    async fn take(&mut self, step: &Step) -> bool {
        match step {
            Step::Append(producer, rows) => self.append(*producer, rows),
            Step::Fold => {
                let opened = self.opened();
                opened.store.fold_windows(opened.air()).unwrap();
            }
            Step::Flush => {
                self.opened().store.flush_all().await.unwrap();
            }
            Step::Merge => merge(self.opened()).await,
            Step::Kill => {
                drop(self.opened.take());
                self.opened = Some(self.folder.open().await);
                return self.opened().air().view().files.is_empty();
            }
            Step::Fill => {
                let opened = self.opened();
                opened.store.fill_windows(opened.air()).await.unwrap();
                let is_hidden = opened.air().view().hides_rows_from(self.spans()[2].0.0);
                assert!(is_hidden || self.spans().iter().all(|(span, _)| self.windows(*span).is_some()));
            }
            Step::Delete(device) => {
                let selection =
                    Selection { device: Some(DEVICES[usize::from(*device)].into()), ..Selection::default() };
                let order =
                    DeletionOrder { table: "air".into(), selection, who: "tester".into(), why: "a test".into() };
                self.opened().store.delete_rows(order).await.unwrap();
                self.rows.retain(|row| row.place.1 != *device);
                return false;
            }
            Step::Erase => {
                let opened = self.opened();
                while opened.store.erase_hidden(opened.air(), &options(), &Arc::default()).await.unwrap().is_some() {}
                opened.store.confirm_erased().await.unwrap();
                return false;
            }
            Step::Pass(seconds) => {
                self.folder.clock.wall_us.fetch_add(seconds * SECOND_US, Ordering::SeqCst);
                // A row that was far ahead may come near.
                return false;
            }
        }
        true
    }
}

async fn run(steps: &[Step]) {
    let mut world = World::new().await;
    let mut was_known = true;
    for step in steps {
        let must_stay = world.take(step).await;
        let is_known = world.check(step);
        assert!(is_known || !(must_stay && was_known), "known before, and not after {step:?}");
        was_known = is_known;
    }
    // In the end all is known, whatever has happened.
    for step in [Step::Erase, Step::Fill] {
        world.take(&step).await;
    }
    assert!(world.check(&Step::Fill), "nothing is hidden any more");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn windows_are_those_of_all_rows_through_any_order_late_rows_flushes_merges_deletions_and_kills(steps in steps()) {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap().block_on(run(&steps));
    }
}

fn row(time_us: i64) -> Row {
    Row { time_us, place: (false, false), owner: None, quality: 0, a: Some(1.5), d: Some(150), n: Some(3) }
}

#[tokio::test]
async fn a_pinned_view_keeps_its_windows_while_the_table_goes_on() {
    let mut world = World::new().await;
    world.append(1, &[row(0)]);
    let pinned = world.opened().air().view();
    world.append(1, &[row(0)]);
    world.opened().store.fold_windows(world.opened().air()).unwrap();
    world.opened().store.flush_all().await.unwrap();
    let (span, _) = world.spans()[1];
    let locations = world.opened().store.registry().locations();
    let count = |view: &zonelake_storage::TableView| {
        let windows = view.live_windows(&locations, world.now_us(), span).unwrap().unwrap();
        windows.joined(span, None, |_| true).values().map(|bucket| bucket.rows.good).sum::<u64>()
    };
    assert_eq!((count(&pinned), count(&world.opened().air().view())), (1, 2));
}

#[tokio::test]
async fn a_clock_that_has_stepped_ahead_and_back_costs_a_scan_and_nothing_else() {
    let mut world = World::new().await;
    world.append(1, &[row(0)]);
    world.opened().store.flush_all().await.unwrap();
    let ahead = 86_400 * SECOND_US;
    world.folder.clock.wall_us.fetch_add(ahead, Ordering::SeqCst);
    world.append(1, &[row(0)]);
    world.opened().store.fold_windows(world.opened().air()).unwrap();
    assert!(world.check(&Step::Fold));
    world.folder.clock.wall_us.fetch_sub(ahead, Ordering::SeqCst);
    assert!(world.windows(world.spans()[1].0).is_none(), "what was dropped is not known");
    world.take(&Step::Fill).await;
    assert!(world.check(&Step::Fill), "the rows are there again");
}

#[tokio::test]
async fn windows_that_take_too_much_memory_reach_less_far_back_and_what_is_left_is_right() {
    let mut world = World::new().await;
    let table = Arc::clone(world.opened().air());
    // Places are not counted in bytes, so that there is a number of their own for them.
    world.append(1, &[row(0)]);
    world.opened().store.fold_windows(&table).unwrap();
    let view = table.view();
    assert_eq!(view.windows.state(), WindowsState::Complete);
    let bytes = view.windows.bytes();
    assert!((3 * 128..=3 * 128 + 200).contains(&bytes), "{bytes} bytes for a place with three fields in a second");
    for minute in 1..=3 {
        world.append(1, &[row(-minute * 60 * SECOND_US)]);
    }
    world.opened().store.fold_windows(&table).unwrap();
    assert_eq!(table.view().windows.bytes(), 4 * bytes, "a place in four seconds");
    let bounded = LiveWindows::clone(&table.view().windows).within(2 * bytes);
    assert_eq!(bounded.bytes(), 2 * bytes);
    let now_us = world.now_us();
    assert!(bounded.know(now_us - 60 * SECOND_US, now_us + SECOND_US));
    assert!(!bounded.know(now_us - 120 * SECOND_US, now_us + SECOND_US), "the oldest minutes are not known any more");
}
