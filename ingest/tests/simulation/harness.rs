//! Resources that all runs of a thread share: a registry on disk, whose own durability is SQLite's, with everything in
//! it that runs need, so that no run changes it.

use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use zonelake_ingest::IngestMetrics;
use zonelake_registry::{Gateway, Registry};
use zonelake_schemas::clock::Clock;
use zonelake_schemas::reject::rejected_table;
use zonelake_schemas::{NodeNumber, TableDef};

use crate::rng::START_US;

pub(crate) struct Harness {
    pub runtime: tokio::runtime::Runtime,
    pub registry: Arc<Registry>,
    pub gateway: Arc<Gateway>,
    pub declared: Vec<TableDef>,
    pub metrics: Arc<IngestMetrics>,
    _folder: TempDir,
}

#[derive(Debug)]
struct StoppedClock;

impl Clock for StoppedClock {
    fn wall_us(&self) -> i64 {
        START_US
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

impl Harness {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let registry = Registry::open(&folder.path().join("registry.sqlite"), Arc::new(StoppedClock)).unwrap();
        // Runs are alike only where none of them draws the number.
        registry.bind_node_number(NodeNumber(1)).unwrap();
        let gateway = registry.add_gateway("gw", "vung-ang").unwrap().gateway;
        for producer in 0..PRODUCERS {
            registry.producer(gateway.id, &format!("p{producer}")).unwrap();
        }
        registry.register_devices(gateway.zone, &DEVICES).unwrap();
        let table = |name: &str| {
            let fields = "[[field]]\nname = \"id\"\ntype = \"bigint\"\n[[field]]\nname = \"v\"\ntype = \"double\"\nmax = 100.0\n";
            TableDef::from_toml(&format!("name = \"{name}\"\n{fields}")).unwrap()
        };
        let declared: Vec<TableDef> = TABLES.into_iter().map(table).collect();
        let all: Vec<TableDef> = declared.iter().cloned().chain([rejected_table()]).collect();
        registry.register_tables(&all).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let metrics = Arc::new(IngestMetrics::new(&mut prometheus_client::registry::Registry::default()));
        Self { runtime, registry: Arc::new(registry), gateway, declared, metrics, _folder: folder }
    }
}

pub(crate) const PRODUCERS: usize = 4;
pub(crate) const TABLES: [&str; 2] = ["air", "pump"];
pub(crate) const DEVICES: [&str; 3] = ["d1", "d2", "d3"];
