//! Rows, orders, a trail in memory, and what a statement would see.

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
use futures::future::BoxFuture;
use serde_json::Value;
use zonelake_schemas::DeviceKey;
use zonelake_schemas::audit::{AuditEntry, AuditError, AuditOutcome, AuditTrail, Audited, OrderId};
use zonelake_storage::{
    CompactionOptions, Corrected, CorrectedValue, CorrectionOrder, LastRowsState, LastValue, MergeControl, Rows,
    RuleError, Store,
};

use crate::made::{Folder, Opened, START_US, TWO_FIELDS, entry, read_file};

pub(super) const SECOND_US: i64 = 1_000_000;

/// What happens when an entry is begun, once.
pub(super) type Hook = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

/// Keeps entries in memory, those that were begun apart.
#[derive(Default)]
pub(super) struct Trail {
    pub(super) begun: Mutex<BTreeMap<u64, AuditEntry>>,
    pub(super) ended: Mutex<Vec<AuditEntry>>,
    pub(super) next: AtomicU64,
    pub(super) refuses: AtomicBool,
    pub(super) hook: Mutex<Option<Hook>>,
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
    pub(super) fn changes(&self) -> Vec<(AuditOutcome, Value, Value)> {
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

pub(super) fn time_text(time_us: i64) -> String {
    let column: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![time_us]).with_timezone("UTC"));
    array_value_to_string(&column, 0).unwrap()
}

/// A new value of a field of the row of a device so many seconds after the first instant.
pub(super) fn value(line: u64, device: Option<&str>, second: i64, field: &str, value: Option<&str>) -> CorrectedValue {
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

pub(super) fn order(values: Vec<CorrectedValue>) -> CorrectionOrder {
    let entry = AuditEntry::new("control", "", AuditOutcome::Unknown).of_role("admin").because("a wrong sensor");
    CorrectionOrder { values, all: false, dry_run: false, who: "tester".into(), entry }
}

/// Rows by device and second: both fields, and the identity where the row is in a file.
pub(super) type Seen = BTreeMap<(String, i64), Vec<(Option<i64>, Option<String>)>>;

/// What a statement would see now.
pub(super) fn seen(opened: &Opened) -> Seen {
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
pub(super) fn identities(opened: &Opened) -> Vec<[Option<i64>; 3]> {
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
pub(super) fn append(opened: &mut Opened, number: u64, rows: &[(Option<&str>, i64, i64, &str)]) {
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

pub(super) fn folder() -> Folder {
    Folder { declared: TWO_FIELDS, ..Folder::new() }
}

pub(super) fn options() -> CompactionOptions {
    CompactionOptions { files_max: 2, keep_removed: Duration::ZERO, ..CompactionOptions::default() }
}

pub(super) async fn merge(store: &Store) -> bool {
    let (options, skipped, is_stopping) = (options(), HashSet::new(), Arc::default());
    let control = MergeControl { options: &options, skipped: &skipped, is_stopping: &is_stopping };
    store.compact(&store.tables()["air"], control).await.unwrap().is_some()
}

pub(super) async fn correct(
    opened: &Opened,
    trail: &Trail,
    values: Vec<CorrectedValue>,
) -> Result<Corrected, RuleError> {
    opened.store.correct(&order(values), trail).await
}

/// The last value of field `a` of a device, once it is known.
pub(super) async fn last_a(opened: &Opened, device: &str) -> f64 {
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
