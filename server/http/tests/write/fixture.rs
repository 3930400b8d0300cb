//! A real registry in a temporary folder and a table with every kind of field, for requests; a store with its shards'
//! threads, for what only they do.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, RecordBatch};
use tempfile::TempDir;
use tokio::sync::Semaphore;
use zonelake_http::write_routes;
use zonelake_ingest::{DecodeLimits, DecodedBatch, GatewayQuota, IngestMetrics, Pipeline, PipelineOptions, WriteState};
use zonelake_net::Authenticator;
use zonelake_registry::{RegisteredTable, Registry};
use zonelake_schemas::TableDef;
use zonelake_schemas::clock::{Clock, SystemClock};
use zonelake_schemas::reject::{REJECTED, rejected_table};
use zonelake_schemas::tables::builtin_tables;
use zonelake_storage::{Store, StoreArgs, StoreOptions};
use zonelake_wal::RealDisk;

/// 2025-01-01T00:00:00Z.
pub(crate) const NOW_US: i64 = 1_735_689_600_000_000;

/// A clock that stands still.
#[derive(Debug)]
pub(crate) struct StoppedClock;

impl Clock for StoppedClock {
    fn wall_us(&self) -> i64 {
        NOW_US
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

const TABLE: &str = include_str!("../../../../ingest/tests/fixture/table.toml");

pub(crate) struct Fixture {
    pub registry: Arc<Registry>,
    pub token: String,
    pub table: Arc<RegisteredTable>,
    pub other: Arc<RegisteredTable>,
    pub rejected: Arc<RegisteredTable>,
    folder: TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let registry = Registry::open(&folder.path().join("registry.sqlite"), Arc::new(StoppedClock)).unwrap();
        let token = registry.add_gateway("gw", "vung-ang").unwrap().token;
        let table = TableDef::from_toml(TABLE).unwrap();
        let other = TableDef::from_toml("name = \"other\"\n[[field]]\nname = \"v\"\ntype = \"double\"").unwrap();
        let tables = registry.register_tables(&[table, other, rejected_table()]).unwrap();
        let named = |name: &str| Arc::clone(tables.iter().find(|table| table.def.name == name).unwrap());
        Self {
            token,
            table: named("t"),
            other: named("other"),
            rejected: named(REJECTED),
            registry: Arc::new(registry),
            folder,
        }
    }

    /// The registry's file.
    pub(crate) fn registry_file(&self) -> PathBuf {
        self.folder.path().join("registry.sqlite")
    }

    /// The key of a device of the gateway's zone.
    pub(crate) fn key(&self, device: &str) -> Option<zonelake_schemas::DeviceKey> {
        let zone = self.registry.authenticate_gateway(&self.token).unwrap().zone;
        self.registry.device(zone, device)
    }

    /// A stored field's values as text, nulls as "-".
    pub(crate) fn stored(&self, decoded: &DecodedBatch, field: &str) -> Vec<String> {
        decoded.stored.as_ref().map_or_else(Vec::new, |batch| column_text(batch, field))
    }
}

/// A column's values as text, nulls as "-".
pub(crate) fn column_text(batch: &RecordBatch, column: &str) -> Vec<String> {
    let array = batch.column_by_name(column).unwrap();
    let text = |row| match array.is_null(row) {
        true => "-".to_owned(),
        false => arrow::util::display::array_value_to_string(array, row).unwrap(),
    };
    (0..array.len()).map(text).collect()
}

/// A folder that a store can be opened on again and again.
pub(crate) struct Setting {
    folder: TempDir,
    pub free_bytes_min: u64,
}

impl Setting {
    pub(crate) fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), free_bytes_min: 0 }
    }

    /// The data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) async fn start(&self) -> Running {
        let options = StoreOptions {
            folder: self.data(),
            node: "node-1".into(),
            shards: 2,
            segment_bytes: 8 << 20,
            flush_bytes_max: 64 << 20,
            flush_age_max: Duration::from_secs(3_600),
            live_bytes_max: 256 << 20,
            log_bytes_max: 256 << 20,
            free_bytes_min: self.free_bytes_min,
            parquet: Default::default(),
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let args = StoreArgs { options, declared: builtin_tables(), clock, disk: Arc::new(RealDisk) };
        let (store, shards, _) = Store::open(args).await.unwrap();
        let metrics = Arc::new(IngestMetrics::new(&mut prometheus_client::registry::Registry::default()));
        let options = PipelineOptions { buffered_bytes_max: 64 << 20, group_bytes_max: 4 << 20 };
        let pipeline = Arc::new(Pipeline::start(Arc::clone(&store), shards, &options, metrics).unwrap());
        Running { store, pipeline }
    }
}

/// A store with its shards' threads.
pub(crate) struct Running {
    store: Arc<Store>,
    pipeline: Arc<Pipeline>,
}

impl Running {
    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.store
    }

    pub(crate) fn pipeline(&self) -> &Arc<Pipeline> {
        &self.pipeline
    }

    pub(crate) fn token(&self, gateway: &str, zone: &str) -> String {
        self.store.registry().add_gateway(gateway, zone).unwrap().token
    }

    pub(crate) fn rows(&self, name: &str) -> usize {
        self.store.tables()[name].view().live_rows()
    }

    pub(crate) fn router(&self) -> axum::Router {
        let tables = self.store.tables().iter().map(|(name, table)| (name.clone(), Arc::clone(&table.registered)));
        let authenticator = Arc::new(Authenticator::new(Arc::clone(self.store.registry())));
        let state = WriteState {
            registry: Arc::clone(self.store.registry()),
            tables: Arc::new(tables.collect::<BTreeMap<_, _>>()),
            rejected: Arc::clone(&self.store.rejected().registered),
            sink: Arc::<Pipeline>::clone(&self.pipeline),
            clock: Arc::clone(self.store.clock()),
            limits: DecodeLimits::default(),
            body_budget: Arc::new(Semaphore::new(64 << 10)),
            gateway_quota: GatewayQuota::new(64 << 20, 1 << 20),
            decoders: Arc::clone(self.pipeline.decoders()),
        };
        write_routes(Arc::new(state), authenticator)
    }

    pub(crate) async fn shut_down(self) {
        self.pipeline.stop().await;
    }
}
