//! A store in a temporary folder, rows for it, and a clock that a test moves.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arrow::array::{
    ArrayRef, AsArray, BooleanArray, Float64Array, RecordBatch, TimestampMicrosecondArray, UInt8Array, UInt32Array,
};
use arrow::datatypes::{Float64Type, TimestampMicrosecondType};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tempfile::TempDir;
use zonelake_parquet::ParquetOptions;
use zonelake_registry::Registry;
use zonelake_schemas::clock::Clock;
use zonelake_schemas::{BatchNumber, Epoch, GatewayId, Lane, Principal, ProducerId, StreamKey, TableDef};
use zonelake_storage::{Entry, Recovered, Rows, SequencedBatch, Shard, Store, StoreArgs, StoreOptions, Table};
use zonelake_wal::{Disk, RealDisk};

/// A table of one double.
pub(crate) const ONE_FIELD: &str = "name = \"air\"\n[[field]]\nname = \"a\"\ntype = \"double\"\n";
/// The same with a second field.
pub(crate) const TWO_FIELDS: &str =
    "name = \"air\"\n[[field]]\nname = \"a\"\ntype = \"double\"\n[[field]]\nname = \"b\"\ntype = \"text\"\n";

/// First instant of the rows: 2026-01-01, µs.
pub(crate) const START_US: i64 = 1_767_225_600_000_000;

#[derive(Debug, Default)]
pub(crate) struct TestClock {
    pub wall_us: AtomicI64,
    pub monotonic_us: AtomicI64,
}

impl Clock for TestClock {
    fn wall_us(&self) -> i64 {
        self.wall_us.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.monotonic_us.load(Ordering::SeqCst).unsigned_abs())
    }
}

/// A folder on which stores are opened one after the other.
pub(crate) struct Folder {
    pub folder: TempDir,
    pub clock: Arc<TestClock>,
    pub node: &'static str,
    pub shards: u16,
    pub declared: &'static str,
    pub segment_bytes: u64,
    /// Disk below the logs.
    pub disk: Arc<dyn Disk>,
}

pub(crate) struct Opened {
    pub store: Arc<Store>,
    pub shards: Vec<Shard>,
    pub recovered: Recovered,
}

impl Folder {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(TestClock::default());
        clock.wall_us.store(START_US, Ordering::SeqCst);
        let folder = tempfile::tempdir().unwrap();
        Self {
            folder,
            clock,
            node: "node-1",
            shards: 1,
            declared: ONE_FIELD,
            segment_bytes: 1 << 20,
            disk: Arc::new(RealDisk),
        }
    }

    pub(crate) async fn open(&self) -> Opened {
        self.try_open().await.unwrap()
    }

    pub(crate) async fn try_open(&self) -> Result<Opened, zonelake_storage::OpenError> {
        let options = StoreOptions {
            folder: self.folder.path().join("data"),
            node: self.node.into(),
            shards: self.shards,
            segment_bytes: self.segment_bytes,
            flush_bytes_max: 1 << 20,
            flush_age_max: Duration::from_secs(60),
            live_bytes_max: 4 << 20,
            log_bytes_max: 8 << 20,
            free_bytes_min: 0,
            parquet: ParquetOptions::default(),
        };
        let declared = vec![TableDef::from_toml(self.declared).unwrap()];
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as _;
        let args = StoreArgs { options, declared, clock, disk: Arc::clone(&self.disk) };
        let (store, shards, recovered) = Store::open(args).await?;
        register(store.registry());
        Ok(Opened { store, shards, recovered })
    }

    pub(crate) fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }
}

/// Registers the gateways and producers 1 to 9 that tests send as, where that has not been done.
fn register(registry: &Registry) {
    if !registry.gateways().unwrap().is_empty() {
        return;
    }
    for gateway in 1..=3 {
        registry.add_gateway(&format!("g{gateway}"), "vung-ang").unwrap();
    }
    for producer in 1..=9 {
        let id = registry.producer(GatewayId(1), &format!("p{producer}")).unwrap();
        assert_eq!(id, ProducerId(producer));
    }
}

impl Opened {
    pub(crate) fn air(&self) -> &Arc<Table> {
        &self.store.tables()["air"]
    }

    /// Appends one sequenced batch of rows whose values are `values`.
    pub(crate) fn append(&mut self, producer: u32, number: u64, values: &[f64]) -> zonelake_storage::Outcome {
        let entry = entry(self.air(), producer, number, values);
        let shard = producer as usize % self.shards.len();
        self.shards[shard].append(&[entry]).unwrap()[0]
    }

    /// Every value of field `a` that a query would see now, with how often it is seen.
    pub(crate) fn values(&self) -> BTreeMap<i64, usize> {
        values(self.air())
    }
}

pub(crate) fn values(table: &Table) -> BTreeMap<i64, usize> {
    let mut seen = BTreeMap::new();
    let view = table.view();
    let mut count = |column: &ArrayRef| {
        for value in column.as_primitive::<Float64Type>().iter().flatten() {
            *seen.entry(value as i64).or_default() += 1;
        }
    };
    for chunk in view.chunks() {
        count(chunk.rows.column_by_name("a").unwrap());
    }
    for file in view.files.iter() {
        for rows in read_file(table, &file.path) {
            count(rows.column_by_name("a").unwrap());
        }
    }
    seen
}

pub(crate) fn read_file(table: &Table, path: &str) -> Vec<RecordBatch> {
    let path = Path::new("/").join(table.root().as_ref()).join(path);
    let file = std::fs::File::open(path).unwrap();
    ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap().map(Result::unwrap).collect()
}

/// Instants of a column, from live rows and files.
pub(crate) fn instants(table: &Table, column: &str) -> Vec<i64> {
    let view = table.view();
    let files = view.files.iter().flat_map(|file| read_file(table, &file.path));
    let live = view.chunks().map(|chunk| chunk.rows.clone());
    let mut all: Vec<i64> = live
        .chain(files)
        .flat_map(|rows| {
            rows.column_by_name(column).unwrap().as_primitive::<TimestampMicrosecondType>().values().to_vec()
        })
        .collect();
    all.sort_unstable();
    all
}

/// Rows in the log schema of a table, of one device.
pub(crate) fn log_rows(table: &Table, number: u64, values: &[f64], device_key: u32) -> RecordBatch {
    let n = values.len();
    let time = (0..n as i64).map(|i| START_US + number as i64 * 1_000_000 + i);
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampMicrosecondArray::from_iter_values(time).with_timezone("UTC")),
        Arc::new(UInt32Array::from_value(device_key, n)),
        Arc::new(UInt8Array::from_value(0, n)),
        Arc::new(BooleanArray::from(vec![false; n])),
        Arc::new(Float64Array::from(values.to_vec())),
    ];
    let schema = Arc::clone(&table.registered.schemas.log);
    for field in &schema.fields()[columns.len()..] {
        columns.push(arrow::array::new_null_array(field.data_type(), n));
    }
    RecordBatch::try_new(schema, columns).unwrap()
}

pub(crate) fn entry(table: &Arc<Table>, producer: u32, number: u64, values: &[f64]) -> Entry {
    let rows = log_rows(table, number, values, 1);
    let stream = StreamKey { table: table.registered.id, lane: Lane::Live };
    let digest = values.iter().map(|value| value.to_bits()).fold(0, u64::wrapping_add);
    Entry {
        sequenced: Some(SequencedBatch {
            producer: ProducerId(producer),
            epoch: Epoch(1),
            stream,
            number: BatchNumber(number),
            digest,
        }),
        principal: Principal::Gateway(GatewayId(1)),
        lane: Lane::Live,
        table: Arc::clone(table),
        stored: Some(Rows::new(rows).unwrap()),
        rejected: None,
    }
}

/// Each of these values exactly once.
pub(crate) fn once(values: impl IntoIterator<Item = i64>) -> BTreeMap<i64, usize> {
    values.into_iter().map(|value| (value, 1)).collect()
}
