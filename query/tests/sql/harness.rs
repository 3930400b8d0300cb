//! What the tests read: a real registry, real Parquet files, and views that the test publishes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use arrow::array::{
    ArrayRef, BooleanArray, Decimal32Array, Decimal64Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, UInt8Array, UInt32Array,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use tempfile::TempDir;
use zonelake_parquet::{ChunkOrigins, MergeInput, ParquetOptions, SortInput, merge_files, write_sorted};
use zonelake_query::PinnedTable;
use zonelake_query::{Caller, QueryEngine, QueryError, QueryOptions};
use zonelake_query::{Pinned, QuerySource};
use zonelake_registry::{RegisteredTable, Registry};
use zonelake_schemas::clock::SystemClock;
use zonelake_schemas::{DeviceKey, GroupSequence, Lsn, OnRepeat, ShardId, ShardNumber, TableDef, TableSchemas};
use zonelake_storage::{Chunk, MergeEntry, ShardChunks, TableView};

/// A table with a field of each kind.
pub(crate) const PROBE: &str = r#"
name = "probe"
description = "Every kind of field."
[[field]]
name = "level"
type = "double"
unit = "m"
description = "As sent."
[[field]]
name = "temperature"
type = "double"
unit = "°C"
decimals = 2
min = -100.0
max = 1000.0
description = "Hundredths."
[[field]]
name = "volume"
type = "double"
decimals = 3
digits = 15
[[field]]
name = "pulses"
type = "bigint"
[[field]]
name = "is_open"
type = "boolean"
[[field]]
name = "note"
type = "text"
[[field]]
name = "seen"
type = "timestamp"
"#;

/// 2026-01-01T00:00:00Z.
pub(crate) const NEW_YEAR_US: i64 = 1_767_225_600_000_000;
/// An hour.
pub(crate) const HOUR_US: i64 = 3_600_000_000;

/// Tables of a test.
#[derive(Debug)]
pub(crate) struct Harness {
    dir: TempDir,
    registry: Arc<Registry>,
    store: Arc<LocalFileSystem>,
    tables: BTreeMap<String, HarnessTable>,
    /// The first password of the administrator.
    pub password: String,
}

#[derive(Debug)]
struct HarnessTable {
    registered: Arc<RegisteredTable>,
    view: Mutex<Arc<TableView>>,
}

impl Harness {
    /// Empty tables of these declarations.
    pub(crate) fn new(declared: &[TableDef]) -> Arc<Self> {
        Self::in_folder(tempfile::tempdir().unwrap(), declared)
    }

    /// Empty tables over a copy of this registry as it is now: the same roles, passwords and keys, devices and gateways.
    pub(crate) fn copied(&self, declared: &[TableDef]) -> Arc<Self> {
        let dir = tempfile::tempdir().unwrap();
        for file in ["registry.sqlite", "registry.sqlite-wal"] {
            let from = self.dir.path().join(file);
            if from.exists() {
                std::fs::copy(from, dir.path().join(file)).unwrap();
            }
        }
        Self::in_folder(dir, declared)
    }

    fn in_folder(dir: TempDir, declared: &[TableDef]) -> Arc<Self> {
        let registry = Registry::open(&dir.path().join("registry.sqlite"), Arc::new(SystemClock::default())).unwrap();
        // A copied registry has its administrator.
        let password = registry.ensure_admin().unwrap().unwrap_or_default();
        let registered = registry.register_tables(declared).unwrap();
        let tables = registered
            .into_iter()
            .map(|registered| (registered.def.name.clone(), HarnessTable { registered, view: Mutex::default() }));
        std::fs::create_dir(dir.path().join("tables")).unwrap();
        let store = Arc::new(LocalFileSystem::new_with_prefix(dir.path().join("tables")).unwrap());
        Arc::new(Self { registry: Arc::new(registry), store, tables: tables.collect(), password, dir })
    }

    /// The table `probe` and devices `d0`, `d1` … in the zone vung-ang.
    pub(crate) fn probe(devices: usize) -> (Arc<Self>, Vec<DeviceKey>) {
        let harness = Self::new(&[TableDef::from_toml(PROBE).unwrap()]);
        let names: Vec<String> = (0..devices).map(|device| format!("d{device}")).collect();
        let keys = harness.devices("vung-ang", &names);
        (harness, keys)
    }

    pub(crate) fn devices(&self, zone: &str, names: &[String]) -> Vec<DeviceKey> {
        let zone = self.registry.zone_by_code(zone).expect("a seeded zone").id;
        self.registry.register_devices(zone, &names.iter().map(String::as_str).collect::<Vec<_>>()).unwrap()
    }

    pub(crate) fn registry_arc(&self) -> &Arc<Registry> {
        &self.registry
    }

    pub(crate) fn schemas(&self, table: &str) -> &TableSchemas {
        &self.tables[table].registered.schemas
    }

    pub(crate) fn view(&self, table: &str) -> Arc<TableView> {
        Arc::clone(&self.tables[table].view.lock().unwrap())
    }

    pub(crate) fn publish(&self, table: &str, view: TableView) {
        *self.tables[table].view.lock().unwrap() = Arc::new(view);
    }

    /// Adds live rows, each batch a chunk.
    pub(crate) fn add_live(&self, table: &str, batches: Vec<RecordBatch>) {
        let mut view = TableView::clone(&self.view(table));
        let mut chunks =
            ShardChunks::clone(view.live.get(&ShardId(0)).map(Arc::as_ref).unwrap_or(&ShardChunks::default()));
        for rows in batches {
            let lsn = chunks.chunks().len() as u64 + 1;
            let chunk = Chunk::new(rows, (ShardId(0), ShardNumber(65_536)), Lsn(lsn), GroupSequence(lsn));
            chunks.push(&self.schemas(table).live, chunk).unwrap();
        }
        view.live.insert(ShardId(0), Arc::new(chunks));
        self.publish(table, view);
    }

    /// Adds live rows as a record of this sequence has them.
    pub(crate) fn add_record(&self, table: &str, shard: u16, sequence: u64, rows: RecordBatch) {
        let mut view = TableView::clone(&self.view(table));
        let mut chunks = view.live.get(&ShardId(shard)).map(|live| ShardChunks::clone(live)).unwrap_or_default();
        let of_node = ShardNumber(65_536 + u64::from(shard));
        let chunk = Chunk::new(rows, (ShardId(shard), of_node), Lsn(sequence), GroupSequence(sequence));
        chunks.push(&self.schemas(table).live, chunk).unwrap();
        view.live.insert(ShardId(shard), Arc::new(chunks));
        self.publish(table, view);
    }

    /// Merges files of a table by their positions, all of one date.
    pub(crate) async fn merge(&self, table: &str, positions: &[usize]) {
        let mut view = TableView::clone(&self.view(table));
        let of = &self.tables[table].registered;
        let files: Vec<_> = positions.iter().map(|position| Arc::clone(&view.files[*position])).collect();
        let input = MergeInput {
            schemas: Arc::new(of.schemas.clone()),
            files: files.clone(),
            dropped: None,
            changed: None,
            on_repeat: of.def.on_repeat,
            group_bytes_max: 1 << 20,
            is_stopping: Arc::default(),
        };
        let store: Arc<dyn ObjectStore> = Arc::clone(&self.store) as _;
        // Row groups of few rows, between which repeats may stand.
        let options = ParquetOptions { row_group_rows_max: 7, ..ParquetOptions::default() };
        let merged = merge_files(input, store, &Path::from(table), &options).await.unwrap();
        let kept = view.files.iter().filter(|file| !files.iter().any(|gone| gone.path == file.path)).cloned();
        view.files = Arc::new(kept.chain([Arc::new(merged)]).collect());
        self.publish(table, view);
    }

    /// Writes all live rows to files.
    pub(crate) async fn flush(&self, table: &str, options: &ParquetOptions) {
        let mut view = TableView::clone(&self.view(table));
        let chunks: Vec<_> = view.chunks().map(|chunk| chunk.rows.clone()).collect();
        let of = &self.tables[table].registered;
        // Tests of keep_all have files of before there were identities, too.
        let origins: Vec<_> = match of.def.on_repeat {
            OnRepeat::KeepAll => Vec::new(),
            _ => view.chunks().map(|chunk| ChunkOrigins::new(chunk.shard_number, chunk.origins.clone())).collect(),
        };
        let input = SortInput {
            schemas: &of.schemas,
            chunks: &chunks,
            origins: &origins,
            locations: &self.registry.locations(),
            on_repeat: of.def.on_repeat,
        };
        let store: Arc<dyn ObjectStore> = Arc::clone(&self.store) as _;
        let added = write_sorted(input, store, &Path::from(table), options).await.unwrap();
        let files = view.files.iter().cloned().chain(added.into_iter().map(Arc::new));
        view.set_files(Arc::new(files.collect()));
        view.live.clear();
        self.publish(table, view);
    }

    /// Where a file of a table is.
    pub(crate) fn table_path(&self, table: &str, file: &str) -> PathBuf {
        self.dir.path().join("tables").join(table).join(file)
    }

    pub(crate) fn options(&self) -> QueryOptions {
        QueryOptions { threads: 2, ..QueryOptions::new(self.spill_dir()) }
    }

    pub(crate) fn spill_dir(&self) -> PathBuf {
        self.dir.path().join("spill")
    }

    pub(crate) fn engine(self: &Arc<Self>) -> Arc<QueryEngine> {
        self.engine_with(self.options())
    }

    pub(crate) fn engine_with(self: &Arc<Self>, options: QueryOptions) -> Arc<QueryEngine> {
        Arc::new(QueryEngine::over(Arc::clone(self) as _, options).unwrap())
    }
}

impl QuerySource for Harness {
    fn pin(&self) -> Pinned {
        let tables = self.tables.iter().map(|(name, table)| PinnedTable {
            def: Arc::clone(&table.registered.def),
            schemas: table.registered.schemas.clone(),
            root: Path::from(name.as_str()),
            view: self.view(name),
        });
        let tables = tables.collect();
        Pinned { tables, locations: self.registry.locations() }
    }

    fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    fn object_store(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.store) as _
    }

    fn merges(&self) -> Vec<MergeEntry> {
        Vec::new()
    }
}

/// One row of `probe`.
#[derive(Debug, Clone)]
pub(crate) struct ProbeRow {
    pub time_us: i64,
    pub device: DeviceKey,
    pub quality: u8,
    pub backfill: bool,
    pub level: Option<f64>,
    pub temperature: Option<i32>,
    pub volume: Option<i64>,
    pub pulses: Option<i64>,
    pub is_open: Option<bool>,
    pub note: Option<String>,
    pub seen: Option<i64>,
}

impl ProbeRow {
    /// A row whose values follow from `n`, with nulls and the greatest and least values among them.
    pub(crate) fn numbered(n: i64, device: DeviceKey, time_us: i64) -> Self {
        let present = |every: i64| n % every != 0;
        Self {
            time_us,
            device,
            quality: (n % 5) as u8,
            backfill: n % 3 == 0,
            level: present(4).then_some(n as f64 * 0.1 - 7.0),
            temperature: present(5).then_some(match n % 97 {
                1 => 999_999_999,
                2 => -999_999_999,
                _ => (n * 37 % 20_001 - 10_000) as i32,
            }),
            volume: present(6).then_some(if n % 89 == 1 { 999_999_999_999_999 } else { n * 1_000_003 - 5 }),
            pulses: present(7).then_some(if n % 83 == 1 { i64::MAX } else { n * n - 50 }),
            is_open: present(8).then_some(n % 2 == 0),
            note: present(3).then(|| format!("note {n} {}", "of some length ".repeat((n % 4) as usize))),
            seen: present(9).then_some(time_us - n),
        }
    }
}

/// Rows of `probe` in the live schema, received a second after they were measured.
pub(crate) fn probe_batch(schemas: &TableSchemas, rows: &[ProbeRow]) -> RecordBatch {
    fn of<A: FromIterator<Option<V>>, V>(rows: &[ProbeRow], value: impl Fn(&ProbeRow) -> Option<V>) -> A {
        rows.iter().map(value).collect()
    }
    let times = |of: fn(&ProbeRow) -> i64| -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from_iter_values(rows.iter().map(of)).with_timezone("UTC"))
    };
    let columns: Vec<ArrayRef> = vec![
        times(|row| row.time_us),
        times(|row| row.time_us + 1_000_000),
        Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.device.0))),
        Arc::new(UInt8Array::from_iter_values(rows.iter().map(|row| row.quality))),
        Arc::new(of::<BooleanArray, _>(rows, |row| Some(row.backfill))),
        Arc::new(of::<Float64Array, _>(rows, |row| row.level)),
        Arc::new(of::<Decimal32Array, _>(rows, |row| row.temperature).with_precision_and_scale(9, 2).unwrap()),
        Arc::new(of::<Decimal64Array, _>(rows, |row| row.volume).with_precision_and_scale(15, 3).unwrap()),
        Arc::new(of::<Int64Array, _>(rows, |row| row.pulses)),
        Arc::new(of::<BooleanArray, _>(rows, |row| row.is_open)),
        Arc::new(of::<StringArray, _>(rows, |row| row.note.clone())),
        Arc::new(of::<TimestampMicrosecondArray, _>(rows, |row| row.seen).with_timezone("UTC")),
    ];
    RecordBatch::try_new(Arc::clone(&schemas.live), columns).unwrap()
}

pub(crate) fn caller() -> Caller {
    Caller { name: "admin".into() }
}

/// The answer to a statement, each row as its cells joined by ` | `.
pub(crate) async fn rows(engine: &QueryEngine, sql: &str) -> Result<Vec<String>, QueryError> {
    let batches = engine.execute(sql, &caller()).await?.collect().await?;
    Ok(batches.iter().flat_map(lines).collect())
}

/// The answer to a statement that has one.
pub(crate) async fn answer(engine: &QueryEngine, sql: &str) -> Vec<String> {
    rows(engine, sql).await.unwrap_or_else(|error| panic!("{sql}\n{error}"))
}

/// The rows of a batch, each as its cells joined by ` | `.
pub(crate) fn lines(batch: &RecordBatch) -> Vec<String> {
    cells(batch).iter().map(|row| row.join(" | ")).collect()
}

/// The rows of a batch, each as its cells.
pub(crate) fn cells(batch: &RecordBatch) -> Vec<Vec<String>> {
    let options = FormatOptions::default().with_null("NULL");
    let cells: Vec<_> =
        batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
    (0..batch.num_rows()).map(|row| cells.iter().map(|cell| cell.value(row).to_string()).collect()).collect()
}
