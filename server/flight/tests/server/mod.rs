//! A store with its shards' threads behind a real listener, for calls over real connections.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tonic::transport::{Channel, Endpoint};
use zonelake_flight::flight_route;
use zonelake_ingest::{DecodeLimits, GatewayQuota, IngestMetrics, Pipeline, PipelineOptions, WriteState};
use zonelake_net::Authenticator;
use zonelake_query::QueryEngine;
use zonelake_registry::Registry;
use zonelake_schemas::TableDef;
use zonelake_schemas::clock::{Clock, SystemClock};
use zonelake_storage::{Store, StoreArgs, StoreOptions};
use zonelake_wal::RealDisk;

pub(crate) const BUDGET_KIB: usize = 64 << 10;

/// A new store in this folder, and the state of what writes to it.
pub(crate) async fn open(folder: &Path, declared: Vec<TableDef>, limits: DecodeLimits) -> (Arc<Store>, WriteState) {
    let options = StoreOptions {
        folder: folder.join("data"),
        node: "node-1".into(),
        shards: 1,
        segment_bytes: 8 << 20,
        flush_bytes_max: 64 << 20,
        flush_age_max: Duration::from_secs(3_600),
        live_bytes_max: 256 << 20,
        log_bytes_max: 256 << 20,
        free_bytes_min: 0,
        parquet: Default::default(),
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let args = StoreArgs { options, declared, clock, disk: Arc::new(RealDisk) };
    let (store, shards, _) = Store::open(args).await.unwrap();
    let metrics = Arc::new(IngestMetrics::new(&mut prometheus_client::registry::Registry::default()));
    let options = PipelineOptions { buffered_bytes_max: 64 << 20, group_bytes_max: 4 << 20 };
    let pipeline = Arc::new(Pipeline::start(Arc::clone(&store), shards, &options, metrics).unwrap());
    let tables = store.tables().iter().map(|(name, table)| (name.clone(), Arc::clone(&table.registered)));
    let write = WriteState {
        registry: Arc::clone(store.registry()),
        tables: Arc::new(tables.collect()),
        rejected: Arc::clone(&store.rejected().registered),
        decoders: Arc::clone(pipeline.decoders()),
        sink: pipeline,
        clock: Arc::clone(store.clock()),
        limits,
        body_budget: Arc::new(Semaphore::new(BUDGET_KIB)),
        gateway_quota: GatewayQuota::new(1024 * BUDGET_KIB as u64, 16 << 20),
    };
    (store, write)
}

/// Serves Flight SQL on a port of its own, for those whom this registry knows.
pub(crate) async fn serve(engine: Arc<QueryEngine>, write: Arc<WriteState>, registry: Arc<Registry>) -> SocketAddr {
    let routes = flight_route(engine, write, Arc::new(Authenticator::new(registry)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    address
}

pub(crate) async fn channel(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
}
