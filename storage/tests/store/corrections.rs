//! Corrected values are seen by everybody from one moment on, in memory and in files, through commits of unknown outcome and kills;
//! all else of the rows stays, and who, why and the old values are noted before anything is changed.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    UInt8Array, UInt32Array,
};
use arrow::datatypes::{Float64Type, Int64Type, TimestampMicrosecondType, UInt32Type};
use arrow::util::display::array_value_to_string;
use async_trait::async_trait;
use futures::future::BoxFuture;
use serde_json::Value;
use zonelake_objects::SyncedStore;
use zonelake_parquet::StatValue;
use zonelake_registry::Registry;
use zonelake_schemas::audit::{AuditEntry, AuditError, AuditOutcome, AuditTrail, Audited, OrderId};
use zonelake_schemas::clock::Clock;
use zonelake_schemas::{DeviceKey, TableDef};
use zonelake_storage::{
    CompactionOptions, Corrected, CorrectedValue, CorrectionOrder, DeletionOrder, LastRowsState, LastValue, LegalHold,
    MergeControl, Rows, RuleError, Selection, Store, StoreArgs, StoreOptions, StoreParts,
};
use zonelake_tablelog::{LogCommit, LogSnapshot, TableLog, TableLogError, delta_table};

use crate::made::{Folder, Opened, START_US, TWO_FIELDS, entry, read_file};

const SECOND_US: i64 = 1_000_000;

/// What happens when an entry is begun, once.
type Hook = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

/// Keeps entries in memory, those that were begun apart.
#[derive(Default)]
struct Trail {
    begun: Mutex<BTreeMap<u64, AuditEntry>>,
    ended: Mutex<Vec<AuditEntry>>,
    next: AtomicU64,
    refuses: AtomicBool,
    hook: Mutex<Option<Hook>>,
}

impl fmt::Debug for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trail").finish_non_exhaustive()
    }
}

impl AuditTrail for Trail {
    fn note(&self, _entry: AuditEntry) {}

    fn record(&self, entry: AuditEntry) -> Audited<'_, ()> {
        self.ended.lock().unwrap().push(entry);
        Box::pin(async { Ok(()) })
    }

    fn begin(&self, entry: AuditEntry) -> Audited<'_, OrderId> {
        let hook = self.hook.lock().unwrap().take();
        Box::pin(async move {
            if let Some(hook) = hook {
                hook().await;
            }
            if self.refuses.load(Ordering::SeqCst) {
                return Err(AuditError("a fault was injected".into()));
            }
            let id = self.next.fetch_add(1, Ordering::SeqCst);
            self.begun.lock().unwrap().insert(id, entry);
            Ok(OrderId(id))
        })
    }

    fn end(&self, order: OrderId, entry: AuditEntry) -> Audited<'_, ()> {
        self.begun.lock().unwrap().remove(&order.0).expect("it was begun");
        self.record(entry)
    }
}

impl Trail {
    /// Outcome, old and new value of each change that was recorded, by the old value.
    fn changes(&self) -> Vec<(AuditOutcome, Value, Value)> {
        let ended = self.ended.lock().unwrap();
        let told = ended.iter().flat_map(|entry| {
            let detail: Value = serde_json::from_str(entry.detail.as_ref().unwrap()).unwrap();
            let values = detail["values"].as_array().unwrap().clone();
            values.into_iter().map(|value| (entry.outcome, value["old"].clone(), value["new"].clone()))
        });
        let mut told: Vec<_> = told.collect();
        told.sort_by_key(|change| change.1.to_string());
        told
    }
}

fn time_text(time_us: i64) -> String {
    let column: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![time_us]).with_timezone("UTC"));
    array_value_to_string(&column, 0).unwrap()
}

/// A new value of a field of the row of a device so many seconds after the first instant.
fn value(line: u64, device: Option<&str>, second: i64, field: &str, value: Option<&str>) -> CorrectedValue {
    CorrectedValue {
        line,
        table: "air".into(),
        province: None,
        zone: Some("vung-ang".into()),
        device: device.map(Into::into),
        time: time_text(START_US + second * SECOND_US),
        field: field.into(),
        value: value.map(Into::into),
    }
}

fn order(values: Vec<CorrectedValue>) -> CorrectionOrder {
    let entry = AuditEntry::new("control", "", AuditOutcome::Unknown).of_role("admin").because("a wrong sensor");
    CorrectionOrder { values, all: false, dry_run: false, who: "tester".into(), entry }
}

/// Rows by device and second: both fields, and the identity where the row is in a file.
type Seen = BTreeMap<(String, i64), Vec<(Option<i64>, Option<String>)>>;

/// What a statement would see now.
fn seen(opened: &Opened) -> Seen {
    let (table, locations) = (opened.air(), opened.store.registry().locations());
    let view = table.view();
    let mut seen = Seen::new();
    let mut take = |rows: &RecordBatch, devices: Vec<Option<String>>, hides: &dyn Fn(Option<&str>, i64) -> bool| {
        let times = rows.column_by_name("time").unwrap().as_primitive::<TimestampMicrosecondType>();
        let a = rows.column_by_name("a").unwrap().as_primitive::<Float64Type>();
        let b = rows.column_by_name("b").unwrap().as_string::<i32>();
        for (row, device) in devices.into_iter().enumerate() {
            if hides(device.as_deref(), times.value(row)) {
                continue;
            }
            let key = (device.unwrap_or_default(), (times.value(row) - START_US) / SECOND_US);
            let fields =
                (a.is_valid(row).then(|| a.value(row) as i64), b.is_valid(row).then(|| b.value(row).to_owned()));
            seen.entry(key).or_default().push(fields);
        }
    };
    for file in view.files.iter() {
        let hidden = view.hidden.in_file(file).unwrap_or_default();
        for rows in read_file(table, &file.path) {
            let devices = rows.column_by_name("device").unwrap().as_string::<i32>();
            let devices: Vec<_> = devices.iter().map(|device| device.map(str::to_owned)).collect();
            take(&rows, devices, &|device, time| hidden.hides(Some("vung-ang"), device, time));
        }
    }
    for chunk in view.chunks() {
        let keys = chunk.rows.column_by_name("device_key").unwrap().as_primitive::<UInt32Type>();
        let name = |key: &u32| locations.get(DeviceKey(*key)).unwrap().device.as_ref().map(ToString::to_string);
        take(&chunk.rows, keys.values().iter().map(name).collect(), &|_, _| false);
    }
    seen.values_mut().for_each(|rows| rows.sort());
    seen
}

/// The identity of each row in files.
fn identities(opened: &Opened) -> Vec<[Option<i64>; 3]> {
    let mut all = Vec::new();
    for file in opened.air().view().files.iter() {
        for rows in read_file(opened.air(), &file.path) {
            let column = |name: &str| {
                let column =
                    arrow::compute::cast(rows.column_by_name(name).unwrap(), &arrow::datatypes::DataType::Int64);
                column.unwrap().as_primitive::<Int64Type>().iter().collect::<Vec<_>>()
            };
            let [lsn, row, sequence] = ["_lsn", "_row", "_sequence"].map(column);
            all.extend((0..rows.num_rows()).map(|at| [lsn[at], row[at], sequence[at]]));
        }
    }
    all.sort_unstable();
    all
}

/// Appends rows as one batch: device, second, and the two fields. Batches are numbered from 1.
fn append(opened: &mut Opened, number: u64, rows: &[(Option<&str>, i64, i64, &str)]) {
    let zone = opened.store.registry().zone_by_code("vung-ang").unwrap().id;
    let key = |device: &Option<&str>| match device {
        Some(name) => opened.store.registry().register_devices(zone, &[name]).unwrap()[0].0,
        None => 1,
    };
    let keys: Vec<u32> = rows.iter().map(|row| key(&row.0)).collect();
    let times = rows.iter().map(|row| START_US + row.1 * SECOND_US);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC")),
        Arc::new(UInt32Array::from(keys)),
        Arc::new(UInt8Array::from_value(0, rows.len())),
        Arc::new(BooleanArray::from(vec![false; rows.len()])),
        Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.2 as f64))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.3))),
    ];
    let schema = Arc::clone(&opened.air().registered.schemas.log);
    let mut entry = entry(opened.air(), 1, number, &[number as f64]);
    entry.stored = Some(Rows::new(RecordBatch::try_new(schema, columns).unwrap()).unwrap());
    opened.shards[0].append(&[entry]).unwrap();
}

fn folder() -> Folder {
    Folder { declared: TWO_FIELDS, ..Folder::new() }
}

fn options() -> CompactionOptions {
    CompactionOptions { files_max: 2, keep_removed: Duration::ZERO, ..CompactionOptions::default() }
}

async fn merge(store: &Store) -> bool {
    let (options, skipped, is_stopping) = (options(), HashSet::new(), Arc::default());
    let control = MergeControl { options: &options, skipped: &skipped, is_stopping: &is_stopping };
    store.compact(&store.tables()["air"], control).await.unwrap().is_some()
}

async fn correct(opened: &Opened, trail: &Trail, values: Vec<CorrectedValue>) -> Result<Corrected, RuleError> {
    opened.store.correct(&order(values), trail).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn corrected_values_are_seen_at_once_in_files_and_in_memory_and_nothing_else_of_the_rows_changes() {
    let folder = folder();
    let mut opened = folder.open().await;
    let trail = Trail::default();
    append(&mut opened, 1, &[(Some("pump"), 0, 100, "x"), (Some("fan"), 0, 2, "x"), (None, 0, 3, "x")]);
    opened.store.flush_all().await.unwrap();
    append(&mut opened, 2, &[(Some("pump"), 86_400, 4, "y"), (Some("pump"), 1, 5, "y")]);
    let mut expected = seen(&opened);
    let values = vec![
        value(2, Some("pump"), 0, "a", Some("7")),
        value(3, Some("pump"), 86_400, "b", None),
        value(4, None, 0, "b", Some("zone")),
        value(5, Some("fan"), 0, "a", Some("2")),
    ];
    let tries = CorrectionOrder { dry_run: true, ..order(values.clone()) };
    let would = opened.store.correct(&tries, &trail).await.unwrap();
    assert_eq!(would, Corrected { values: 4, changed: 3, rows: 3, files: 2 });
    assert_eq!(seen(&opened), expected, "nothing has changed yet");
    assert!(trail.ended.lock().unwrap().is_empty());
    let before = identities(&opened);

    assert_eq!(correct(&opened, &trail, values.clone()).await.unwrap(), would);
    expected.insert(("pump".into(), 0), vec![(Some(7), Some("x".into()))]);
    expected.insert(("pump".into(), 86_400), vec![(Some(4), None)]);
    expected.insert((String::new(), 0), vec![(Some(3), Some("zone".into()))]);
    assert_eq!(seen(&opened), expected);
    assert_eq!(identities(&opened), before, "rows are those that they were");
    let greatest = opened
        .air()
        .view()
        .files
        .iter()
        .filter_map(|file| file.stats["a"].max.clone())
        .fold(0.0, |all, max| if let StatValue::Double(max) = max { f64::max(all, max) } else { all });
    assert_eq!(greatest, 7.0, "statistics are of the new values");
    let allowed = |old: Value, new: Value| (AuditOutcome::Allowed, old, new);
    let noted = vec![
        allowed("100.0".into(), "7.0".into()),
        allowed("x".into(), "zone".into()),
        allowed("y".into(), Value::Null),
    ];
    assert_eq!(trail.changes(), noted);

    let files = opened.air().view().files.clone();
    let again = correct(&opened, &trail, values).await.unwrap();
    assert_eq!(again, Corrected { values: 4, changed: 0, rows: 0, files: 0 });
    assert_eq!(opened.air().view().files, files, "the same order once more writes nothing");
    assert_eq!(trail.changes(), noted);
    append(&mut opened, 3, &[(Some("fan"), 5, 6, "z")]);
    opened.store.flush_all().await.unwrap();
    while merge(&opened.store).await {}
    expected.insert(("fan".into(), 5), vec![(Some(6), Some("z".into()))]);
    assert_eq!(seen(&opened), expected);
    drop(opened);
    let opened = folder.open().await;
    assert_eq!(seen(&opened), expected, "also after a restart");
    opened.store.delete_retired(opened.air(), &options()).await;
    assert_eq!(seen(&opened), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_that_are_wrong_are_named_and_then_nothing_is_changed() {
    let folder = folder();
    let mut opened = folder.open().await;
    let trail = Trail::default();
    append(&mut opened, 1, &[(Some("pump"), 0, 1, "x"), (Some("fan"), 0, 2, "x"), (Some("fan"), 0, 3, "x")]);
    append(&mut opened, 2, &[(Some("held"), 0, 4, "x")]);
    let selection = Selection { device: Some("held".into()), ..Selection::default() };
    let hold = LegalHold { name: "case".into(), selection, who: "w".into(), why: "y".into(), at_us: 0 };
    opened.store.add_legal_hold(hold).unwrap();
    let before = seen(&opened);
    let good = || value(2, Some("pump"), 0, "a", Some("9"));
    let of_table = |table: &str| CorrectedValue { table: table.into(), ..value(3, Some("pump"), 0, "a", Some("1")) };
    let timed = |time: &str| CorrectedValue { time: time.into(), ..value(3, Some("pump"), 0, "a", Some("1")) };
    let in_province =
        |province: &str| CorrectedValue { province: Some(province.into()), ..value(3, Some("pump"), 0, "b", None) };
    for (wrong, words) in [
        (value(3, Some("pump"), 1, "a", Some("1")), "line 3: there is no such row"),
        (value(3, Some("nobody"), 0, "a", Some("1")), "line 3: there is no such row"),
        (value(3, None, 0, "a", Some("1")), "line 3: there is no such row"),
        (in_province("elsewhere"), "line 3: there is no such row"),
        (value(3, Some("fan"), 0, "a", Some("1")), "line 3: 2 rows are of this zone, device and time"),
        (value(3, Some("pump"), 0, "c", Some("1")), "line 3: table air has no field \"c\""),
        (value(3, Some("pump"), 0, "zone", Some("1")), "line 3: table air has no field \"zone\""),
        (value(3, Some("pump"), 0, "a", Some("much")), "line 3: field a of table air: \"much\" is no number"),
        (value(3, Some("held"), 0, "a", Some("1")), "line 3: the row is under the legal hold case"),
        (value(3, Some("pump"), 0, "a", Some("1")), "line 3: line 2 is about the same field of the same row"),
        (of_table("water"), "line 3: there is no table \"water\""),
        (of_table("audit"), "line 3: rows of table audit are written by the server"),
        (of_table("rejected"), "line 3: rows of table rejected are written by the server"),
        (timed("2026-01-01T00:00:00"), "is no instant with its offset"),
    ] {
        let error = correct(&opened, &trail, vec![good(), wrong]).await.unwrap_err();
        assert!(matches!(error, RuleError::Input(_)), "{error}");
        assert!(error.to_string().contains(words), "{words}: {error}");
        assert_eq!(seen(&opened), before, "{words}");
    }
    assert!(matches!(correct(&opened, &trail, Vec::new()).await, Err(RuleError::Input(_))));
    let many = (1..30).map(|second| value(second as u64, Some("pump"), second, "a", None)).collect();
    let error = correct(&opened, &trail, many).await.unwrap_err().to_string();
    assert!(error.contains("line 20:") && !error.contains("line 21:") && error.ends_with("and 9 more"), "{error}");
    assert!(trail.ended.lock().unwrap().is_empty());
    // Several rows, where that is meant.
    let all = CorrectionOrder { all: true, ..order(vec![value(2, Some("fan"), 0, "a", Some("5"))]) };
    let done = opened.store.correct(&all, &trail).await.unwrap();
    assert_eq!((done.changed, done.rows), (1, 2));
    let x = || Some("x".to_owned());
    assert_eq!(seen(&opened)[&("fan".to_owned(), 0)], [(Some(5), x()), (Some(5), x())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_entry_of_the_old_values_nothing_is_changed() {
    let folder = folder();
    let mut opened = folder.open().await;
    append(&mut opened, 1, &[(Some("pump"), 0, 1, "x")]);
    let (before, trail) = (seen(&opened), Trail::default());
    trail.refuses.store(true, Ordering::SeqCst);
    let refused = correct(&opened, &trail, vec![value(2, Some("pump"), 0, "a", Some("9"))]).await;
    assert!(matches!(refused, Err(RuleError::Audit(_))));
    trail.refuses.store(false, Ordering::SeqCst);
    let long = "x".repeat(9_000);
    let refused = correct(&opened, &trail, vec![value(2, Some("pump"), 0, "b", Some(&long))]).await.unwrap_err();
    assert!(refused.to_string().contains("too long"), "{refused}");
    assert_eq!(seen(&opened), before);
    assert!(trail.begun.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merge_in_between_and_deleted_rows_in_the_same_file_do_no_harm() {
    let folder = folder();
    let mut opened = folder.open().await;
    for number in 1..=4 {
        let second = number as i64;
        append(&mut opened, number, &[(Some("pump"), second, second, "x"), (Some("gone"), second, 9, "x")]);
        opened.store.flush_all().await.unwrap();
    }
    let trail = Trail::default();
    let store = Arc::clone(&opened.store);
    let merging: Hook = Box::new(move || Box::pin(async move { assert!(merge(&store).await, "files have changed") }));
    *trail.hook.lock().unwrap() = Some(merging);
    let done = correct(&opened, &trail, vec![value(2, Some("pump"), 1, "a", Some("50"))]).await.unwrap();
    assert_eq!((done.changed, done.rows, done.files), (1, 1, 1));
    assert_eq!(seen(&opened)[&("pump".to_owned(), 1)], [(Some(50), Some("x".to_owned()))]);
    assert_eq!(trail.changes(), [(AuditOutcome::Allowed, "1.0".into(), "50.0".into())], "noted once");

    let selection = Selection { device: Some("gone".into()), ..Selection::default() };
    let deletion = DeletionOrder { table: "air".into(), selection, who: "w".into(), why: "y".into() };
    opened.store.delete_rows(deletion).await.unwrap();
    let gone = correct(&opened, &trail, vec![value(2, Some("gone"), 1, "a", Some("1"))]).await.unwrap_err();
    assert!(gone.to_string().contains("there is no such row"), "{gone}");
    correct(&opened, &trail, vec![value(2, Some("pump"), 2, "a", Some("60"))]).await.unwrap();
    let expected: Seen = [50, 60, 3, 4]
        .into_iter()
        .zip(1..)
        .map(|(a, second)| (("pump".to_owned(), second), vec![(Some(a), Some("x".to_owned()))]))
        .collect();
    assert_eq!(seen(&opened), expected, "the file in the place of the one with deleted rows has none of them");
    drop(opened);
    let opened = folder.open().await;
    assert_eq!(seen(&opened), expected);
    while opened.store.erase_hidden(opened.air(), &options(), &Arc::default()).await.unwrap().is_some() {}
    assert!(opened.store.ledger().deletions[0].pending.is_empty());
    assert_eq!(seen(&opened), expected);
}

/// The last value of field `a` of a device, once it is known.
async fn last_a(opened: &Opened, device: &str) -> f64 {
    if opened.air().view().last.state() == LastRowsState::Filling {
        opened.store.fill_last_rows(opened.air()).await.unwrap();
    }
    let zone = opened.store.registry().zone_by_code("vung-ang").unwrap().id;
    let key = opened.store.registry().register_devices(zone, &[device]).unwrap()[0];
    let last = opened.air().view().last_rows().unwrap().expect("they are known");
    match last.device(key).unwrap().field(0).unwrap().value {
        LastValue::Bits(bits) => f64::from_bits(bits),
        LastValue::Text(_) => panic!("a is a number"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_row_of_a_device_has_its_corrected_value_also_after_a_kill_though_as_many_rows_are_there_as_before() {
    let folder = folder();
    let mut opened = folder.open().await;
    append(&mut opened, 1, &[(Some("pump"), 0, 1, "x")]);
    opened.store.flush_all().await.unwrap();
    assert_eq!(last_a(&opened, "pump").await, 1.0);
    correct(&opened, &Trail::default(), vec![value(2, Some("pump"), 0, "a", Some("2"))]).await.unwrap();
    let known = opened.air().view().last_rows().unwrap();
    assert!(known.is_none(), "statements read the rows until the last ones are known again");
    // Killed before they are.
    drop(opened);
    let opened = folder.open().await;
    assert_eq!(last_a(&opened, "pump").await, 2.0);
    drop(opened);
    let opened = folder.open().await;
    assert_eq!(last_a(&opened, "pump").await, 2.0, "by the checkpoint that was written then");
}

/// What goes wrong with a commit or a look at the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The commit has not landed.
    Lost,
    /// The commit has landed and is reported as failed.
    Landed,
    /// The log cannot be read.
    Unread,
}

#[derive(Debug)]
struct FaultyLog {
    inner: Box<dyn TableLog>,
    faults: Arc<Mutex<Vec<Fault>>>,
}

impl FaultyLog {
    fn meets(&self, of: &[Fault]) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap();
        let is_next = faults.first().is_some_and(|fault| of.contains(fault));
        is_next.then(|| faults.remove(0))
    }
}

fn failed() -> TableLogError {
    TableLogError::Store { table: "air".into(), source: "a fault was injected".into() }
}

#[async_trait]
impl TableLog for FaultyLog {
    async fn open(&self, table: &TableDef) -> Result<LogSnapshot, TableLogError> {
        self.inner.open(table).await
    }

    async fn load(&self) -> Result<LogSnapshot, TableLogError> {
        if self.meets(&[Fault::Unread]).is_some() { Err(failed()) } else { self.inner.load().await }
    }

    async fn commit(&self, commit: LogCommit) -> Result<i64, TableLogError> {
        let fault = self.meets(&[Fault::Lost, Fault::Landed]);
        if fault != Some(Fault::Lost) {
            let version = self.inner.commit(commit).await?;
            if fault.is_none() {
                return Ok(version);
            }
        }
        Err(failed())
    }
}

/// Opens the folder with faults in the log of its table.
async fn open_with_faults(folder: &Folder, faults: &Arc<Mutex<Vec<Fault>>>) -> Opened {
    let options = StoreOptions {
        folder: folder.data(),
        node: folder.node.into(),
        shards: 1,
        segment_bytes: 1 << 20,
        flush_bytes_max: 1 << 20,
        flush_age_max: Duration::from_secs(60),
        live_bytes_max: 4 << 20,
        log_bytes_max: 8 << 20,
        free_bytes_min: 0,
        parquet: zonelake_parquet::ParquetOptions::default(),
    };
    let clock: Arc<dyn Clock> = Arc::clone(&folder.clock) as _;
    let synced = SyncedStore::new(&folder.data().join("tables")).unwrap();
    let (tables_root, tables_url) = (synced.root().clone(), synced.url().clone());
    let object_store: Arc<dyn object_store::ObjectStore> = Arc::new(synced);
    let (below, of_log, faults) = (Arc::clone(&object_store), Arc::clone(&clock), Arc::clone(faults));
    let table_log = move |name: &str| {
        let url = tables_url.join(&format!("{name}/")).unwrap();
        let inner = Box::new(delta_table(Arc::clone(&below), &url, Arc::clone(&of_log))?);
        let is_air = name == "air";
        let log = FaultyLog { inner, faults: if is_air { Arc::clone(&faults) } else { Arc::default() } };
        Ok(Box::new(log) as Box<dyn TableLog>)
    };
    let parts = StoreParts {
        registry: Arc::new(Registry::open(&folder.data().join("registry.sqlite"), Arc::clone(&clock)).unwrap()),
        object_store,
        url: url::Url::parse("file:///").unwrap(),
        tables_root,
        table_log: Box::new(table_log),
        lock: None,
    };
    let declared = vec![TableDef::from_toml(folder.declared).unwrap()];
    let args = StoreArgs { options, declared, clock, disk: Arc::clone(&folder.disk) };
    let (store, shards, recovered) = Store::open_on(args, parts).await.unwrap();
    Opened { store, shards, recovered }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_is_reported_as_failed_is_a_correction_as_a_whole_or_none_whatever_follows() {
    use Fault::{Landed, Lost, Unread};

    for (faults, is_done, has_landed, outcome) in [
        (&[Lost][..], false, false, AuditOutcome::Unknown),
        (&[Landed], true, true, AuditOutcome::Allowed),
        (&[Lost, Unread], false, false, AuditOutcome::Unknown),
        (&[Landed, Unread], false, true, AuditOutcome::Unknown),
    ] {
        for is_killed in [false, true] {
            let folder = folder();
            // Registers the gateways.
            drop(folder.open().await);
            let armed = Arc::default();
            let mut opened = open_with_faults(&folder, &armed).await;
            append(&mut opened, 1, &[(Some("pump"), 0, 1, "x"), (Some("pump"), 86_400, 2, "x")]);
            opened.store.flush_all().await.unwrap();
            assert_eq!(last_a(&opened, "pump").await, 2.0);
            let before = seen(&opened);
            let x = || Some("x".to_owned());
            let after: Seen =
                [(("pump".to_owned(), 0), vec![(Some(10), x())]), (("pump".to_owned(), 86_400), vec![(Some(20), x())])]
                    .into();
            let values =
                vec![value(2, Some("pump"), 0, "a", Some("10")), value(3, Some("pump"), 86_400, "a", Some("20"))];
            let trail = Trail::default();
            *armed.lock().unwrap() = faults.to_vec();
            let done = correct(&opened, &trail, values.clone()).await;
            assert_eq!(done.is_ok(), is_done, "{faults:?}");
            assert!(trail.changes().iter().all(|change| change.0 == outcome), "{faults:?}");
            assert_eq!(trail.changes().len(), 2);
            if is_killed {
                drop(opened);
                opened = open_with_faults(&folder, &armed).await;
            } else {
                // The next commit finds out.
                append(&mut opened, 2, &[(Some("fan"), 7, 7, "x")]);
                opened.store.flush_all().await.unwrap();
            }
            let expected = if has_landed { &after } else { &before };
            let mut found = seen(&opened);
            found.remove(&("fan".to_owned(), 7));
            assert_eq!(found, *expected, "{faults:?}, killed: {is_killed}");
            assert_eq!(last_a(&opened, "pump").await, if has_landed { 20.0 } else { 2.0 }, "{faults:?}, {is_killed}");
            let again = correct(&opened, &trail, values).await.unwrap();
            assert_eq!(again.changed, if has_landed { 0 } else { 2 });
            let mut found = seen(&opened);
            found.remove(&("fan".to_owned(), 7));
            assert_eq!(found, after);
            assert_eq!(last_a(&opened, "pump").await, 20.0);
        }
    }
}

#[test]
fn a_correction_that_is_cut_off_at_any_moment_is_there_as_a_whole_or_not_at_all() {
    // A runtime for each life of the store: its end waits for what was begun on the disk, as the kernel does for a process that is killed.
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let folder = folder();
    let mut now = runtime().block_on(async {
        let mut opened = folder.open().await;
        let rows: Vec<(Option<&str>, i64, i64, &str)> = (0..40).map(|n| (Some("pump"), n * 7_000, n, "x")).collect();
        append(&mut opened, 1, &rows);
        opened.store.flush_all().await.unwrap();
        assert!(opened.air().view().files.len() > 2, "one commit exchanges several files");
        seen(&opened)
    });
    for round in 0..25u64 {
        let new = 1_000 * (round as i64 + 1);
        let text = |n: i64| (new + n).to_string();
        let values = (0..40).map(|n| value(n as u64, Some("pump"), n * 7_000, "a", Some(&text(n)))).collect();
        let x = || Some("x".to_owned());
        let after: Seen = (0..40).map(|n| (("pump".to_owned(), n * 7_000), vec![(Some(new + n), x())])).collect();
        let order = order(values);
        // Cut off in its first steps, in the midst, or not at all: each is a moment that a kill may come at.
        let done = runtime().block_on(async {
            let (opened, trail) = (folder.open().await, Trail::default());
            let correction = opened.store.correct(&order, &trail);
            tokio::time::timeout(Duration::from_millis(round * 4), correction).await
        });
        let found = runtime().block_on(async { seen(&folder.open().await) });
        if let Ok(done) = done {
            assert_eq!(done.unwrap().changed, 40);
            assert_eq!(found, after, "what was answered is there");
        }
        assert!(found == after || found == now, "round {round}");
        now = found;
    }
    let again = vec![value(1, Some("pump"), 0, "a", Some("-1"))];
    let done = runtime().block_on(async { correct(&folder.open().await, &Trail::default(), again).await.unwrap() });
    assert_eq!(done.changed, 1);
}
