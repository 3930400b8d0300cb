//! The server: all parts made from the settings and connected. `serve` and `demo` run the same one.
//!
//! - [`tls`]: the certificates
//! - [`http`]: the HTTP door
//! - [`postgres`]: the door of PostgreSQL's clients
//! - [`gauges`]: what `/metrics` reads from the store

mod gauges;
mod http;
mod postgres;
mod tls;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry as Metrics;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use zonelake_flight::flight_route;
use zonelake_ingest::admission::AdmissionLimits;
use zonelake_ingest::flusher::Flusher;
use zonelake_ingest::metrics::IngestMetrics;
use zonelake_ingest::pipeline::{Pipeline, PipelineOptions};
use zonelake_ingest::server::{QuicOptions, QuicServer};
use zonelake_ingest::session::SessionOptions;
use zonelake_ingest::shares::GatewayShares;
use zonelake_ingest::{DecodeLimits, http_write};
use zonelake_parquet::ParquetOptions;
use zonelake_postgres::PostgresServer;
use zonelake_query::{QueryEngine, QueryOptions, http_sql};
use zonelake_registry::declared_tables;
use zonelake_schemas::clock::{Clock, SystemClock};
use zonelake_storage::{KeyLimits, Recovered, Store, StoreArgs, StoreOptions};
use zonelake_wal::RealDisk;

use self::http::{HttpArgs, HttpServer, Inside, inside_routes};
use self::postgres::start_postgres;
use self::tls::TlsFiles;
use crate::failure::Failure;
use crate::settings::Settings;

/// A running server.
pub(crate) struct Server {
    store: Arc<Store>,
    pipeline: Arc<Pipeline>,
    flusher: Flusher,
    quic: QuicServer,
    http: HttpServer,
    postgres: PostgresServer,
    refresher: tokio::task::JoinHandle<()>,
    /// What the start has to tell.
    pub started: Started,
}

/// What a start has to tell.
#[derive(Debug, Clone)]
pub(crate) struct Started {
    /// Password of the user `admin`, on the first start of a data folder.
    pub first_password: Option<String>,
    /// What recovery found.
    pub recovered: Recovered,
    /// Time that the start took.
    pub took: Duration,
    /// Address of the QUIC door.
    pub quic: SocketAddr,
    /// Address of the HTTP door.
    pub http: SocketAddr,
    /// Whether the HTTP door speaks TLS.
    pub http_has_tls: bool,
    /// Address of the PostgreSQL door.
    pub postgres: SocketAddr,
    /// Certificate that gateways are to trust.
    pub certificate: PathBuf,
}

impl Server {
    /// Opens the data folder, recovers it, and opens the doors.
    ///
    /// # Errors
    /// Where the folder is in use or damaged, a certificate is unusable, or an address is taken.
    pub(crate) async fn start(settings: &Settings) -> Result<Self, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        let began = clock.monotonic();
        let declared = match &settings.tables {
            Some(folder) => declared_tables(folder).map_err(|error| Failure::of_kind(error.kind(), error))?,
            None => zonelake_schemas::tables::builtin_tables(),
        };
        let args = StoreArgs {
            options: store_options(settings),
            declared,
            clock: Arc::clone(&clock),
            disk: Arc::new(RealDisk),
        };
        let (store, mut shards, recovered) =
            Store::open(args).await.map_err(|error| Failure::of_kind(error.kind(), error))?;
        let key_limits = KeyLimits {
            per_gateway_max: settings.http.idempotency_keys_max,
            age_max: Duration::from_secs(settings.http.idempotency_seconds),
        };
        shards.iter_mut().for_each(|shard| shard.limit_keys(key_limits));
        let registry = Arc::clone(store.registry());
        let first_password =
            tokio::task::spawn_blocking(move || registry.ensure_admin()).await.map_err(Failure::failed)?;
        let first_password = first_password.map_err(|error| Failure::of_kind(error.kind(), error))?;

        let mut metrics = Metrics::default();
        let counters = Arc::new(IngestMetrics::new(&mut metrics));
        let options = PipelineOptions {
            buffered_bytes_max: settings.ingest.buffered_bytes_max,
            group_bytes_max: settings.ingest.group_bytes_max,
        };
        let pipeline = Pipeline::start(Arc::clone(&store), shards, &options, counters).map_err(Failure::failed)?;
        let pipeline = Arc::new(pipeline);
        gauges::register(&mut metrics, &pipeline);
        let flusher = Flusher::start(Arc::clone(&pipeline)).map_err(Failure::failed)?;
        let engine = QueryEngine::new(Arc::clone(&store), query_options(settings)).map_err(Failure::failed)?;
        let engine = Arc::new(engine);

        let files = quic_certificate(settings)?;
        let quic_tls = files.server_config(&[]).map_err(Failure::input)?;
        let quic =
            QuicServer::start(quic_options(settings), quic_tls, Arc::clone(&pipeline)).map_err(Failure::failed)?;
        let postgres = start_postgres(settings, Arc::clone(&engine)).await?;
        gauges::register_postgres(&mut metrics, postgres.metrics());
        let inside = Inside {
            store: Arc::clone(&store),
            health: Arc::clone(pipeline.health()),
            metrics: Arc::new(metrics),
            password_check: Arc::default(),
        };
        let write = write_state(&pipeline, settings);
        let routes = inside_routes(inside)
            .merge(http_write::write_router(Arc::clone(&write)))
            .merge(flight_route(Arc::clone(&engine), write))
            .merge(http_sql::sql_routes(engine));
        let (http, http_has_tls) = start_http(settings, routes).await?;
        let started = Started {
            first_password,
            recovered,
            took: clock.monotonic().saturating_sub(began),
            quic: quic.address().map_err(Failure::failed)?,
            http: http.address(),
            http_has_tls,
            postgres: postgres.address(),
            certificate: files.certificate,
        };
        let refresher = tokio::spawn(refresh(Arc::clone(&store)));
        Ok(Self { store, pipeline, flusher, quic, http, postgres, refresher, started })
    }

    /// The store.
    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Closes the doors, finishes what was begun, flushes everything and ends. The next start has nothing to replay.
    ///
    /// # Errors
    /// Where the last flush fails; what was acknowledged is in the log then.
    pub(crate) async fn stop(self) -> Result<(), Failure> {
        self.refresher.abort();
        tokio::join!(self.quic.stop(PATIENCE), self.http.stop(PATIENCE), self.postgres.stop(PATIENCE));
        self.flusher.stop().await;
        let flushed = self.store.flush_all().await;
        self.pipeline.committed().await;
        self.pipeline.stop().await;
        // What the shards wrote while the first flush ran.
        let flushed = match flushed {
            Ok(_) => self.store.flush_all().await,
            Err(error) => Err(error),
        };
        flushed.map(drop).map_err(|error| {
            Failure::failed(format!("the last flush failed; what was acknowledged is in the log: {error}"))
        })
    }
}

/// Another process, as `zonelake gateway add`, may have changed the registry.
async fn refresh(store: Arc<Store>) {
    loop {
        tokio::time::sleep(REFRESH_EVERY).await;
        let registry = Arc::clone(store.registry());
        match tokio::task::spawn_blocking(move || registry.refresh()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!("the registry could not be looked at: {error}"),
            Err(error) => tracing::error!("the registry could not be looked at: {error}"),
        }
    }
}

fn store_options(settings: &Settings) -> StoreOptions {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let shards = match settings.ingest.shards {
        0 => u16::try_from((cores / 2).clamp(1, 8)).expect("at most 8"),
        shards => shards,
    };
    StoreOptions {
        folder: settings.data.clone(),
        node: settings.node.clone(),
        shards,
        segment_bytes: settings.wal.segment_bytes,
        flush_bytes_max: settings.flush.bytes_max,
        flush_age_max: Duration::from_secs(settings.flush.age_seconds),
        live_bytes_max: settings.flush.live_bytes_max,
        log_bytes_max: settings.wal.bytes_max,
        free_bytes_min: settings.storage.free_bytes_min,
        parquet: ParquetOptions {
            row_group_rows_max: settings.flush.row_group_rows_max,
            zstd_level: settings.flush.zstd_level,
            ..ParquetOptions::default()
        },
    }
}

fn query_options(settings: &Settings) -> QueryOptions {
    let query = &settings.query;
    let mut options = QueryOptions::new(settings.data.join("spill"));
    if query.threads > 0 {
        options.threads = query.threads;
    }
    options.memory_bytes_max = query.memory_bytes_max;
    options.spill_bytes_max = query.spill_bytes_max;
    options.time_limit = Duration::from_secs(query.time_seconds_max);
    options.running_max = query.running_max;
    options.waiting_max = query.waiting_max;
    options
}

fn decode_limits(settings: &Settings) -> DecodeLimits {
    DecodeLimits {
        frame_bytes_max: settings.quic.frame_bytes_max,
        decompressed_bytes_max: settings.ingest.decompressed_bytes_max,
        batch_rows_max: settings.ingest.batch_rows_max,
        batch_devices_max: settings.ingest.batch_devices_max,
        new_devices_per_hour_max: settings.ingest.new_devices_per_hour_max,
        body_timeout: Duration::from_secs(settings.http.body_seconds_max),
        future_us_max: i64::try_from(settings.ingest.future_seconds_max * 1_000_000).unwrap_or(i64::MAX),
        ..DecodeLimits::default()
    }
}

fn quic_options(settings: &Settings) -> QuicOptions {
    let quic = &settings.quic;
    QuicOptions {
        listen: quic.listen,
        admission: AdmissionLimits {
            connections_max: quic.connections_max,
            connections_per_address_max: quic.connections_per_address_max,
            handshakes_max: quic.handshakes_max,
            handshakes_per_second_max: quic.handshakes_per_second_max,
        },
        streams_per_connection_max: quic.streams_per_connection_max,
        receive_window_bytes: quic.receive_window_bytes,
        receive_windows_bytes_max: settings.ingest.buffered_bytes_max,
        idle_timeout: Duration::from_secs(quic.idle_seconds),
        session: SessionOptions {
            decode: decode_limits(settings),
            frame_bytes_max: quic.frame_bytes_max,
            unacked_bytes_max: quic.unacked_bytes_max,
            frame_timeout: Duration::from_secs(quic.frame_seconds_max),
        },
    }
}

fn quic_certificate(settings: &Settings) -> Result<TlsFiles, Failure> {
    match (&settings.quic.certificate, &settings.quic.key) {
        (Some(certificate), Some(key)) => Ok(TlsFiles { certificate: certificate.clone(), key: key.clone() }),
        _ => TlsFiles::made_in(&settings.data.join("tls"), &settings.quic.names).map_err(Failure::failed),
    }
}

fn write_state(pipeline: &Arc<Pipeline>, settings: &Settings) -> Arc<http_write::WriteState<Arc<Pipeline>>> {
    let store = pipeline.store();
    let limits = DecodeLimits { frame_bytes_max: settings.http.body_bytes_max, ..decode_limits(settings) };
    let tables = store.tables().iter().map(|(name, table)| (name.clone(), Arc::clone(&table.registered)));
    let budget_kib = settings.ingest.buffered_bytes_max.max(limits.frame_bytes_max as u64).div_ceil(1024);
    Arc::new(http_write::WriteState {
        registry: Arc::clone(store.registry()),
        tables: Arc::new(tables.collect()),
        rejected: Arc::clone(&store.rejected().registered),
        sink: Arc::clone(pipeline),
        clock: Arc::clone(store.clock()),
        shares: GatewayShares::new(budget_kib * 1024, limits.frame_bytes_max),
        limits,
        body_budget: Arc::new(Semaphore::new(usize::try_from(budget_kib).unwrap_or(Semaphore::MAX_PERMITS))),
    })
}

async fn start_http(settings: &Settings, routes: axum::Router) -> Result<(HttpServer, bool), Failure> {
    let http = &settings.http;
    let tls = match (&http.certificate, &http.key) {
        (Some(certificate), Some(key)) => {
            let files = TlsFiles { certificate: certificate.clone(), key: key.clone() };
            let config = files.server_config(&[b"h2", b"http/1.1"]).map_err(Failure::input)?;
            Some(TlsAcceptor::from(Arc::new(config)))
        }
        _ => None,
    };
    let has_tls = tls.is_some();
    let listener = TcpListener::bind(http.listen).await.map_err(|error| {
        Failure::failed(format!(
            "HTTP cannot listen on tcp {}: {error}; is another server running, or the address not of this machine?",
            http.listen
        ))
    })?;
    let server = HttpServer::start(HttpArgs {
        listener,
        tls,
        routes,
        connections_max: http.connections_max,
        connections_per_address_max: http.connections_per_address_max,
    })
    .map_err(Failure::failed)?;
    Ok((server, has_tls))
}

/// Time that open streams and requests have to end when the server stops.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the registry's file is looked at.
const REFRESH_EVERY: Duration = Duration::from_secs(1);
